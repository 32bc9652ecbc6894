"""`uaafusion explain` writes one figure and says what it shows."""

import re

import cv2
import numpy as np
import pytest

pytest.importorskip('onnx')

from uaafusion_ros.cli.main import main  # noqa: E402
from uaafusion_ros.engine.contract import EngineOutput  # noqa: E402
from uaafusion_ros.engine.explanation import Explanation  # noqa: E402
from uaafusion_ros.evaluation.explanation_sheet import diverging  # noqa: E402
from uaafusion_ros.evaluation.explanation_sheet import sequential  # noqa: E402
from uaafusion_ros.evaluation.explanation_sheet import table  # noqa: E402
from uaafusion_ros.harness.pictures import STILLS  # noqa: E402


@pytest.fixture
def pair(tmp_path):
    """A real pair, made small; neither side is a multiple of 32."""
    paths = {}
    for camera in ('rgb', 'thermal'):
        image = cv2.imread(str(STILLS / camera / '11.png'), cv2.IMREAD_UNCHANGED)
        paths[camera] = tmp_path / f'{camera}.png'
        cv2.imwrite(str(paths[camera]), cv2.resize(image, (170, 130)))
    return paths


def explain(pair, out, *more):
    return main(['explain', '--rgb', str(pair['rgb']), '--thermal', str(pair['thermal']),
                 '--out', str(out), *more])


def test_the_figure_and_its_sentences(pair, tmp_path, capsys):
    out = tmp_path / 'new' / 'why.png'
    assert explain(pair, out) == 0
    sheet = cv2.imread(str(out))
    assert sheet.shape[1] > 4 * 160 and sheet.shape[0] > 3 * 128
    said = capsys.readouterr().out
    assert 'information of thermal' in said and 'weight of thermal there' in said
    assert f'wrote {out}' in said


def test_a_checkpoint_is_explained_in_pytorch(pair, tmp_path, capsys):
    pytest.importorskip('torch')
    from uaafusion_ros.engine.torch_backend import make_network
    from uaafusion_ros.network import checkpoint
    from uaafusion_ros.network.presets import preset
    path, out = tmp_path / 'best.safetensors', tmp_path / 'why.png'
    checkpoint.save(path, make_network(preset('fast')).state_dict(), {
        'part': 'network', 'preset': 'fast'})
    assert explain(pair, out, '--model', str(path)) == 0
    assert cv2.imread(str(out)).shape[1] > 4 * 160
    assert 'information of thermal' in capsys.readouterr().out
    assert explain(pair, out, '--preset', 'huge') == 2
    assert "'huge' is not shipped; shipped are fast" in capsys.readouterr().err


def test_sentences_tell_what_each_source_says_of_a_class():
    """Thermal knows the right half, a person; RGB knows the left one, the road."""
    mask = np.zeros((8, 16), np.uint8)
    mask[:, 8:] = 1
    left, right = np.float32([[1, 1, 0, 0]] * 2), np.float32([[0, 0, 1, 1]] * 2)
    found = Explanation(
        EngineOutput(np.zeros((8, 16, 3), np.uint8), mask, mask), 2 * right, left,
        0.1 + 0.8 * right, right, np.zeros((3, 8, 16), np.float32))
    road, person = table(found, ('road', 'person'))
    numbers = re.compile(r'thermal (.+), of rgb (.+) nats; weight of thermal there (.+)')
    by_thermal, by_rgb, weight = map(float, numbers.search(person).groups())
    assert person.startswith('person (50.0%)')
    assert by_thermal > 1.7 and by_rgb < 0.2 and weight > 0.8
    by_thermal, by_rgb, weight = map(float, numbers.search(road).groups())
    assert by_thermal < 0.3 and by_rgb > 0.8 and weight < 0.2


def test_wrong_pairs_end_in_one_line(pair, tmp_path, capsys):
    cv2.imwrite(str(pair['thermal']), np.zeros((100, 100), np.uint8))
    assert explain(pair, tmp_path / 'why.png') == 2
    assert 'register them first' in capsys.readouterr().err
    for path in pair.values():
        cv2.imwrite(str(path), np.zeros((20, 20), np.uint8))
    assert explain(pair, tmp_path / 'why.png') == 2
    assert 'smaller than 32 pixels' in capsys.readouterr().err


def test_colours_of_information_grow_brighter():
    row = sequential(np.array([[0.0, 0.3, 0.6, 1.0, 2.0]]))[0].sum(1).tolist()
    assert row[0] < 20 and row == sorted(row) and row[3] == row[4] > 300


def test_colours_run_from_blue_over_white_to_red():
    row = diverging(np.array([[-1.0, 0.0, 1.0, 5.0]]))[0]
    assert tuple(row[1]) == (255, 255, 255)
    assert row[0, 2] > row[0, 0] and row[2, 0] > row[2, 2]
    assert tuple(row[2]) == tuple(row[3])
