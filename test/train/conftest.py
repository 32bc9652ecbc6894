"""A small made-up MSRS folder: warm blobs that only the thermal camera sees well."""

import cv2
import numpy as np
import pytest


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


@pytest.fixture
def pairs(tmp_path):
    """Folder with four made-up pairs."""
    return write_pairs(tmp_path / 'pairs')
