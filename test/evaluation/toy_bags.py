"""Small bags of real images, whole and damaged."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from uaafusion_ros.evaluation.bags import BagWriter
from uaafusion_ros.harness.pictures import STILLS

START_NS = 1_700_000_000_123_456_789
PERIOD_NS = 100_000_000
SKEW_NS = 3_217_043
SIZE = (96, 72)


def still(number: int, camera: str) -> np.ndarray:
    """Return a part of a real image, gray, a little further on with every number."""
    image = cv2.imread(str(STILLS / camera / '11.png'), cv2.IMREAD_GRAYSCALE)
    return cv2.resize(image[100:400, 20 + number:420 + number], SIZE,
                      interpolation=cv2.INTER_AREA)


def label(number: int) -> np.ndarray:
    """Return class ids: a person where it is hot."""
    return (still(number, 'thermal') > 200).astype(np.uint8) * 2


def write(path: Path, count: int = 6, labels: bool = False, info: bool = True,
          storage: str = 'mcap', zstd: bool = False) -> Path:
    """Write `count` pairs, 10 per second, thermal 3 ms late."""
    with BagWriter(path, storage=storage, zstd=zstd) as bag:
        for number in range(count):
            stamp = START_NS + number * PERIOD_NS
            rgb = np.repeat(still(number, 'rgb')[..., None], 3, axis=2)
            if info:
                bag.add_camera_info('/cam/rgb/camera_info', *SIZE, stamp, 'rgb_frame')
            bag.add_image('/cam/rgb/image_raw', rgb, 'rgb8', stamp, 'rgb_frame')
            bag.add_image('/cam/thermal/image_raw', still(number, 'thermal'), 'mono8',
                          stamp + SKEW_NS, 'thermal_frame')
            if labels:
                bag.add_image('/label/image_raw', label(number), 'mono8', stamp, 'rgb_frame')
    return path


def storage_file(path: Path) -> Path:
    """Return the one storage file of a bag."""
    file, = [item for item in path.iterdir() if item.suffix in ('.mcap', '.db3')]
    return file


def cut(path: Path, share: float) -> Path:
    """Keep the first part of a bag's file, as if the power had failed."""
    file = storage_file(path)
    file.write_bytes(file.read_bytes()[:round(share * file.stat().st_size)])
    return path


def unindex(path: Path) -> Path:
    """Set the offset of the summary section to 0: MCAP's way to say that there is none."""
    file = storage_file(path)
    data = bytearray(file.read_bytes())
    data[-28:-20] = bytes(8)
    file.write_bytes(data)
    return path
