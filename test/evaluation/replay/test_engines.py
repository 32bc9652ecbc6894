"""A recording gives back what a node published, and nothing else."""

from __future__ import annotations

import json

import numpy as np
import pytest

from uaafusion_ros.engine.loading import load_backend
from uaafusion_ros.errors import EngineError
from uaafusion_ros.evaluation.bags import BagWriter
from uaafusion_ros.evaluation.replay.engines import OUTPUT_BAG
from uaafusion_ros.evaluation.replay.engines import RecordedBackend
from uaafusion_ros.evaluation.replay.engines import SENT_LOG
from uaafusion_ros.evaluation.replay.engines import Tap
from uaafusion_ros.evaluation.replay.recording import FUSED
from uaafusion_ros.evaluation.replay.recording import MASK
from uaafusion_ros.frames import Frame
from uaafusion_ros.frames import FramePair

RGB = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
THERMAL = RGB[..., 0].copy()


@pytest.fixture
def live(tmp_path):
    with BagWriter(tmp_path / OUTPUT_BAG) as bag:
        for stamp in (10, 30, 40):
            image = np.full((64, 64, 3), stamp, np.uint8)
            bag.add_image(FUSED, image, 'rgb8', stamp, '', 5_000_000 + stamp)
            if stamp != 30:  # lost on its way
                bag.add_image(MASK, image[..., 0], 'mono8', stamp, '', 6_000_000 + stamp)
    (tmp_path / SENT_LOG).write_text(json.dumps(
        [['/rgb', stamp, 1_000_000] for stamp in (10, 20, 30, 40)]
        + [['/thermal', 11, 2_000_010]]))
    return tmp_path


def test_outputs_are_found_by_their_stamps(live):
    backend = RecordedBackend(live, None, 'fast')
    assert [backend.expect(stamp) for stamp in (5, 10, 20, 30)] == [False, True, False, False]
    assert backend.expect(40)
    output = backend.infer(RGB, THERMAL)
    assert (output.fused == 40).all() and (output.mask == 40).all()
    assert not backend.expect(50)
    backend.close()


def test_latency_runs_from_the_later_image_to_the_arrival(live):
    backend = RecordedBackend(live, None, 'fast')
    assert backend.expect(10)
    pair = FramePair(thermal=Frame(THERMAL, 11, '', 'mono8'), rgb=Frame(RGB, 10, '', 'rgb8'))
    assert Tap(backend).latency_ms(pair) == pytest.approx((6_000_010 - 2_000_010) / 1e6)
    backend.close()


def test_a_recording_of_other_images_is_refused(live):
    backend = RecordedBackend(live, None, 'fast')
    assert backend.expect(10)
    with pytest.raises(EngineError, match='replay the bag that was played'):
        backend.infer(RGB[:32], THERMAL[:32])
    backend.close()


def test_the_tap_shows_the_inputs_and_alters_nothing():
    backend = load_backend(backend='onnxruntime', threads=1)
    tap = Tap(backend)
    assert tap.expect(7) and tap.rgb is None and tap.used == set()
    output, expected = tap.infer(RGB, THERMAL), backend.infer(RGB, THERMAL)
    assert np.array_equal(output.fused, expected.fused)
    assert tap.rgb is RGB and tap.thermal is THERMAL and tap.used == {backend.name}
    assert tap.latency_ms(None) is None
    tap.expect(8)
    assert tap.rgb is None and tap.thermal is None
    tap.close()


class _SlowStart(Tap):
    """An engine that has to be prepared, and says how often it was."""

    def __init__(self, backend, fails):
        super().__init__(backend)
        self.fails = fails
        self.prepared = []

    def ready(self, height, width):
        return (height, width) in self.prepared and not self.fails

    def prepare(self, height, width, progress=None):
        self.prepared.append((height, width))
        if self.fails:
            raise EngineError('no such luck')


@pytest.mark.parametrize('fails', [False, True])
def test_an_engine_is_prepared_once_per_size_before_it_counts(fails):
    slow = _SlowStart(load_backend(backend='onnxruntime', threads=1), fails)
    tap = Tap(slow)
    for _ in range(2):
        tap.infer(RGB, THERMAL)
    assert slow.prepared == [(64, 64)]
    tap.close()
