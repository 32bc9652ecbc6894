"""A bag in: the same numbers every time, every drop counted, every damage said."""

from __future__ import annotations

import json
import pickle
import shutil
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from toy_bags import cut
from toy_bags import label
from toy_bags import PERIOD_NS
from toy_bags import SIZE
from toy_bags import SKEW_NS
from toy_bags import START_NS
from toy_bags import still
from toy_bags import storage_file
from toy_bags import unindex
from toy_bags import write

from uaafusion_ros.engine.loading import load_backend
from uaafusion_ros.errors import BagError
from uaafusion_ros.errors import EngineError
from uaafusion_ros.errors import ParameterError
from uaafusion_ros.evaluation.bags import BagWriter
from uaafusion_ros.evaluation.bags import CAMERA_INFO
from uaafusion_ros.evaluation.bags import read_images
from uaafusion_ros.evaluation.bags import read_messages
from uaafusion_ros.evaluation.fusion_metrics import evaluate
from uaafusion_ros.evaluation.replay.run import replay
from uaafusion_ros.evaluation.replay.run import ReplayOptions
from uaafusion_ros.evaluation.replay.stream_metrics import gray

FILES = ['junit.xml', 'metrics.json', 'output.mcap', 'report.html', 'report.md', 'timing.json']


def options(**given):
    return ReplayOptions(backend='onnxruntime', threads=1, quiet=True, **given)


def fused_by_hand(number):
    """Fuse a pair of the bag without pipeline, pairing or bag."""
    backend = load_backend(backend='onnxruntime', threads=1)
    rgb = np.repeat(still(number, 'rgb')[..., None], 3, axis=2)
    output = backend.infer(rgb, still(number, 'thermal'))
    backend.close()
    return rgb, output


def test_two_runs_are_byte_identical_wherever_the_bag_lies(bag, tmp_path):
    replay(bag, tmp_path / 'a', options())
    moved = tmp_path / 'elsewhere' / 'drive'
    shutil.copytree(bag, moved)
    replay(moved, tmp_path / 'b', options())
    first, second = (tmp_path / run / 'drive' for run in 'ab')
    assert sorted(path.name for path in first.iterdir()) == FILES
    assert (first / 'metrics.json').read_bytes() == (second / 'metrics.json').read_bytes()
    assert str(tmp_path) not in (first / 'metrics.json').read_text()


def test_every_pair_is_fused_as_the_model_fuses_it(bag, tmp_path):
    metrics = replay(bag, tmp_path / 'out', options(metrics_every=2))
    assert (metrics['status'], metrics['verdict'], metrics['problems']) == ('complete', 'none', [])
    frames = metrics['frames']
    assert [frame['stamp_ns'] for frame in frames] == [
        START_NS + number * PERIOD_NS for number in range(6)]
    assert all(frame['skew_ms'] == pytest.approx(SKEW_NS / 1e6) for frame in frames)
    assert [('Qabf' in frame['metrics']) for frame in frames] == [True, False] * 3
    images = {topic: [] for topic in ('/fused/image', '/segmentation/mask')}
    for topic, log_time_ns, frame in read_images(tmp_path / 'out' / 'drive' / 'output.mcap'):
        assert log_time_ns == frame.stamp_ns and frame.frame_id == 'rgb_frame'
        images.setdefault(topic, []).append(frame)
    assert [len(found) for found in images.values()] == [6, 6, 6]
    rgb, output = fused_by_hand(4)
    assert np.array_equal(images['/fused/image'][4].array, output.fused)
    assert np.array_equal(images['/segmentation/mask'][4].array, output.mask)
    expected = evaluate(still(4, 'thermal'), gray(rgb), gray(output.fused))
    assert {name: frames[4]['metrics'][name] for name in expected} == pytest.approx(expected)
    assert metrics['summary']['Qabf']['n'] == 3 and metrics['summary']['flicker']['n'] >= 1
    assert metrics['modes'] == {'fused': 1.0}
    counts = metrics['counts']
    assert counts['received.rgb'] == counts['received.thermal'] == counts['fused'] == 6
    assert not any(count for key, count in counts.items() if key.startswith('dropped'))


def test_the_inputs_can_be_found_again(bag, tmp_path):
    inputs = replay(bag, tmp_path / 'out', options())['inputs']
    assert inputs['bag']['bytes'] == storage_file(bag).stat().st_size
    assert inputs['model']['file'] == 'uaafusion_fast.onnx'
    assert inputs['model']['backend'].startswith('onnxruntime')
    assert inputs['topics'] == {
        'thermal': '/cam/thermal/image_raw', 'rgb': '/cam/rgb/image_raw', 'label': None}
    assert inputs['config']['values']['engine.threads'] == 1
    report = (tmp_path / 'out' / 'drive' / 'report.md').read_text()
    assert all(inputs[key]['sha256'] in report for key in ('bag', 'model', 'config'))


