"""
The shipped graphs hold only what the oldest supported TensorRT takes.

TensorRT-RTX, which builds in these tests, knows more than the TensorRT 10.3 of a Jetson. The table
is that of onnx-tensorrt 10.1, docs/operators.md, for the operations in use and a few that an
export might bring; bounds: opset 9 to 20.
"""

import pytest
import yaml

from uaafusion_ros import share
from uaafusion_ros.engine import models

onnx = pytest.importorskip('onnx')

from uaafusion_ros.engine.tensorrt.float16 import to_fp16  # noqa: E402

PRESETS = yaml.safe_load(share.path('models', 'models.yaml').read_text())['models']
SUPPORTED = {
    'Abs', 'Add', 'ArgMax', 'AveragePool', 'BatchNormalization', 'Cast', 'Clip', 'Concat',
    'Constant', 'ConstantOfShape', 'Conv', 'ConvTranspose', 'DepthToSpace', 'Div', 'Exp',
    'Expand', 'Flatten', 'Floor', 'Gather', 'Gemm', 'GlobalAveragePool', 'HardSwish', 'Identity',
    'InstanceNormalization', 'LeakyRelu', 'Log', 'MatMul', 'Max', 'MaxPool', 'Min', 'Mod', 'Mul',
    'Neg', 'Pad', 'Pow', 'Range', 'ReduceMax', 'ReduceMean', 'ReduceSum', 'Relu', 'Reshape',
    'Resize', 'Round', 'Shape', 'Sigmoid', 'Sign', 'Slice', 'Softmax', 'SpaceToDepth', 'Split',
    'Sqrt', 'Squeeze', 'Sub', 'Tanh', 'Transpose', 'Unsqueeze', 'Where'}
# Operation: the input that must be an initializer.
CONSTANT = {'Squeeze': 1, 'Unsqueeze': 1, 'ReduceMax': 1, 'ReduceSum': 1, 'ReduceMean': 1,
            'Slice': 3, 'Pad': 3}
RESIZE = {
    'mode': {'nearest', 'linear'}, 'keep_aspect_ratio_policy': {'stretch'}, 'antialias': {0},
    'nearest_mode': {'floor', 'ceil', 'round_prefer_floor', 'round_prefer_ceil'},
    'coordinate_transformation_mode': {
        'half_pixel', 'pytorch_half_pixel', 'tf_half_pixel_for_nn', 'asymmetric',
        'align_corners'}}


@pytest.mark.parametrize('preset', PRESETS)
@pytest.mark.parametrize('convert', [bytes, to_fp16], ids=['fp32', 'fp16'])
def test_every_operation_is_in_the_table(preset, convert):
    model = onnx.load_from_string(convert(models.shipped(preset)[0].read_bytes()))
    assert [(one.domain, 9 <= one.version <= 20) for one in model.opset_import] == [('', True)]
    constants = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        assert node.op_type in SUPPORTED, node.name
        place = CONSTANT.get(node.op_type)
        if place is not None and len(node.input) > place and node.input[place]:
            assert node.input[place] in constants, node.name
        for attribute in node.attribute if node.op_type == 'Resize' else ():
            value = onnx.helper.get_attribute_value(attribute)
            value = value.decode() if isinstance(value, bytes) else value
            assert value in RESIZE.get(attribute.name, {value}), (node.name, attribute.name)


@pytest.mark.parametrize('preset', PRESETS)
def test_bytes_are_converted_from_and_to_floats_only(preset):
    """TensorRT 10's conversions of uint8 are those (IIdentityLayer, ICastLayer)."""
    model = onnx.load_from_string(models.shipped(preset)[0].read_bytes())
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    types = {value.name: value.type.tensor_type.elem_type
             for value in (*inferred.value_info, *inferred.input, *inferred.output)}
    for node in model.graph.node:
        if node.op_type == 'Cast' and 2 in (types[node.input[0]], types[node.output[0]]):
            assert {types[node.input[0]], types[node.output[0]]} <= {1, 2, 10}, node.name
