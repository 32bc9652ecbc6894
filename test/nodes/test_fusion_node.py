"""The node in this process: transitions that fail, inference that hangs, calibration alone."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Event

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from node_bench import NodeBench  # noqa: E402
from node_bench import STAMP_NS  # noqa: E402
from rclpy.lifecycle import TransitionCallbackReturn  # noqa: E402
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
from uaafusion_ros.nodes.objects import DETECTIONS  # noqa: E402
from uaafusion_ros.nodes.objects import OBJECTS  # noqa: E402
from uaafusion_ros.nodes.outputs import INFO  # noqa: E402
from uaafusion_ros.nodes.outputs import Outputs  # noqa: E402
from uaafusion_ros.pipeline import FusionPipeline  # noqa: E402

pytestmark = pytest.mark.ros
OK, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
SPEC = ModelSpec(Path('none.onnx'), '', 'none', ('background', 'person'),
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
def bench(backend):
    """Return a configured node, heard by nobody."""
    bench = NodeBench()
    assert bench.node.trigger_configure() == OK
    yield bench
    backend.go_on.set()
    assert bench.close()


def test_a_hung_inference_is_told_and_keeps_its_backend(bench, backend):
    """Deactivation fails in time; when the inference has ended, it succeeds."""
    node, fused = bench.node, bench.hear('fused/image')
    assert node.trigger_activate() == OK
    bench.send_pair()
    assert bench.until(backend.began.is_set)
    assert node.trigger_deactivate() == FAILURE
    assert 'inference has not ended' in bench.messages()['pairs']
    values = bench.values()
    assert 'inference has not ended' in values['last_error'] and values['state'] == 'active'
    assert not backend.closed
    backend.go_on.set()
    assert bench.until(lambda: fused)
    assert bench.until(lambda: node.trigger_deactivate() == OK)
    values = bench.values()
    assert (values['state'], values['fused']) == ('inactive', '1')
    assert bench.messages()['pairs'] == 'ok'
    assert node.trigger_cleanup() == OK and backend.closed


def test_shutdown_leaves_a_running_inference_its_backend(bench, backend):
    """The state is finalized all the same."""
    bench.hear('fused/image')
    assert bench.node.trigger_activate() == OK
    bench.send_pair()
    assert bench.until(backend.began.is_set)
    bench.node.trigger_shutdown()
    assert not backend.closed
    assert bench.values()['state'] == 'finalized'


def test_a_shutdown_is_reported_as_finalized(bench, backend):
    """It is told apart from a cleanup."""
    assert bench.node.trigger_shutdown() == OK and backend.closed
    assert bench.values()['state'] == 'finalized'


def test_an_activation_that_fails_gives_its_reason(bench, monkeypatch):
    """The node stays inactive, hears no camera, and can be activated when it is mended."""
    def refuse(settings):
        raise ParameterError('no pairing today')

    with monkeypatch.context() as patch:
        patch.setattr(frame_dispatcher, 'make_pairing', refuse)
        assert bench.node.trigger_activate() == FAILURE
    values = bench.values()
    assert bench.messages()['pairs'] == 'no pairing today'
    assert values['last_error'].endswith('no pairing today') and values['state'] == 'inactive'
    assert not bench.node.count_subscribers('rgb/image_raw')
    assert bench.node.trigger_activate() == OK
    assert bench.messages()['pairs'] == 'ok' and bench.node.count_subscribers('rgb/image_raw')


def test_every_accepted_queue_size_can_be_used(bench):
    """The table's largest value is taken by the pairer; one more is refused."""
    assert bench.node.trigger_activate() == OK
    assert bench.set('sync.queue_size', 500)
    assert not bench.set('sync.queue_size', 501)


def test_what_waits_at_a_change_or_an_end_did_not_jump_in_time(bench):
    """Frames are counted as 'reset', and nothing is logged as a jump."""
    assert bench.node.trigger_activate() == OK
    bench.send('rgb')
    assert bench.set('sync.slop_ms', 7.0)
    bench.send('rgb', STAMP_NS + 10**7)
    assert bench.node.trigger_deactivate() == OK
    values = bench.values()
    assert values['dropped.rgb.reset'] == '2' and 'dropped.rgb.time_jump' not in values


