"""Image messages from a seed: right ones, and ones with faults that drivers and cables make."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from random import Random
import struct

from sensor_msgs.msg import Image
from slow_decoder import LAYOUTS

from uaafusion_ros.nodes.messages import stamp_from_ns

NAMES = ('mono8', '8UC1', 'mono16', '16UC1', '32FC1', 'rgb8', 'bgr8', 'rgba8', 'bgra8', '8UC3',
         '8UC4', 'rgb16', 'bgr16', 'bayer_rggb8', 'bayer_bggr8', 'bayer_gbrg8', 'bayer_grbg8',
         'bayer_rggb16', 'bayer_bggr16', 'bayer_gbrg16', 'bayer_grbg16', 'uyvy', 'yuv422',
         'yuyv', 'yuv422_yuy2', 'nv12', 'nv21')
assert {name.lower() for name in NAMES} == set(LAYOUTS)
FLOATS = (float('nan'), float('inf'), float('-inf'), 3.4e38, -3.4e38, 1e30, -1e30, 1e-45, -0.0)
STRANGE = ('', ' ', 'jpeg', 'rgb', 'RGB 8', 'rgb8 ', 'mono-16', '16SC1', '64FC1', '8UC2', '32FC3',
           'bayer_rgbg8', 'YUV420', '%s%n', '../rgb8', 'ｒｇｂ８', 'ﬁ', 'rgb8' * 500)
HUGE = (2 ** 31, 2 ** 31 - 1, 2 ** 32 - 1, 2 ** 16, 65537, 46341)


def rows_and_bytes(name: str, width: int, height: int) -> tuple[int, int]:
    """Return the number of rows of an image and the bytes of one."""
    kind, size, channels = LAYOUTS[name.lower()]
    return (height * 3 // 2 if kind.startswith('planar') else height), width * size * channels


def right(random: Random) -> Image:
    """Return a message of any encoding and a size of 1 to 9 that its encoding allows."""
    name = random.choice(NAMES)
    kind, size, _ = LAYOUTS[name.lower()]
    least = 3 if kind.startswith('bayer') else 1
    width, height = random.randint(least, 9), random.randint(least, 9)
    if kind.startswith(('packed', 'planar')):
        width += width % 2
    if kind.startswith('planar'):
        height += height % 2
    rows, step = rows_and_bytes(name, width, height)
    msg = Image(width=width, height=height, encoding=name, is_bigendian=0, step=step)
    msg.data = array('B', random.randbytes(rows * step))
    if kind == 'float':
        msg.data = array('B', struct.pack(
            f'<{width * height}f', *(random.uniform(200.0, 400.0)
                                     for _ in range(width * height))))
    return msg


def _resized(msg: Image, length: int, random: Random) -> None:
    data = bytes(msg.data)[:length]
    msg.data = array('B', data + random.randbytes(max(0, length - len(data))))


def _small_step(msg: Image, random: Random) -> None:
    msg.step = random.randint(0, max(0, msg.step - 1))


def _large_step(msg: Image, random: Random) -> None:
    msg.step = min(msg.step + random.choice((1, 2, 3, 64, 2 ** 20, 2 ** 31)), 2 ** 32 - 1)


def _padding(msg: Image, random: Random) -> None:
    if not msg.step or len(msg.data) % msg.step:
        return
    extra = random.randint(1, 5)
    old = bytes(msg.data)
    parts = [old[at:at + msg.step] + b'\xaa' * extra for at in range(0, len(old), msg.step)]
    whole = b''.join(parts)
    msg.data = array('B', whole[:-extra] if random.random() < 0.5 else whole)
    msg.step += extra


def _short(msg: Image, random: Random) -> None:
    _resized(msg, max(0, len(msg.data) - random.choice((1, 2, msg.step, len(msg.data) // 2))),
             random)


def _long(msg: Image, random: Random) -> None:
    _resized(msg, len(msg.data) + random.choice((1, 2, 7, 4096)), random)


def _empty(msg: Image, random: Random) -> None:
    msg.data = array('B')


def _zero(msg: Image, random: Random) -> None:
    for name in random.choice((('width',), ('height',), ('width', 'height'), ('step',),
                               ('width', 'height', 'step'))):
        setattr(msg, name, 0)
    if random.random() < 0.5:
        msg.data = array('B')


def _huge(msg: Image, random: Random) -> None:
    for name in random.choice((('width',), ('height',), ('width', 'height'), ('step',),
                               ('width', 'height', 'step'))):
        setattr(msg, name, random.choice(HUGE))


def _strange_name(msg: Image, random: Random) -> None:
    msg.encoding = random.choice(STRANGE)


def _other_name(msg: Image, random: Random) -> None:
    msg.encoding = random.choice(NAMES)


def _other_case(msg: Image, random: Random) -> None:
    msg.encoding = random.choice((msg.encoding.upper(), msg.encoding.swapcase(),
                                  msg.encoding.title(), msg.encoding.lower()))


def _other_end(msg: Image, random: Random) -> None:
    msg.is_bigendian = random.choice((1, 2, 255))


def _no_number(msg: Image, random: Random) -> None:
    data = bytearray(msg.data)
    for _ in range(len(data) // 8):
        at = 4 * random.randrange(len(data) // 4)
        data[at:at + 4] = struct.pack(
            '>f' if msg.is_bigendian else '<f', random.choice(FLOATS))
    msg.data = array('B', data)


def _odd(msg: Image, random: Random) -> None:
    name = random.choice(('width', 'height'))
    setattr(msg, name, getattr(msg, name) | 1)
    if msg.encoding.lower() in LAYOUTS and msg.width * msg.height < 10 ** 6:
        rows, msg.step = rows_and_bytes(msg.encoding, msg.width, msg.height)
        _resized(msg, rows * msg.step, random)


def _turned(msg: Image, random: Random) -> None:
    msg.width, msg.height = msg.height, msg.width


FAULTS: tuple[Callable[[Image, Random], None], ...] = (
    _small_step, _large_step, _padding, _short, _long, _empty, _zero, _huge, _strange_name,
    _other_name, _other_case, _other_end, _no_number, _odd, _turned)


def message(seed: int) -> Image:
    """Return the message of this seed, with none to three faults; stamp and frame are set."""
    random = Random(seed)
    msg = right(random)
    for fault in random.sample(FAULTS, random.choice((0, 1, 1, 1, 1, 2, 2, 3))):
        fault(msg, random)
    msg.header.stamp = stamp_from_ns(random.randrange(2 ** 31) * 10 ** 9)
    msg.header.frame_id = random.choice(('camera', '', 'é' * 100))
    return msg
