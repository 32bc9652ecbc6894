"""Whether two cameras are aligned is said in a sentence, with what to do."""

import cv2
import numpy as np
import pytest

from uaafusion_ros.cli.check_alignment import verdict
from uaafusion_ros.cli.main import main
from uaafusion_ros.harness.pictures import image_pairs
from uaafusion_ros.imaging.registration.drift import Drift
from uaafusion_ros.imaging.registration.homography import Homography
from uaafusion_ros.imaging.registration.homography_file import dump

SIZE = (320, 240)


def folder(path, shift=(0, 0), blank=False):
    """Write the shipped pairs, thermal moved by `shift` pixels."""
    for camera in ('rgb', 'thermal'):
        (path / camera).mkdir(parents=True)
    for number, (thermal, rgb) in enumerate(image_pairs('stills', *SIZE)):
        move = np.array([[1.0, 0, shift[0]], [0, 1, shift[1]]])
        moved = cv2.warpAffine(thermal, move, SIZE, borderMode=cv2.BORDER_REFLECT)
        if blank:
            moved[:] = 90
        cv2.imwrite(str(path / 'rgb' / f'{number:02}.png'), rgb[..., ::-1])
        cv2.imwrite(str(path / 'thermal' / f'{number:02}.png'), moved)
    return path


def run(path, *arguments):
    out = path.parent / 'alignment.png'
    return main(['check-alignment', str(path), '--out', str(out), *arguments]), out


def test_registered_pairs_are_aligned(tmp_path, capsys):
    code, out = run(folder(tmp_path / 'pairs'))
    printed = capsys.readouterr().out
    assert code == 0 and printed.splitlines()[-1].startswith('aligned:')
    assert 'views 00 to 11:' in printed and printed.count('worst: view') == 3
    assert cv2.imread(str(out)).shape == (3 * SIZE[1], 2 * SIZE[0], 3)
    assert run(tmp_path / 'pairs')[0] == 2, 'the picture exists already'


def test_a_shift_is_told_with_its_remedy_and_a_registration_mends_it(tmp_path, capsys):
    path = folder(tmp_path / 'pairs', shift=(-5, 3))
    code, out = run(path)
    last = capsys.readouterr().out.splitlines()[-1]
    assert code == 1 and 'move thermal by +5, -3 pixels' in last and 'uaafusion calibrate' in last
    back = np.array([[1.0, 0.0, 5.0], [0.0, 1.0, -3.0], [0.0, 0.0, 1.0]])
    (tmp_path / 'map.yaml').write_text(
        dump(Homography(back, SIZE, SIZE, 0.0, 4, '2026-01-31')))
    out.unlink()
    assert run(path, '--registration', str(tmp_path / 'map.yaml'))[0] == 0


def test_images_without_edges_are_no_success(tmp_path, capsys):
    assert run(folder(tmp_path / 'pairs', blank=True))[0] == 1
    assert 'not known: 0 views have edges' in capsys.readouterr().out


@pytest.mark.parametrize('groups, aligned, words', [
    ([(0.1, 0), (0.15, 1), (0.1, 0)], True, 'aligned: '),
    ([(0.1, 0), (0.6, 9), (0.7, 9)], False, 'have moved during the recording'),
    ([(0.6, 8), (0.6, 9), (0.7, 9)], False, r'move thermal by \+9, \+0 pixels'),
    ([(0.6, 8), (0.1, 0), (0.7, -9)], False, 'stamps that are apart')])
def test_the_verdict_follows_the_time(groups, aligned, words):
    import re
    drifts = [Drift(score, (float(x), 0.0), 10) for score, x in groups]
    whole = Drift(float(np.mean([drift.score for drift in drifts])), (9.0, 0.0), 30)
    found, text = verdict(whole, drifts)
    assert found is aligned and re.search(words, text)
