"""The shipped weights of `paper` on a real pair: its parts act, as far as the page says."""

import cv2
import numpy as np
import pytest

pytest.importorskip('torch')

from benchmarks.results import switches  # noqa: E402
from benchmarks.results.networks import fuse  # noqa: E402
from benchmarks.results.networks import load_shipped  # noqa: E402
from train.data import Sample  # noqa: E402
from uaafusion_ros.harness.pictures import STILLS  # noqa: E402
from uaafusion_ros.engine.models import shipped_weights  # noqa: E402


@pytest.fixture(scope='module')
def pair():
    """The middle of a still of TNO."""
    window = np.s_[32:224, 64:256]
    bgr, thermal = (cv2.imread(str(STILLS / camera / '20.png'), flag)[window] for camera, flag in (
        ('rgb', cv2.IMREAD_COLOR), ('thermal', cv2.IMREAD_GRAYSCALE)))
    return Sample('20', cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), thermal.copy(),
                  np.zeros((192, 192), np.uint8))


@pytest.mark.slow
def test_step_and_attention_each_move_a_real_image_by_more_than_a_level(pair):
    network = load_shipped(shipped_weights('paper')[0]).network
    whole, _ = fuse(network, pair)
    for switch in (switches.step_off, switches.attention_off):
        image, _ = fuse(network, pair, switch)
        assert np.abs(image.astype(int) - whole).mean() > 1, switch.__name__
