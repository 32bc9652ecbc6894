"""What the node counted and how long it took, as diagnostic_msgs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from threading import Lock
from time import monotonic
from typing import Any

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from diagnostic_msgs.msg import DiagnosticStatus
from diagnostic_msgs.msg import KeyValue
from std_msgs.msg import Header

from uaafusion_ros.errors import UaafusionError
from uaafusion_ros.stream.timing import PercentileWindow

CAMERAS = ('thermal', 'rgb')


class Tally:
    """
    Counts shared by the executor and the worker thread.

    Every frame is counted once as `received.<camera>`, and later either once as
    `dropped.<camera>.<reason>` or as half of a `paired`; every pair ends as `fused` or as
    `dropped.pair.<reason>`. What is not accounted for yet is pending or in flight, so
    received = paired + pending + dropped, and paired = fused + in flight + dropped.
    """

    def __init__(self) -> None:
        """Start at zero."""
        self._lock = Lock()
        self._counts: Counter[str] = Counter(
            {key: 0 for key in ('received.thermal', 'received.rgb', 'paired', 'fused')})

    def add(self, key: str, count: int = 1) -> None:
        """Count `key` `count` times more."""
        with self._lock:
            self._counts[key] += count

    def snapshot(self) -> dict[str, int]:
        """Return all counts, and what they imply: `pending.<camera>` and `in_flight`."""
        with self._lock:
            counts = dict(self._counts)
        for camera in CAMERAS:
            counts[f'pending.{camera}'] = (
                counts[f'received.{camera}'] - counts['paired']
                - total(counts, f'dropped.{camera}.'))
        counts['in_flight'] = counts['paired'] - counts['fused'] - total(counts, 'dropped.pair.')
        return counts


def total(counts: Mapping[str, int], prefix: str) -> int:
    """Return the sum of all counts whose key starts with `prefix`."""
    return sum(count for key, count in counts.items() if key.startswith(prefix))


class Latencies:
    """Recent times by name, in milliseconds; one thread adds to a name, another may read."""

    def __init__(self) -> None:
        """Start empty."""
        self._windows: dict[str, PercentileWindow] = {}

    def add(self, name: str, milliseconds: float) -> None:
        """Take one time of `name`."""
        if name not in self._windows:
            self._windows[name] = PercentileWindow()
        self._windows[name].add(milliseconds)

    def values(self) -> dict[str, str]:
        """Return `<name>_ms.p50`, `.p95` and `.p99` of every name."""
        return {f'{name}_ms.{part}': f'{getattr(spread, part):.2f}'
                for name, window in list(self._windows.items())
                for spread in (window.summary(),) for part in ('p50', 'p95', 'p99')}


class Voice:
    """
    Say each fault once per period, however often it happens, and remember its last text.

    A fault is known by its key, or by its text where no key is given. Any thread may speak.
    """

    def __init__(self, logger: Any, period_s: float = 5.0) -> None:
        """Speak through an rclpy `logger`."""
        self._logger = logger
        self._period_s = period_s
        self._lock = Lock()
        self._said: dict[str, float] = {}
        self._texts: dict[str, str] = {}
        self.last_error = ''

    def error(self, text: str, key: str = '') -> None:
        """Report what cost an image or a transition."""
        with self._lock:
            self.last_error = text
            if key:
                self._texts[key] = text
        if self._may_say(key or text):
            self._logger.error(text)

    def warning(self, text: str, key: str = '') -> None:
        """Report what keeps images away."""
        if self._may_say(key or text):
            self._logger.warning(text)

    def last(self, key: str) -> str:
        """Return the last error of this key, said aloud or not."""
        with self._lock:
            return self._texts.get(key, '')

    def _may_say(self, fault: str) -> bool:
        now = monotonic()
        with self._lock:
            if now - self._said.get(fault, -self._period_s) < self._period_s:
                return False
            self._said = {other: then for other, then in self._said.items()
                          if now - then < self._period_s}
            self._said[fault] = now
        return True


def said(error: Exception) -> str:
    """Return the error's own words; those of the project's errors need no type in front."""
    return str(error) if isinstance(error, UaafusionError) else f'{type(error).__name__}: {error}'


def recent(
    key: str, counts: Mapping[str, int], before: Mapping[str, int], voice: Voice
) -> list[str]:
    """
    Return the last error of `key` if its count rose since `before`, else nothing.

    `key` names both a count of the tally and a fault of the `voice`.
    """
    new = counts.get(key, 0) - before.get(key, 0)
    return [f'{voice.last(key)} ({new} since the last report)'] if new else []


def report(
    *, stamp: Time, node: str, counts: Mapping[str, int], latencies: Latencies,
    rates_hz: Mapping[str, float], facts: Mapping[str, str], problem: str, warning: str
) -> DiagnosticArray:
    """
    Return what /diagnostics says of one node: one status for its cameras, one for its pairs.

    The cameras' status is WARN while there is a `warning`, the pairs' ERROR while there is a
    `problem`; both are OK otherwise. `rates_hz` by camera are further values of the former,
    `facts` of the latter.
    """
    of_pairs = ('paired', 'fused', 'in_flight', 'dropped.pair.')
    pairs = {key: str(count) for key, count in counts.items() if key.startswith(of_pairs)}
    cameras = {key: str(count) for key, count in counts.items() if key not in pairs}
    cameras.update((f'rate_hz.{camera}', f'{rate:.2f}') for camera, rate in rates_hz.items())
    return DiagnosticArray(header=Header(stamp=stamp), status=[
        _status(f'{node}: cameras', DiagnosticStatus.WARN, warning, cameras),
        _status(f'{node}: pairs', DiagnosticStatus.ERROR, problem,
                {**pairs, **latencies.values(), **facts})])


def _status(
    name: str, level: bytes, message: str, values: Mapping[str, str]
) -> DiagnosticStatus:
    return DiagnosticStatus(
        name=name, level=level if message else DiagnosticStatus.OK, message=message or 'ok',
        values=[KeyValue(key=key, value=value) for key, value in values.items()])


def read(array: DiagnosticArray, node: str) -> dict[str, str]:
    """
    Return all values that the node of fully qualified name `node` reported in `array`.

    The dictionary is empty when the array comes from another node.
    """
    return {item.key: item.value for entry in array.status
            if entry.name.startswith(f'{node}: ') for item in entry.values}
