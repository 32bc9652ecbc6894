"""The lifecycle node: subscribe, pair, hand the newest pair to one worker, publish."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from functools import partial
from pathlib import Path
import sys
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
from rclpy.clock import Clock
from rclpy.clock import ClockType
from rclpy.clock import JumpThreshold
from rclpy.clock import TimeJump
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode
from rclpy.lifecycle import LifecycleState
from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Image

from uaafusion_ros.engine.backend import load_backend
from uaafusion_ros.errors import EncodingError
from uaafusion_ros.errors import UaafusionError
from uaafusion_ros.frames import FramePair
from uaafusion_ros.imaging.thermal import ThermalScaler
from uaafusion_ros.imaging.thermal import ThermalScaling
from uaafusion_ros.nodes import process
from uaafusion_ros.nodes import qos
from uaafusion_ros.nodes.diagnostics import CAMERAS
from uaafusion_ros.nodes.diagnostics import Latencies
from uaafusion_ros.nodes.diagnostics import recent
from uaafusion_ros.nodes.diagnostics import report
from uaafusion_ros.nodes.diagnostics import said
from uaafusion_ros.nodes.diagnostics import Tally
from uaafusion_ros.nodes.diagnostics import Voice
from uaafusion_ros.nodes.messages import frame_from_image
from uaafusion_ros.nodes.messages import image_size
from uaafusion_ros.nodes.outputs import INFO
from uaafusion_ros.nodes.outputs import Outputs
from uaafusion_ros.nodes.parameters import Parameters
from uaafusion_ros.nodes.synchronizer import make_synchronizer
from uaafusion_ros.nodes.worker import Worker
from uaafusion_ros.pipeline import FusionPipeline
from uaafusion_ros.stream.timeline import Drop
from uaafusion_ros.stream.timing import RateMeter

_POLL_S = 0.05
_JOIN_S = 3.0  # for the pair in work in a transition: the executor waits, signals included
_FAILED_PAIRS = 'dropped.pair.failed'
_OK = TransitionCallbackReturn.SUCCESS
_FAILED = TransitionCallbackReturn.FAILURE


class FusionNode(LifecycleNode):
    """
    Fuse and segment two camera topics.

    The executor's thread receives, pairs and reports; one worker thread runs the pipeline and
    publishes. They share the worker's slot, the tally and snapshots that are replaced whole.

    Cameras are subscribed to and paired as long as the node is active, so that its counts and
    warnings are true at any time. An output is made only while it has a listener; while none
    of the three images has one, pairs are not fused and are counted as
    `dropped.pair.no_listener`; fused/camera_info needs no inference and is published for them,
    too. A listener is served from the next pair on.
    """

    def __init__(self, **kwargs: Any) -> None:
        """Declare parameters and report on /diagnostics; nothing is loaded yet."""
        super().__init__('fusion_node', automatically_declare_parameters_from_overrides=True,
                         **kwargs)
        self._tally = Tally()
        self._latencies = Latencies()
        self._voice = Voice(self.get_logger())
        self._blocking_error = ''
        self._backend: Any = None
        self._pipeline: FusionPipeline | None = None
        self._outputs: Outputs | None = None
        self._inputs: dict[str, Any] = {}
        self._infos: dict[str, CameraInfo] = {}
        self._watches: dict[str, qos.SilenceWatch] = {}
        self._synchronizer: Any = None
        self._worker: Worker | None = None
        self._rates = {camera: RateMeter() for camera in CAMERAS}
        self._reported: Mapping[str, int] = {}
        self._active_since = 0.0
        self._advised = False
        self._info_missed = False
        self._finalized = False
        self._settings = Parameters(self, lambda: self._backend is None, self._changed)
        for text in self._settings.ignored:
            self.get_logger().warning(f'{text} (ignored)')
        # Wall time, because a simulation that stands still must not silence the reports.
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._report_timer = self.create_timer(
            self._values['diagnostics.period_s'], self._report, clock=self._steady)
        self._poll_timer = self.create_timer(_POLL_S, self._poll, clock=self._steady)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self._jump = self.get_clock().create_jump_callback(
            JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1)),
            post_callback=self._clock_jumped)

    @property
    def _values(self) -> Mapping[str, Any]:
        return self._settings.values

    # Lifecycle

    def start(self) -> None:
        """Configure and activate, when the parameter autostart says so."""
        if self._values['autostart'] and self.trigger_configure() == _OK:
            self.trigger_activate()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model and advertise the outputs; on any fault say it and stay unconfigured."""
        values = self._values
        try:
            if self._settings.problems:
                raise UaafusionError('; '.join(self._settings.problems.values()))
            make_synchronizer(values, self._drop_frames)  # finds a missing package now
            backend = load_backend(
                model=Path(values['model.path']) if values['model.path'] else None,
                preset=values['model.preset'], backend=values['engine.backend'],
                threads=values['engine.threads'])
            width, height = values['engine.warmup_size']
            if width and height:
                backend.infer(np.zeros((height, width, 3), np.uint8),
                              np.zeros((height, width), np.uint8))
        except Exception as error:  # a runtime may raise anything; the node must outlive it
            self._blocking_error = said(error)
            self._voice.error(f'cannot configure: {self._blocking_error}')
            return _FAILED
        self._blocking_error = ''
        self._backend = backend
        self._pipeline = self._new_pipeline(values)
        self._outputs = Outputs(self, values, self._voice.warning)
        self.get_logger().info(
            f'configured: model {backend.spec.path.name}, backend {backend.name} '
            f'({backend.choice})')
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and start the worker."""
        try:
            self._start_fusing(self._values)
            result = super().on_activate(state)
        except Exception as error:  # rclpy would swallow it and name no reason
            self._stop(_JOIN_S)
            self._blocking_error = said(error)
            self._voice.error(f'cannot activate: {self._blocking_error}')
            return _FAILED
        self._blocking_error = ''
        return result

    def _start_fusing(self, values: Mapping[str, Any]) -> None:
        self._synchronizer = make_synchronizer(values, self._drop_frames)
        self._worker = Worker(self._fuse)
        self._active_since = time.monotonic()
        self._info_missed = False
        profile = qos.profile(values, 'input')
        for camera in CAMERAS:
            self._watches[camera] = qos.SilenceWatch(self._active_since)
            topic = self.resolve_topic_name(f'{camera}/image_raw')
            self._inputs[camera] = self.create_subscription(
                Image, topic, partial(self._receive, camera), profile,
                event_callbacks=qos.input_events(topic, self._voice.warning))
            self._inputs[f'{camera} info'] = self.create_subscription(
                CameraInfo, f'{camera}/camera_info', partial(self._infos.__setitem__, camera),
                profile)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe, count what was waiting, and end the worker; fail while it will not end."""
        if not self._stop(_JOIN_S):
            return self._hung('deactivate again when it has ended, or end the process')
        self._blocking_error = ''
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give the model and the publishers back."""
        self._release()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and give everything back, from any state."""
        self._finalized = True
        if not self._stop(_JOIN_S):
            return self._hung('end the process')
        self._release()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Return to unconfigured after a transition that raised."""
        self._voice.error(f'the transition from {state.label} failed; unconfigured again')
        if not self._stop(_JOIN_S):
            self._finalized = True
            return self._hung('end the process')
        self._release()
        return _OK

    def _hung(self, remedy: str) -> TransitionCallbackReturn:
        self._blocking_error = (
            f'inference has not ended within {_JOIN_S:.0f} s and no image is received any more; '
            f'{remedy}')
        self._voice.error(self._blocking_error)
        return _FAILED

    def _stop(self, timeout_s: float) -> bool:
        """
        Stop receiving and fusing; return whether the pair in work was finished in time.

        If it was not, the worker and all it uses are kept, and a later call waits for it again.
        """
        for subscription in self._inputs.values():
            self.destroy_subscription(subscription)
        self._inputs = {}
        self._watches = {}
        self._reset(Drop.RESET)
        self._synchronizer = None
        if self._worker is None:
            return True
        left, ended = self._worker.stop(timeout_s)
        if left is not None:
            self._tally.add('dropped.pair.deactivated')
        if ended:
            self._worker = None
            self._infos.clear()
        return ended

    def _release(self) -> None:
        if self._backend is not None:
            self._outputs.destroy()
            self._backend.close()
        self._outputs = self._pipeline = self._backend = None

    def close(self, timeout_s: float) -> bool:
        """Stop and, if inference ends within `timeout_s` seconds, release; say whether it did."""
        ended = self._stop(timeout_s)
        if ended:
            self._release()
        return ended

    # Parameters

    def _changed(self, values: Mapping[str, Any], names: Sequence[str]) -> None:
        groups = {name.partition('.')[0] for name in names}
        if 'diagnostics' in groups:
            self._report_timer.timer_period_ns = int(values['diagnostics.period_s'] * 1e9)
        if self._backend is not None and groups & {'registration', 'thermal'}:
            self._pipeline = self._new_pipeline(values)
        if self._synchronizer is not None and 'sync' in groups:
            synchronizer = make_synchronizer(values, self._drop_frames)
            self._reset(Drop.RESET)
            self._synchronizer = synchronizer

    def _new_pipeline(self, values: Mapping[str, Any]) -> FusionPipeline:
        mode = values['thermal.scaling']
        low, high = values['thermal.percentiles' if mode == 'percentile' else 'thermal.range']
        return FusionPipeline(
            self._backend, registration_mode=values['registration.mode'],
            thermal_scaler=ThermalScaler(ThermalScaling(
                mode=mode, low=low, high=high, smoothing=values['thermal.smoothing'],
                polarity=values['thermal.polarity'])))

    # Executor thread: images in, pairs out

    def _receive(self, camera: str, message: Image) -> None:
        self._tally.add(f'received.{camera}')
        self._rates[camera].tick(time.monotonic_ns())
        self._watches[camera].heard(time.monotonic())
        try:
            frame = frame_from_image(message, int(self._values['input.max_megapixels'] * 1e6))
        except EncodingError as error:
            fault = f'dropped.{camera}.malformed'
            self._voice.error(f'{self._inputs[camera].topic_name}: image dropped: {error}', fault)
            self._tally.add(fault)
            return
        self._hand_over(self._synchronizer.add(camera, frame, time.monotonic_ns()))

    def _poll(self) -> None:
        if self._synchronizer is not None:
            self._hand_over(self._synchronizer.poll(time.monotonic_ns()))
            self._watch_inputs(time.monotonic())

    def _clock_jumped(self, jump: TimeJump) -> None:
        if jump.delta.nanoseconds < 0:
            self._voice.warning(
                f'the ROS clock jumped by {jump.delta.nanoseconds / 1e9:+.3f} s; '
                'pairing starts anew', 'clock jump')
        self._reset(Drop.TIME_JUMP)

    def _reset(self, reason: Drop) -> None:
        if self._synchronizer is not None:
            self._hand_over(self._synchronizer.reset(reason))

    def _hand_over(self, pairs: list[FramePair]) -> None:
        for pair in pairs:
            self._tally.add('paired')
            self._latencies.add('skew', pair.skew_ns / 1e6)
            if self._worker.put((pair, time.monotonic())) is not None:
                self._tally.add('dropped.pair.superseded')

    def _drop_frames(self, camera: str, reason: str, count: int) -> None:
        self._tally.add(f'dropped.{camera}.{reason}', count)

    # Worker thread: pairs in, messages out

    def _fuse(self, job: tuple[FramePair, float]) -> None:
        pair, paired_at = job
        values, outputs, result = self._values, self._outputs, None
        camera = values['sync.reference']
        reference = getattr(pair, camera)
        try:
            wanted = outputs.wanted()
            if wanted - {INFO}:
                result = self._pipeline.process(pair)
                outputs.publish_images(wanted, result, reference, self._backend.spec.palette,
                                       values['overlay.alpha'])
            info = self._infos.get(camera)
            if INFO in wanted and info is not None:
                outputs.publish_info(info, reference, image_size(pair.rgb))
        except Exception as error:  # whatever a pair provokes, the next one deserves its chance
            self._voice.error(f'pair dropped: {said(error)}', _FAILED_PAIRS)
            self._tally.add(_FAILED_PAIRS)
            return
        if result is None:
            self._tally.add('dropped.pair.no_listener')
            return
        self._tally.add('fused')
        self._latencies.add('processing', (time.monotonic() - paired_at) * 1e3)
        latency_ms = (self.get_clock().now().nanoseconds - reference.stamp_ns) / 1e6
        if -1e3 <= latency_ms <= 60e3:  # beyond, a recorded stamp meets the clock of today
            self._latencies.add('latency', latency_ms)
        for stage, milliseconds in result.timings_ms.items():
            self._latencies.add(f'stage.{stage}', milliseconds)

    # Reports

    def _watch_inputs(self, now: float) -> None:
        for camera, watch in self._watches.items():
            if watch.due(now, self._values['input.timeout_s']):
                topic = self._inputs[camera].topic_name
                # Not through the voice: the watch has a schedule of its own.
                self.get_logger().warning(qos.silence(
                    topic, watch.quiet_for(now), self._inputs[camera].qos_profile,
                    self.get_publishers_info_by_topic(topic)))

    def _watch_info(self, now: float) -> None:
        camera = self._values['sync.reference']
        if (self._info_missed or camera in self._infos
                or now - self._active_since < self._values['input.timeout_s']
                or INFO not in self._outputs.wanted()):
            return
        self._info_missed = True
        self.get_logger().warning(
            f'{INFO} has a listener, but the reference camera sends no calibration on '
            f'{self.resolve_topic_name(f"{camera}/camera_info")}; publish or remap it')

    def _report(self) -> None:
        now, values = time.monotonic(), self._values
        counts, before = self._tally.snapshot(), self._reported
        self._reported = counts
        silent = [camera for camera, watch in self._watches.items()
                  if watch.quiet_for(now) > values['input.timeout_s']]
        warnings = [f'no image from {" and ".join(silent)}'] if silent else []
        for camera in CAMERAS:
            warnings += recent(f'dropped.{camera}.malformed', counts, before, self._voice)
        if self._synchronizer is not None:
            self._watch_info(now)
            jump, advice = self._synchronizer.jump(), self._synchronizer.advice()
            if jump is not None:
                self._voice.warning(f'{jump}; pairing starts anew', 'time jump')
            if advice is not None and not self._advised:
                self._advised = True
                self.get_logger().warning(advice)
            if advice is not None and not warnings:
                warnings = [advice]
        problems = ([self._blocking_error] if self._blocking_error
                    else recent(_FAILED_PAIRS, counts, before, self._voice))
        state = ('finalized' if self._finalized else 'unconfigured' if self._backend is None
                 else 'inactive' if self._worker is None else 'active')
        self._diagnostics.publish(report(
            stamp=self.get_clock().now().to_msg(), node=self.get_fully_qualified_name(),
            counts=counts, latencies=self._latencies,
            rates_hz={camera: rate.rate_hz(time.monotonic_ns())
                      for camera, rate in self._rates.items()},
            facts={'state': state, 'backend': getattr(self._backend, 'name', ''),
                   'model': values['model.path'] or values['model.preset'],
                   'last_error': self._voice.last_error},
            problem='; '.join(problems), warning='; '.join(warnings)))


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; return the exit code, 2 for wrong arguments."""
    return process.run(FusionNode, args)


if __name__ == '__main__':
    sys.exit(main())
