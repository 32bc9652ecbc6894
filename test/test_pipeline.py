"""The stages in their order, on the shipped model: what camera bytes become."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from uaafusion_ros.engine.contract import Backend
from uaafusion_ros.engine.contract import ModelSpec
from uaafusion_ros.engine.loading import load_backend
from uaafusion_ros.errors import EncodingError
from uaafusion_ros.errors import RegistrationError
from uaafusion_ros.frames import Frame
from uaafusion_ros.frames import FramePair
from uaafusion_ros.imaging.registration import homography
from uaafusion_ros.imaging.registration import homography_file
from uaafusion_ros.imaging.registration import load
from uaafusion_ros.imaging.registration import Roi
from uaafusion_ros.imaging.registration.homography import Homography
from uaafusion_ros.imaging.thermal import ThermalScaler
from uaafusion_ros.pipeline import FusionPipeline
from uaafusion_ros.pipeline import make_backend
from uaafusion_ros.pipeline import make_pipeline
from uaafusion_ros.settings import RegistrationSettings
from uaafusion_ros.settings import Settings
from uaafusion_ros.settings import ThermalSettings


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
    fixed = ThermalScaler(ThermalSettings(scaling='fixed', range=(0.0, 255.0)))
    for encoding, image in (('bgr8', rgb[..., ::-1]),
                            ('rgba8', np.dstack((rgb, np.zeros_like(rgb[..., 0]))))):
        wide = pair(image, encoding, thermal.astype(np.uint16), 'mono16')
        got = FusionPipeline(backend, thermal_scaler=fixed).process(wide).fused
        np.testing.assert_array_equal(got, expected)


def test_faults_are_typed(backend, images):
    rgb, thermal = images
    strict = FusionPipeline(backend, registration=load(RegistrationSettings(mode='none')))
    with pytest.raises(RegistrationError, match='64x48.*128x96'):
        strict.process(pair(rgb, 'rgb8', thermal, 'mono8'))
    with pytest.raises(EncodingError):
        strict.process(pair(rgb.astype(np.float32)[..., 0], '32FC1', thermal, 'mono8'))


class Mirror(Backend):
    """Gives back what it was given: fused is the thermal image, the mask its brightest part."""

    def __init__(self) -> None:
        super().__init__(ModelSpec(Path('m'), '', 'm', ('background', 'person'),
                                   np.zeros((2, 3), np.uint8), 1), 'mirror')
        self.seen = []

    def _run(self, rgb, thermal):
        self.seen.append((rgb.copy(), thermal.copy()))
        return [cv2.merge((thermal,) * 3), (thermal > 100).astype(np.uint8),
                np.full_like(thermal, 255)]

    def close(self):
        pass


def half_view() -> Homography:
    """The thermal image (64x48) lies in the left upper quarter of RGB (128x96)."""
    return Homography(np.eye(3), (64, 48), (128, 96), 0.3, 40, '2026-11-01')


def test_outside_the_thermal_view_rgb_passes_through(images):
    rgb, thermal = images
    pipeline = FusionPipeline(Mirror(), registration=homography.registration(half_view()))
    result = pipeline.process(pair(rgb, 'rgb8', thermal, 'mono8'))
    np.testing.assert_array_equal(result.fused[60:], rgb[60:])
    np.testing.assert_array_equal(result.fused[:, 70:], rgb[:, 70:])
    np.testing.assert_array_equal(result.fused[:40, :56, 0], thermal[:40, :56])
    assert result.overlap == Roi(0, 0, 64, 48) == pipeline.overlap((48, 64), (96, 128))
    assert result.mode == 'FUSED' and 'blend' in result.timings_ms
    assert FusionPipeline(Mirror()).overlap((48, 64), (96, 128)) is None


def test_rgb_alone_passes_and_its_luma_stands_for_thermal(images):
    rgb, _ = images
    backend = Mirror()
    result = FusionPipeline(backend).process_alone('rgb', Frame(rgb[..., ::-1], 5, 'r', 'bgr8'))
    np.testing.assert_array_equal(result.fused, rgb)
    np.testing.assert_array_equal(backend.seen[0][1], cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))
    assert (result.mode, result.overlap) == ('RGB_ONLY', None)
    assert result.mask.shape == rgb.shape[:2]


def test_thermal_alone_is_gray_and_lies_where_it_did_in_pairs(images):
    rgb, thermal = images
    alone = Frame(thermal, 9, 't', 'mono8')
    pipeline = FusionPipeline(Mirror(), registration=homography.registration(half_view()))
    result = pipeline.process_alone('thermal', alone)
    np.testing.assert_array_equal(result.fused, cv2.merge((thermal,) * 3))
    pipeline.process(pair(rgb, 'rgb8', thermal, 'mono8'))
    result = pipeline.process_alone('thermal', alone)
    assert result.fused.shape == rgb.shape and result.mode == 'THERMAL_ONLY'
    np.testing.assert_array_equal(result.fused[:48, :64, 1], thermal)
    assert not result.confidence[60:].any() and result.confidence[:40].any()
    assert result.overlap == Roi(0, 0, 64, 48)


def test_objects_have_the_temperatures_of_a_radiometric_camera(images):
    """Laid over RGB; what the thermal camera does not see, and RGB alone, have none."""
    rgb, _ = images
    counts = np.full((48, 64), 2931, np.uint16)
    counts[8:24, 8:24] = 3091
    counts[12, 12] = 3131
    counts = pair(rgb, 'rgb8', counts, 'mono16')
    scaler = ThermalScaler(ThermalSettings(
        unit='celsius', gain=0.1, scaling='fixed', range=(0.0, 40.0)))
    pipeline = FusionPipeline(Mirror(), registration=homography.registration(half_view()),
                              thermal_scaler=scaler)
    result = pipeline.process(counts)
    result.mask[:] = 0
    result.mask[8:24, 8:24] = result.mask[70:90, 70:90] = 1
    (warm, unseen), unit = pipeline.objects(result)
    assert (warm.box, unit) == (Roi(8, 8, 16, 16), 'celsius')
    assert warm.temperature == pytest.approx((35.95, 35.95 + 4 / 256, 39.95), abs=1e-3)
    assert unseen.temperature is None
    alone = pipeline.process_alone('rgb', counts.rgb)
    alone.mask[:20, :20] = 1
    assert pipeline.objects(alone)[0][0].temperature is None


def test_a_thermal_camera_alone_from_the_beginning_measures_objects():
    scaler = ThermalScaler(ThermalSettings(unit='kelvin', gain=0.1))
    pipeline = FusionPipeline(Mirror(), thermal_scaler=scaler)
    counts = np.full((48, 64), 2931, np.uint16)
    counts[8:24, 8:24] = 3091
    (warm,), unit = pipeline.objects(
        pipeline.process_alone('thermal', Frame(counts, 1, 't', 'mono16')))
    assert warm.temperature == pytest.approx((309.1,) * 3, abs=1e-3) and unit == 'kelvin'


def test_compressed_frames_are_unpacked(images):
    rgb, thermal = images
    packed = [np.frombuffer(cv2.imencode('.png', image)[1].tobytes(), np.uint8)[np.newaxis]
              for image in (rgb[..., ::-1], thermal)]
    backend = Mirror()
    FusionPipeline(backend).process(pair(packed[0], 'png', packed[1], 'png'))
    FusionPipeline(backend).process(pair(rgb, 'rgb8', thermal, 'mono8'))
    for got, expected in zip(*backend.seen):
        np.testing.assert_array_equal(got, expected)


def test_what_was_seen_of_the_cameras_is_kept(images):
    """Thermal facts of each image; drift on a pair every few seconds, where it is watched."""
    rgb, thermal = images
    rgb[..., 1] = cv2.resize(thermal, (128, 96))
    pipeline = FusionPipeline(Mirror(), watch_drift=True)
    for second in range(10):
        pipeline.process(FramePair(thermal=Frame(thermal, second * 10**9, 't', 'mono8'),
                                   rgb=Frame(rgb, second * 10**9, 'r', 'rgb8')))
    assert pipeline.thermal_facts.hottest == 230
    assert pipeline.drift.pairs == 3 and pipeline.drift.score < 0.2
    plain = FusionPipeline(Mirror())
    plain.process(pair(rgb, 'rgb8', thermal, 'mono8'))
    assert plain.drift is None


def test_parameters_make_the_pipeline(images, tmp_path):
    rgb, thermal = images
    file = tmp_path / 'registration.yaml'
    file.write_text(homography_file.dump(half_view()))
    settings = Settings().changed({
        'registration.mode': 'homography', 'registration.file': str(file),
        'thermal.scaling': 'fixed', 'thermal.range': (0.0, 100.0),
        'thermal.polarity': 'black_hot', 'thermal.unit': 'celsius', 'thermal.gain': 0.1})
    pipeline = make_pipeline(Mirror(), settings)
    counts = np.full((48, 64), 3231, np.uint16)  # 323.1 K = 49.95 C
    result = pipeline.process(pair(rgb, 'rgb8', counts, 'mono16'))
    assert abs(int(result.fused[20, 20, 0]) - 128) <= 1
    assert pipeline.thermal_facts.unit == 'celsius' and result.overlap.width == 64
    missing = settings.changed({'registration.file': str(tmp_path / 'none.yaml')})
    with pytest.raises(RegistrationError, match='none.yaml'):
        make_pipeline(Mirror(), missing)


@pytest.mark.parametrize('asked,ran_at', [([64, 32], '64x32'), ([0, 0], '192x96')])
def test_the_engine_works_at_the_size_of_the_parameter(asked, ran_at):
    backend = make_backend(Settings().changed({
        'engine.backend': 'onnxruntime', 'engine.working_size': asked}))
    result = make_pipeline(backend, Settings()).fuse(
        np.zeros((96, 192, 3), np.uint8), np.zeros((48, 96), np.uint16))
    assert result.fused.shape == (96, 192, 3) and backend.ran_at == ran_at
    backend.close()