def test_calibration_alone_is_published_without_inference(bench, backend):
    """The pair is counted as one without listener; calibration ends with its activation."""
    infos = bench.hear(INFO)
    assert bench.node.trigger_activate() == OK
    bench.calibrate('rgb', CameraInfo(width=6, height=4))
    bench.send_pair()
    assert bench.until(lambda: infos)
    assert bench.node.trigger_deactivate() == OK
    values = bench.values()
    assert [(info.header.frame_id, info.header.stamp.sec) for info in infos] == [
        ('rgb_optical', STAMP_NS // 10**9)]
    assert values['dropped.pair.no_listener'] == values['paired'] == '1'
    assert values['in_flight'] == '0' and not backend.began.is_set()


@pytest.fixture
def person(backend, monkeypatch):
    """Let the network see a person."""
    def run(rgb, thermal):
        mask = np.zeros_like(thermal)
        mask[4:14, 6:16] = 1
        return [rgb, mask, np.full_like(thermal, 255)]

    monkeypatch.setattr(backend, '_run', run)


def test_detections_are_published_where_vision_msgs_is_installed(bench, person):
    pytest.importorskip('vision_msgs.msg')
    heard = bench.hear(DETECTIONS)
    assert bench.node.trigger_activate() == OK
    bench.send_pair(rgb=(24, 32), thermal=(24, 32))
    assert bench.until(lambda: heard)
    assert (heard[0].header.stamp.sec, heard[0].header.frame_id) == (
        STAMP_NS // 10**9, 'rgb_optical')
    one, = heard[0].detections
    result, = one.results
    assert (result.hypothesis.class_id, result.hypothesis.score) == ('person', 1.0)
    assert (one.bbox.center.position.x, one.bbox.center.position.y) == (10.5, 8.5)
    assert (one.bbox.size_x, one.bbox.size_y) == (10.0, 10.0)


def test_objects_are_published_to_whom_listens_for_them(bench, person, monkeypatch):
    """With the pair's stamp, from the mask; and nothing is looked for without a listener."""
    looked = []
    find = FusionPipeline.objects
    monkeypatch.setattr(FusionPipeline, 'objects',
                        lambda *given: looked.append(given) or find(*given))
    fused = bench.hear('fused/image')
    assert bench.node.trigger_activate() == OK
    bench.send_pair(rgb=(24, 32), thermal=(24, 32))
    assert bench.until(lambda: fused) and not looked
    heard = bench.hear(OBJECTS)
    assert bench.until(lambda: bench.node.count_subscribers(OBJECTS))
    bench.send_pair(STAMP_NS + 10**8, rgb=(24, 32), thermal=(24, 32))
    assert bench.until(lambda: heard)
    said = json.loads(heard[0].data)
    assert (said['stamp'], said['frame_id']) == (
        {'sec': STAMP_NS // 10**9, 'nanosec': 10**8}, 'rgb_optical')
    assert said['objects'] == [{'class_id': 1, 'class': 'person', 'confidence': 1.0,
                                'box': {'x': 6, 'y': 4, 'width': 10, 'height': 10}}]


def test_missing_calibration_is_told_once(bench):
    """While somebody listens; a camera that has sent no image yet owes no calibration."""
    def told():
        return [text for text in bench.warnings() if '/rgb/camera_info' in text]

    bench.hear(INFO)
    assert bench.set('input.timeout_s', 0.1) and bench.node.trigger_activate() == OK
    bench.turn(0.4)
    assert not told()
    bench.send_pair()
    assert bench.until(told)
    bench.turn(0.4)
    assert len(told()) == 1


def test_a_listener_count_that_fails_costs_one_pair(bench, monkeypatch):
    """The worker lives on."""
    def fail(outputs):
        raise RuntimeError('publisher destroyed')

    assert bench.node.trigger_activate() == OK
    monkeypatch.setattr(Outputs, 'wanted', fail)
    for number in (1, 2):
        bench.send_pair(STAMP_NS + number * 10**8)
        assert bench.until(
            lambda: bench.values().get('dropped.pair.failed') == str(number))  # noqa: B023
    assert 'publisher destroyed' in bench.values()['last_error']
    assert any('publisher destroyed (1 since' in status.message
               for report in bench.heard['/diagnostics'] for status in report.status)


def test_recorded_stamps_have_a_skew_and_a_rate_but_no_latency(bench, backend):
    """Stamps of another year say nothing about how long fusion took."""
    backend.go_on.set()
    fused = bench.hear('fused/image')
    assert bench.node.trigger_activate() == OK
    bench.send_pair()
    assert bench.until(lambda: fused)
    values = bench.values()
    assert values['fused'] == '1' and values['skew_ms.p50'] == '0.00'
    assert 'processing_ms.p50' in values and 'latency_ms.p50' not in values
    assert values['rate_hz.rgb'] == '0.00'


def test_calibration_names_the_region_that_both_see(bench, tmp_path):
    """With a homography; a file that is none leaves the node unconfigured with its reason."""
    file = tmp_path / 'registration.yaml'
    file.write_text('thermal: [[')
    assert bench.node.trigger_cleanup() == OK
    assert bench.set('registration.file', str(file))
    assert bench.set('registration.mode', 'homography')
    assert bench.node.trigger_configure() == FAILURE
    assert 'registration.yaml' in bench.messages()['pairs']
    assert bench.values()['state'] == 'unconfigured'
    half = Homography(np.eye(3), (6, 4), (12, 8), 0.2, 30, '2026-11-01')
    file.write_text(homography_file.dump(half))
    assert bench.node.trigger_configure() == OK
    assert region_of_a_pair(bench) == (0, 0, 6, 4)


def test_auto_begins_with_what_an_earlier_run_found_and_says_so(bench, tmp_path):
    """A damaged file is no reason not to start."""
    file = tmp_path / 'found.yaml'
    file.write_text('thermal: [[')
    assert bench.node.trigger_cleanup() == OK
    assert bench.set('registration.file', str(file))
    assert bench.set('registration.mode', 'auto')
    assert bench.node.trigger_configure() == OK
    assert bench.values()['registration_state'] == 'searching'
    assert 'until then thermal is scaled' in bench.messages()['registration']
    assert bench.node.trigger_cleanup() == OK
    homography_file.write(file, Homography(np.eye(3), (6, 4), (12, 8), 0.2, 30, '2026-11-01'))
    assert bench.node.trigger_configure() == OK
    values = bench.values()
    assert (values['registration'], values['registration_state']) == ('auto', 'sure')
    assert bench.messages()['registration'] == 'ok'
    assert region_of_a_pair(bench) == (0, 0, 6, 4)


def region_of_a_pair(bench):
    """Activate the node, send a pair, and return the region of interest that comes out."""
    infos = bench.hear(INFO)
    assert bench.node.trigger_activate() == OK
    bench.calibrate('rgb', CameraInfo(width=12, height=8))
    bench.send_pair(rgb=(8, 12))
    assert bench.until(lambda: infos)
    roi = infos[0].roi
    return roi.x_offset, roi.y_offset, roi.width, roi.height


def test_a_plane_is_registered_when_both_calibrations_have_come(bench, monkeypatch):
    """Until then the diagnostics say what is missing; another distance is taken over at once."""
    made = []
    make = fusion_node.make_registration
    monkeypatch.setattr(fusion_node, 'make_registration',
                        lambda *arguments: made.append(arguments) or make(*arguments))
    infos = bench.hear(INFO)
    assert bench.node.trigger_cleanup() == OK
    assert bench.set('registration.mode', 'plane')
    assert bench.set('registration.translation_m', [1.0, 0.0, 0.0])
    assert bench.node.trigger_configure() == OK and bench.node.trigger_activate() == OK
    assert 'waits for the calibration' in bench.messages()['registration']
    for camera in ('rgb', 'thermal'):
        info = CameraInfo(width=64, height=48, distortion_model='plumb_bob')
        info.k = [60.0, 0.0, 31.5, 0.0, 60.0, 23.5, 0.0, 0.0, 1.0]
        info.r = np.eye(3).ravel().tolist()
        info.p = [60.0, 0.0, 31.5, 0.0, 0.0, 60.0, 23.5, 0.0, 0.0, 0.0, 1.0, 0.0]
        bench.calibrate(camera, info)
    assert bench.messages()['registration'] == 'ok'
    before = len(made)
    bench.calibrate('rgb', info)
    assert len(made) == before, 'an equal calibration changes nothing'
    bench.send_pair(rgb=(48, 64), thermal=(48, 64))
    assert bench.until(lambda: infos)
    assert bench.set('registration.plane_distance_m', 2.0)
    bench.send_pair(STAMP_NS + 10**8, rgb=(48, 64), thermal=(48, 64))
    assert bench.until(lambda: len(infos) == 2)
    # 60 pixels of focal length and a metre between the cameras shift by 12 at 5 m, by 30 at 2 m.
    assert [info.roi.x_offset for info in infos] == [12, 30]


def test_what_is_delivered_after_the_end_is_no_image_of_ours(bench):
    """An events executor hands out what it had queued for a subscription that is gone."""
    assert bench.node.trigger_activate() == OK
    receive = bench.callback('/rgb/image_raw')
    assert bench.node.trigger_deactivate() == OK
    receive(serialize_message(
        image_from_array(np.zeros((4, 6, 3), np.uint8), 'rgb8', STAMP_NS, 'optical')))
    assert bench.values()['received.rgb'] == '0'
