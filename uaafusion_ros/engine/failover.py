"""A fast backend that may fail, with a slower one that stands in: the output never stops."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from threading import Condition
from threading import Thread
import time

import numpy as np

from uaafusion_ros.engine.contract import Backend
from uaafusion_ros.engine.contract import Progress
from uaafusion_ros.errors import EngineError

# Seconds to the next try: doubled with every failure.
FIRST_RETRY_S = 5.0
LAST_RETRY_S = 600.0
# How long close() waits for a build that was told to stop.
CLOSE_S = 10.0


class FailoverBackend(Backend):
    """
    Runs on `primary`, and on a spare while that is being prepared or has failed.

    A size that the primary was not prepared for is prepared on a thread of its own, while images
    go to the spare. When the primary raises, the same pair goes to the spare; the primary is
    closed and prepared anew after FIRST_RETRY_S, then after twice that, and so on. `name` is that
    of the backend that ran last, `problem` says what failed and when it is tried again, `progress`
    how far a preparation is.
    """

    def __init__(self, primary: Backend, load_spare: Callable[[], Backend],
                 progress: Progress | None = None,
                 clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(primary.spec, primary.name)
        self._tell = progress
        self._primary = primary
        self._load_spare = load_spare
        self._spare: Backend | None = None
        self._clock = clock
        self._changed = Condition()
        self._closed = False
        self._failed = False
        self._retry_s = 0.0
        self._retry_at = -float('inf')
        self._restored_at = -float('inf')

    def ready(self, height: int, width: int) -> bool:
        """Say whether the next image of this size would run on the primary."""
        with self._changed:
            return not (self.progress or self._failed) and self._primary.ready(height, width)

    def prepare(self, height: int, width: int, progress: Progress | None = None) -> None:
        """
        Prepare the primary for an image size in the caller's thread; images may run meanwhile.

        Waits for a preparation that another thread is at. Raises EngineError when the primary
        cannot be prepared, which `problem` then says, too; images run on the spare.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self.progress)
            if self._closed or (not self._failed and self._primary.ready(height, width)):
                return
            self.progress = self._doing(height, width, 'starting', 0.0)
        error = self._prepare_primary(height, width, progress)
        if error is not None:
            raise EngineError(self.problem) from error

    def gpu_memory(self) -> tuple[int, int] | None:
        """Return what the primary says, also while the spare runs: a full GPU may be why."""
        return self._primary.gpu_memory()

    def take_notes(self) -> list[str]:
        """Return what happened since the last call, here and in both backends."""
        notes = super().take_notes() + self._primary.take_notes()
        return notes + (self._spare.take_notes() if self._spare is not None else [])

    def _run(self, rgb: np.ndarray, thermal: np.ndarray) -> list[np.ndarray]:
        if self._may_run(*thermal.shape):
            try:
                output = self._primary.infer(rgb, thermal)
            except Exception as error:  # a GPU's libraries raise more than our own errors
                self._lose(error)
            else:
                self.name, self.ran_at = self._primary.name, self._primary.ran_at
                if self._clock() - self._restored_at > self._retry_s:
                    self._retry_s = 0.0
                return [output.fused, output.mask, output.confidence]
        if self._spare is None:
            self._spare = self._load_spare()
        output = self._spare.infer(rgb, thermal)
        self.name, self.ran_at = self._spare.name, self._spare.ran_at
        return [output.fused, output.mask, output.confidence]

    def _may_run(self, height: int, width: int) -> bool:
        """Say whether to run on the primary; begin to prepare it where that is due."""
        with self._changed:
            if self.progress or self._closed:
                return False
            if not self._failed and self._primary.ready(height, width):
                return True
            if self._clock() < self._retry_at:
                return False
            self.progress = self._doing(height, width, 'starting', 0.0)
        # A daemon, so that a build that never returns cannot keep the process alive.
        Thread(target=self._prepare_primary, args=(height, width, self._tell),
               name='engine_preparation', daemon=True).start()
        return False

    def _prepare_primary(self, height: int, width: int,
                         progress: Progress | None) -> Exception | None:
        """Prepare the primary, reserved by `progress` for this thread; return what it raised."""
        def tell(phase: str, share: float) -> bool:
            self.progress = self._doing(height, width, phase, share)
            return not self._closed and (progress is None or progress(phase, share))

        failure = None
        try:
            if self._failed:
                with suppress(EngineError):  # what a lost device held is gone with it
                    self._primary.close()
            self._primary.prepare(height, width, tell)
        except Exception as error:
            failure = error
            if not self._closed:
                self._lose(error)
        if self._closed:  # close() may have given up waiting
            self._close_primary()
        with self._changed:
            self.progress = ''
            if failure is None:
                if self._failed:
                    self._note(f'{self._primary.name} works again')
                self._failed, self.problem = False, ''
                self._restored_at = self._clock()
            self._changed.notify_all()
        return failure

    def _doing(self, height: int, width: int, phase: str, share: float) -> str:
        return f'{self._primary.name} for {width}x{height}: {phase} ({share:.0%})'

    def _lose(self, error: Exception) -> None:
        """Put the primary aside after a failure, for twice as long as the last time."""
        reason = str(error).strip() or type(error).__name__
        with self._changed:
            self._retry_s = min(2 * self._retry_s or FIRST_RETRY_S, LAST_RETRY_S)
            self._retry_at = self._clock() + self._retry_s
            self._failed = True
            self.problem = (f'{self._primary.name} failed: {reason}; running on the processor, '
                            f'next try after {self._retry_s:.0f} s')

    def close(self) -> None:
        """Stop a preparation and free both backends; never raises."""
        with self._changed:
            self._closed = True
            idle = self._changed.wait_for(lambda: not self.progress, CLOSE_S)
        if idle:
            self._close_primary()
        if self._spare is not None:
            self._spare.close()

    def _close_primary(self) -> None:
        try:
            self._primary.close()
        except Exception as error:  # nothing that goes wrong here may end a shutdown
            self._note(f'{self._primary.name} did not close cleanly: {error}')
