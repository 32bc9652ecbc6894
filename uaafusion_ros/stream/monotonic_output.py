"""Keep outputs in order: stamps rise and none comes twice, whatever they are made of."""

from __future__ import annotations

_NEAR_NS = 1_000_000_000  # stamps further apart than this are a jump, or a wrong stamp
_LATEST_NS = 11 * 10**9   # no pair waits longer, so none is later than this
_RUN_BACK = 5             # so many rising stamps of one camera behind the last are a new pass


class MonotonicOutput:
    """
    Say of each stamp whether an output may carry it, and take note if so.

    Frames published alone have been looked at by nobody, so one stamp that lies far off must be
    confirmed by the next. Pairs come from pairing in rising order, except for a new pass (a
    looped bag); one that comes late, after newer frames were published alone, may not pass.
    """

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget all stamps: what comes next is in order."""
        self._last: int | None = None
        self._last_now = 0
        self._last_pair: int | None = None
        self._camera = ''
        self._overdue_ns: int | None = None
        self._suspect: int | None = None
        self._behind = 0
        self._rising = 0

    def admit_alone(self, camera: str, stamp_ns: int, now_ns: int) -> bool:
        """Whether a frame of one camera may be published, at now_ns (monotonic)."""
        if self._last is None:
            return self._take(stamp_ns, now_ns, camera)
        step, suspect = stamp_ns - self._last, self._suspect
        self._suspect = None
        if 0 < step <= _NEAR_NS + now_ns - self._last_now:
            return self._take(stamp_ns, now_ns, camera)
        if -_NEAR_NS <= step <= 0:
            rises = self._rising and stamp_ns > self._behind and camera == self._camera
            self._behind, self._rising = stamp_ns, self._rising + 1 if rises else 1
            if self._rising < _RUN_BACK:
                return False
        elif suspect is None or not 0 < stamp_ns - suspect < abs(step):
            self._suspect = stamp_ns
            return False
        self.restart()
        return self._take(stamp_ns, now_ns, camera)

    def admit_pair(self, stamp_ns: int, now_ns: int) -> bool:
        """Whether a pair may be published under this stamp, at now_ns (monotonic)."""
        if self._last is not None and stamp_ns <= self._last:
            behind = self._last - stamp_ns
            new_pass = behind > _LATEST_NS or (
                self._last_pair is not None and stamp_ns <= self._last_pair)
            # Late pairs catch up with what was published alone; those of a new pass do not.
            if self._overdue_ns is None:
                self._overdue_ns = now_ns + behind + _NEAR_NS
            if not new_pass and now_ns <= self._overdue_ns:
                return False
            self.restart()
        self._last_pair = stamp_ns
        return self._take(stamp_ns, now_ns, '')

    def _take(self, stamp_ns: int, now_ns: int, camera: str) -> bool:
        self._last, self._last_now, self._camera = stamp_ns, now_ns, camera
        self._overdue_ns, self._rising = None, 0
        return True
