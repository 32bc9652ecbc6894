"""
The shipped float32 graph as a float16 one, whose types say where each operation computes.

A strongly typed TensorRT network takes its precision from the ONNX file. Convolutions go to
float16 and what lies between them follows; bytes, sums over pixels and the fusion's running
estimate stay in float32, where a rounding step of float16 would reach the picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
import re

import numpy as np
import onnx
from onnx import helper
from onnx import numpy_helper
from onnx import TensorProto

from uaafusion_ros.errors import EngineError

FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16

# What the time goes into, and what tensor cores do.
HEAVY = ('Conv', 'ConvTranspose', 'Gemm')
# Sums and means over an image overflow float16 (65504) or drown in its 11 bits.
WIDE = ('Softmax', 'LogSoftmax', 'ReduceSum', 'ReduceMean', 'ReduceMax', 'ReduceL2', 'MatMul',
        'GlobalAveragePool', 'InstanceNormalization', 'LayerNormalization', 'Pow', 'Exp')
# With one operand in float32 the result is kept there.
ARITHMETIC = ('Add', 'Sub', 'Mul', 'Div', 'Max', 'Min', 'Sum')


def to_fp16(data: bytes, keep: Sequence[str] = ()) -> bytes:
    """
    Return an ONNX file's bytes with convolutions and what lies between them in float16.

    keep: regular expressions; a convolution whose node or weight has a name that one of them
    matches from the start stays in float32, as does what follows it alone. Inputs, outputs and
    metadata are unchanged; batch normalisations are folded into their convolutions before the
    weights are rounded. Raises EngineError for a file that is no plain ONNX graph or when `keep`
    matches nothing.
    """
    model = _parsed(data)
    graph = model.graph
    _fold_batch_normalisation(graph)
    types = _float_tensors(model)
    kept = [re.compile(pattern) for pattern in keep]
    constants = {tensor.name: tensor for tensor in graph.initializer}
    feeds_heavy = _tensors_before(graph, HEAVY)
    half: set[str] = set()
    nodes: list[onnx.NodeProto] = []
    done: set[tuple[str, int]] = set()
    matched: set[str] = set()
    for node in graph.node:
        names = [node.name, *(name for name in node.input if name in constants)]
        hits = {pattern.pattern for pattern in kept for name in names if pattern.match(name)}
        matched |= hits
        flowing = [name for name in node.input if name in types and name not in constants]
        computes_half = _computes_half(node, [name in half for name in flowing], bool(hits))
        if not feeds_heavy.intersection(node.output) and node.op_type not in HEAVY:
            computes_half = False
        if node.op_type == 'Cast':
            computes_half = False
        elif node.op_type not in ('Shape', 'ArgMax'):
            wanted = HALF if computes_half else FLOAT
            for place, name in enumerate(node.input):
                fixed = node.op_type == 'Resize' and place > 0  # its scales are float32 by type
                if name in types and not fixed and (name in half) != computes_half:
                    node.input[place] = _converted(name, wanted, constants, graph, nodes, done)
        nodes.append(node)
        if computes_half:
            half.update(name for name in node.output if name in types)
    if missing := {pattern.pattern for pattern in kept} - matched:
        raise EngineError(f'no layer of the model is called {", ".join(sorted(missing))}; nothing '
                          'would be kept in float32')
    del graph.node[:]
    graph.node.extend(nodes)
    _drop_unused(graph)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def _computes_half(node: onnx.NodeProto, halves: list[bool], kept: bool) -> bool:
    if node.op_type in HEAVY:
        return not kept
    if kept or node.op_type in WIDE or not halves:
        return False
    return all(halves) if node.op_type in ARITHMETIC else any(halves)


def _parsed(data: bytes) -> onnx.ModelProto:
    try:
        model = onnx.load_from_string(data)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf's and the checker's own types
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise EngineError(f'the model is not a readable ONNX file ({reason[:200]}); install the '
                          'package again or export the model again') from error
    for node in model.graph.node:
        if any(attribute.HasField('g') for attribute in node.attribute):
            raise EngineError(f'node {node.name} ({node.op_type}) holds a graph of its own, which '
                              'cannot be converted to float16; use precision fp32')
    for node in [node for node in model.graph.node if node.op_type == 'Constant']:
        tensor = numpy_helper.to_array(node.attribute[0].t)
        model.graph.initializer.append(numpy_helper.from_array(tensor, node.output[0]))
        model.graph.node.remove(node)
    return model


def _float_tensors(model: onnx.ModelProto) -> set[str]:
    """Names of every float32 tensor of a graph."""
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    found = {value.name for value in (*graph.input, *graph.output, *graph.value_info)
             if value.type.tensor_type.elem_type == FLOAT}
    return found | {tensor.name for tensor in graph.initializer if tensor.data_type == FLOAT}


def _tensors_before(graph: onnx.GraphProto, operations: Sequence[str]) -> set[str]:
    """Names of the tensors from which an operation of these kinds can be reached."""
    before: set[str] = set()
    for node in reversed(graph.node):
        if node.op_type in operations or before.intersection(node.output):
            before.update(node.input)
    return before


def _converted(name: str, wanted: int, constants: dict[str, onnx.TensorProto],
               graph: onnx.GraphProto, nodes: list[onnx.NodeProto],
               done: set[tuple[str, int]]) -> str:
    """Return the name of a tensor's copy in another precision, made on first use."""
    copy = f'{name}.{"fp16" if wanted == HALF else "fp32"}'
    if (name, wanted) not in done:
        done.add((name, wanted))
        if name in constants:
            array = numpy_helper.to_array(constants[name]).astype(np.float16)
            graph.initializer.append(numpy_helper.from_array(array, copy))
        else:
            nodes.append(helper.make_node('Cast', [name], [copy], name=f'cast.{copy}', to=wanted))
    return copy


