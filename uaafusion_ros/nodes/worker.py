"""One thread that always works on the newest job."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any

from uaafusion_ros.stream.slot import LatestSlot


class Worker:
    """
    Run `work(job)` on a thread of its own, for the newest job put in.

    `work` must not raise. A job that was displaced before it began comes back from `put` or
    `stop`, so that it can be counted.
    """

    def __init__(self, work: Callable[[Any], None]) -> None:
        """Start the thread."""
        self._work = work
        self._slot: LatestSlot[Any] = LatestSlot()
        # A daemon, so that an inference that never returns cannot keep the process alive.
        self._thread = Thread(target=self._run, name='fusion_worker', daemon=True)
        self._thread.start()

    def put(self, job: Any) -> Any:
        """Leave a job and return the one it displaced, or None."""
        return self._slot.put(job)

    def stop(self, timeout_s: float | None) -> tuple[Any, bool]:
        """
        Take no more jobs; return the one not begun, and whether the thread ended in time.

        Waits `timeout_s` seconds, or for ever with None, for the job in work.
        """
        left = self._slot.close()
        self._thread.join(timeout_s)
        return left, not self._thread.is_alive()

    def _run(self) -> None:
        while not self._slot.closed:
            job = self._slot.take()
            if job is not None:
                self._work(job)
