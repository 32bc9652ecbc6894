"""What all threads count and time: every frame and pair once, wherever it ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from threading import Lock

from uaafusion_ros.stream.arrival_stats import PercentileWindow

CAMERAS = ('thermal', 'rgb')


class Counters:
    """
    Counts shared by the executor and the worker thread.

    Every frame is counted once as `received.<camera>`, and later either once as
    `dropped.<camera>.<reason>` or as half of a `paired`; every pair ends as `fused` or as
    `dropped.pair.<reason>`. What is not accounted for yet is pending or in flight, so
    received = paired + pending + dropped, and paired = fused + in flight + dropped.

    A frame that is to be published without a partner is counted beside that, as `alone`, and
    ends as `shown` or as `dropped.alone.<reason>`: alone = shown + in flight + dropped.
    """

    def __init__(self) -> None:
        """Start at zero."""
        self._lock = Lock()
        self._counts: Counter[str] = Counter({key: 0 for key in (
            'received.thermal', 'received.rgb', 'paired', 'fused', 'alone', 'shown')})

    def add(self, key: str, count: int = 1) -> None:
        """Count `key` `count` times more."""
        with self._lock:
            self._counts[key] += count

    def snapshot(self) -> dict[str, int]:
        """Return all counts, and `pending.<camera>` and `in_flight` that they imply."""
        with self._lock:
            counts = dict(self._counts)
        for camera in CAMERAS:
            counts[f'pending.{camera}'] = (
                counts[f'received.{camera}'] - counts['paired']
                - total(counts, f'dropped.{camera}.'))
        counts['in_flight'] = counts['paired'] - counts['fused'] - total(counts, 'dropped.pair.')
        counts['in_flight.alone'] = (
            counts['alone'] - counts['shown'] - total(counts, 'dropped.alone.'))
        return counts


class Latencies:
    """Recent times by name, in milliseconds; one thread adds to a name, another may read."""

    def __init__(self) -> None:
        """Start empty."""
        self._windows: dict[str, PercentileWindow] = {}

    def add(self, times_ms: Mapping[str, float]) -> None:
        """Take one time of each name."""
        for name, milliseconds in times_ms.items():
            if name not in self._windows:
                self._windows[name] = PercentileWindow()
            self._windows[name].add(milliseconds)

    def values(self) -> dict[str, str]:
        """Return `<name>_ms.p50`, `.p95` and `.p99` of every name."""
        return {f'{name}_ms.{part}': f'{getattr(spread, part):.2f}'
                for name, window in list(self._windows.items())
                for spread in (window.summary(),) for part in ('p50', 'p95', 'p99')}


def total(counts: Mapping[str, int], prefix: str) -> int:
    """Return the sum of all counts whose key starts with `prefix`."""
    return sum(count for key, count in counts.items() if key.startswith(prefix))
