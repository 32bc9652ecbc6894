"""PyTorch's backend keeps the contract on the processor; a GPU's path needs a GPU."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch')

from uaafusion_ros.engine.loading import load_backend  # noqa: E402
from uaafusion_ros.engine.torch_backend import deployed  # noqa: E402
from uaafusion_ros.engine.torch_backend import explain  # noqa: E402
from uaafusion_ros.engine.torch_backend import load  # noqa: E402
from uaafusion_ros.engine.torch_backend import make_network  # noqa: E402
from uaafusion_ros.engine.torch_backend import read  # noqa: E402
from uaafusion_ros.engine.torch_backend import TorchSession  # noqa: E402
from uaafusion_ros.errors import CheckpointError  # noqa: E402
from uaafusion_ros.errors import EngineError  # noqa: E402
from uaafusion_ros.errors import ModelFileError  # noqa: E402
from uaafusion_ros.network import checkpoint  # noqa: E402
from uaafusion_ros.network.model import Deployed  # noqa: E402
from uaafusion_ros.network.presets import preset  # noqa: E402

CPU = torch.device('cpu')


@pytest.fixture(scope='module', autouse=True)
def one_thread():
    """On a busy machine two threads spend their time waiting for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope='module')
def network():
    torch.manual_seed(0)
    network = make_network(preset('fast')).eval()
    for stage in network.fusion.stages:  # fresh heads are zero and hide what the stages compute
        torch.nn.init.normal_(stage.head.unit[-1].weight, std=0.02)
    return network


@pytest.fixture
def path(network, tmp_path):
    path = tmp_path / 'best.safetensors'
    checkpoint.save(path, network.state_dict(), {'part': 'network', 'preset': 'fast'})
    return path


def pair(height=64, width=96):
    rng = np.random.default_rng(0)
    return (rng.integers(0, 256, (height, width, 3), np.uint8),
            rng.integers(0, 256, (height, width), np.uint8))


def test_a_checkpoint_runs_as_the_deployed_network_does(path, network):
    backend = load_backend(model=path, backend='torch')
    rgb, thermal = pair()
    output = backend.infer(rgb, thermal)
    with torch.no_grad():
        expected = Deployed(network)(torch.from_numpy(rgb), torch.from_numpy(thermal))
    # Channels last sums in another order.
    assert np.abs(output.fused.astype(int) - expected[0].numpy()).max() <= 1
    assert (output.mask == expected[1].numpy()).mean() >= 0.995
    assert backend.name.startswith(f'torch {torch.__version__} on ')
    backend.close()


def test_a_checkpoint_is_explained(path, network):
    rgb, thermal = pair()
    found = explain(read(path)[0], rgb, thermal)
    np.testing.assert_array_equal(found.output.fused, load(path, 'cpu').infer(rgb, thermal).fused)
    with torch.no_grad():
        _, _, _, *want = Deployed(network).explained(
            torch.from_numpy(rgb), torch.from_numpy(thermal))
    got = (found.information_thermal, found.information_rgb, found.w_thermal, found.targets,
           *found.iterates)
    for one, other in zip(got, want, strict=True):
        np.testing.assert_allclose(one, other[0, 0].numpy(), atol=1e-4)
    assert found.unit == 'nats'


def test_a_checkpoint_of_other_classes_and_weights_is_read_as_trained(tmp_path):
    spec = replace(preset('fast'), classes=3, weights='even')
    path = tmp_path / 'best.safetensors'
    checkpoint.save(path, make_network(spec).state_dict(), {
        'part': 'network', 'preset': 'fast', 'classes': ['ground', 'box', 'disc'],
        'palette': [[0, 0, 0], [9, 9, 0], [0, 9, 9]], 'weights': 'even'})
    network, described = read(path)
    assert described.classes == ('ground', 'box', 'disc')
    assert (explain(network, *pair()).w_thermal == 0.5).all()


def test_any_size_is_padded_and_results_are_kept(path):
    backend = load(path, 'cpu')
    rgb, thermal = pair(33, 47)
    first = backend.infer(rgb, thermal)
    kept = first.fused.copy()
    backend.infer(255 - rgb, thermal)
    np.testing.assert_array_equal(first.fused, kept)
    assert first.fused.shape == rgb.shape
    assert first.mask.shape == first.confidence.shape == thermal.shape


