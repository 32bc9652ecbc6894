"""The int8 benchmark puts Q/DQ where it says, in the form that each runtime takes."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip('onnx')

import int8  # noqa: E402
from onnx import numpy_helper  # noqa: E402

from uaafusion_ros.engine import models  # noqa: E402
from uaafusion_ros.engine.tensorrt import api as apis  # noqa: E402
from uaafusion_ros.engine.tensorrt import gate  # noqa: E402
from uaafusion_ros.engine.tensorrt.builder import build  # noqa: E402
from uaafusion_ros.engine.tensorrt.builder import BuildOptions  # noqa: E402
from uaafusion_ros.engine.tensorrt.builder import Precision  # noqa: E402
from uaafusion_ros.errors import EngineError  # noqa: E402


@pytest.fixture(scope='module')
def model():
    return int8.prepared(models.shipped('fast')[0].read_bytes())


@pytest.fixture(scope='module')
def feeds():
    return [{'rgb': one.rgb, 'thermal': one.thermal} for one in gate.samples(64, 96)[:1]]


def constants(model):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def test_parts_are_found_by_module_and_share_nothing(model):
    parts = int8.parts(model)
    single = [parts[name] for name in ('first look', 'segmentation', 'attribution', 'fusion')]
    assert all(single)
    assert len(parts['first look']) == len(parts['segmentation'])
    assert parts['looks and segmentation'] == parts['first look'] + parts['segmentation']
    assert sum(map(len, single)) == len(set().union(*single)) < len(parts['all'])
    assert set().union(*single) < set(parts['all'])
    assert len(parts['all']) == sum(node.op_type == 'Conv' for node in model.graph.node)


def test_folding_leaves_no_batch_normalisation(model):
    assert not [node for node in model.graph.node if node.op_type == 'BatchNormalization']


@pytest.mark.parametrize('inputs', ['s8', 'u8'])
def test_only_the_named_part_computes_with_bytes(model, feeds, inputs):
    wanted = int8.parts(model)['fusion']
    result = onnx.load_from_string(int8.quantised(model, wanted, inputs, feeds))
    assert [(value.name, value.type) for value in (*result.graph.input, *result.graph.output)] \
        == [(value.name, value.type) for value in (*model.graph.input, *model.graph.output)]
    made = {name: node for node in result.graph.node for name in node.output}
    values = constants(result)
    found, shifts = [], []
    for node in (node for node in result.graph.node if node.op_type == 'Conv'):
        before = [made[name] for name in node.input[:2]
                  if name in made and made[name].op_type == 'DequantizeLinear']
        if not before:
            continue
        found.append(node.name)
        image, weight = before
        kernel, scale, zero = (values[name] for name in weight.input)
        assert kernel.dtype == np.int8 and not zero.any()
        assert scale.shape == (len(kernel),)
        assert node.input[2] in values and values[node.input[2]].dtype == np.float32
        shift = values[image.input[2]]
        assert shift.dtype == {'s8': np.int8, 'u8': np.uint8}[inputs]
        shifts.append(int(shift))
    assert sorted(found) == sorted(wanted)
    assert any(shifts) is (inputs == 'u8')


@pytest.mark.slow
def test_tensorrt_takes_the_symmetric_form_alone(model, feeds):
    pytest.importorskip('tensorrt_rtx')
    rtx, every = apis.load('tensorrt_rtx'), int8.parts(model)['all']
    options = BuildOptions((64, 96), Precision('fp32'), 'SM86')
    assert len(build(rtx, int8.quantised(model, every, 's8', feeds), options).engine) > 1e6
    with pytest.raises(EngineError, match='Non-zero zero point is not supported'):
        build(rtx, int8.quantised(model, every, 'u8', feeds), options)
