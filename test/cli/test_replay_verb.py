"""`uaafusion replay`: exit codes and sentences, from a bag that `make-bag` made."""

from __future__ import annotations

import json
import shutil

import cv2
import pytest
from rosbags.rosbag2 import CompressionFormat
from rosbags.rosbag2 import CompressionMode
from rosbags.rosbag2 import Reader
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2 import Writer
from rosbags.typesys import get_typestore
from rosbags.typesys import Stores

from uaafusion_ros.cli.main import main
from uaafusion_ros.evaluation.bags import BagWriter
from uaafusion_ros.harness.pictures import STILLS

START_NS, PERIOD_NS = 1_700_000_000_000_000_000, 100_000_000


def still(number, camera):
    """Return a part of a real image, a little further on with every number."""
    image = cv2.imread(str(STILLS / camera / '11.png'), cv2.IMREAD_GRAYSCALE)
    return cv2.resize(image[100:400, 20 + number:420 + number], (96, 72))


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """Make a bag of small versions of the shipped stills."""
    folder = tmp_path_factory.mktemp('data')
    for camera in ('rgb', 'thermal'):
        (folder / camera).mkdir()
        for path in sorted((STILLS / camera).glob('*.png'))[:3]:
            image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)[:288, :384]
            cv2.imwrite(str(folder / camera / path.name), cv2.resize(image, (96, 72)))
    assert main(['make-bag', str(folder), '--out', str(folder / 'drive')]) == 0
    return folder / 'drive'


@pytest.fixture
def bag(made, tmp_path):
    return shutil.copytree(made, tmp_path / 'drive')


def run(tmp_path, *arguments):
    return main(['replay', *map(str, arguments), '--out', str(tmp_path / 'out'),
                 '--backend', 'onnxruntime', '--threads', '1'])


def said_of(capsys):
    out, err = capsys.readouterr()
    return out, [line for line in err.replace('\r', '\n').splitlines()
                 if line.startswith('uaafusion replay: ')]


def test_a_whole_bag_is_0_and_what_was_chosen_is_printed(bag, tmp_path, capsys):
    assert run(tmp_path, bag) == 0
    out, err = capsys.readouterr()
    assert 'drive: 3 pairs fused, complete, verdict none; see ' in out
    assert 'thermal: /thermal/image_raw (its name says so)' in err and 'Traceback' not in err


def test_thresholds_decide_the_code(bag, tmp_path, capsys):
    limits = tmp_path / 'limits.yaml'
    limits.write_text('- {metric: EN, minimum: 1}')
    assert run(tmp_path, bag, '--thresholds', limits) == 0
    assert 'pass: EN mean is' in capsys.readouterr().out
    limits.write_text('- {metric: EN, minimum: 1}\n- {metric: fused, minimum: 4}')
    assert run(tmp_path, bag, '--thresholds', limits) == 1
    assert 'FAIL: fused value is 3; asked is at least 4' in capsys.readouterr().out


def test_a_truncated_bag_is_1_with_a_sentence(bag, tmp_path, capsys):
    file = next(bag.glob('*.mcap'))
    file.write_bytes(file.read_bytes()[:-100])
    assert run(tmp_path, bag) == 1
    out, (line,) = said_of(capsys)
    assert 'the bag drive is truncated' in line
    assert 'messages of the chosen topics were read' in line
    assert ', partial, ' in out
    metrics = json.loads((tmp_path / 'out' / 'drive' / 'metrics.json').read_text())
    assert metrics['status'] == 'partial'


@pytest.mark.parametrize('arguments, text', [
    (['--rgb-topic', '/nowhere'], 'it has /rgb/image_raw, /thermal/image_raw'),
    (['--rate', '3'], '--rate is the speed of --live'),
    (['--every', '0'], 'every is 0'),
    (['--preset', 'nowhere'], "model 'nowhere' is not shipped"),
    (['--config', 'nowhere.yaml'], 'nowhere.yaml cannot be read'),
])
def test_what_cannot_be_done_is_2_with_one_sentence(bag, tmp_path, capsys, arguments, text):
    assert run(tmp_path, bag, *arguments) == 2
    _, lines = said_of(capsys)
    assert len(lines) == 1 and text in lines[0]