def test_the_calibration_goes_with_the_results(bag, tmp_path):
    replay(bag, tmp_path / 'out', options())
    infos = [message for message in read_messages(tmp_path / 'out' / 'drive' / 'output.mcap')
             if message.type_name == CAMERA_INFO]
    assert [info.topic for info in infos] == ['/fused/camera_info'] * 6


def test_labels_are_compared_with_masks(tmp_path):
    bag = write(tmp_path / 'drive', labels=True)
    metrics = replay(bag, tmp_path / 'out', options())
    assert metrics['counts']['labels.compared'] == 6
    pixels = {row['name']: row['pixels'] for row in metrics['segmentation']['classes']}
    assert pixels['person'] == sum(int((label(number) == 2).sum()) for number in range(6))
    assert 0 < metrics['segmentation']['miou'] <= 1


def test_compressed_and_sqlite_give_the_same_pairs(tmp_path):
    raw = replay(write(tmp_path / 'drive'), tmp_path / 'a', options())
    path = tmp_path / 'packed' / 'drive'
    with BagWriter(path, storage='sqlite3') as bag:
        for number in range(6):
            stamp = START_NS + number * PERIOD_NS
            for camera, late in (('rgb', 0), ('thermal', SKEW_NS)):
                data = cv2.imencode('.png', still(number, camera))[1].tobytes()
                bag.add_compressed(f'/cam/{camera}/image_raw/compressed', data,
                                   'mono8; png compressed ', stamp + late, 'rgb_frame')
    packed = replay(path, tmp_path / 'b', options())
    assert packed['inputs']['bag']['storage'] == 'sqlite3'
    assert packed['frames'] == raw['frames']


@pytest.mark.parametrize('damage, said', [
    (lambda path: cut(path, 0.6), 'truncated'), (unindex, 'no index'),
    (lambda path: (path / 'metadata.yaml').unlink(), 'metadata.yaml')])
def test_of_a_damaged_bag_the_rest_is_kept_and_marked(tmp_path, damage, said):
    path = write(tmp_path / 'drive', count=12)
    whole = replay(path, tmp_path / 'whole', options())
    damage(path)
    part = replay(path, tmp_path / 'part', options())
    assert part['status'] == 'partial'
    problem, = part['problems']
    read = sum(part['counts'][f'received.{camera}'] for camera in ('rgb', 'thermal'))
    assert said in problem and f"{len(part['frames'])} pairs fused" in problem
    assert read <= int(problem.split(' messages')[0].split()[-1])
    assert 2 < len(part['frames']) <= 12
    assert part['frames'] == whole['frames'][:len(part['frames'])]
    suite = ElementTree.parse(tmp_path / 'part' / 'drive' / 'junit.xml').getroot()
    assert suite.find('.//failure').get('message') == problem


def test_verdicts_follow_the_thresholds(bag, tmp_path):
    limits = tmp_path / 'limits.yaml'
    limits.write_text('- {metric: EN, minimum: 1}\n- {metric: drop_share, maximum: 0}\n')
    assert replay(bag, tmp_path / 'out', options(thresholds=limits))['verdict'] == 'pass'
    limits.write_text('- {metric: EN, minimum: 1}\n- {metric: miou, minimum: 0.1}\n')
    metrics = replay(bag, tmp_path / 'out', options(thresholds=limits))
    assert metrics['verdict'] == 'fail'
    assert [check['passed'] for check in metrics['checks']] == [True, False]


def test_every_and_limit_choose_pairs(bag, tmp_path):
    metrics = replay(bag, tmp_path / 'out', options(every=2, limit=2))
    assert [frame['stamp_ns'] - START_NS for frame in metrics['frames']] == [0, 2 * PERIOD_NS]
    assert metrics['counts']['skipped'] == 1 and metrics['status'] == 'complete'


def test_broken_images_and_failing_pairs_are_counted(tmp_path):
    path = tmp_path / 'drive'
    with BagWriter(path) as bag:
        for number in range(4):
            stamp = START_NS + number * PERIOD_NS
            rgb = still(number, 'rgb')
            if number == 1:
                rgb = rgb[:, :50]
            if number == 2:
                bag.add_compressed('/rgb/compressed', b'no image', 'jpeg', stamp, '')
            else:
                bag.add_compressed('/rgb/compressed', cv2.imencode('.png', rgb)[1].tobytes(),
                                   'png', stamp, '')
            bag.add_image('/thermal', still(number, 'thermal'), 'mono8', stamp, '')
    metrics = replay(path, tmp_path / 'out', options())
    assert len(metrics['frames']) == 2 and metrics['status'] == 'partial'
    counts = metrics['counts']
    assert counts['dropped.rgb.malformed'] == 1 and counts['dropped.pair.failed'] == 1
    assert counts['dropped.thermal.no_partner'] == 1
    first, second = metrics['problems']
    assert first.startswith('1 images could not be read; the last: /rgb/compressed: ')
    assert second.startswith('1 pairs could not be fused; the last: ') and '50' in second