def test_classes_have_numbers_and_different_colours(path):
    spec = load(path, 'cpu').spec
    assert spec.classes[:2] == ('class 0', 'class 1')
    assert len(spec.classes) == len({tuple(colour) for colour in spec.palette}) == 9
    assert spec.palette.dtype == np.uint8
    assert spec.palette[0].tolist() == [0, 0, 0]
    assert cv2.cvtColor(spec.palette[None, 1:], cv2.COLOR_RGB2HSV)[..., 1].min() > 250


def test_bfloat16_stays_near_float32(path):
    rgb, thermal = pair()
    full, half = (load(path, 'cpu', name).infer(rgb, thermal) for name in ('fp32', 'bf16'))
    assert 'bf16' in load(path, 'cpu', 'bf16').name
    difference = np.abs(full.fused.astype(int) - half.fused)
    assert difference.max() <= 8
    assert (full.fused != half.fused).any(), 'bf16 had no effect'


@pytest.mark.slow
def test_the_paper_preset_runs_with_its_derivatives():
    torch.manual_seed(0)
    module = deployed(make_network(preset('paper')), CPU, 'fp32')
    session = TorchSession(module, 32, 64, CPU, 'fp32')
    fused, mask, confidence = session.run(*pair(32, 64))
    assert fused.shape == (32, 64, 3)
    assert mask.max() < 9
    assert np.ptp(fused) > 0
    assert confidence.min() >= 255 // 9  # the winner of nine
    with pytest.raises(EngineError, match="'paper' takes derivatives.*use precision fp32"):
        deployed(make_network(preset('paper')), CPU, 'bf16')


@pytest.mark.slow
def test_weights_for_study_run_and_are_explained(tmp_path):
    torch.manual_seed(0)
    network = make_network(preset('paper'))
    path = tmp_path / 'best.safetensors'
    names = [f'name {number}' for number in range(9)]
    checkpoint.save(path, network.state_dict(), {
        'part': 'exact', 'preset': 'paper', 'classes': names,
        'palette': [[number, 0, 9] for number in range(9)]})
    rgb, thermal = pair(32, 64)
    backend = load(path, 'cpu')
    assert list(backend.spec.classes) == names
    assert backend.spec.palette[8].tolist() == [8, 0, 9]
    found = explain(read(path)[0], rgb, thermal)
    np.testing.assert_array_equal(found.output.fused, backend.infer(rgb, thermal).fused)
    stages = preset('paper').stages
    assert found.unit == 'of the score'
    assert found.information_thermal.shape == found.information_rgb.shape == (32, 64)
    assert found.information_rgb.min() >= 0 and found.information_rgb.max() > 0
    assert found.w_thermal.shape == (32, 64)
    assert 0 <= found.w_thermal.min() <= found.w_thermal.max() <= 1
    assert not found.targets.any()
    assert found.iterates.shape == (stages, 32, 64)


def test_a_file_that_is_not_the_pinned_one_is_refused(path):
    with pytest.raises(ModelFileError, match='altered or is incomplete'):
        load(path, 'cpu', pinned='0' * 64)


def test_unknown_precision_names_the_known(path):
    with pytest.raises(EngineError, match="'int4' is unknown.*: bf16, fp32"):
        load(path, 'cpu', 'int4')


def test_checkpoints_that_are_no_whole_network_are_refused(network, path, tmp_path):
    part = tmp_path / 'part.safetensors'
    checkpoint.save(part, network.segmenter.state_dict(), {'part': 'segmenter', 'preset': 'fast'})
    with pytest.raises(CheckpointError, match="holds a 'segmenter', not a whole network"):
        load(part)
    tensors, meta = checkpoint.load(path)
    tensors.pop(next(iter(tensors)))
    checkpoint.save(part, tensors, meta)
    with pytest.raises(CheckpointError, match="not those of preset 'fast'.*train it again"):
        load(part)


def test_what_pytorch_raises_is_one_line(monkeypatch, path):
    backend = load(path, 'cpu')

    def broken(*_):
        raise RuntimeError('out of memory\nmore\nlines')

    monkeypatch.setattr(TorchSession, '_compute', broken)
    with pytest.raises(EngineError, match='^PyTorch failed: out of memory$'):
        backend.infer(*pair())


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_a_gpus_graph_computes_what_the_processor_computes(path):
    rgb, thermal = pair(480, 640)
    gpu, cpu = (load(path, device, 'fp32') for device in ('cuda', 'cpu'))
    for image in (rgb, 255 - rgb):
        got, expected = gpu.infer(image, thermal), cpu.infer(image, thermal)
        assert np.abs(got.fused.astype(int) - expected.fused).max() <= 2
        assert (got.mask == expected.mask).mean() >= 0.995
    assert gpu.take_notes() == []