def test_one_bad_bag_does_not_stop_the_others(bag, tmp_path, capsys):
    assert run(tmp_path, tmp_path / 'missing', bag) == 2
    out, (line,) = said_of(capsys)
    assert 'there is no bag' in line and 'drive: 3 pairs fused' in out


def test_two_bags_of_one_name_are_refused(bag, tmp_path, capsys):
    other = shutil.copytree(bag, tmp_path / 'other' / 'drive')
    assert run(tmp_path, bag, other) == 2
    _, (line,) = said_of(capsys)
    assert 'are both called drive' in line and not (tmp_path / 'out').exists()


def _zero(stamp):
    return 0


def _uptime(stamp):
    return stamp - START_NS + 1234 * 10**9


def _hour(stamp):
    return stamp + 3600 * 10**9


@pytest.mark.parametrize('camera', ['rgb', 'thermal'])
@pytest.mark.parametrize('stamped, said', [
    (_zero, 'stamp is zero'), (_uptime, 'the clocks of the cameras are apart'),
    (_hour, '3600 s')])
def test_nothing_paired_is_2_with_the_reason(tmp_path, capsys, camera, stamped, said):
    with BagWriter(tmp_path / 'drive') as bag:
        for number in range(8):
            stamp = START_NS + number * PERIOD_NS
            for name in ('rgb', 'thermal'):
                bag.add_image(f'/{name}', still(number, name), 'mono8',
                              stamped(stamp) if name == camera else stamp, name,
                              log_time_ns=stamp)
    assert run(tmp_path, tmp_path / 'drive') == 2
    out, (line,) = said_of(capsys)
    assert said in line and '0 paired' in line and 'pairs fused' not in out
    assert not (tmp_path / 'out' / 'drive' / 'metrics.json').exists()


@pytest.mark.parametrize('form', ['16UC1; jpeg compressed ', '32FC1; jpeg compressed mono8'])
def test_undecodable_thermal_is_2_with_the_reason(tmp_path, capsys, form):
    with BagWriter(tmp_path / 'drive') as bag:
        for number in range(8):
            stamp = START_NS + number * PERIOD_NS
            bag.add_image('/rgb', still(number, 'rgb'), 'mono8', stamp, 'rgb')
            bag.add_compressed('/thermal/compressed', cv2.imencode(
                '.jpg', still(number, 'thermal'))[1].tobytes(), form, stamp, 'thermal')
    assert run(tmp_path, tmp_path / 'drive') == 2
    assert 'compressed transport to png' in said_of(capsys)[1][0]


def test_images_that_went_on_alone_are_counted_apart(tmp_path, capsys):
    with BagWriter(tmp_path / 'drive') as bag:
        for number in range(20):
            stamp = START_NS + number * PERIOD_NS
            bag.add_image('/rgb', still(number, 'rgb'), 'mono8', stamp, 'rgb')
            if number < 5:
                bag.add_image('/thermal', still(number, 'thermal'), 'mono8', stamp, 'thermal')
    assert run(tmp_path, tmp_path / 'drive') == 0
    metrics = json.loads((tmp_path / 'out' / 'drive' / 'metrics.json').read_text())
    fused, alone = metrics['counts']['fused'], metrics['counts']['shown']
    assert fused == 5 and alone > 0
    assert f'drive: 5 pairs fused, {alone} of one camera alone, complete' in said_of(capsys)[0]


@pytest.mark.parametrize('suffix', ['.db3', '.db3.zstd'])
def test_one_file_of_a_compressed_bag_is_read(bag, tmp_path, capsys, suffix):
    mode = CompressionMode.FILE if 'zstd' in suffix else CompressionMode.MESSAGE
    types = get_typestore(Stores.ROS2_JAZZY)
    writer = Writer(tmp_path / 'packed', version=8, storage_plugin=StoragePlugin.SQLITE3)
    writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer, Reader(bag) as reader:
        made = {c.id: writer.add_connection(c.topic, c.msgtype, typestore=types)
                for c in reader.connections}
        for connection, log_time_ns, data in reader.messages():
            writer.write(made[connection.id], log_time_ns, data)
    assert run(tmp_path, tmp_path / 'packed' / f'packed{suffix}') == 0
    assert 'packed: 3 pairs fused, complete' in said_of(capsys)[0]
