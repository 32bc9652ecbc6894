"""The exported file: what it computes, what it says of itself, what TensorRT can read of it."""

import hashlib
import json
from pathlib import Path
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from toys import enlivened

from uaafusion_ros.engine import models
from uaafusion_ros.engine.explanation import explain
from uaafusion_ros.network.export import export
from uaafusion_ros.network.export import weights_digest
from uaafusion_ros.network.model import Deployed
from uaafusion_ros.network.model import UAAFusion
from uaafusion_ros.network.presets import preset

pytestmark = pytest.mark.slow

CLASSES = [f'class {i}' for i in range(9)]
PALETTE = [(i, 2 * i, 255 - i) for i in range(9)]

# Operators with "Y" in the support matrix of onnx-tensorrt 10.1, the last published before
# TensorRT 10.3 (docs/operators.md), but for those with data-dependent shapes, control flow or
# random numbers.
SUPPORTED = set('''
    Abs Add And ArgMax ArgMin AveragePool BatchNormalization Cast Ceil Clip Concat Constant
    ConstantOfShape Conv ConvTranspose DepthToSpace Div Einsum Equal Erf Exp Expand Flatten Floor
    Gather GatherElements Gelu Gemm GlobalAveragePool Greater GreaterOrEqual GroupNormalization
    HardSigmoid HardSwish Identity InstanceNormalization LayerNormalization LeakyRelu Less
    LessOrEqual Log MatMul Max MaxPool Mean Min Mod Mul Neg Not Or Pad Pow PRelu Range Reciprocal
    ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum Relu Reshape Resize Round Shape Sigmoid
    Sign Size Slice Softmax Softplus SpaceToDepth Split Sqrt Squeeze Sub Sum Tanh Tile Transpose
    Unsqueeze Where Xor
'''.split())


@pytest.fixture(scope='module')
def network():
    """Return a network whose random weights leave no part idle."""
    torch.manual_seed(0)
    net = UAAFusion(preset('fast'), [1, 2, 3]).eval()
    with torch.no_grad():
        for parameter in net.fusion.parameters():
            if (parameter == 0).all():
                torch.nn.init.normal_(parameter, std=0.05)
        torch.nn.init.normal_(net.mask_head.refine[-1].weight, std=0.05)
        enlivened(net.segmenter)
        net.look_at_black()
    return net


@pytest.fixture(scope='module')
def exported(network, tmp_path_factory):
    path = tmp_path_factory.mktemp('export') / 'new' / 'net.onnx'
    digest = export(network, path, CLASSES, PALETTE)
    return path, digest


def scene(height, width):
    """Return smooth bytes, as cameras give: noise over a few large shapes."""
    generator = torch.Generator().manual_seed(height)
    coarse = torch.rand(1, 4, height // 16, width // 16, generator=generator)
    image = torch.nn.functional.interpolate(coarse, size=(height, width), mode='bicubic')[0]
    image = (image + 0.05 * torch.randn(4, height, width, generator=generator)).clamp(0, 1)
    image = (image * 255).to(torch.uint8)
    return image[:3].permute(1, 2, 0).contiguous(), image[3].contiguous()


@pytest.mark.parametrize('height,width', [(64, 128), (96, 160)])
def test_onnx_runtime_computes_what_torch_does(network, exported, height, width):
    rgb, thermal = scene(height, width)
    with torch.no_grad():
        want = [x.numpy().astype(int) for x in Deployed(network)(rgb, thermal)]
    session = onnxruntime.InferenceSession(exported[0], providers=['CPUExecutionProvider'])
    got = session.run(None, {'rgb': rgb.numpy(), 'thermal': thermal.numpy()})
    assert [g.dtype.name for g in got] == ['uint8'] * 3
    assert [g.shape for g in got] == [(height, width, 3), (height, width), (height, width)]
    assert abs(got[0] - want[0]).max() <= 1
    assert len(set(want[1].ravel())) > 1
    assert (got[1] == want[1]).mean() >= 0.999
    assert abs(got[2] - want[2]).max() <= 2
    # What is compared is not the camera's image again.
    assert abs(got[0] - rgb.numpy().astype(int)).mean() > 1


def test_the_file_says_why(network, exported):
    """The values that explain a pair are those of PyTorch, on a size it was not exported at."""
    rgb, thermal = scene(64, 128)
    with torch.no_grad():
        _, _, _, *want = Deployed(network).explained(rgb, thermal)
    found = explain(exported[0].read_bytes(), rgb.numpy(), thermal.numpy())
    got = (found.information_thermal, found.information_rgb, found.w_thermal, found.targets,
           *found.iterates)
    assert len(got) == len(want)
    for one, other in zip(got, want):
        np.testing.assert_allclose(one, other[0, 0].numpy(), atol=2e-3)
    assert found.information_rgb.max() > 0.1


def test_the_file_describes_itself(network, exported):
    path, digest = exported
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    meta = {p.key: p.value for p in onnx.load(path).metadata_props}
    assert meta == {
        'schema': '1', 'preset': 'fast', 'multiple': '32', 'classes': json.dumps(CLASSES),
        'palette': json.dumps([list(c) for c in PALETTE]),
        'weights_sha256': weights_digest(network.state_dict())}
    _, spec = models.load(path, digest)
    assert spec.classes == tuple(CLASSES)
    assert spec.palette.tolist() == [list(c) for c in PALETTE]
    assert spec.multiple == network.multiple


def test_the_digest_tells_weights_apart(network):
    state = network.state_dict()
    other = dict(reversed(state.items()))
    assert weights_digest(other) == weights_digest(state)
    name = next(iter(other))
    other[name] = other[name] + 1e-6
    assert weights_digest(other) != weights_digest(state)


def test_one_file_not_much_larger_than_its_weights(network, exported):
    path, _ = exported
    assert [p.name for p in path.parent.iterdir()] == ['net.onnx']
    weights = sum(t.numel() * t.element_size() for t in network.state_dict().values())
    assert path.stat().st_size < 1.3 * weights


def test_no_path_of_this_machine_is_inside(exported):
    data = exported[0].read_bytes()
    here = [str(Path(__file__).resolve().parents[2]), str(Path.home()) + '/', sys.prefix,
            'site-packages', '/uaafusion_ros/', '.py']
    assert not [text for text in here if text.encode() in data]


def test_only_what_tensorrt_10_3_reads(exported):
    model = onnx.load(exported[0])
    assert [(o.domain, o.version) for o in model.opset_import] == [('', 18)]
    assert {node.op_type for node in model.graph.node} <= SUPPORTED
    for node in model.graph.node:
        if node.op_type == 'Resize':
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            assert attributes['mode'] in (b'nearest', b'linear')
            assert not attributes.get('antialias')
            assert attributes.get('nearest_mode', b'floor') == b'floor'


def test_bytes_are_cast_from_and_to_floats_alone(exported):
    """TensorRT converts uint8 from and to float32 and float16 only, and computes with neither."""
    model = onnx.shape_inference.infer_shapes(onnx.load(exported[0]))
    kinds = {v.name: v.type.tensor_type.elem_type
             for v in (*model.graph.value_info, *model.graph.input, *model.graph.output)}
    byte, real = onnx.TensorProto.UINT8, onnx.TensorProto.FLOAT
    seen = 0
    for node in model.graph.node:
        touching = {kinds.get(name) for name in (*node.input, *node.output)}
        if byte in touching:
            assert node.op_type == 'Cast'
            assert touching == {byte, real}
            seen += 1
    assert seen == 5
