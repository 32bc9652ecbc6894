"""The node in this process: transitions that fail, inference that hangs, calibration alone."""

from __future__ import annotations

from pathlib import Path
from threading import Event
import time
from types import SimpleNamespace

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from rclpy.context import Context  # noqa: E402
from rclpy.lifecycle import TransitionCallbackReturn  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.serialization import serialize_message  # noqa: E402
from sensor_msgs.msg import CameraInfo  # noqa: E402

from uaafusion_ros.engine.contract import Backend  # noqa: E402
from uaafusion_ros.engine.contract import ModelSpec  # noqa: E402
from uaafusion_ros.errors import ParameterError  # noqa: E402
from uaafusion_ros.imaging.registration import homography_file  # noqa: E402
from uaafusion_ros.imaging.registration.homography import Homography  # noqa: E402
from uaafusion_ros.nodes import frame_dispatcher  # noqa: E402
from uaafusion_ros.nodes import fusion_node  # noqa: E402
from uaafusion_ros.nodes.messages import image_from_array  # noqa: E402
from uaafusion_ros.nodes.outputs import INFO  # noqa: E402
from uaafusion_ros.stream.timeline import Drop  # noqa: E402

pytestmark = pytest.mark.ros
OK, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
STAMP_NS = 1_700_000_000 * 10**9
SPEC = ModelSpec(Path('none.onnx'), '', 'none', ('background', 'thing'),
                 np.zeros((2, 3), np.uint8), 1)


class HangingBackend(Backend):
    """An inference that does not return before `go_on` is set."""

    def __init__(self) -> None:
        """Begin, as nobody has asked yet."""
        super().__init__(SPEC, 'hanging')
        self.began, self.go_on, self.closed = Event(), Event(), False

    def _run(self, rgb, thermal):
        self.began.set()
        self.go_on.wait(30.0)
        assert not self.closed, 'closed while it runs'
        return [rgb, thermal, thermal]

    def close(self):
        """Note that nothing may run from now on."""
        self.closed = True


@pytest.fixture
def backend(monkeypatch):
    """Stand in for the runtime, and shorten the wait for it."""
    backend = HangingBackend()
    monkeypatch.setattr(fusion_node, 'make_backend', lambda settings: backend)
    monkeypatch.setattr(fusion_node, '_JOIN_S', 0.1)
    yield backend
    backend.go_on.set()


@pytest.fixture
def node(backend):
    """Return a configured node on a context of its own, heard by nobody."""
    context = Context()
    rclpy.init(context=context)
    node = fusion_node.FusionNode(context=context)
    assert node.trigger_configure() == OK
    yield node
    backend.go_on.set()
    assert node.close(5.0)
    node.destroy_node()
    context.try_shutdown()


def send_pair(node, stamp_ns=STAMP_NS):
    """Receive two images of one stamp."""
    for camera, shape, encoding in (
            ('rgb', (4, 6, 3), 'rgb8'), ('thermal', (4, 6), 'mono8')):
        node._inputs.receive(camera, serialize_message(image_from_array(
            np.zeros(shape, np.uint8), encoding, stamp_ns, f'{camera}_optical')))
    node._dispatcher.reset(Drop.RESET)


def settled(node):
    """Return whether the worker is done with every pair."""
    deadline = time.monotonic() + 5.0
    while node._counters.snapshot()['in_flight'] and time.monotonic() < deadline:
        time.sleep(0.01)
    return not node._counters.snapshot()['in_flight']


def reported(node, monkeypatch):
    """Return the values and the messages by status of the next report."""
    sent = []
    monkeypatch.setattr(node._reports._publisher, 'publish', sent.append)
    node._report()
    values = {item.key: item.value for status in sent[0].status for item in status.values}
    return values, {status.name.partition(': ')[2]: status.message for status in sent[0].status}


def test_a_hung_inference_is_told_and_keeps_its_backend(node, backend, monkeypatch):
    """Deactivation fails in time; when the inference has ended, it succeeds."""
    monkeypatch.setattr(node._outputs, 'wanted', lambda: {'fused/image'})
    assert node.trigger_activate() == OK
    send_pair(node)
    assert backend.began.wait(5.0)
    assert node.trigger_deactivate() == FAILURE
    values, messages = reported(node, monkeypatch)
    assert 'inference has not ended' in messages['pairs'] and values['state'] == 'active'
    assert 'inference has not ended' in values['last_error'] and not backend.closed
    backend.go_on.set()
    assert node._dispatcher.stop(5.0)
    assert node.trigger_deactivate() == OK
    values, messages = reported(node, monkeypatch)
    assert (values['state'], messages['pairs'], values['fused']) == ('inactive', 'ok', '1')
    assert node.trigger_cleanup() == OK and backend.closed


