"""The stages in their order, on the shipped model: what camera bytes become."""

import numpy as np
import pytest

from uaafusion_ros.engine.backend import load_backend
from uaafusion_ros.errors import EncodingError
from uaafusion_ros.errors import RegistrationError
from uaafusion_ros.frames import Frame
from uaafusion_ros.frames import FramePair
from uaafusion_ros.imaging.thermal import ThermalScaler
from uaafusion_ros.imaging.thermal import ThermalScaling
from uaafusion_ros.pipeline import FusionPipeline


@pytest.fixture(scope='module')
def backend():
    loaded = load_backend(backend='onnxruntime')
    yield loaded
    loaded.close()


def pair(rgb, rgb_encoding, thermal, thermal_encoding):
    return FramePair(thermal=Frame(thermal, 1, 't', thermal_encoding),
                     rgb=Frame(rgb, 2, 'r', rgb_encoding))


@pytest.fixture
def images():
    """A red square in RGB (rgb8), and a hot one elsewhere at half the size (mono8)."""
    rgb = np.full((96, 128, 3), 90, np.uint8)
    rgb[20:60, 10:50] = (200, 40, 40)
    thermal = np.full((48, 64), 20, np.uint8)
    thermal[20:36, 40:56] = 230
    return rgb, thermal


def test_every_stage_has_its_effect_and_its_time(backend, images):
    rgb, thermal = images
    result = FusionPipeline(backend).process(pair(rgb, 'rgb8', thermal, 'mono8'))
    assert list(result.timings_ms) == ['convert', 'thermal', 'register', 'infer']
    assert all(ms >= 0 for ms in result.timings_ms.values())
    fused = result.fused.astype(int)
    assert fused.shape == rgb.shape and result.mask.shape == rgb.shape[:2]
    assert (fused[30:50, 20:40, 0] - fused[30:50, 20:40, 2]).min() > 100
    assert fused[44:68, 84:108].mean() > fused[80:92, 84:108].mean() + 30


def test_encodings_do_not_change_the_result(backend, images):
    rgb, thermal = images
    expected = FusionPipeline(backend).process(pair(rgb, 'rgb8', thermal, 'mono8')).fused
    fixed = ThermalScaler(ThermalScaling(mode='fixed', low=0.0, high=255.0))
    for encoding, image in (('bgr8', rgb[..., ::-1]),
                            ('rgba8', np.dstack((rgb, np.zeros_like(rgb[..., 0]))))):
        wide = pair(image, encoding, thermal.astype(np.uint16), 'mono16')
        got = FusionPipeline(backend, thermal_scaler=fixed).process(wide).fused
        np.testing.assert_array_equal(got, expected)


def test_faults_are_typed(backend, images):
    rgb, thermal = images
    strict = FusionPipeline(backend, registration_mode='none')
    with pytest.raises(RegistrationError, match='64x48.*128x96'):
        strict.process(pair(rgb, 'rgb8', thermal, 'mono8'))
    with pytest.raises(EncodingError):
        strict.process(pair(rgb.astype(np.float32)[..., 0], '32FC1', thermal, 'mono8'))
