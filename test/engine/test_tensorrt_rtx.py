"""The shipped graph is one that TensorRT accepts: parsed and built by a real builder, no GPU."""

import pytest
import yaml

from uaafusion_ros import share
from uaafusion_ros.engine import models

trt = pytest.importorskip('tensorrt_rtx')

SIZE = (480, 640)
PRESETS = yaml.safe_load(share.path('models', 'models.yaml').read_text())['models']


def parsed(data):
    """Return builder, network and the parser's complaints for an ONNX file's bytes."""
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    strongly = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(strongly)
    parser = trt.OnnxParser(network, logger)
    parser.parse(data)
    return builder, network, [parser.get_error(i).desc() for i in range(parser.num_errors)]


@pytest.mark.slow
@pytest.mark.parametrize('preset', PRESETS)
@pytest.mark.parametrize('capability', ['SM86', 'SM120'])
def test_shipped_graph_builds(preset, capability):
    data = models.shipped(preset)[0].read_bytes()
    builder, network, errors = parsed(data)
    assert not errors
    config = builder.create_builder_config()
    config.num_compute_capabilities = 1
    config.set_compute_capability(getattr(trt.ComputeCapability, capability), 0)
    profile = builder.create_optimization_profile()
    profile.set_shape('rgb', *[(*SIZE, 3)] * 3)
    profile.set_shape('thermal', *[SIZE] * 3)
    config.add_optimization_profile(profile)
    engine = builder.build_serialized_network(network, config)
    assert engine is not None
    assert engine.nbytes > 1e6


def test_the_builder_would_complain():
    """A truncated graph is refused, so that the test above can fail."""
    data = models.shipped('fast')[0].read_bytes()
    assert parsed(data[:len(data) // 2])[2]
