"""The lifecycle node: subscribe, pair, hand the newest pair to one worker, publish."""

from __future__ import annotations

import time
from typing import Any

from rclpy.clock import Clock
from rclpy.clock import ClockType
from rclpy.clock import JumpThreshold
from rclpy.clock import TimeJump
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode
from rclpy.lifecycle import LifecycleState
from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import CameraInfo

from uaafusion_ros.errors import UaafusionError
from uaafusion_ros.nodes.auto_registration import AutoRegistration
from uaafusion_ros.nodes.auto_registration import file_of
from uaafusion_ros.nodes.counters import Counters
from uaafusion_ros.nodes.counters import Latencies
from uaafusion_ros.nodes.frame_dispatcher import FrameDispatcher
from uaafusion_ros.nodes.fuser import Fuser
from uaafusion_ros.nodes.inputs import Inputs
from uaafusion_ros.nodes.latched import INACTIVE
from uaafusion_ros.nodes.latched import LabelTopics
from uaafusion_ros.nodes.latched import ModeTopic
from uaafusion_ros.nodes.message_filters_pairing import make_pairing
from uaafusion_ros.nodes.objects import Detection2DArray
from uaafusion_ros.nodes.outputs import Outputs
from uaafusion_ros.nodes.parameters import Parameters
from uaafusion_ros.nodes.preparation import Preparation
from uaafusion_ros.nodes.registering import make_registration
from uaafusion_ros.nodes.reports import Parts
from uaafusion_ros.nodes.reports import Reports
from uaafusion_ros.nodes.throttled_log import describe_error
from uaafusion_ros.nodes.throttled_log import ThrottledLogger
from uaafusion_ros.pipeline import make_backend
from uaafusion_ros.pipeline import make_pipeline
from uaafusion_ros.settings import Settings
from uaafusion_ros.stream.frame_router import TICK_NS
from uaafusion_ros.stream.timeline import Drop

_JOIN_S = 3.0  # for the pair in work in a transition: the executor waits, signals included
_OK = TransitionCallbackReturn.SUCCESS
_FAILED = TransitionCallbackReturn.FAILURE


