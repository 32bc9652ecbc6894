"""What listens to TensorRT: its errors, and how far a build is."""

from __future__ import annotations

import threading
from typing import Any

from uaafusion_ros.engine.backend import Progress

def error_log(trt: Any) -> Any:
    """Return an ILogger that keeps the first error for `take`."""

    class Log(trt.ILogger):
        def __init__(self) -> None:
            super().__init__()
            self._error = ''

        def log(self, severity: Any, message: str) -> None:
            # The first error is the cause, the rest is what it broke.
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR) and not self._error:
                self._error = ' '.join(message.split())[:300]

        def take(self) -> str:
            error, self._error = self._error, ''
            return error or 'it does not say why'

    return Log()


def progress_monitor(trt: Any, progress: Progress) -> Any:
    """
    Return an IProgressMonitor that adds TensorRT's nested phases up to one share.

    `stopped` says whether `progress` ended the build, `failure` what it raised, if anything.
    """

    class Monitor(trt.IProgressMonitor):
        def __init__(self) -> None:
            super().__init__()
            self.stopped = False
            self.failure: BaseException | None = None
            self._lock = threading.Lock()
            self._phases: dict[str, tuple[str | None, int, int]] = {}
            self._share = 0.0

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            with self._lock:
                self._phases[phase_name] = (parent_phase, max(1, num_steps), 0)
            self._tell(phase_name)

        def step_complete(self, phase_name: str, step: int) -> bool:
            with self._lock:
                parent, steps, _ = self._phases.get(phase_name, (None, step + 1, 0))
                self._phases[phase_name] = (parent, steps, step + 1)
            return self._tell(phase_name)

        def phase_finish(self, phase_name: str) -> None:
            with self._lock:
                self._phases.pop(phase_name, None)

        def _tell(self, name: str) -> bool:
            # An exception that reached TensorRT's threads would end the process.
            try:
                with self._lock:
                    self._share = max(self._share, self._share_of(name))
                    share = self._share
                if not self.stopped and not progress(name, share):
                    self.stopped = True
            except BaseException as error:  # such as KeyboardInterrupt: raised after the build
                self.stopped, self.failure = True, error
            return not self.stopped

        def _share_of(self, name: str) -> float:
            share = 0.0
            at: str | None = name
            while at in self._phases:
                at, steps, done = self._phases[at]
                share = min(1.0, (done + share) / steps)
            return share

    return Monitor()
