"""One camera missing, or standing still: outputs go on, and the mode says what they are."""

from __future__ import annotations

from threading import Event
from threading import Thread
import time

import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy
from rclpy.qos import QoSProfile
from robot import until
from sensor_msgs.msg import Image
from std_msgs.msg import String

from uaafusion_ros.harness.pictures import scene
from uaafusion_ros.nodes.messages import image_from_array
from uaafusion_ros.nodes.messages import ns_from_stamp

pytestmark = [pytest.mark.ros, pytest.mark.slow]
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
RATE = 10.0
SIZE = (96, 64)


class Cameras:
    """Both cameras, each of which can be stopped, frozen and started at any time."""

    def __init__(self, listener) -> None:
        self._publishers = {camera: listener.node.create_publisher(
            Image, f'/{camera}/image_raw', 5) for camera in ('thermal', 'rgb')}
        self.alive = {'thermal': True, 'rgb': True}
        self.frozen = False
        self._stamps = {'thermal': [], 'rgb': []}
        self._last_new_ns = 0
        self.ghosts: dict[int, int] = {}  # thermal stamp: age of what it shows, ns
        self._stopped = Event()
        self._thread = Thread(target=self._run, daemon=True)

    def start(self) -> None:
        assert until(lambda: all(
            each.get_subscription_count() for each in self._publishers.values()))
        self._thread.start()

    def _run(self) -> None:
        thermal, rgb = scene(*SIZE)
        shown, number, start = thermal, 0, time.monotonic()
        while not self._stopped.wait(max(0.0, start + number / RATE - time.monotonic())):
            stamp_ns = time.time_ns()
            number += 1
            if not self.frozen:
                shown, self._last_new_ns = thermal + number % 7, stamp_ns
            self.ghosts[stamp_ns] = stamp_ns - self._last_new_ns
            for camera, image, encoding in (
                    ('rgb', rgb + number % 7, 'rgb8'), ('thermal', shown, 'mono8')):
                if self.alive[camera]:
                    self._stamps[camera].append(stamp_ns)
                    self._publishers[camera].publish(
                        image_from_array(image, encoding, stamp_ns, f'{camera}_optical'))

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(5.0)


class Watch:
    """The modes said, and what came out under each."""

    def __init__(self, listener) -> None:
        self.listener = listener
        self.modes: list[tuple[float, str]] = []
        listener.node.create_subscription(
            String, '/fusion_node/mode',
            lambda message: self.modes.append((time.monotonic(), message.data)), LATCHED)

    @property
    def mode(self) -> str:
        return self.modes[-1][1] if self.modes else ''

    def becomes(self, mode: str, timeout_s: float = 8.0) -> float:
        """Wait for a mode; return the seconds that took."""
        start = time.monotonic()
        until(lambda: self.mode == mode, timeout_s)
        assert self.mode == mode, self.modes
        return self.modes[-1][0] - start

    def fused(self, count: int = 3) -> list[Image]:
        """Return `count` fused images that came after this call."""
        images = self.listener.images['/fused/image']
        first = len(images)
        assert until(lambda: len(images) >= first + count), self.modes
        return images[first:]


@pytest.fixture
def show(robot):
    """An active node that fuses two cameras."""
    robot.listener.hear('fused/image', 'segmentation/mask')
    watch, cameras = Watch(robot.listener), Cameras(robot.listener)
    node = robot.active(engine__warmup_size=list(SIZE))
    cameras.start()
    watch.becomes('FUSED')
    yield node, cameras, watch
    cameras.stop()


def _pixels(image: Image) -> np.ndarray:
    return np.frombuffer(image.data, np.uint8).reshape(image.height, image.width, 3)


def test_another_timeout_does_not_interrupt_fusion(show):
    """A supervisor that stops the robot when the mode is STALE must not see it."""
    _, _, watch = show
    modes = list(watch.modes)
    for timeout_s in (2.0, 0.4, 0.5):
        assert watch.listener.set(mode__timeout_s=timeout_s).successful
        watch.fused(3)
    assert watch.modes == modes, watch.modes