def test_shutdown_leaves_a_running_inference_its_backend(node, backend, monkeypatch):
    """The state is finalized all the same."""
    monkeypatch.setattr(node._outputs, 'wanted', lambda: {'fused/image'})
    assert node.trigger_activate() == OK
    send_pair(node)
    assert backend.began.wait(5.0)
    node.trigger_shutdown()
    assert not backend.closed
    assert reported(node, monkeypatch)[0]['state'] == 'finalized'


def test_a_shutdown_is_reported_as_finalized(node, backend, monkeypatch):
    """It is told apart from a cleanup."""
    assert node.trigger_shutdown() == OK and backend.closed
    assert reported(node, monkeypatch)[0]['state'] == 'finalized'


def test_an_activation_that_fails_gives_its_reason(node, monkeypatch):
    """The node stays inactive, holds nothing, and can be activated when it is mended."""
    def refuse(settings):
        raise ParameterError('no pairing today')

    make_pairing = frame_dispatcher.make_pairing
    monkeypatch.setattr(frame_dispatcher, 'make_pairing', refuse)
    assert node.trigger_activate() == FAILURE
    values, messages = reported(node, monkeypatch)
    assert messages['pairs'] == values['last_error'].partition(': ')[2] == 'no pairing today'
    assert values['state'] == 'inactive' and not node._inputs
    monkeypatch.setattr(frame_dispatcher, 'make_pairing', make_pairing)
    assert node.trigger_activate() == OK
    assert reported(node, monkeypatch)[1]['pairs'] == 'ok'


def test_every_accepted_queue_size_can_be_used(node):
    """The table's largest value is taken by the pairer; one more is refused."""
    assert node.trigger_activate() == OK
    size = Parameter('sync.queue_size', value=500)
    assert node.set_parameters_atomically([size]).successful
    assert not node.set_parameters_atomically(
        [Parameter('sync.queue_size', value=501)]).successful


def test_what_waits_at_a_change_or_an_end_did_not_jump_in_time(node, monkeypatch):
    """Frames are counted as 'reset', and nothing is logged as a jump."""
    assert node.trigger_activate() == OK
    for stamp_ns, end in ((STAMP_NS, lambda: node.set_parameters_atomically(
            [Parameter('sync.slop_ms', value=7.0)])), (STAMP_NS + 10**7, node.trigger_deactivate)):
        node._inputs.receive('rgb', serialize_message(image_from_array(
            np.zeros((4, 6, 3), np.uint8), 'rgb8', stamp_ns, 'rgb_optical')))
        end()
    values, _ = reported(node, monkeypatch)
    assert values['dropped.rgb.reset'] == '2' and 'dropped.rgb.time_jump' not in values


