"""Whatever is wrong ends in one clear line, is counted, and leaves the node alive and working."""

from __future__ import annotations

import importlib.util
import re
import signal

from lifecycle_msgs.msg import Transition
import pytest
from robot import START_S
from robot import until

pytestmark = pytest.mark.ros


@pytest.mark.parametrize('fault, words', [
    ('encoding', ("'jpeg2000' is not supported", 'accepted are mono8')),
    ('short', ('bytes of data', 'accepted are')),
    ('zero', ('too small',)),
    ('step', ('has step', 'a row needs at least')),
])
def test_a_malformed_image_is_dropped_and_the_next_is_fused(robot, fault, words):
    """Each second RGB image is bad: all bad ones are counted, all good ones paired."""
    listener = robot.listener
    listener.hear('fused/image')
    node = robot.active()
    robot.camera('--count', '20', '--rate', '8', '--tell', f'rgb spoil {fault} 2').result()
    until(lambda: listener.counts()['pending.thermal'] == 0, 5.0)
    counts = listener.counts()
    assert counts['received.rgb'] == counts['received.thermal'] == 20
    assert counts['dropped.rgb.malformed'] == 10
    assert counts['paired'] == counts['dropped.thermal.no_partner'] == 10
    assert counts['fused'] >= 8, counts
    errors = node.said('ERROR')
    assert len(errors) == 1, errors
    assert 'rgb image dropped: ' in errors[0] and '/rgb/image_raw' in errors[0]
    for word in words:
        assert word in errors[0]
    assert 'Traceback' not in '\n'.join(node.lines)
    assert word in listener.values()['last_error']
    assert robot.listener.state() == 'active'


def test_a_camera_of_malformed_images_alone_is_no_ok(robot):
    """/diagnostics names the fault while it lasts."""
    robot.active()
    robot.camera('--tell', 'rgb spoil encoding')
    assert until(lambda: "'jpeg2000' is not supported" in robot.listener.messages()['cameras'])


def test_pairs_that_all_fail_are_no_ok(robot):
    """A view that cannot be laid over the other is an ERROR of the pairs, with its reason."""
    robot.listener.hear('fused/image')
    robot.active(registration__mode='none')
    camera = robot.camera('--thermal-size', '80', '60')
    assert until(lambda: 'pair dropped' in robot.listener.messages()['pairs'])
    counts = robot.listener.counts()
    assert counts['dropped.pair.failed'] and not counts['fused']
    assert 'pair dropped' in robot.listener.values()['last_error']
    camera.stop()
    assert until(lambda: robot.listener.messages()['pairs'] == 'ok')


@pytest.mark.parametrize('arguments', [
    ('-p', 'thermal.percentiles:=[0, 99.5]'), ('--params-file', '/no/such/file.yaml')])
def test_arguments_that_ros_refuses_end_in_one_line(robot, arguments):
    """No traceback, and the exit code of a wrong call."""
    node = robot.fusion_node(*arguments)
    node.wait(START_S)
    assert node.stop() == 2
    own = [line for line in node.lines if '[rcl]' not in line]
    assert len(own) == 1 and arguments[1].partition(':=')[0] in own[0], node.lines
    assert 'config/fusion.yaml' in own[0]


def test_an_image_beyond_the_limit_is_refused(robot):
    """input.max_megapixels is applied to what the message claims."""
    listener = robot.listener
    node = robot.active(input__max_megapixels=0.015)
    robot.camera('--count', '3').result()
    assert listener.counts()['dropped.rgb.malformed'] == 3
    assert '15000 pixels' in node.wait_for('ERROR')


def test_a_best_effort_camera_before_a_reliable_node_is_explained(robot):
    """One warning per topic names the policy and what to set."""
    node = robot.active(qos__input_reliability='reliable', input__timeout_s=1.0)
    robot.camera('--wait', '0.1')
    node.wait_for('/rgb/image_raw: a publisher offers an incompatible RELIABILITY')
    line = node.wait_for('/thermal/image_raw: a publisher offers an incompatible RELIABILITY')
    assert 'set qos.input_reliability to best_effort' in line
    assert len(node.said('/rgb/image_raw: a publisher offers')) == 1
    line = node.wait_for('/rgb/image_raw: no image for')
    silent = until(lambda: node.said('its publisher is best effort'))
    assert 'set qos.input_reliability to best_effort' in silent[-1], node.lines
    assert robot.listener.counts()['received.rgb'] == 0
    told = robot.listener.messages()['cameras']
    assert told.startswith('no image from thermal and rgb')
    assert 'set qos.input_reliability to best_effort' in told


