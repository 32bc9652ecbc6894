"""What the node tells about itself, from time to time: /diagnostics, and hints in the log."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
import os
import sys
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.lifecycle import LifecycleNode

from uaafusion_ros.engine.contract import Backend
from uaafusion_ros.imaging.calibration.tracking import State
from uaafusion_ros.imaging.calibration.tracking import Status
from uaafusion_ros.nodes.auto_registration import describe
from uaafusion_ros.nodes.counters import CAMERAS
from uaafusion_ros.nodes.counters import Counters
from uaafusion_ros.nodes.counters import Latencies
from uaafusion_ros.nodes.diagnostics import Debounce
from uaafusion_ros.nodes.diagnostics import report
from uaafusion_ros.nodes.diagnostics import status
from uaafusion_ros.nodes.inputs import Inputs
from uaafusion_ros.nodes.outputs import INFO
from uaafusion_ros.nodes.outputs import Outputs
from uaafusion_ros.nodes.throttled_log import recent
from uaafusion_ros.nodes.throttled_log import ThrottledLogger
from uaafusion_ros.pipeline import FusionPipeline
from uaafusion_ros.settings import Settings
from uaafusion_ros.stream.frame_router import FrameRouter
from uaafusion_ros.stream.health import Mode
from uaafusion_ros.stream.skew import Skew
from uaafusion_ros.stream.timeline import Drop

_DRIFT_PAIRS, _DRIFT_SCORE = 10, 0.5
_TIDY = 30  # reports between two of which names are forgotten, which slows all code for a while
_REFUSALS = ('malformed', Drop.ZERO_STAMP.value, Drop.FUTURE.value)
_OF_PAIRS = ('paired', 'fused', 'in_flight', 'alone', 'shown', 'dropped.pair.', 'dropped.alone.')


@dataclass(frozen=True)
class Parts:
    """
    What the node holds at the moment of a report; None is what it does not hold now.

    `findings` are those of `CameraChecks`, `auto` is what mode auto of the registration knows.
    """

    state: str
    blocking_error: str
    backend: Backend | None
    pipeline: FusionPipeline | None
    outputs: Outputs | None
    inputs: Inputs | None
    router: FrameRouter | None
    findings: tuple[str, ...] = ()
    auto: Status | None = None


class Reports:
    """Publish one status per concern on /diagnostics; used by the executor's thread."""

    def __init__(
        self, node: LifecycleNode, counters: Counters, latencies: Latencies, log: ThrottledLogger
    ) -> None:
        """Advertise /diagnostics."""
        self._node = node
        self._counters = counters
        self._latencies = latencies
        self._log = log
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self._before: Mapping[str, int] = {}
        self._count = 0
        self._advised = False
        self._progress = ''
        self._found = ''
        self._drift, self._facts = Debounce(), Debounce()
        self.activated()

    def activated(self) -> None:
        """Let the time begin anew that a camera has for its first calibration."""
        self._seen_since: float | None = None
        self._info_missed = False

    def publish(self, parts: Parts, settings: Settings) -> None:
        """Report on the node's parts under the settings in use."""
        counts, before = self._counters.snapshot(), self._before
        self._before = counts
        skew = None if parts.router is None else parts.router.skew()
        self._publisher.publish(report(
            self._node.get_clock().now().to_msg(), self._node.get_fully_qualified_name(), [
                self._cameras(parts, settings, counts, before, skew),
                self._pairs(parts, counts, before, skew),
                self._mode(parts, counts),
                self._engine(parts, settings.model.path or settings.model.preset),
                self._registration(parts, settings.registration.mode),
                self._thermal(parts),
                status('latency', self._latencies.values()),
                status('memory', memory(parts.backend))]))
        self._count += 1
        if self._count % _TIDY == 0:
            _forget_names()

    def _cameras(
        self, parts: Parts, settings: Settings, counts: Mapping[str, int],
        before: Mapping[str, int], skew: Skew | None
    ) -> DiagnosticStatus:
        shown: dict[str, Any] = {
            key: count for key, count in counts.items() if not key.startswith(_OF_PAIRS)}
        warnings = []
        if parts.inputs is not None:
            shown.update((f'rate_hz.{camera}', f'{parts.inputs.rate_hz(camera):.2f}')
                         for camera in CAMERAS)
            silence = {camera: parts.inputs.silence_s(camera) for camera in CAMERAS}
            shown.update((f'silence_s.{camera}', f'{silence[camera]:.2f}') for camera in CAMERAS)
            silent = [camera for camera in CAMERAS
                      if silence[camera] > settings.input.timeout_s]
            if silent:
                causes = [f'{camera}: {parts.inputs.cause_of_silence(camera)}'
                          for camera in silent]
                warnings.append(f'no image from {" and ".join(silent)} ({"; ".join(causes)})')
            for camera in CAMERAS:
                lost, warning = parts.inputs.lost(camera)
                shown[f'lost.{camera}'] = f'{lost:.3f}'
                warnings += [warning] if warning else []
            self._watch_info(parts, settings)
        for camera in CAMERAS:
            for reason in _REFUSALS:
                warnings += recent(f'dropped.{camera}.{reason}', counts, before, self._log)
        if skew is not None:
            shown.update({f'age_ms.{camera}': f'{age:.2f}'
                          for camera, age in skew.age_p50_ms.items()})
            if skew.drift_ppm is not None:
                shown['drift_ppm'] = f'{skew.drift_ppm:.1f}'
            warnings += [text for text in (skew.advice, self._advice(parts.router)) if text]
        return status('cameras', shown, warning='; '.join(warnings))

    def _advice(self, router: FrameRouter) -> str:
        advice = router.advice()
        if advice and not self._advised:
            self._advised = True
            self._node.get_logger().warning(advice)
        return advice

    def _watch_info(self, parts: Parts, settings: Settings) -> None:
        camera = settings.sync.reference
        if not parts.inputs.heard(camera):  # a camera that is off owes no calibration
            return
        if self._seen_since is None:
            self._seen_since = time.monotonic()
        if (self._info_missed or camera in parts.inputs.infos
                or time.monotonic() - self._seen_since < settings.input.timeout_s
                or INFO not in parts.outputs.wanted()):
            return
        self._info_missed = True
        self._node.get_logger().warning(
            f'{INFO} has a listener, but the reference camera sends no calibration on '
            f'{self._node.resolve_topic_name(f"{camera}/camera_info")}; publish or remap it')

    def _pairs(
        self, parts: Parts, counts: Mapping[str, int], before: Mapping[str, int],
        skew: Skew | None
    ) -> DiagnosticStatus:
        shown: dict[str, Any] = {
            key: count for key, count in counts.items() if key.startswith(_OF_PAIRS)}
        if skew is not None:
            shown['skew_ms.p50'] = f'{skew.skew_p50_ms:.2f}'
            shown['skew_ms.p95'] = f'{skew.skew_p95_ms:.2f}'
        applied_ms, latest = (0.0, None) if parts.router is None else parts.router.thermal_offset()
        if latest is not None:
            shown.update({
                'thermal_offset_ms': f'{applied_ms:.1f}',
                'thermal_offset_measured_ms': f'{latest.offset_ms:.1f}',
                'thermal_offset_uncertainty_ms': f'{latest.uncertainty_ms:.1f}',
                'thermal_offset_state': latest.reason})
        problems = [parts.blocking_error] if parts.blocking_error else [
            text for kind in ('pair', 'alone')
            for text in recent(f'dropped.{kind}.failed', counts, before, self._log)]
        return status('pairs', shown, error='; '.join(problems))

    def _mode(self, parts: Parts, counts: Mapping[str, int]) -> DiagnosticStatus:
        shown: dict[str, Any] = {'state': parts.state, 'last_error': self._log.last_error}
        if parts.router is None:
            return status('mode', shown)
        health = parts.router.health(time.monotonic_ns())
        shown.update({
            'mode': health.mode.value, 'mode_changes': health.changes,
            'mode_reason': health.reason,
            'mode_for_s': f'{(time.monotonic_ns() - health.since_ns) / 1e9:.1f}'})
        text = f'{health.mode.value}: {health.reason}'
        if health.mode is Mode.STALE and any(counts[f'received.{name}'] for name in CAMERAS):
            return status('mode', shown, error=text)
        degraded = health.mode is not Mode.FUSED or health.rgb_frozen
        return status('mode', shown, warning=text if degraded else '')

    def _engine(self, parts: Parts, model: str) -> DiagnosticStatus:
        backend = parts.backend
        if backend is None:
            return status('engine', {'backend': '', 'model': model})
        for note in backend.take_notes():
            self._node.get_logger().info(note)
        progress, self._progress = self._progress, backend.progress
        if backend.progress and backend.progress != progress:
            self._node.get_logger().info(f'building the engine: {backend.progress}')
        building = (f'building: {backend.progress}; images run on another runtime meanwhile'
                    if backend.progress else '')
        return status('engine', {
            'backend': backend.name, 'choice': backend.choice, 'model': model,
            'working_size': backend.ran_at,
            'progress': backend.progress}, warning=backend.problem or building)

    def _registration(self, parts: Parts, mode: str) -> DiagnosticStatus:
        shown: dict[str, Any] = {'registration': mode}
        if parts.pipeline is None:
            return status('registration', shown)
        if parts.auto is not None:
            return self._auto_registration(parts.auto, shown)
        drift, warning = parts.pipeline.drift, ''
        if drift is not None:
            x, y = drift.offset_px
            shown.update({'drift_score': f'{drift.score:.2f}', 'drift_px': f'{x:+.1f} {y:+.1f}',
                          'drift_pairs': drift.pairs})
            if drift.pairs >= _DRIFT_PAIRS and drift.score > _DRIFT_SCORE:
                warning = (f'the edges of both images fit best with thermal moved by {x:+.0f}, '
                           f'{y:+.0f} pixels: calibrate again, or set registration.mode')
        missing = getattr(parts.pipeline.registration, 'reason', '')
        return status('registration', shown, warning='; '.join(filter(None, (
            missing, self._drift.update(warning)))))

    def _auto_registration(self, auto: Status, shown: dict[str, Any]) -> DiagnosticStatus:
        shown.update({
            'registration_state': auto.state.value, 'registration_reason': auto.reason,
            'registration_uncertainty_px': f'{auto.uncertainty_px:.1f}',
            'registration_score': f'{auto.score:.2f}', 'registration_views': auto.views})
        text, before = describe(auto), self._found
        if text != before:
            self._found = text
            self._node.get_logger().info(f'registration {text}')
        return status('registration', shown, warning='' if auto.state is State.SURE else text)

    def _thermal(self, parts: Parts) -> DiagnosticStatus:
        facts = None if parts.pipeline is None else parts.pipeline.thermal_facts
        if facts is None:
            return status('thermal', {}, warning='; '.join(parts.findings))
        return status('thermal', {
            'thermal_unit': facts.unit, 'thermal_low': f'{facts.low:.6g}',
            'thermal_high': f'{facts.high:.6g}', 'thermal_coldest': f'{facts.coldest:.6g}',
            'thermal_hottest': f'{facts.hottest:.6g}', 'thermal_invalid': f'{facts.invalid:.4f}',
            'thermal_saturated': f'{facts.saturated:.4f}',
            'thermal_clipped': f'{facts.clipped:.4f}', 'thermal_dead_rows': facts.dead_rows,
            'thermal_dead_columns': facts.dead_columns,
        }, warning='; '.join(filter(None, (
            *parts.findings, self._facts.update(facts.advice)))))


def _forget_names() -> None:
    """
    Let go of the attribute names that messages have been read and written by.

    Each message's C code makes them anew, and CPython's cache of type lookups keeps up to 4096 of
    them alive (0.25 MB). It fills for many minutes, so that memory seems to leak.
    """
    clear = getattr(sys, '_clear_type_cache', None)  # CPython's own
    if clear is not None:
        clear()


def memory(backend: Backend | None) -> dict[str, str]:
    """
    Return in MB the process's resident memory, and the GPU's that all programs use and in all.

    What the system does not tell is left out; so is the GPU where `backend` has none.
    """
    shown = {}
    with suppress(OSError, ValueError):
        with open('/proc/self/statm', 'rb') as file:
            pages = int(file.read().split()[1])
        shown['rss_mb'] = f'{pages * os.sysconf("SC_PAGE_SIZE") / 1e6:.1f}'
    gpu = None if backend is None else backend.gpu_memory()
    if gpu is not None:
        used, total = gpu
        shown.update(gpu_used_mb=f'{used / 1e6:.1f}', gpu_total_mb=f'{total / 1e6:.1f}')
    return shown
