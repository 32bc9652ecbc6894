"""One thread that always works on the newest job."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock
from threading import Thread
from typing import Generic
from typing import TypeVar

Job = TypeVar('Job')


class Worker(Generic[Job]):
    """
    Run `work(job)` on a thread of its own, for the newest job put in.

    There is no queue: latency stays one job. `work` must not raise. A job that was displaced
    before it began comes back from `put` or `stop`, so that it can be counted.
    """

    def __init__(self, work: Callable[[Job], None], name: str = 'fusion_worker') -> None:
        """Start the thread."""
        self._work = work
        self._lock = Lock()
        self._job: Job | None = None
        self._stopped = False
        # One token while there is a job, and one more at the end; it wakes the thread in C,
        # which a Condition does not.
        self._tokens: SimpleQueue[None] = SimpleQueue()
        # A daemon, so that an inference that never returns cannot keep the process alive.
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, job: Job) -> Job | None:
        """Leave a job and return the one it displaced, or None; after `stop`, return the job."""
        with self._lock:
            if self._stopped:
                return job
            before, self._job = self._job, job
        if before is None:
            self._tokens.put(None)
        return before

    def stop(self, timeout_s: float | None) -> tuple[Job | None, bool]:
        """
        Take no more jobs; return the one not begun, and whether the thread ended in time.

        Waits `timeout_s` seconds, or for ever with None, for the job in work.
        """
        with self._lock:
            self._stopped = True
            left, self._job = self._job, None
        self._tokens.put(None)
        self._thread.join(timeout_s)
        return left, not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            self._tokens.get()
            with self._lock:
                if self._stopped:
                    return
                job, self._job = self._job, None
            self._work(job)