def test_rgb_goes_on_without_thermal_and_fusion_comes_back(show):
    """RGB passes as it is at its rate with its stamps; the mask keeps coming; no stamp repeats."""
    node, cameras, watch = show
    cameras.alive['thermal'] = False
    assert watch.becomes('RGB_ONLY') < 0.5 + 0.1 + 1.0, watch.modes
    watch.fused(2)
    start = time.monotonic()
    images = watch.fused(10)
    assert time.monotonic() - start < 2.5 * 10 / RATE, 'slower than the living camera'
    assert {image.header.frame_id for image in images} == {'rgb_optical'}
    difference = _pixels(images[-1]).astype(int) - scene(*SIZE)[1]
    assert 0 <= difference.min() and difference.max() < 7, 'RGB is not passed through'
    messages = watch.listener.messages()
    assert 'RGB_ONLY: no image from thermal for' in messages['mode']
    cameras.alive['thermal'] = True
    watch.becomes('FUSED')
    watch.fused(5)
    stamps = [ns_from_stamp(image.header.stamp)
              for image in watch.listener.images['/fused/image']]
    assert stamps == sorted(set(stamps))
    assert len(watch.listener.images['/segmentation/mask']) >= len(stamps) - 2
    assert len(watch.modes) <= 7, f'flapping: {watch.modes}'
    counts = watch.listener.counts()
    assert counts['shown'] >= 12 and counts['alone'] == counts['shown'] + sum(
        count for key, count in counts.items() if key.startswith('dropped.alone.')
    ) + counts['in_flight.alone']
    assert not node.said('ERROR')


def test_thermal_goes_on_without_rgb(show):
    """Gray, in the RGB image's size, with stamp and frame of the thermal camera."""
    node, cameras, watch = show
    cameras.alive['rgb'] = False
    watch.becomes('THERMAL_ONLY')
    image = watch.fused(4)[-1]
    pixels = _pixels(image)
    assert image.header.frame_id == 'thermal_optical' and pixels.shape == (SIZE[1], SIZE[0], 3)
    assert (pixels == pixels[..., :1]).all()
    hot = pixels[SIZE[1] // 2, 3 * SIZE[0] // 4, 0]
    assert hot > pixels[2, 2, 0] + 100
    cameras.alive['rgb'] = True
    watch.becomes('FUSED')
    assert {image.header.frame_id for image in watch.fused(4)[2:]} == {'rgb_optical'}


def test_a_shut_shutter_shows_rgb_and_no_ghost(show):
    """Thermal repeats itself: after at most three frames nothing old is fused."""
    node, cameras, watch = show
    first = len(watch.listener.images['/fused/image'])
    cameras.frozen = True
    watch.becomes('THERMAL_FROZEN')
    watch.fused(5)
    cameras.frozen = False
    watch.becomes('FUSED')
    rgb = scene(*SIZE)[1].astype(int)
    for image in watch.listener.images['/fused/image'][first:]:
        age_ns = cameras.ghosts[ns_from_stamp(image.header.stamp)]
        passed = (_pixels(image) - rgb).max() < 7 and (_pixels(image) - rgb).min() >= 0
        assert age_ns <= 100_000_000 + 60_000_000 or passed, f'{age_ns / 1e6:.0f} ms old'
    counts = watch.listener.counts()
    assert counts['dropped.thermal.frozen'] >= 3


def test_without_both_cameras_nothing_is_made_up(show):
    """STALE is an error in the diagnostics; whoever comes late hears the mode at once."""
    node, cameras, watch = show
    cameras.alive['rgb'] = cameras.alive['thermal'] = False
    watch.becomes('STALE')
    count = len(watch.listener.images['/fused/image'])
    assert until(lambda: 'STALE' in watch.listener.messages()['mode'])
    late = Watch(watch.listener)
    assert until(lambda: late.mode == 'STALE')
    assert len(watch.listener.images['/fused/image']) <= count + 1
    cameras.alive['rgb'] = cameras.alive['thermal'] = True
    watch.becomes('FUSED')


def test_the_mode_is_inactive_while_the_node_is(robot):
    """A latched FUSED of a node that was deactivated would be a lie."""
    from lifecycle_msgs.msg import Transition
    watch = Watch(robot.listener)
    robot.active()
    watch.becomes('STALE')
    assert robot.listener.change(Transition.TRANSITION_DEACTIVATE)
    watch.becomes('INACTIVE')
