"""`uaafusion calibrate` from folders, bags and picked points, and what it says when it cannot."""

from pathlib import Path
import re
import sys

import cv2
import numpy as np
import pytest

from uaafusion_ros.cli.calibration_views import from_bag
from uaafusion_ros.cli.main import main
from uaafusion_ros.evaluation.bags import BagWriter
from uaafusion_ros.harness.pictures import STILLS
from uaafusion_ros.imaging.registration import load
from uaafusion_ros.imaging.registration.homography_file import read
from uaafusion_ros.settings import RegistrationSettings

sys.path.insert(0, str(Path(__file__).parents[1] / 'imaging' / 'calibration'))

from boards_seen import checkerboard  # noqa: E402
from boards_seen import errors  # noqa: E402
from boards_seen import mapping  # noqa: E402
from boards_seen import views  # noqa: E402

THERMAL, RGB = (320, 256), (640, 480)
TRUTH = mapping(THERMAL, RGB, 4)


@pytest.fixture(scope='module')
def boards():
    return views(checkerboard(7, 5), TRUTH, THERMAL, RGB, 4, seed=4)


@pytest.fixture
def folder(tmp_path, boards):
    for camera in ('rgb', 'thermal'):
        (tmp_path / camera).mkdir()
    for view in boards:
        cv2.imwrite(str(tmp_path / 'rgb' / f'{view.name}.png'), view.luma)
        cv2.imwrite(str(tmp_path / 'thermal' / f'{view.name}.png'), view.thermal)
    return tmp_path


def run(source, *arguments):
    out = source.parent / 'registration.yaml' if source.suffix else source / 'registration.yaml'
    return main(['calibrate', str(source), '--out', str(out), *arguments]), out


def test_a_board_in_folders_becomes_a_registration(folder, capsys):
    code, out = run(folder, '--pattern', 'checkerboard', '--board', '7x5',
                    '--thermal-camera', 'boson')
    assert code == 0
    found = read(out)
    centre, corner = errors(found.matrix, TRUTH, THERMAL)
    assert centre < 0.5 and corner < 2.0
    assert (found.thermal_size, found.rgb_size) == (THERMAL, RGB)
    assert (found.thermal_camera, found.rgb_camera) == ('boson', 'rgb')
    assert load(RegistrationSettings(mode='homography', file=str(out))).apply(
        np.zeros(THERMAL[::-1], np.uint8), RGB[::-1]).image.shape == RGB[::-1]
    picture = cv2.imread(str(out.with_suffix('.png')))
    assert picture.shape[1] == 2 * RGB[0] and picture.std() > 20
    printed = capsys.readouterr().out
    assert 'view 00: 0.' in printed and 'px, 35 points, used' in printed
    assert 'of 4 of 4 views agree within 0.' in printed


def test_a_bag_of_16_bit_images_does_as_well(tmp_path, boards):
    bag = tmp_path / 'shots.bag'
    with BagWriter(bag) as writer:
        for number, view in enumerate(boards):
            stamp = 10**18 + number * 10**9
            writer.add_image('/flir/image_raw', 7000 + view.thermal.astype(np.uint16) * 8,
                             'mono16', stamp + 3_000_000, 'thermal')
            writer.add_image('/front/image_raw', np.repeat(view.luma[..., None], 3, 2), 'rgb8',
                             stamp, 'rgb')
    code, out = run(bag, '--pattern', 'checkerboard', '--board', '7x5')
    assert code == 0
    assert errors(read(out).matrix, TRUTH, THERMAL)[1] < 2.0


@pytest.mark.parametrize('moving', [True, False])
def test_a_delay_between_the_cameras_is_measured_and_allowed_for(tmp_path, capsys, moving):
    rng = np.random.default_rng(3)
    texture = cv2.GaussianBlur(rng.integers(0, 256, (48, 800)).astype(np.float32), (0, 0), 3)
    texture = (texture - texture.min()) / np.ptp(texture) * 255
    clock = np.arange(0, 16, 0.01)
    speed = np.abs(np.convolve(rng.normal(0, 1, len(clock)), np.hanning(40), 'same'))
    travelled = np.cumsum(speed) / speed.sum() * 600 * moving
    late_s = 0.12
    with BagWriter(tmp_path / 'bag') as writer:
        for camera, rate_hz, late in (('thermal', 9, late_s), ('rgb', 30, 0.0)):
            for number in range(15 * rate_hz):
                at = number / rate_hz + 0.01 * (camera == 'rgb')
                x = int(np.interp(at, clock, travelled))
                image = texture[:, x:x + 64] + rng.normal(0, 1, (48, 64))
                stamp = 10**18 + round((at + late) * 1e9)
                writer.add_image(f'/{camera}/image_raw', image.clip(0, 255).astype(np.uint8),
                                 'mono8', stamp, camera)
    views = from_bag(tmp_path / 'bag', 200, {'rgb': None, 'thermal': None}, False)
    printed = capsys.readouterr().out
    if not moving:
        assert 'no delay between the cameras was measured' in printed
        return
    found = re.search(r'sync.thermal_offset_ms (-?\d+)', printed)
    assert abs(int(found.group(1)) + 1e3 * late_s) <= 10
    assert len(views) > 100
    columns = [cv2.matchTemplate(texture.astype(np.uint8), image, cv2.TM_CCOEFF_NORMED).argmax()
               for view in views[::20] for image in (view.luma, view.thermal)]
    # Within the 20 ms that frames of 30 Hz and 9 Hz are apart at most.
    assert np.abs(np.subtract(columns[::2], columns[1::2])).max() <= 4