def test_a_camera_that_is_missing_shows_in_the_modes(tmp_path):
    path = tmp_path / 'drive'
    with BagWriter(path) as bag:
        for number in range(30):
            stamp = START_NS + number * PERIOD_NS
            bag.add_image('/rgb', still(number, 'rgb'), 'mono8', stamp, '')
            if number < 15:
                bag.add_image('/thermal', still(number, 'thermal'), 'mono8', stamp, '')
    metrics = replay(path, tmp_path / 'out', options(metrics_every=1))
    modes = [frame['mode'] for frame in metrics['frames']]
    assert modes[:15] == ['fused'] * 15 and modes[-5:] == ['rgb_only'] * 5
    assert metrics['modes']['fused'] == pytest.approx(15 / len(modes))
    assert sum(metrics['modes'].values()) == pytest.approx(1)
    last = metrics['frames'][-1]
    assert last['metrics'] == {} and last['skew_ms'] is None
    assert metrics['counts']['shown'] == len(modes) - 15
    assert metrics['summary']['Qabf']['n'] == 15


def _apart(path):
    shutil.rmtree(path)
    with BagWriter(path) as bag:
        for number in range(4):
            bag.add_image('/rgb', still(number, 'rgb'), 'mono8', START_NS + number * PERIOD_NS, '')
            bag.add_image('/thermal', still(number, 'thermal'), 'mono8',
                          START_NS + number * PERIOD_NS + PERIOD_NS // 2, '')
    return BagError, 'images: thermal 4, rgb 4.*0 paired; no two stamps lie within'


def _no_camera(path):
    shutil.rmtree(path)
    with BagWriter(path) as bag:
        bag.add_camera_info('/camera_info', 1, 1, 1, '')
    return BagError, 'holds no image.*1 readable messages'


def _empty(path):
    shutil.rmtree(path)
    with BagWriter(path):
        pass
    return BagError, '0 messages were read'


def _cut_before_the_first_pair(path):
    cut(path, 0.05)
    return BagError, r'holds no image.*1 readable messages and is truncated'


@pytest.mark.parametrize('spoil', [_apart, _no_camera, _empty, _cut_before_the_first_pair])
def test_a_bag_of_nothing_ends_in_a_sentence_and_leaves_no_result(bag, tmp_path, spoil):
    error, said = spoil(bag)
    with pytest.raises(error, match=said):
        replay(bag, tmp_path / 'out', options())
    left = tmp_path / 'out' / 'drive'
    assert not left.exists() or not list(left.iterdir())


def test_an_old_result_does_not_outlive_a_failed_run(bag, tmp_path):
    replay(bag, tmp_path / 'out', options())
    with pytest.raises(EngineError):
        replay(bag, tmp_path / 'out', ReplayOptions(model=tmp_path / 'none.onnx', quiet=True))
    assert not (tmp_path / 'out' / 'drive' / 'metrics.json').exists()


def test_the_parameter_file_of_the_node_is_obeyed(bag, tmp_path):
    config = tmp_path / 'my.yaml'
    config.write_text('fusion_node: {ros__parameters: {sync.reference: thermal, '
                      'thermal.polarity: black_hot}}')
    metrics = replay(bag, tmp_path / 'out', options(config=config, limit=1))
    assert metrics['frames'][0]['stamp_ns'] == START_NS + SKEW_NS
    backend = load_backend(backend='onnxruntime', threads=1)
    rgb = np.repeat(still(0, 'rgb')[..., None], 3, axis=2)
    expected = backend.infer(rgb, 255 - still(0, 'thermal')).fused
    fused = next(frame.array for topic, _, frame in read_images(
        tmp_path / 'out' / 'drive' / 'output.mcap') if topic == '/fused/image')
    assert fused.shape == (SIZE[1], SIZE[0], 3) and np.array_equal(fused, expected)


def test_options_are_checked_and_travel_to_other_processes():
    assert pickle.loads(pickle.dumps(options(every=3))) == options(every=3)
    for name in ('every', 'limit', 'metrics_every'):
        with pytest.raises(ParameterError, match=f'{name} is 0'):
            ReplayOptions(**{name: 0})


def test_time_stays_out_of_the_metrics(bag, tmp_path):
    replay(bag, tmp_path / 'out', options())
    timing = json.loads((tmp_path / 'out' / 'drive' / 'timing.json').read_text())
    assert {'read', 'pair', 'infer', 'measure', 'write'} <= set(timing['stages'])
    assert timing['stages']['infer']['n'] == 6 and timing['frames_per_second'] > 0
    assert timing['overhead_share'] > 0
    assert 'p99' not in (tmp_path / 'out' / 'drive' / 'metrics.json').read_text()
