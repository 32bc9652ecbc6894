"""
What float16 does to a graph, on a CPU.

ONNX Runtime's CPU provider computes float16 graphs in float32 and leaves out the rounding between
two operations, so that it shows the rounding of weights only. Here every float16 tensor of a graph
becomes a float32 one that is rounded by arithmetic to float16's 11 bits (T. J. Dekker, "A
floating-point technique for extending the available precision", Numer. Math. 18, 1971) and
overflows where float16 does.
"""

import numpy as np
import onnx
from onnx import helper
from onnx import numpy_helper
from onnx import TensorProto
import onnxruntime

from uaafusion_ros.engine.onnxruntime_backend import ONNXRuntimeBackend

HALF, FLOAT = TensorProto.FLOAT16, TensorProto.FLOAT
# Splits 24 bits into 11 and 13; lifts 65536 and above beyond float32, and back.
CONSTANTS = {'split': 2.0**13 + 1, 'lift': 2.0**112, 'lower': 2.0**-112}


def rounded(data: bytes) -> bytes:
    """Return a graph of float32 that computes what a graph with float16 does."""
    model = onnx.load_from_string(data)
    graph = model.graph
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    half = {value.name for value in inferred.value_info
            if value.type.tensor_type.elem_type == HALF}
    for tensor in graph.initializer:
        if tensor.data_type == HALF:
            array = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    for name, value in CONSTANTS.items():
        graph.initializer.append(numpy_helper.from_array(np.float32(value), name))
    nodes = []
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == 'Cast' and attribute.name == 'to' and attribute.i == HALF:
                attribute.i = FLOAT
        nodes.append(node)
        for place, name in enumerate(node.output):
            if name in half:
                node.output[place] = f'{name}.exact'
                nodes += _round(f'{name}.exact', name)
    del graph.node[:]
    graph.node.extend(nodes)
    return model.SerializeToString()


def _round(exact, name):
    steps = (('Mul', exact, 'split'), ('Sub', 0, exact), ('Sub', 0, 1), ('Mul', 2, 'lift'),
             ('Mul', 3, 'lower'))
    names = [f'{name}.{step}' for step in range(len(steps) - 1)] + [name]
    return [helper.make_node(operation, [names[i] if isinstance(i, int) else i for i in inputs],
                             [result])
            for (operation, *inputs), result in zip(steps, names)]


class AsWritten(ONNXRuntimeBackend):
    """ONNX Runtime without optimisations, which would be free to undo the rounding."""

    def _compile(self, height, width):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.add_free_dimension_override_by_name('height', height)
        options.add_free_dimension_override_by_name('width', width)
        return onnxruntime.InferenceSession(
            self._data, options, providers=['CPUExecutionProvider'])
