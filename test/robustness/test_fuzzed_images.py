"""Ten thousand image messages, most of them faulty: no crash, and nothing is misread."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('rclpy.serialization')

from image_fuzz import message  # noqa: E402
from rclpy.serialization import serialize_message  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from slow_decoder import decode  # noqa: E402
from slow_decoder import Decoded  # noqa: E402

from uaafusion_ros.engine.contract import EngineOutput  # noqa: E402
from uaafusion_ros.errors import EncodingError  # noqa: E402
from uaafusion_ros.frames import Frame  # noqa: E402
from uaafusion_ros.frames import FramePair  # noqa: E402
from uaafusion_ros.nodes.messages import image_from_array  # noqa: E402
from uaafusion_ros.nodes.messages import ImageReader  # noqa: E402
from uaafusion_ros.pipeline import FusionPipeline  # noqa: E402
from uaafusion_ros.pipeline import make_pipeline  # noqa: E402
from uaafusion_ros.settings import Settings  # noqa: E402

pytestmark = pytest.mark.ros
MESSAGES = 10_000
MAX_PIXELS = 10_000
KELVIN, COUNTS = (250.0, 350.0), (0.0, 65535.0)


class MirrorBackend:
    """Not a model: gives both inputs back, so that what reached the network can be seen."""

    def infer(self, rgb: np.ndarray, thermal: np.ndarray) -> EngineOutput:
        """Return RGB as the fused image and thermal as the mask."""
        assert rgb.dtype == thermal.dtype == np.uint8 and rgb.shape == (*thermal.shape, 3)
        return EngineOutput(rgb, thermal, thermal)


def _pipeline(limits: tuple[float, float]) -> FusionPipeline:
    return make_pipeline(MirrorBackend(), Settings().changed({
        'registration.mode': 'none', 'thermal.scaling': 'fixed', 'thermal.range': limits}))


def _partner(camera: str, size: tuple[int, int]) -> Image:
    """Return a good message of the other camera."""
    shape, encoding = ((*size, 3), 'rgb8') if camera == 'rgb' else (size, 'mono8')
    pixels = np.arange(np.prod(shape), dtype=np.uint32).astype(np.uint8).reshape(shape)
    return image_from_array(pixels, encoding, 0, camera)


def _frame(msg: Image) -> Frame:
    return ImageReader()(serialize_message(msg), MAX_PIXELS)


def _pair(camera: str, frame: Frame, other: Frame) -> FramePair:
    rgb, thermal = (frame, other) if camera == 'rgb' else (other, frame)
    return FramePair(thermal=thermal, rgb=rgb)


def _as_8_bit(decoded: Decoded) -> np.ndarray:
    values = decoded.thermal
    if decoded.sample_bytes == 1:
        return values
    low, high = _limits(decoded)
    valid = np.abs(values) < 1e30
    scaled = (np.where(valid, values, low).clip(low, high) - low) * 255 / (high - low)
    return np.where(valid, scaled, 0.0)


def _limits(decoded: Decoded) -> tuple[float, float]:
    return KELVIN if decoded.sample_bytes == 4 else COUNTS


def _near(got: np.ndarray, expected: np.ndarray, tolerance: float, inner: bool) -> None:
    if inner:
        cut = (slice(1, -1), slice(1, -1))
        np.testing.assert_array_equal(np.pad(
            got[cut], ((1, 1), (1, 1), (0, 0))[:got.ndim], mode='edge'), got)
        got, expected = got[cut], expected[cut]
    assert np.abs(got.astype(float) - expected).max() <= tolerance


@pytest.mark.parametrize('camera', ['rgb', 'thermal'])
def test_no_message_crashes_and_none_is_misread(camera, record_property):
    """
    Each message is refused if, and only if, it contradicts itself, else shown as it is meant.

    What was refused leaves no trace: the good pair after it comes out as ever, from the same
    pipeline, and one reader reads all messages.
    """
    pipelines = {limits: _pipeline(limits) for limits in (KELVIN, COUNTS)}
    pipeline = pipelines[COUNTS]
    other = 'thermal' if camera == 'rgb' else 'rgb'
    good = _pair(camera, *(_frame(_partner(each, (6, 8))) for each in (camera, other)))
    clean = pipeline.process(good)
    reader = ImageReader()
    refused = shown = undefined = 0
    for seed in range(MESSAGES // 2):
        msg = message(seed if camera == 'rgb' else MESSAGES + seed)
        expected = decode(msg, MAX_PIXELS)
        try:
            frame = reader(serialize_message(msg), MAX_PIXELS)
        except EncodingError as error:
            assert expected is None, f'seed {seed} was refused: {error}'
            assert len(str(error)) < 600 and '\n' not in str(error)
            refused += 1
        else:
            assert expected is not None, f'seed {seed} was taken: {frame}'
            pair = _pair(camera, frame, _frame(_partner(other, expected.thermal.shape)))
            pipeline = pipelines[_limits(expected)]
            if camera == 'rgb' and expected.rgb is None:
                with pytest.raises(EncodingError, match='no defined range'):
                    pipeline.process(pair)
                undefined += 1
            else:
                result = pipeline.process(pair)
                if camera == 'rgb':
                    _near(result.fused, expected.rgb, expected.rgb_tolerance, expected.inner)
                else:
                    _near(result.mask, _as_8_bit(expected), expected.thermal_tolerance,
                          expected.inner)
                shown += 1
        again = pipeline.process(good)
        np.testing.assert_array_equal(again.fused, clean.fused)
        np.testing.assert_array_equal(again.mask, clean.mask)
    record_property('outcomes', {'refused': refused, 'shown': shown, 'undefined': undefined})
    print(f'\n{camera}: {refused} refused, {shown} shown, {undefined} without a defined range')
    assert refused + shown + undefined == MESSAGES // 2
    assert min(refused, shown) > MESSAGES // 10, 'the generator lost its variety'
