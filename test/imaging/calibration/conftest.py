"""Real pairs that calibration can be tried on."""

import cv2
import numpy as np
import pytest

from uaafusion_ros.harness.pictures import load_stills
from uaafusion_ros.imaging.calibration.contract import View


@pytest.fixture(scope='session')
def scene():
    """Return what two registered cameras see that look around: parts of the shipped pairs."""
    views = []
    for still in load_stills():
        images = [cv2.resize(image, (640, 480), interpolation=cv2.INTER_AREA)
                  for image in (still.thermal, still.rgb)]
        views += [View(f'{still.name} {x}', *(np.ascontiguousarray(image[y:y + 360, x:x + 480])
                                              for image in images))
                  for x, y in ((0, 0), (160, 60), (80, 120))]
    return views
