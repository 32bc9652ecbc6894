"""Model files: unaltered, self-described, and refused in one sentence otherwise."""

import hashlib
import pickle

import numpy as np
import pytest
import yaml

from uaafusion_ros import share
from uaafusion_ros.engine import models
from uaafusion_ros.errors import ModelFileError


@pytest.fixture(scope='module')
def fast():
    return models.shipped('fast')


def test_shipped_files_match_their_list(fast):
    listing = yaml.safe_load(share.path('models', 'models.yaml').read_text())['models']
    for name, row in listing.items():
        path, pinned = models.shipped(name)
        assert hashlib.sha256(path.read_bytes()).hexdigest() == pinned == row['sha256']
        _, spec = models.load(path, pinned)
        assert spec.preset == name
        assert spec.classes == tuple(c['name'] for c in row['classes'])
        assert spec.palette.tolist() == [c['colour'] for c in row['classes']]
        assert spec.palette.dtype == np.uint8
        assert (path.parent / row['card']).is_file()
        assert row['licence']


def test_shipped_weights_match_their_list():
    checkpoint = pytest.importorskip('uaafusion_ros.network.checkpoint')
    listing = yaml.safe_load(share.path('models', 'models.yaml').read_text())['weights']
    assert 'paper' in listing
    for name, row in listing.items():
        path, pinned = models.shipped_weights(name)
        assert models.intact(path, pinned)[1] == row['sha256']
        _, meta = checkpoint.load(path)
        assert meta['preset'] == name
        assert meta['classes'] == [c['name'] for c in row['classes']]
        assert meta['palette'] == [c['colour'] for c in row['classes']]
        assert (path.parent / row['card']).is_file()
        assert row['licence']


def test_weights_that_do_not_ship_are_told_from_models():
    with pytest.raises(ModelFileError, match="weights of 'release' for backend 'torch' are not"):
        models.shipped_weights('release')


def test_unknown_preset_names_the_shipped_ones():
    with pytest.raises(ModelFileError, match="'huge' is not shipped; shipped are .*fast"):
        models.shipped('huge')


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ModelFileError, match='none.onnx: no such model file'):
        models.load(tmp_path / 'none.onnx')


@pytest.mark.parametrize('place', [0, 0.5, 1])
def test_one_changed_byte_is_refused(fast, tmp_path, place):
    path, pinned = fast
    data = bytearray(path.read_bytes())
    data[int(place * (len(data) - 1))] ^= 1
    altered = tmp_path / 'altered.onnx'
    altered.write_bytes(data)
    with pytest.raises(ModelFileError, match='altered or is incomplete'):
        models.load(altered, pinned)


@pytest.mark.parametrize('share_kept', [0, 0.3, 0.9])
def test_truncated_file_without_a_pin_is_refused(fast, tmp_path, share_kept):
    data = fast[0].read_bytes()
    cut = tmp_path / 'cut.onnx'
    cut.write_bytes(data[:int(share_kept * len(data))])
    with pytest.raises(ModelFileError, match='cut.onnx: not a readable ONNX model'):
        models.load(cut)


def _tiny(onnx, path, outputs=('fused', 'mask', 'confidence'), meta=None):
    uint8 = onnx.TensorProto.UINT8
    info = onnx.helper.make_tensor_value_info
    inputs = [info('rgb', uint8, ['height', 'width', 3]), info('thermal', uint8, ['h', 'w'])]
    results = [info(n, uint8, ['height', 'width', 3] if n == 'fused' else ['h', 'w'])
               for n in outputs]
    nodes = [onnx.helper.make_node('Identity', ['rgb' if n == 'fused' else 'thermal'], [n])
             for n in outputs]
    model = onnx.helper.make_model(
        onnx.helper.make_graph(nodes, 'tiny', inputs, results),
        opset_imports=[onnx.helper.make_opsetid('', 18)], ir_version=8)
    for key, value in (meta or {}).items():
        model.metadata_props.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())
    return path


META = {'schema': '1', 'preset': 'tiny', 'multiple': '32', 'classes': '["a", "b"]',
        'palette': '[[0, 0, 0], [255, 0, 0]]'}


def test_a_model_of_ones_own_is_read(tmp_path):
    onnx = pytest.importorskip('onnx')
    _, spec = models.load(_tiny(onnx, tmp_path / 'own.onnx', meta=META))
    assert (spec.preset, spec.classes, spec.multiple) == ('tiny', ('a', 'b'), 32)
    assert spec.palette.tolist() == [[0, 0, 0], [255, 0, 0]]


def test_foreign_models_say_what_differs(tmp_path):
    onnx = pytest.importorskip('onnx')
    with pytest.raises(ModelFileError, match='no description of this package'):
        models.load(_tiny(onnx, tmp_path / 'plain.onnx'))
    with pytest.raises(ModelFileError, match='schema 9, this version reads 1'):
        models.load(_tiny(onnx, tmp_path / 'new.onnx', meta={**META, 'schema': '9'}))
    with pytest.raises(ModelFileError, match="outputs are .* expected .*'mask'"):
        models.load(_tiny(onnx, tmp_path / 'less.onnx', outputs=('fused',), meta=META))


def test_external_data_outside_the_file_is_refused(tmp_path):
    """A weight that points to another file must not make the loader read that file."""
    onnx = pytest.importorskip('onnx')
    path = _tiny(onnx, tmp_path / 'reach.onnx', meta=META)
    model = onnx.load(path)
    (tmp_path / 'secret').write_bytes(bytes(16))
    tensor = model.graph.initializer.add(name='w', data_type=onnx.TensorProto.FLOAT, dims=[4])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key='location', value='../secret')
    model.graph.node.append(onnx.helper.make_node('Identity', ['w'], ['v']))
    folder = tmp_path / 'models'
    folder.mkdir()
    (folder / 'reach.onnx').write_bytes(model.SerializeToString())
    with pytest.raises(ModelFileError, match='not a readable ONNX model'):
        models.load(folder / 'reach.onnx')


@pytest.mark.parametrize('missing', ['classes', 'palette', 'multiple', 'preset', 'schema'])
def test_each_part_of_the_description_is_needed(tmp_path, missing):
    onnx = pytest.importorskip('onnx')
    meta = {key: value for key, value in META.items() if key != missing}
    with pytest.raises(ModelFileError, match=f"no description of this package .*'{missing}'"):
        models.load(_tiny(onnx, tmp_path / 'part.onnx', meta=meta))


@pytest.mark.parametrize('change', [
    {'classes': '[]'}, {'classes': '["a", "b", "c"]'}, {'palette': '[[0, 0, 0]]'},
    {'palette': '[[0, 0], [1, 1]]'}])
def test_every_class_has_a_colour(tmp_path, change):
    onnx = pytest.importorskip('onnx')
    with pytest.raises(ModelFileError, match='expected one colour'):
        models.load(_tiny(onnx, tmp_path / 'odd.onnx', meta={**META, **change}))


class Canary:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return open, (str(self._path), 'w')


def test_a_pickle_is_refused_and_nothing_in_it_runs(tmp_path):
    canary = tmp_path / 'canary'
    for name in ('weights.pth', 'weights.onnx'):
        (tmp_path / name).write_bytes(pickle.dumps(Canary(canary)))
        with pytest.raises(ModelFileError, match=f'{name}: not a readable ONNX model'):
            models.load(tmp_path / name)
        assert not canary.exists()
    pickle.loads((tmp_path / 'weights.pth').read_bytes()).close()
    assert canary.exists()  # the canary sings where it is let