def _fold_batch_normalisation(graph: onnx.GraphProto) -> None:
    """
    Put batch normalisations into the convolutions before them, in float64.

    Rounded on their own to float16, small variances and large gains would cost more than the
    whole of the rest.
    """
    constants = {tensor.name: tensor for tensor in graph.initializer}
    uses = [name for node in graph.node for name in node.input]
    made = {name: node for node in graph.node for name in node.output}
    folded: set[str] = set()
    for node in list(graph.node):
        conv = made.get(node.input[0]) if node.op_type == 'BatchNormalization' else None
        if (conv is None or conv.op_type != 'Conv' or uses.count(node.input[0]) > 1
                or not set(node.input[1:]) | {conv.input[1]} <= set(constants)):
            continue
        gain, shift, mean, variance = _arrays(constants, node.input[1:])
        epsilon = next((a.f for a in node.attribute if a.name == 'epsilon'), 1e-5)
        gain = gain / np.sqrt(variance + epsilon)
        weight = next(_arrays(constants, [conv.input[1]]))
        bias = next(_arrays(constants, conv.input[2:]), np.zeros_like(mean))
        values = {f'{conv.input[1]}.{node.input[1]}':
                  weight * gain.reshape(-1, *[1] * (weight.ndim - 1)),
                  f'{conv.input[1]}.{node.input[2]}': shift + (bias - mean) * gain}
        # Layers that run twice share their weights, and go on sharing them.
        for name, array in values.items():
            if name not in folded:
                folded.add(name)
                graph.initializer.append(
                    numpy_helper.from_array(array.astype(np.float32), name))
        del conv.input[1:]
        conv.input.extend(values)
        conv.output[0] = node.output[0]
        graph.node.remove(node)


def _arrays(constants: dict[str, onnx.TensorProto], names: Sequence[str]) -> Iterator[np.ndarray]:
    return (numpy_helper.to_array(constants[name]).astype(np.float64) for name in names)


def _drop_unused(graph: onnx.GraphProto) -> None:
    used = {name for node in graph.node for name in node.input}
    left = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(left)
