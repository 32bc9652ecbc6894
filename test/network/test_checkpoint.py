import pytest
from safetensors.torch import save_file
import torch

from uaafusion_ros.errors import CheckpointError
from uaafusion_ros.network import checkpoint


@pytest.fixture
def tensors():
    return {'a.weight': torch.randn(40, 3).t(), 'a.count': torch.tensor(7)}


def test_tensors_and_description_come_back(tmp_path, tensors):
    path = tmp_path / 'new' / 'best.safetensors'
    checkpoint.save(path, tensors, {'preset': 'fast', 'classes': ['a', 'b'], 'step': 3})
    got, meta = checkpoint.load(path)
    assert meta == {'preset': 'fast', 'classes': ['a', 'b'], 'step': 3}
    assert set(got) == set(tensors)
    assert all(torch.equal(got[name], tensors[name]) for name in got)
    assert [p.name for p in path.parent.iterdir()] == ['best.safetensors']


def test_tensors_that_share_memory_are_kept_apart(tmp_path, tensors):
    tensors['b'] = tensors['a.weight']
    checkpoint.save(tmp_path / 'x.safetensors', tensors, {})
    assert torch.equal(checkpoint.load(tmp_path / 'x.safetensors')[0]['b'], tensors['b'])


@pytest.mark.parametrize('keep', [0, 5, 60, -1])
def test_a_truncated_file_is_named(tmp_path, tensors, keep):
    path = tmp_path / 'cut.safetensors'
    checkpoint.save(path, tensors, {})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match='cut.safetensors: damaged'):
        checkpoint.load(path)


def test_a_foreign_file_is_named(tmp_path, tensors):
    pickled = tmp_path / 'other.pth'
    torch.save(tensors, pickled)
    with pytest.raises(CheckpointError, match='other.pth: damaged or no safetensors'):
        checkpoint.load(pickled)
    bare = tmp_path / 'bare.safetensors'
    save_file({'a': torch.zeros(2)}, bare)
    with pytest.raises(CheckpointError, match='bare.safetensors: carries no description'):
        checkpoint.load(bare)
    save_file({'a': torch.zeros(2)}, bare, metadata={'json': '{'})
    with pytest.raises(CheckpointError, match='bare.safetensors: damaged'):
        checkpoint.load(bare)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match='none.safetensors: no such checkpoint'):
        checkpoint.load(tmp_path / 'none.safetensors')
    with pytest.raises(CheckpointError, match='no such checkpoint'):
        checkpoint.load(tmp_path)


class Canary:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return open, (str(self._path), 'w')


def test_code_in_a_checkpoint_does_not_run(tmp_path):
    path, canary = tmp_path / 'weights.pth', tmp_path / 'canary'
    torch.save({'state': Canary(canary)}, path)
    with pytest.raises(CheckpointError, match='weights.pth: damaged or no safetensors'):
        checkpoint.load(path)
    assert not canary.exists()
    torch.load(path, weights_only=False)
    assert canary.exists()  # the canary sings where it is let


def test_weights_of_another_network_are_named(tmp_path):
    path, small = tmp_path / 'best.safetensors', torch.nn.Linear(2, 3)
    checkpoint.put(small, {'weight': torch.ones(3, 2), 'bias': torch.ones(3)}, path, 'fast')
    assert small.bias.tolist() == [1, 1, 1]
    with pytest.raises(CheckpointError, match="best.safetensors: .* not those of preset 'fast'"):
        checkpoint.put(small, {'weight': torch.ones(3, 4), 'bias': torch.ones(3)}, path, 'fast')