def test_calibration_alone_is_published_without_inference(node, backend, monkeypatch):
    """The pair is counted as one without listener; calibration ends with its activation."""
    sent = []
    monkeypatch.setattr(node._outputs, 'wanted', lambda: {INFO})
    monkeypatch.setattr(node._outputs._publishers[INFO], 'publish', sent.append)
    assert node.trigger_activate() == OK
    node._inputs.calibrate('rgb', CameraInfo(width=6, height=4))
    send_pair(node)
    assert settled(node)
    assert node.trigger_deactivate() == OK
    assert [(info.header.frame_id, info.header.stamp.sec) for info in sent] == [
        ('rgb_optical', STAMP_NS // 10**9)]
    values, _ = reported(node, monkeypatch)
    assert values['dropped.pair.no_listener'] == values['paired'] == '1'
    assert values['in_flight'] == '0' and not backend.began.is_set()


def test_missing_calibration_is_told_once(node, monkeypatch):
    """While somebody listens; a camera that has sent no image yet owes no calibration."""
    said = []
    monkeypatch.setattr(node._outputs, 'wanted', lambda: {INFO})
    assert node.set_parameters_atomically(
        [Parameter('input.timeout_s', value=0.1)]).successful
    assert node.trigger_activate() == OK
    monkeypatch.setattr(node, 'get_logger', lambda: SimpleNamespace(warning=said.append))

    def report_twice():
        node._report()
        time.sleep(0.12)
        node._report()

    report_twice()
    assert said == []
    send_pair(node)
    report_twice()
    report_twice()
    assert len(said) == 1 and '/rgb/camera_info' in said[0]


def test_a_listener_count_that_fails_costs_one_pair(node, backend, monkeypatch):
    """The worker lives on."""
    def fail():
        raise RuntimeError('publisher destroyed')

    monkeypatch.setattr(node._outputs, 'wanted', fail)
    assert node.trigger_activate() == OK
    for number in (1, 2):
        send_pair(node, STAMP_NS + number * 10**8)
        assert settled(node)
    values, messages = reported(node, monkeypatch)
    assert values['dropped.pair.failed'] == '2'
    assert 'publisher destroyed (2 since' in messages['pairs'].replace('RuntimeError: ', '')


def test_recorded_stamps_have_a_skew_and_a_rate_but_no_latency(node, backend, monkeypatch):
    """Stamps of another year say nothing about how long fusion took."""
    backend.go_on.set()
    monkeypatch.setattr(node._outputs, 'wanted', lambda: {'fused/image'})
    assert node.trigger_activate() == OK
    send_pair(node)
    assert settled(node)
    values, _ = reported(node, monkeypatch)
    assert values['fused'] == '1' and values['skew_ms.p50'] == '0.00'
    assert 'processing_ms.p50' in values and 'latency_ms.p50' not in values
    assert values['rate_hz.rgb'] == '0.00'


def test_calibration_names_the_region_that_both_see(node, backend, monkeypatch, tmp_path):
    """With a homography; a file that is none leaves the node unconfigured with its reason."""
    file = tmp_path / 'registration.yaml'
    file.write_text('thermal: [[')
    assert node.trigger_cleanup() == OK
    settings = [Parameter('registration.mode', value='homography'),
                Parameter('registration.file', value=str(file))]
    assert node.set_parameters_atomically(settings).successful
    assert node.trigger_configure() == FAILURE
    values, messages = reported(node, monkeypatch)
    assert 'registration.yaml' in messages['pairs'] and values['state'] == 'unconfigured'
    half = Homography(np.eye(3), (6, 4), (12, 8), 0.2, 30, '2026-11-01')
    file.write_text(homography_file.dump(half))
    assert node.trigger_configure() == OK
    backend.go_on.set()
    sent = []
    monkeypatch.setattr(node._outputs, 'wanted', lambda: {INFO})
    monkeypatch.setattr(node._outputs._publishers[INFO], 'publish', sent.append)
    assert node.trigger_activate() == OK
    node._inputs.calibrate('rgb', CameraInfo(width=12, height=8))
    for camera, shape, encoding in (('rgb', (8, 12, 3), 'rgb8'), ('thermal', (4, 6), 'mono8')):
        node._inputs.receive(camera, serialize_message(image_from_array(
            np.zeros(shape, np.uint8), encoding, STAMP_NS, camera)))
    node._dispatcher.reset(Drop.RESET)
    assert settled(node) and len(sent) == 1
    roi = sent[0].roi
    assert (roi.x_offset, roi.y_offset, roi.width, roi.height) == (0, 0, 6, 4)


def test_a_plane_is_registered_when_both_calibrations_have_come(node, backend, monkeypatch):
    """Until then the diagnostics say what is missing; another distance is taken over at once."""
    assert node.trigger_cleanup() == OK
    assert node.set_parameters_atomically(
        [Parameter('registration.mode', value='plane')]).successful
    assert node.trigger_configure() == OK and node.trigger_activate() == OK
    assert 'waits for the calibration' in reported(node, monkeypatch)[1]['registration']
    for camera in ('rgb', 'thermal'):
        info = CameraInfo(width=64, height=48, distortion_model='plumb_bob')
        info.k = [60.0, 0.0, 31.5, 0.0, 60.0, 23.5, 0.0, 0.0, 1.0]
        info.r = np.eye(3).ravel().tolist()
        info.p = [60.0, 0.0, 31.5, 0.0, 0.0, 60.0, 23.5, 0.0, 0.0, 0.0, 1.0, 0.0]
        node._inputs.calibrate(camera, info)
    assert reported(node, monkeypatch)[1]['registration'] == 'ok'
    before = node._fuser.pipeline.registration
    node._inputs.calibrate('rgb', node._inputs.infos['rgb'])
    assert node._fuser.pipeline.registration is before, 'an equal calibration changes nothing'
    assert node.set_parameters_atomically(
        [Parameter('registration.plane_distance_m', value=2.0)]).successful
    assert node._fuser.pipeline.registration is not before


def test_what_is_delivered_after_the_end_is_no_image_of_ours(node):
    """An events executor hands out what it had queued for a subscription that is gone."""
    assert node.trigger_activate() == OK
    receive = node._inputs.receive
    assert node.trigger_deactivate() == OK
    before = node._counters.snapshot()
    receive('rgb', image_from_array(np.zeros((4, 6, 3), np.uint8), 'rgb8', STAMP_NS, 'optical'))
    assert node._counters.snapshot() == before