class FusionNode(LifecycleNode):
    """
    Fuse and segment two camera topics.

    The executor's thread receives, pairs and reports; one worker thread runs the pipeline and
    publishes. They share the worker's slot, the counters and snapshots that are replaced whole.

    Cameras are subscribed to and paired as long as the node is active, so that its counts and
    warnings are true at any time. An output is made only while it has a listener; while none
    of the images has one, pairs are not fused and are counted as `dropped.pair.no_listener`;
    fused/camera_info needs no inference and is published for them, too. A listener is served
    from the next pair on.

    While one camera is missing, or thermal stands still, the other camera's frames are published
    alone on the same topics, with their own stamp and frame_id; `~/mode` says so.
    """

    def __init__(self, **kwargs: Any) -> None:
        """Declare parameters and report on /diagnostics; nothing is loaded yet."""
        super().__init__('fusion_node', automatically_declare_parameters_from_overrides=True,
                         **kwargs)
        self._counters = Counters()
        self._latencies = Latencies()
        self._log = ThrottledLogger(self.get_logger())
        self._blocking_error = ''
        self._backend: Any = None
        self._preparation: Preparation | None = None
        self._outputs: Outputs | None = None
        self._labels: LabelTopics | None = None
        self._fuser: Fuser | None = None
        self._auto: AutoRegistration | None = None
        self._inputs: Inputs | None = None
        self._dispatcher: FrameDispatcher | None = None
        self._infos: dict[str, CameraInfo] = {}
        self._transforms: dict[str, Any] = {}
        self._finalized = False
        self._declared = Parameters(self, lambda: self._backend is None, self._changed)
        for text in self._declared.ignored:
            self.get_logger().warning(f'{text} (ignored)')
        self._mode = ModeTopic(self)
        self._reports = Reports(self, self._counters, self._latencies, self._log)
        # Wall time, because a simulation that stands still must not silence the reports.
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._report_timer = self.create_timer(
            self.settings.diagnostics.period_s, self._report, clock=self._steady)
        self._tick_timer = self.create_timer(TICK_NS / 1e9, self._tick, clock=self._steady)
        self._jump = self.get_clock().create_jump_callback(
            JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1)),
            post_callback=self._clock_jumped)

    @property
    def settings(self) -> Settings:
        """The settings in use, replaced as a whole by each accepted change of a parameter."""
        return self._declared.settings

    # Lifecycle

    def start(self) -> None:
        """Configure and activate, when the parameter autostart says so."""
        if self.settings.node.autostart and self.trigger_configure() == _OK:
            self.trigger_activate()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """
        Load the model and advertise the outputs; on any fault say it and stay unconfigured.

        What takes long, such as building a TensorRT engine, goes on in the background.
        """
        settings = self.settings
        try:
            if self._declared.problems:
                raise UaafusionError('; '.join(self._declared.problems.values()))
            make_pairing(settings.sync)  # finds a missing package now
            registration = make_registration(settings.registration, {}, {})
            backend = make_backend(settings)
            pipeline = make_pipeline(
                backend, settings, registration=registration, watch_drift=True)
            self._preparation = Preparation(backend, settings.engine.warmup_size, self._log)
        except Exception as error:  # a runtime may raise anything; the node must outlive it
            self._blocking_error = describe_error(error)
            self._log.error(f'cannot configure: {self._blocking_error}')
            return _FAILED
        self._blocking_error = ''
        self._backend = backend
        self._outputs = Outputs(self, settings.qos, self._log.warning)
        self._labels = LabelTopics(self, backend.spec)
        if settings.registration.mode == 'auto':
            self._auto = AutoRegistration(
                file_of(settings, self.get_fully_qualified_name()), self._log)
        clock: Any = self.get_clock()  # a ROSClock
        self._fuser = Fuser(
            pipeline, self._preparation, self._outputs, clock, self._counters, self._latencies,
            self._log, self._declared, self._infos, self._auto)
        self.get_logger().info(
            f'configured: model {backend.spec.path.name}, backend {backend.name} '
            f'({backend.choice})')
        if Detection2DArray is None:
            self.get_logger().info(
                'vision_msgs is not installed, so that segmentation/detections and label_info are '
                'not published; JSON is on segmentation/objects and labels')
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and start the worker."""
        clock: Any = self.get_clock()  # a ROSClock
        try:
            self._dispatcher = FrameDispatcher(
                self.settings, clock, self._counters, self._log, self._fuser.work)
            self._inputs = Inputs(
                self, self._declared, self._counters, self._log, self._dispatcher,
                self._infos, self._transforms, self._renew_pipeline)
            self._reports.activated()
            result = super().on_activate(state)
        except Exception as error:  # rclpy would swallow it and name no reason
            self._stop(_JOIN_S)
            self._blocking_error = describe_error(error)
            self._log.error(f'cannot activate: {self._blocking_error}')
            return _FAILED
        self._blocking_error = ''
        self._say_mode()
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe, count what was waiting, and end the worker; fail while it will not end."""
        if not self._stop(_JOIN_S):
            return self._hung('deactivate again when it has ended, or end the process')
        self._blocking_error = ''
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give the model and the publishers back; an engine that is being built is given up."""
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
        self._log.error(f'the transition from {state.label} failed; unconfigured again')
        if not self._stop(_JOIN_S):
            self._finalized = True
            return self._hung('end the process')
        self._release()
        return _OK

    def _hung(self, remedy: str) -> TransitionCallbackReturn:
        self._blocking_error = (
            f'inference has not ended within {_JOIN_S:.0f} s and no image is received any more; '
            f'{remedy}')
        self._log.error(self._blocking_error)
        return _FAILED

    def _stop(self, timeout_s: float) -> bool:
        """
        Stop receiving and fusing; return whether the pair in work was finished in time.

        If it was not, the worker and all it uses are kept, and a later call waits for it again.
        """
        if self._inputs is not None:
            self._inputs.destroy()
            self._inputs = None
            self._infos.clear()
            self._transforms.clear()
        self._mode.say(INACTIVE)
        if self._dispatcher is not None:
            if not self._dispatcher.stop(timeout_s):
                return False
            self._dispatcher = None
        return True

    def _release(self) -> None:
        if self._backend is not None:
            self._preparation.cancel()
            if self._auto is not None:
                self._auto.close(_JOIN_S)
            self._labels.destroy()
            self._outputs.destroy()
            self._backend.close()
        self._preparation = self._labels = self._outputs = self._fuser = self._backend = None
        self._auto = None

    def close(self, timeout_s: float) -> bool:
        """Stop and, if inference ends within `timeout_s` seconds, release; say whether it did."""
        ended = self._stop(timeout_s)
        if ended:
            self._release()
        return ended

    # Changes while running

    def _changed(self, before: Settings, now: Settings) -> None:
        if now.diagnostics != before.diagnostics:
            self._report_timer.timer_period_ns = int(now.diagnostics.period_s * 1e9)
        if self._fuser is not None and (
                now.registration != before.registration or now.thermal != before.thermal):
            self._renew_pipeline()
        if self._dispatcher is not None:
            self._dispatcher.configure(now)

    def _renew_pipeline(self) -> None:
        """Take over changed calibrations, or other settings of the pipeline."""
        registration = self._fuser.pipeline.registration
        if self.settings.registration.mode == 'plane':
            registration = make_registration(
                self.settings.registration, self._infos, self._transforms)
        self._fuser.pipeline = make_pipeline(
            self._backend, self.settings, registration=registration, watch_drift=True)

    def _clock_jumped(self, jump: TimeJump) -> None:
        if jump.delta.nanoseconds < 0:
            self._log.warning(
                f'the ROS clock jumped by {jump.delta.nanoseconds / 1e9:+.3f} s; '
                'pairing starts anew', 'clock jump')
        if self._dispatcher is not None:
            self._dispatcher.reset(Drop.TIME_JUMP)

    # Timers

    def _tick(self) -> None:
        if self._inputs is not None:
            self._dispatcher.on_tick()
            self._inputs.watch()
            self._say_mode()

    def _say_mode(self) -> None:
        router = self._dispatcher.router
        if self._mode.say(router.mode.value):
            health = router.health(time.monotonic_ns())
            self.get_logger().info(f'mode {health.mode.value}: {health.reason}')

    def _report(self) -> None:
        state = ('finalized' if self._finalized else 'unconfigured' if self._backend is None
                 else 'inactive' if self._dispatcher is None else 'active')
        self._reports.publish(Parts(
            state=state, blocking_error=self._blocking_error, backend=self._backend,
            pipeline=None if self._fuser is None else self._fuser.pipeline,
            findings=() if self._fuser is None else self._fuser.checks.findings,
            auto=None if self._auto is None else self._auto.status,
            outputs=self._outputs, inputs=self._inputs,
            router=None if self._dispatcher is None else self._dispatcher.router), self.settings)
