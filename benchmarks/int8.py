"""
What int8 would save and cost: parts of a model with explicit Q/DQ, judged as an engine is.

    python benchmarks/int8.py [--model FILE] [--size 640 480] [--threads 2] [--rounds 15]
        [--calibrate RGB THERMAL] [--judge RGB THERMAL]

Run it from the source tree, with the Python packages onnx and openvino. Convolutions of a part of
the network, found by the names of their weights, get 8-bit weights per channel and 8-bit inputs;
the rest computes in float32 or, where the processor can, in bfloat16. `u8` inputs have a zero
point, as OpenVINO takes them; `s8` ones are symmetric, as TensorRT wants them. Ranges are the
least and greatest values on the package's scenes and on up to 16 pairs of the folders after
--calibrate; judged is by the accuracy gate of TensorRT's engines on its own samples and on up to
16 pairs of the folders after --judge (images of equal stems). Times are of OpenVINO, in turns.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import logging
from pathlib import Path
from tempfile import TemporaryDirectory
import warnings

from common import Plan
from common import rounds
import cv2
from engine import computes_bf16
from engine import openvino_graph
from engine import Turn
import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader
from onnxruntime.quantization import QuantFormat
from onnxruntime.quantization import quantize_static
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.shape_inference import quant_pre_process

from uaafusion_ros.engine import models
from uaafusion_ros.engine.contract import EngineOutput
from uaafusion_ros.engine.onnxruntime_backend import ONNXRuntimeBackend
from uaafusion_ros.engine.tensorrt import gate
from uaafusion_ros.engine.tensorrt.gate import Sample

PAIRS = 16
TYPES = {'u8': QuantType.QUInt8, 's8': QuantType.QInt8}
Feed = Mapping[str, np.ndarray]
# What is left in float at the segmenter's ends: the layers that meet pixels and classes.
ENDS = ('stem', 'classify.2')


@dataclass(frozen=True)
class Trial:
    """part: of `parts`; inputs: 'u8' or 's8'; rest: 'f32' or 'bf16'. No part: float alone."""

    part: str = ''
    inputs: str = 'u8'
    rest: str = 'f32'

    def __str__(self) -> str:
        """Return such as 'fusion u8, rest bf16'."""
        return f'{self.part} {self.inputs}, rest {self.rest}' if self.part else self.rest


class Feeds(CalibrationDataReader):
    """Hands out what a graph is calibrated on, once."""

    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._left = iter(feeds)

    def get_next(self) -> Feed | None:
        """Return the next inputs by name, or None."""
        return next(self._left, None)


def prepared(data: bytes) -> onnx.ModelProto:
    """Return a model with its batch normalisations folded into convolutions, otherwise alike."""
    with TemporaryDirectory() as folder:
        source, target = Path(folder, 'source.onnx'), Path(folder, 'target.onnx')
        source.write_bytes(data)
        quant_pre_process(str(source), str(target), skip_symbolic_shape=True)
        return onnx.load(target)


def parts(model: onnx.ModelProto) -> dict[str, list[str]]:
    """Return the names of the convolutions of each part of a network of this package, and all."""
    weights = {node.name: node.input[1] for node in model.graph.node if node.op_type == 'Conv'}
    segmenter = [name for name, weight in weights.items() if 'network.segmenter' in weight]
    half = len(segmenter) // 2
    inner = [name for name in segmenter if not any(end in weights[name] for end in ENDS)]
    return {
        'first look': [name for name in inner if name in segmenter[:half]],
        'segmentation': [name for name in inner if name in segmenter[half:]],
        'attribution': [n for n, weight in weights.items() if 'network.attribution' in weight],
        'fusion': [name for name, weight in weights.items() if 'network.fusion' in weight],
        'looks and segmentation': inner,
        'all': list(weights)}


def quantised(model: onnx.ModelProto, nodes: Sequence[str], inputs: str,
              feeds: Sequence[Feed]) -> bytes:
    """
    Return a model with Q/DQ at inputs and weights of the named convolutions.

    Weights are symmetric int8 per output channel, biases stay in float. inputs: 'u8' or 's8'.
    """
    with TemporaryDirectory() as folder:
        target = Path(folder, 'int8.onnx')
        source = onnx.ModelProto()
        source.CopyFrom(model)
        quantize_static(
            source, target, Feeds(feeds), quant_format=QuantFormat.QDQ, per_channel=True,
            op_types_to_quantize=['Conv'], nodes_to_quantize=list(nodes),
            activation_type=TYPES[inputs], weight_type=QuantType.QInt8, extra_options={
                'WeightSymmetric': True, 'ActivationSymmetric': inputs == 's8',
                'QuantizeBias': False, 'OpTypesToExcludeOutputQuantization': ['Conv'],
                # A clipping before a convolution is not left to the range of its Q.
                'QDQKeepRemovableActivations': True,
                'QDQDisableWeightAdjustForInt32Bias': True})
        return target.read_bytes()


def trials(bf16: bool) -> list[Trial]:
    """Return what is tried, float32 first."""
    rests = ('f32', 'bf16') if bf16 else ('f32',)
    return [*(Trial(rest=rest) for rest in rests),
            *(Trial(part) for part in ('first look', 'segmentation', 'attribution', 'fusion')),
            *(Trial(part, rest=rest) for part in ('looks and segmentation', 'all')
              for rest in rests),
            Trial('looks and segmentation', 's8'), Trial('all', 's8')]


def read_pairs(folders: Sequence[Path] | None, size: tuple[int, int]) -> list[Sample]:
    """Return up to PAIRS evenly spaced pairs of two folders in one size (width, height)."""
    if not folders:
        return []
    found = [{path.stem: path for path in folder.iterdir()} for folder in folders]
    stems = sorted(found[0].keys() & found[1].keys())
    pairs = []
    for stem in stems[::max(1, -(-len(stems) // PAIRS))]:
        rgb, thermal = (cv2.resize(cv2.imread(str(files[stem]), flag), size,
                                   interpolation=cv2.INTER_AREA)
                        for files, flag in zip(found, (cv2.IMREAD_COLOR, cv2.IMREAD_GRAYSCALE)))
        pairs.append(Sample(stem, cv2.cvtColor(rgb, cv2.COLOR_BGR2RGB), thermal))
    return pairs


class _Graph:
    """A graph as the gate wants to see it."""

    def __init__(self, data: bytes, sample: Sample, rest: str, threads: int) -> None:
        self._feed = {'rgb': sample.rgb.copy(), 'thermal': sample.thermal.copy()}
        self.turn: Turn = openvino_graph(data, self._feed, tuple(models.OUTPUTS), rest, threads)

    def infer(self, rgb: np.ndarray, thermal: np.ndarray) -> EngineOutput:
        """Run a pair of the graph's size."""
        np.copyto(self._feed['rgb'], rgb)
        np.copyto(self._feed['thermal'], thermal)
        return EngineOutput(*self.turn())


