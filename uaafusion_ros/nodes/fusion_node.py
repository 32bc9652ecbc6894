"""The lifecycle node: subscribe, pair, hand the newest pair to one worker, publish."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from functools import partial
import os
from pathlib import Path
import signal
import sys
from threading import Event
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
import rclpy
from rclpy.clock import Clock
from rclpy.clock import ClockType
from rclpy.clock import JumpThreshold
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode
from rclpy.lifecycle import LifecycleState
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Image

from uaafusion_ros.engine.backend import load_backend
from uaafusion_ros.errors import EncodingError
from uaafusion_ros.errors import UaafusionError
from uaafusion_ros.frames import FramePair
from uaafusion_ros.imaging.thermal import ThermalScaler
from uaafusion_ros.imaging.thermal import ThermalScaling
from uaafusion_ros.nodes import qos
from uaafusion_ros.nodes.diagnostics import CAMERAS
from uaafusion_ros.nodes.diagnostics import Latencies
from uaafusion_ros.nodes.diagnostics import report
from uaafusion_ros.nodes.diagnostics import Tally
from uaafusion_ros.nodes.diagnostics import Voice
from uaafusion_ros.nodes.messages import frame_from_image
from uaafusion_ros.nodes.outputs import Outputs
from uaafusion_ros.nodes.parameters import Parameters
from uaafusion_ros.nodes.synchronizer import make_synchronizer
from uaafusion_ros.nodes.worker import Worker
from uaafusion_ros.pipeline import FusionPipeline

_POLL_S = 0.05
_STOP_S = 1.5
_OK = TransitionCallbackReturn.SUCCESS
_FAILED = TransitionCallbackReturn.FAILURE


class FusionNode(LifecycleNode):
    """
    Fuse and segment two camera topics.

    The executor's thread receives, pairs and reports; one worker thread runs the pipeline and
    publishes. They share the worker's slot, the tally and snapshots that are replaced whole.

    Cameras are subscribed to and paired as long as the node is active, so that its counts and
    warnings are true at any time. An output is made only while it has a listener; while none
    of the four has one, pairs are not fused and are counted as `dropped.pair.no_listener`. A
    listener is served from the next pair on.
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
        self._advised = False
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
            post_callback=lambda jump: self._reset('the ROS clock jumped'))

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
            self._blocking_error = _text(error)
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
        values = self._values
        self._synchronizer = make_synchronizer(values, self._drop_frames)
        self._worker = Worker(self._fuse)
        profile = qos.profile(values, 'input')
        for camera in CAMERAS:
            self._watches[camera] = qos.SilenceWatch(time.monotonic())
            topic = self.resolve_topic_name(f'{camera}/image_raw')
            self._inputs[camera] = self.create_subscription(
                Image, topic, partial(self._receive, camera), profile,
                event_callbacks=qos.input_events(topic, self._voice.warning))
            self._inputs[f'{camera} info'] = self.create_subscription(
                CameraInfo, f'{camera}/camera_info', partial(self._infos.__setitem__, camera),
                profile)
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe, count what was waiting, and end the worker."""
        self._stop()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give the model and the publishers back."""
        self._release()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and give everything back, from any state."""
        self._stop()
        self._release()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Return to unconfigured after a transition that raised."""
        self._voice.error(f'the transition from {state.label} failed; unconfigured again')
        return self.on_shutdown(state)

    def _stop(self, timeout_s: float | None = None) -> bool:
        """Stop receiving and fusing; return whether the pair in work was finished in time."""
        for subscription in self._inputs.values():
            self.destroy_subscription(subscription)
        self._inputs = {}
        self._watches = {}
        if self._worker is None:
            return True
        self._hand_over(self._synchronizer.reset('deactivated'))
        self._synchronizer = None
        left, ended = self._worker.stop(timeout_s)
        self._worker = None
        if left is not None:
            self._tally.add('dropped.pair.deactivated')
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
            self._reset('parameters changed')
            self._synchronizer = make_synchronizer(values, self._drop_frames)

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
        self._watches[camera].heard(time.monotonic())
        try:
            frame = frame_from_image(message, int(self._values['input.max_megapixels'] * 1e6))
        except EncodingError as error:
            self._tally.add(f'dropped.{camera}.malformed')
            self._voice.error(f'{self._inputs[camera].topic_name}: image dropped: {error}')
            return
        self._hand_over(self._synchronizer.add(camera, frame, time.monotonic_ns()))

    def _poll(self) -> None:
        if self._synchronizer is not None:
            self._hand_over(self._synchronizer.poll(time.monotonic_ns()))
            self._watch_inputs(time.monotonic())

    def _reset(self, reason: str) -> None:
        if self._synchronizer is not None:
            self._hand_over(self._synchronizer.reset(reason))

    def _hand_over(self, pairs: list[FramePair]) -> None:
        for pair in pairs:
            self._tally.add('paired')
            if self._worker.put((pair, time.monotonic())) is not None:
                self._tally.add('dropped.pair.superseded')

    def _drop_frames(self, camera: str, reason: str, count: int) -> None:
        self._tally.add(f'dropped.{camera}.{reason}', count)

    # Worker thread: pairs in, messages out

    def _fuse(self, job: tuple[FramePair, float]) -> None:
        pair, paired_at = job
        values, outputs, backend = self._values, self._outputs, self._backend
        wanted = outputs.wanted()
        if not wanted:
            self._tally.add('dropped.pair.no_listener')
            return
        try:
            result = self._pipeline.process(pair)
            camera = values['sync.reference']
            reference = getattr(pair, camera)
            outputs.publish(wanted, result, reference, self._infos.get(camera),
                            backend.spec.palette, values['overlay.alpha'])
        except Exception as error:  # whatever a pair provokes, the next one deserves its chance
            self._tally.add('dropped.pair.failed')
            self._voice.error(f'pair dropped: {_text(error)}')
            return
        self._tally.add('fused')
        self._latencies.add('processing', (time.monotonic() - paired_at) * 1e3)
        self._latencies.add('latency', (self.get_clock().now().nanoseconds
                                        - reference.stamp_ns) / 1e6)
        for stage, milliseconds in result.timings_ms.items():
            self._latencies.add(f'stage.{stage}', milliseconds)

    # Reports

    def _watch_inputs(self, now: float) -> None:
        for camera, watch in self._watches.items():
            if watch.due(now, self._values['input.timeout_s']):
                topic = self._inputs[camera].topic_name
                self._voice.warning(qos.silence(
                    topic, watch.quiet_for(now), self._inputs[camera].qos_profile,
                    self.get_publishers_info_by_topic(topic)))

    def _report(self) -> None:
        now, values = time.monotonic(), self._values
        silent = [camera for camera, watch in self._watches.items()
                  if watch.quiet_for(now) > values['input.timeout_s']]
        advice = self._synchronizer.advice() if self._synchronizer is not None else None
        if advice is not None and not self._advised:
            self._advised = True
            self.get_logger().warning(advice)
        state = ('unconfigured' if self._backend is None
                 else 'inactive' if self._worker is None else 'active')
        self._diagnostics.publish(report(
            stamp=self.get_clock().now().to_msg(), node=self.get_fully_qualified_name(),
            counts=self._tally.snapshot(), latencies=self._latencies,
            facts={'state': state, 'backend': getattr(self._backend, 'name', ''),
                   'model': values['model.path'] or values['model.preset'],
                   'last_error': self._voice.last},
            problem=self._blocking_error,
            warning=f'no image from {" and ".join(silent)}' if silent else advice or ''))


def _text(error: Exception) -> str:
    """Return the error's own words; those of the project's errors need no type in front."""
    return str(error) if isinstance(error, UaafusionError) else f'{type(error).__name__}: {error}'


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; return the exit code."""
    stopped = Event()
    # Own handlers, because those of rclpy shut the context down while the worker publishes.
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    node = FusionNode()
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    node.start()
    while not stopped.is_set() and rclpy.ok():
        try:
            executor.spin_once(timeout_sec=0.2)
        except Exception as error:  # rclpy raises what a malformed request makes of its services
            node.get_logger().error(f'a request was dropped: {_text(error)}')
    ended = node.close(_STOP_S)
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown()
    if not ended:
        # The interpreter would tear the runtime down under the inference that still uses it.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    return 0


if __name__ == '__main__':
    sys.exit(main())