def test_a_reliable_listener_of_best_effort_outputs_is_explained(robot):
    """A listener that cannot be served is named, too."""
    node = robot.active(qos__output_reliability='best_effort')
    robot.listener.hear('fused/image')
    line = node.wait_for('/fused/image: a subscriber asks an incompatible RELIABILITY')
    assert 'set qos.output_reliability to reliable' in line


def test_silence_is_explained_less_and_less_often(robot):
    """Without any camera the hint is given after 1, 2, 4 timeouts, for each camera."""
    node = robot.active(input__timeout_s=0.5)
    said = until(lambda: node.said('/rgb/image_raw: no image for 2.'), 6.0)
    assert said and node.wait_for('/thermal/image_raw: no image for 2.', 1.0)
    for camera in ('rgb', 'thermal'):
        said = node.said(f'/{camera}/image_raw: no image')
        quiet = [float(re.search(r'no image for ([0-9.]+)', line)[1]) for line in said]
        # The node looks 20 times a second, and the text is rounded.
        assert len(quiet) == 3
        assert all(at <= got <= at + 0.11 for at, got in zip((0.5, 1.0, 2.0), quiet))
        assert all('nobody publishes it' in line for line in said)


def _unconfigured(robot, node, *words: str) -> None:
    line = node.wait_for('cannot configure')
    for word in words:
        assert word in line
    assert len(node.said('ERROR')) == 1, node.lines
    assert robot.listener.state() == 'unconfigured'
    assert 'Traceback' not in '\n'.join(node.lines)
    until(lambda: robot.listener.values().get('state'))
    assert words[0] in robot.listener.messages()['pairs']


def _configures_after(robot, **values) -> None:
    listener = robot.listener
    assert listener.set(**values).successful
    assert listener.change(Transition.TRANSITION_CONFIGURE)
    assert listener.change(Transition.TRANSITION_ACTIVATE)
    listener.hear('fused/image')
    robot.camera('--count', '4', '--rate', '5')
    assert until(lambda: listener.images['/fused/image'])


def test_a_missing_model_file_leaves_the_node_to_be_mended(robot, tmp_path):
    """One line names the file; another path and a configure transition set it right."""
    missing = tmp_path / 'missing.onnx'
    node = robot.fusion_node(model__path=str(missing))
    _unconfigured(robot, node, str(missing))
    assert not robot.listener.change(Transition.TRANSITION_CONFIGURE)
    assert robot.listener.state() == 'unconfigured'
    _configures_after(robot, model__path='')


def test_a_file_that_is_no_model_is_refused(robot, tmp_path):
    """Bytes that are not ONNX do not end the node."""
    broken = tmp_path / 'broken.onnx'
    broken.write_bytes(b'no model at all' * 100)
    node = robot.fusion_node(model__path=str(broken))
    _unconfigured(robot, node, 'broken.onnx')
    assert node.stop() == 0


def test_an_unknown_preset_is_refused(robot):
    """The error names the preset that was asked for."""
    node = robot.fusion_node(model__preset='enormous')
    _unconfigured(robot, node, 'enormous')


@pytest.mark.skipif(importlib.util.find_spec('tensorrt') is not None,
                    reason='TensorRT is installed')
def test_missing_tensorrt_leaves_the_node_to_be_mended(robot):
    """One line names the runtime; another backend sets it right."""
    node = robot.fusion_node(engine__backend='tensorrt')
    _unconfigured(robot, node, 'tensorrt')
    _configures_after(robot, engine__backend='auto')


@pytest.mark.skipif(importlib.util.find_spec('message_filters') is not None,
                    reason='message_filters is installed')
def test_missing_message_filters_leaves_the_node_to_be_mended(robot):
    """One line names the package to install."""
    node = robot.fusion_node(sync__policy='approximate')
    _unconfigured(robot, node, 'message_filters', '-message-filters', 'nearest')
    _configures_after(robot, sync__policy='nearest')


def test_a_refused_start_value_leaves_the_node_to_be_mended(robot):
    """The line names key, value and range; a misspelt name is told with its neighbour."""
    node = robot.fusion_node('-p', 'sync.slop:=3', sync__slop_ms=-4.0)
    line = node.wait_for('cannot configure')
    assert 'sync.slop_ms = -4.0 is refused' in line and '0.0 to 100.0 ms' in line
    assert "did you mean 'sync.slop_ms'" in node.wait_for("no parameter 'sync.slop'")
    assert robot.listener.state() == 'unconfigured'
    _configures_after(robot, sync__slop_ms=20.0)
    assert node.stop(signal.SIGTERM) == 0