def test_views_without_the_board_are_named(folder, capsys):
    cv2.imwrite(str(folder / 'thermal' / '02.png'), np.full(THERMAL[::-1], 90, np.uint8))
    code, _ = run(folder, '--pattern', 'checkerboard', '--board', '7x5')
    printed = capsys.readouterr().out
    assert code == 0
    assert 'view 02: the board is not seen whole in both images, left out' in printed
    assert 'of 3 of 3 views' in printed


def test_picked_points_are_enough(folder):
    rng = np.random.default_rng(0)
    thermal = rng.uniform(0, 1, (12, 2)) * THERMAL
    rgb = cv2.perspectiveTransform(thermal[:, None], TRUTH)[:, 0]
    rows = ['view,thermal_x,thermal_y,rgb_x,rgb_y']
    rows += [f'00,{a[0]},{a[1]},{b[0]},{b[1]}' for a, b in zip(thermal, rgb)]
    (folder / 'p.csv').write_text('\n'.join(rows))
    code, out = run(folder, '--pattern', 'points', '--points', str(folder / 'p.csv'))
    assert code == 0
    assert errors(read(out).matrix, TRUTH, THERMAL)[1] < 0.01


@pytest.mark.slow
def test_a_real_pair_is_matched_without_a_board(tmp_path):
    for camera in ('rgb', 'thermal'):
        (tmp_path / camera).mkdir()
        data = (STILLS / camera / '07.png').read_bytes()
        (tmp_path / camera / '07.png').write_bytes(data)
    code, out = run(tmp_path)
    assert code == 0
    found = read(out)
    centre, _ = errors(found.matrix, np.eye(3), found.thermal_size)
    assert centre < 1.0


def refusal(capsys, *arguments):
    code = main(['calibrate', *map(str, arguments)])
    captured = capsys.readouterr().err.strip().splitlines()
    assert code == 2 and len(captured) == 1
    return captured[0]


@pytest.mark.slow
def test_what_cannot_be_done_is_said_in_a_line(folder, capsys):
    out = folder / 'r.yaml'
    assert 'no view shows a whole checkerboard of 9x6' in refusal(
        capsys, folder, '--out', out, '--pattern', 'checkerboard')
    assert 'needs --points FILE' in refusal(capsys, folder, '--out', out, '--pattern', 'points')
    assert 'must end in .yaml' in refusal(capsys, folder, '--out', folder / 'r.txt')
    assert 'no folder' in refusal(capsys, folder, '--out', folder / 'no' / 'r.yaml')
    assert 'there is no bag' in refusal(capsys, folder / 'none.bag', '--out', out)
    out.write_text('mine')
    assert 'exists already' in refusal(capsys, folder, '--out', out)
    assert out.read_text() == 'mine'


def test_images_of_several_sizes_are_refused(folder, capsys):
    cv2.imwrite(str(folder / 'thermal' / '02.png'), np.full((100, 120), 90, np.uint8))
    assert '2 different pairs of sizes' in refusal(capsys, folder, '--out', folder / 'r.yaml')


def test_folders_without_pairs_are_refused(folder, capsys):
    for path in list((folder / 'thermal').iterdir()):
        path.rename(path.with_name(f't{path.name}'))
    assert 'name both files of a pair alike' in refusal(
        capsys, folder, '--out', folder / 'r.yaml')


@pytest.mark.parametrize('arguments', [('--board', '9'), ('--board', '2x9'), ('--views', '0'),
                                       ('--views', 'many'), ('--pattern', 'magic')])
def test_wrong_options_are_refused(folder, arguments, capsys):
    with pytest.raises(SystemExit) as refused:
        run(folder, *arguments)
    assert refused.value.code == 2
