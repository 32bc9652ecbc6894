"""What happened inside a deployed graph: attributions, weights, targets and iterates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uaafusion_ros.engine.contract import EngineOutput
from uaafusion_ros.errors import DependencyError
from uaafusion_ros.errors import EngineError
from uaafusion_ros.errors import ModelFileError
from uaafusion_ros.packages import pip_install

NAMES = ('information_thermal', 'information_rgb', 'w_thermal', 'targets')


@dataclass(frozen=True)
class Explanation:
    """
    A fusion and what led to it; arrays are float32.

    Attributes:
        output: fused image, mask and confidence.
        information_thermal: (h, w), what thermal alone tells of each place, 0 or more, in `unit`.
        information_rgb: the same of RGB.
        w_thermal: (h, w), weight w1 of thermal, 0 to 1; that of RGB is 1 - w1.
        targets: (h, w), probability of a class whose contrast is kept, 0 to 1.
        iterates: (stages, height, width), luma after each stage, not clipped.
        unit: 'nats' more than a black image tells or, with exact attribution, how much the source
            raises the score of the place's class, 'of the score'.
    """

    output: EngineOutput
    information_thermal: np.ndarray
    information_rgb: np.ndarray
    w_thermal: np.ndarray
    targets: np.ndarray
    iterates: np.ndarray
    unit: str = 'nats'


def explain(model: bytes, rgb: np.ndarray, thermal: np.ndarray) -> Explanation:
    """
    Run a deployed graph (bytes of an ONNX file) on ONNX Runtime and keep what led to its outputs.

    rgb: uint8 HxWx3; thermal: uint8 HxW; H and W fit the model's multiple. Raises DependencyError
    without the package onnx, ModelFileError for a graph that does not name these values, and
    EngineError where it cannot run.
    """
    try:
        import onnx
    except ImportError as error:
        raise DependencyError(f'explaining needs the Python package onnx ({error}): '
                              f'{pip_install("onnx")}') from error
    import onnxruntime

    graph = onnx.load_model_from_string(model)
    inside = {name for node in graph.graph.node for name in node.output}
    iterates = sorted(name for name in inside if name.startswith('iterate_'))
    missing = [name for name in (*NAMES, 'iterate_1') if name not in inside]
    if missing:
        raise ModelFileError(f'the model names no {", ".join(missing)}; export it again with '
                             '`python -m train export` of this version')
    wanted = [value.name for value in graph.graph.output] + [*NAMES, *iterates]
    graph.graph.output.extend(onnx.ValueInfoProto(name=name) for name in (*NAMES, *iterates))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            graph.SerializeToString(), options, providers=['CPUExecutionProvider'])
        values = session.run(wanted, {'rgb': rgb, 'thermal': thermal})
    except Exception as error:  # the runtime's own exception types are not public
        raise EngineError(f'the model cannot be run on {rgb.shape} and {thermal.shape}: '
                          f'{str(error).strip().splitlines()[0][:200]}') from error
    named = dict(zip(wanted, values))
    return Explanation(
        EngineOutput(named['fused'], named['mask'], named['confidence']),
        *(named[name][0, 0] for name in NAMES),  # type: ignore[call-arg]
        np.stack([named[name][0, 0] for name in iterates]))
