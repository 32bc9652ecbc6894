"""A log that holds each fault once per period, however often it happens."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from time import monotonic
from typing import Any

from uaafusion_ros.errors import UaafusionError


class ThrottledLogger:
    """
    Log each fault once per period, however often it happens, and remember its last text.

    A fault is known by its key, or by its text where no key is given. For any thread.
    """

    def __init__(self, logger: Any, period_s: float = 5.0) -> None:
        """Write to an rclpy `logger`."""
        self._logger = logger
        self._period_s = period_s
        self._lock = Lock()
        self._logged: dict[str, float] = {}
        self._texts: dict[str, str] = {}
        self.last_error = ''

    def error(self, text: str, key: str = '') -> None:
        """Report what cost an image or a transition."""
        with self._lock:
            self.last_error = text
            if key:
                self._texts[key] = text
        if self._due(key or text):
            self._logger.error(text)

    def warning(self, text: str, key: str = '') -> None:
        """Report what keeps images away."""
        if self._due(key or text):
            self._logger.warning(text)

    def info(self, text: str, key: str = '') -> None:
        """Report what has changed."""
        if self._due(key or text):
            self._logger.info(text)

    def last(self, key: str) -> str:
        """Return the last error of this key, logged or not."""
        with self._lock:
            return self._texts.get(key, '')

    def _due(self, fault: str) -> bool:
        now = monotonic()
        with self._lock:
            if now - self._logged.get(fault, -self._period_s) < self._period_s:
                return False
            self._logged = {other: then for other, then in self._logged.items()
                            if now - then < self._period_s}
            self._logged[fault] = now
        return True


def describe_error(error: Exception) -> str:
    """Return the error's own words; those of the project's errors need no type in front."""
    return str(error) if isinstance(error, UaafusionError) else f'{type(error).__name__}: {error}'


def recent(
    key: str, counts: Mapping[str, int], before: Mapping[str, int], log: ThrottledLogger
) -> list[str]:
    """
    Return the last error of `key` if its count rose since `before`, else nothing.

    `key` names both a count and a fault.
    """
    new = counts.get(key, 0) - before.get(key, 0)
    return [f'{log.last(key)} ({new} since the last report)'] if new else []