class _Kept:
    """The reference's answers, computed once."""

    def __init__(self, backend: ONNXRuntimeBackend, samples: Sequence[Sample]) -> None:
        self._answers = {sample.rgb.tobytes(): backend.infer(sample.rgb, sample.thermal)
                         for sample in samples}

    def infer(self, rgb: np.ndarray, thermal: np.ndarray) -> EngineOutput:
        """Return the answer to a pair that was given before."""
        return self._answers[rgb.tobytes()]


def peer(size: tuple[int, int], threads: int, samples: Sequence[Sample],
         bf16: bool) -> dict[str, Turn]:
    """Return SeAFusion's shape with random weights, in float and in int8 as a whole."""
    import seafusion_shape
    floats = [{name: np.ascontiguousarray(image, np.float32)[None, None] / 255
               for name, image in (('thermal', one.thermal), ('luma', one.rgb[..., 0]))}
              for one in samples[:2]]
    data = seafusion_shape.onnx_bytes(size[1], size[0])
    model = prepared(data)
    convolutions = [node.name for node in model.graph.node if node.op_type == 'Conv']
    graphs = {'f32': (data, 'f32'),
              'u8, rest f32': (quantised(model, convolutions, 'u8', floats), 'f32')}
    if bf16:
        graphs['bf16'] = (data, 'bf16')
    return {f'seafusion shape {name}': openvino_graph(
        graph, floats[0], seafusion_shape.OUTPUTS, rest, threads)
        for name, (graph, rest) in graphs.items()}


def judged(trial: Trial, report: gate.GateReport, took: Mapping[str, float],
           base: Mapping[str, float]) -> str:
    """Return a row of the table."""
    rows = report.comparisons
    return (f'| {trial} | {took["cpu_ms"]:.1f} | {base["cpu_ms"] / took["cpu_ms"]:.2f} '
            f'| {sum(not row.fault for row in rows)} of {len(rows)} '
            f'| {max(row.fused_off for row in rows)} '
            f'| {min(row.labels_equal for row in rows):.2%} |')


def main() -> None:
    """Measure and print the tables."""
    default = Plan()
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--model', type=Path)
    parser.add_argument('--size', type=int, nargs=2, default=default.size, metavar=('W', 'H'))
    parser.add_argument('--threads', type=int, default=default.threads)
    parser.add_argument('--rounds', type=int, default=default.rounds)
    for name in ('--calibrate', '--judge'):
        parser.add_argument(name, type=Path, nargs=2, metavar=('RGB', 'THERMAL'))
    options = parser.parse_args()
    logging.getLogger().setLevel(logging.ERROR)
    warnings.simplefilter('ignore')
    size, threads = tuple(options.size), options.threads
    data, spec = models.load(*((options.model,) if options.model else models.shipped('fast')))
    stored = gate.samples(size[1], size[0])
    scenes = [one for one in stored if one.name.startswith('scene')]
    feeds = [{'rgb': one.rgb, 'thermal': one.thermal}
             for one in (*scenes, *read_pairs(options.calibrate, size))]
    samples = [*stored, *read_pairs(options.judge, size)]
    reference = _Kept(ONNXRuntimeBackend(data, spec, threads), samples)
    model, bf16 = prepared(data), computes_bf16()
    convolutions = parts(model)

    reports: dict[Trial, gate.GateReport] = {}
    turns: dict[str, Turn] = {}
    made: dict[tuple[str, str], bytes] = {('', 'u8'): data}
    for trial in trials(bf16):
        key = (trial.part, trial.inputs)
        if key not in made:
            made[key] = quantised(model, convolutions[trial.part], trial.inputs, feeds)
        graph = _Graph(made[key], samples[0], trial.rest, threads)
        reports[trial] = gate.check(graph.infer, reference.infer, samples)
        turns[str(trial)] = graph.turn
    times = rounds(turns, options.rounds)
    print('| in int8 | processor ms | rate over f32 | samples that pass | fused off by up to, '
          'of 255 | labels equal, least |\n|---|---:|---:|---:|---:|---:|')
    for trial, report in reports.items():
        print(judged(trial, report, times[str(trial)], times[str(Trial())]))
    print('\n| engine | processor ms |\n|---|---:|')
    for name, took in rounds(peer(size, threads, scenes, bf16), options.rounds).items():
        print(f'| {name} | {took["cpu_ms"]:.1f} |')


if __name__ == '__main__':
    main()
