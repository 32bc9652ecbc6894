"""The Python API as its page shows it, and what it says of arrays that are wrong."""

import ast
import json
from pathlib import Path
import re
import subprocess
import sys
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
import yaml

import uaafusion_ros
from uaafusion_ros import load
from uaafusion_ros.errors import EncodingError
from uaafusion_ros.errors import ModelFileError
from uaafusion_ros.errors import RegistrationError
from uaafusion_ros.harness.pictures import STILLS

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope='module')
def pipeline():
    loaded = load(backend='onnxruntime')
    yield loaded
    loaded.backend.close()


@pytest.fixture
def arrays():
    """A real pair, made small: thermal in 16 bits and at half the size."""
    rgb = cv2.resize(cv2.imread(str(STILLS / 'rgb/11.png')), (170, 130))[..., ::-1]
    thermal = cv2.imread(str(STILLS / 'thermal/11.png'), cv2.IMREAD_UNCHANGED)
    return rgb, cv2.resize(thermal, (85, 65)).astype(np.uint16) * 20 + 7000


@pytest.fixture
def folder(arrays, tmp_path, monkeypatch):
    """The files that the examples read."""
    monkeypatch.chdir(tmp_path)
    for name, image in (('rgb.png', arrays[0][..., ::-1]), ('thermal.png', arrays[1])):
        cv2.imwrite(name, image)
    return tmp_path


def blocks():
    return re.findall(r'```python\n(.*?)```', (ROOT / 'docs/api.md').read_text(), re.DOTALL)


def test_the_example_of_the_page_fuses_two_files(folder, arrays):
    names = {}
    exec(blocks()[0], names)
    result, size = names['result'], arrays[0].shape[:2]
    assert result.fused.shape == (*size, 3) and result.mask.shape == size
    assert result.confidence.shape == size and result.confidence.dtype == np.uint8


def test_the_second_example_says_what_each_camera_weighs(folder, arrays):
    pytest.importorskip('onnx')
    names = {}
    for block in blocks():
        exec(block, names)
    heat = names['heat']
    assert heat.shape == arrays[0].shape[:2] and 0 <= heat.min() < heat.max() <= 1
    assert 0 <= names['targets'].min() and names['targets'].max() <= 1


def test_the_notebook_runs_and_is_kept_without_outputs():
    pytest.importorskip('onnx')
    names, shown = {}, []
    for cell in json.loads((ROOT / 'docs/fuse_two_arrays.ipynb').read_text())['cells']:
        if cell['cell_type'] == 'code':
            assert cell['outputs'] == [] and cell['execution_count'] is None
            tree = ast.parse(''.join(cell['source']))
            last = ast.Expression(tree.body.pop().value)  # what a notebook shows
            exec(compile(tree, 'cell', 'exec'), names)
            shown.append(eval(compile(last, 'cell', 'eval'), names))
    height, width = names['rgb'].shape[:2]
    assert [image.size for image in shown] == [(2 * width, height)] + [(width, height)] * 3


def test_attribution_of_a_checkpoint_fits_what_was_fused(arrays, tmp_path):
    pytest.importorskip('torch')
    from uaafusion_ros.engine.torch_backend import make_network
    from uaafusion_ros.network import checkpoint
    from uaafusion_ros.network.presets import preset
    path = tmp_path / 'best.safetensors'
    checkpoint.save(path, make_network(preset('fast')).state_dict(), {
        'part': 'network', 'preset': 'fast'})
    own = load(model=path, backend='torch')
    why = own.explain(*arrays)
    rgb = arrays[0][:128, :160]
    laid = cv2.resize(arrays[1], (170, 130))[:128, :160]
    assert why.output.fused.shape == rgb.shape and why.iterates.shape[1:] == laid.shape
    assert why.w_thermal.min() > 0 and why.w_thermal.max() < 1
    path.write_bytes(path.read_bytes() + b'0')
    with pytest.raises(ModelFileError, match='sha256'):
        own.explain(*arrays)


def test_a_still_is_fused_alike_whatever_came_before(pipeline, arrays):
    rgb, thermal = arrays
    first = pipeline.fuse(rgb, thermal).fused
    pipeline.fuse(rgb, thermal + 500)
    np.testing.assert_array_equal(pipeline.fuse(rgb, thermal).fused, first)


def test_with_stamps_the_range_is_that_of_a_stream(pipeline, arrays):
    """A slightly warmer image shows warmer, where the same still would be stretched anew."""
    rgb, thermal = arrays
    pipeline.fuse(rgb, thermal, stamp_ns=10**9)
    warmer = pipeline.fuse(rgb, thermal + 300, stamp_ns=10**9 + 10**8).fused
    still = pipeline.fuse(rgb, thermal + 300).fused
    assert warmer.mean() > still.mean()


@pytest.mark.parametrize('asked,ran_at', [
    ({}, '640x512'), ({'working_size': (0, 0)}, '864x672')])
def test_large_images_run_small_unless_told_otherwise(asked, ran_at):
    pipeline = load(backend='onnxruntime', **asked)
    rgb = np.zeros((672, 840, 3), np.uint8)
    assert pipeline.fuse(rgb, np.zeros((84, 105), np.uint8)).mask.shape == (672, 840)
    assert pipeline.backend.ran_at == ran_at
    pipeline.backend.close()


@pytest.mark.parametrize('change, remedy', [
    (lambda rgb, thermal: (rgb / np.float32(255), thermal), 'float32 .*uint8.*255 \\*'),
    (lambda rgb, thermal: (rgb[..., 0], thermal), r'\(130, 170\).*np\.stack'),
    (lambda rgb, thermal: (rgb.tolist(), thermal), 'list'),
    (lambda rgb, thermal: (rgb, rgb), r'thermal is uint8 of shape \(130, 170, 3\).*first channel'),
    (lambda rgb, thermal: (rgb, thermal.astype(float)), 'float64.*float32'),
    (lambda rgb, thermal: (rgb, thermal[:0]), r'\(0, 85\)')])
def test_wrong_arrays_are_refused_with_the_remedy(pipeline, arrays, change, remedy):
    for call in (pipeline.fuse, pipeline.explain):
        with pytest.raises(EncodingError, match=remedy):
            call(*change(*arrays))


def test_what_cannot_be_loaded_is_named(tmp_path):
    with pytest.raises(ModelFileError, match='shipped are fast'):
        load('fst')
    with pytest.raises(ModelFileError, match='no such model file'):
        load(model=tmp_path / 'none.onnx')
    with pytest.raises(RegistrationError, match='none.yaml'):
        load(registration=tmp_path / 'none.yaml')


def test_importing_the_package_is_light():
    done = subprocess.run(
        [sys.executable, '-c', 'import sys, uaafusion_ros; print("numpy" in sys.modules); '
         'from uaafusion_ros import FusionPipeline; print(FusionPipeline.__module__)'],
        capture_output=True, text=True, check=True)
    assert done.stdout.split() == ['False', 'uaafusion_ros.pipeline']
    with pytest.raises(AttributeError, match='it offers FusionPipeline'):
        getattr(uaafusion_ros, 'fuse')  # noqa: B009


def test_the_version_is_that_of_package_xml():
    version = ElementTree.parse(ROOT / 'package.xml').findtext('version')
    assert uaafusion_ros.__version__ == version
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text())
    assert str(citation['version']) == version
    headings = re.findall(r'^## (\S+)', (ROOT / 'CHANGELOG.md').read_text(), re.MULTILINE)
    assert headings[0] == version, 'the newest section of the changelog is about this version'
