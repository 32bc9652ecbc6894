"""The accuracy gate: lets rounding through, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from uaafusion_ros.engine import models
from uaafusion_ros.engine.contract import BuildCancelled
from uaafusion_ros.engine.contract import EngineOutput
from uaafusion_ros.engine.onnxruntime_backend import ONNXRuntimeBackend
from uaafusion_ros.engine.tensorrt import gate
from uaafusion_ros.engine.tensorrt.builder import PRECISIONS
from uaafusion_ros.errors import EngineError

KINDS = {'black', 'white', 'gray', 'noise'}


@pytest.fixture(scope='module')
def fast():
    return models.load(*models.shipped('fast'))


class Answers:
    """Infers what a function makes of a fixed picture."""

    def __init__(self, change=lambda output: output):
        self._change = change

    def __call__(self, rgb, thermal):
        height, width = thermal.shape
        ramp = np.linspace(0, 255, height * width).reshape(height, width).astype(np.uint8)
        return self._change(EngineOutput(
            np.stack([ramp] * 3, 2), ramp // 32, np.full((height, width), 200, np.uint8)))


def outcome(change):
    pair = gate.Sample('ramp', np.zeros((100, 100, 3), np.uint8), np.zeros((100, 100), np.uint8))
    return gate.check(Answers(change), Answers(), [pair])


def put(array, value, count):
    array = array.copy()
    array.flat[:count] = value
    return array


@pytest.mark.parametrize('change,fault', [
    (lambda o: o, ''),
    (lambda o: replace(o, fused=np.minimum(o.fused, 253) + np.uint8(2)), ''),
    (lambda o: replace(o, fused=put(o.fused, 3, 1)), 'fused is off by up to 3/255 (allowed 2)'),
    (lambda o: replace(o, fused=np.zeros_like(o.fused)), 'fused is 0 everywhere'),
    (lambda o: replace(o, fused=np.full_like(o.fused, 255)), 'fused is 255 everywhere'),
    (lambda o: replace(o, fused=o.fused[:, ::-1]), 'fused is off by up to'),
    (lambda o: replace(o, fused=o.fused[:50]), 'fused is uint8 (50, 100, 3), expected uint8 (100'),
    (lambda o: replace(o, fused=o.fused.astype(np.int16)), 'fused is int16'),
    (lambda o: replace(o, mask=put(o.mask, 9, 50)), ''),
    (lambda o: replace(o, mask=put(o.mask, 9, 51)), 'only 99.49% of the labels are equal (needed'),
    (lambda o: replace(o, confidence=put(o.confidence, 0, 50)), ''),
    (lambda o: replace(o, confidence=np.zeros_like(o.confidence)),
     'confidence is off by 200/255')])
def test_what_passes_and_what_does_not(change, fault):
    report = outcome(change)
    assert report.passed is (not fault)
    assert fault in report.line()


def test_wrapped_bytes_are_far_apart():
    """255 and 0 differ by 255, whatever the type that they are subtracted in."""
    report = outcome(lambda o: replace(o, fused=o.fused + np.uint8(1)))
    assert report.comparisons[0].fused_off == 255


def test_samples_hold_every_kind_in_the_engines_size():
    pairs = gate.samples(96, 160)
    names = {pair.name for pair in pairs}
    assert KINDS < names and any(name.startswith('scene') for name in names)
    for pair in pairs:
        assert pair.rgb.shape == (96, 160, 3) and pair.thermal.shape == (96, 160)
        assert pair.rgb.dtype == pair.thermal.dtype == np.uint8
        assert (np.ptp(pair.rgb) == 0) == (pair.name in ('black', 'white', 'gray'))


def test_missing_scenes_are_said(monkeypatch, tmp_path):
    monkeypatch.setattr(gate.share, '__file__', str(tmp_path / 'share.py'))
    with pytest.raises(EngineError, match='holds no scenes to check an engine on; install'):
        gate.samples(64, 64)


def test_the_check_tells_how_far_it_is_and_can_be_stopped():
    pairs = gate.samples(64, 64)[:4]
    told = []
    gate.check(Answers(), Answers(), pairs, lambda *args: told.append(args) or True)
    assert told == [(f'checking on {pair.name}', index / 4) for index, pair in enumerate(pairs)]
    with pytest.raises(BuildCancelled, match='check of an engine was stopped on request'):
        gate.check(Answers(), Answers(), pairs, lambda phase, share: share < 0.5)


@pytest.mark.slow
@pytest.mark.parametrize('size', [(480, 640), (512, 640)])
def test_a_float16_engine_passes_on_every_sample(fast, size):
    """What is half is rounded as float16 rounds, against float32, at the sizes of cameras."""
    pytest.importorskip('onnx')
    from half_rounding import AsWritten
    from half_rounding import rounded

    from uaafusion_ros.engine.tensorrt.float16 import to_fp16

    data, spec = fast
    reports = []
    for precision in PRECISIONS['fp16'][:-1]:  # as the builder tries them, before float32
        candidate = AsWritten(rounded(to_fp16(data, precision.keep_fp32)), spec, 0)
        reports.append(gate.check(candidate.infer, ONNXRuntimeBackend(data, spec, 0).infer,
                                  gate.samples(*size)))
        for one in reports[-1].comparisons:
            print(f'{precision}, {one.sample}: fused {one.fused_off}/255, labels '
                  f'{one.labels_equal:.3%}, confidence {one.confidence_off:.0f}/255')
        if reports[-1].passed:
            return
    pytest.fail('; '.join(report.line() for report in reports))


def test_a_graph_that_overflows_is_caught(fast):
    """A real one: its weights are so large that float16 ends in NaN, which bytes do not show."""
    onnx = pytest.importorskip('onnx')
    from half_rounding import AsWritten
    from half_rounding import rounded

    from uaafusion_ros.engine.tensorrt.float16 import to_fp16

    data, spec = fast
    model = onnx.load_from_string(data)
    weight = next(tensor for tensor in model.graph.initializer
                  if tensor.name == 'network.segmenter.classify.2.weight')
    array = onnx.numpy_helper.to_array(weight) * np.float32(1e5)
    weight.CopyFrom(onnx.numpy_helper.from_array(array, weight.name))
    large = model.SerializeToString()
    report = gate.check(AsWritten(rounded(to_fp16(large)), spec, 1).infer,
                        ONNXRuntimeBackend(large, spec, 1).infer, gate.samples(96, 128)[:2])
    assert not report.passed
