"""
Made-up scenes, written the way each data set lies on disk.

A scene is a wall with a box that only the RGB camera tells from it (class 1) and a warm disc that
only the thermal camera does (class 2). For tests alone: no training is worth anything on it.
"""

import struct
import zlib

import cv2
import numpy as np

SIZE = (48, 64)
SPLITS = {
    'msrs': ('train', 'test'),
    'fmb': ('train', 'test'),
    'mfnet': ('train', 'test'),
    'pst900': ('train', 'test'),
    'm3fd': ('fusion', 'detection'),
    'roadscene': ('',),
    'tno': ('',),
    'llvip': ('train', 'test'),
    'kaist': ('train', 'test'),
    'pairs': ('train', 'val'),
}
# Folders of RGB, thermal and label images and the ending of their files, as docs/datasets.md has
# them; KAIST has many.
FOLDERS = {
    'msrs': ('{split}/vi', '{split}/ir', '{split}/Segmentation_labels', '.png'),
    'fmb': ('{split}/Visible', '{split}/Infrared', '{split}/Label', '.png'),
    'mfnet': ('images', '', 'labels', '.png'),
    'pst900': ('{split}/rgb', '{split}/thermal', '{split}/labels', '.png'),
    'm3fd': ('M3FD_{Split}/Vis', 'M3FD_{Split}/Ir', '', '.png'),
    'roadscene': ('crop_LR_visible', 'cropinfrared', '', '.jpg'),
    'tno': ('vi', 'ir', '', '.png'),
    'llvip': ('visible/{split}', 'infrared/{split}', '', '.jpg'),
    'pairs': ('{split}/rgb', '{split}/thermal', '{split}/labels', '.png'),
}
CLASSES_YAML = """\
classes:
  - {name: ground, colour: [0, 0, 0]}
  - {name: box, colour: [200, 60, 40]}
  - {name: disc, colour: [250, 220, 20]}
"""


def scene(seed, size=SIZE):
    """Return rgb (H, W, 3), thermal (H, W) and label (H, W) of a made-up scene, all uint8."""
    rng = np.random.default_rng(seed)
    height, width = size
    rgb = rng.integers(60, 90, (*size, 3), np.uint8)
    thermal = rng.integers(20, 40, size, np.uint8)
    label = np.zeros(size, np.uint8)
    x, y = int(rng.integers(2, width // 4)), int(rng.integers(2, height // 2))
    box = np.s_[y:y + height // 3, x:x + width // 4]
    rgb[box] = rgb[box] // 2 + np.array([90, 10, 0], np.uint8)
    label[box] = 1
    centre = int(rng.integers(width // 2 + 10, width - 10)), int(rng.integers(10, height - 10))
    cv2.circle(thermal, centre, height // 6, 220, -1)
    cv2.circle(label, centre, height // 6, 2, -1)
    return rgb, thermal, label


def save(path, image):
    """Write an image (three channels: red, green, blue), making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if image.ndim == 3:
        image = np.concatenate([image[..., 2::-1], image[..., 3:]], axis=2)
    assert cv2.imwrite(str(path), image)


def save_indexed(path, indices, palette, depth=8):
    """Write an indexed PNG of `depth` bits by hand: OpenCV cannot (PNG 1.2)."""
    height, width = indices.shape
    bits = np.unpackbits(indices[..., None], axis=2)[..., 8 - depth:].reshape(height, -1)
    rows = np.packbits(bits, axis=1)
    data = b''.join(b'\0' + row.tobytes() for row in rows)
    head = struct.pack('>IIBBBBB', width, height, depth, 3, 0, 0, 0)
    chunks = ((b'IHDR', head), (b'PLTE', np.uint8(palette).tobytes()),
              (b'IDAT', zlib.compress(data)), (b'IEND', b''))
    path.write_bytes(b'\x89PNG\r\n\x1a\n' + b''.join(
        struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))
        for kind, body in chunks))


def write_pairs(root, count=4, size=(96, 128), seed=0):
    """Write `count` made-up pairs with labels 0 (ground), 1 (box) and 2 (warm blob)."""
    rng = np.random.default_rng(seed)
    for part in ('vi', 'ir', 'label'):
        (root / part).mkdir(parents=True)
    for index in range(count):
        rgb = rng.integers(40, 120, (*size, 3), np.uint8)
        thermal = rng.integers(10, 30, size, np.uint8)
        label = np.zeros(size, np.uint8)
        x, y = (int(v) for v in rng.integers(20, 70, 2))
        cv2.rectangle(rgb, (x, y), (x + 30, y + 20), (200, 60, 40), -1)
        cv2.rectangle(label, (x, y), (x + 30, y + 20), 1, -1)
        cv2.circle(thermal, (128 - x, y), 12, 220, -1)
        cv2.circle(label, (128 - x, y), 12, 2, -1)
        for part, image in (('vi', rgb), ('ir', thermal), ('label', label)):
            cv2.imwrite(str(root / part / f'{index}.png'), image)
    return root


def write_tree(root, layout, count=2):
    """Write `count` pairs per split of a layout; the scenes' seeds count from 0 over all."""
    seed = 0
    for split in SPLITS[layout]:
        names = [f'{seed + k:05}D' for k in range(count)]
        for name in names:
            _write_pair(root, layout, split, name, *scene(seed))
            seed += 1
        if layout == 'mfnet':
            mirrored = [f'{name}_flip' for name in names]
            (root / f'{split}.txt').write_text('\n'.join(names + mirrored) + '\n')
    if layout == 'pairs':
        (root / 'classes.yaml').write_text(CLASSES_YAML)
    return root


def _write_pair(root, layout, split, name, rgb, thermal, label):
    if layout == 'kaist':
        folder = root / 'images' / {'train': 'set03', 'test': 'set06'}[split] / 'V000'
        for part, image in (('visible', rgb), ('lwir', np.repeat(thermal[..., None], 3, 2))):
            save(folder / part / f'I{name[:5]}.jpg', image)
        return
    places = [part.format(split=split, Split=split.capitalize())
              for part in FOLDERS[layout][:3]]
    ending = FOLDERS[layout][3]
    if layout == 'mfnet':
        rgb = np.concatenate([rgb, thermal[..., None]], axis=2)
    for place, image in zip(places, (rgb, thermal, label)):
        if place:
            save(root / place / f'{name}{ending}', image)
