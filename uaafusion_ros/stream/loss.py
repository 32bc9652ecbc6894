"""How many of a camera's images are lost on their way, by the rhythm of the stamps that arrive."""

from __future__ import annotations

from collections import deque

_WINDOW_NS = 2_500_000_000   # shorter than _LASTING_NS, so that no single gap is named
_LASTING_NS = 3_000_000_000
_LOST = 0.05
_INTERVALS_NEEDED = 6
_SHORTEST = 0.1              # the quantile that is one interval even where 4 of 5 images are lost
_ONE = 1.5                   # shortest ones: intervals up to here are one, not two
_PAUSE_NS = 2_000_000_000    # a longer step between stamps is no rhythm
_IN_RHYTHM, _ON_BEAT = 0.8, 0.25


class LossWatch:
    """
    Compare the images of one camera that arrived with those that its rhythm lets expect.

    The interval between two images is that of the shortest intervals of the last 2.5 s, of
    stamps; a longer one that is a multiple of it hides lost images. Stamps that keep no rhythm (a
    driver that hands over images in bursts) tell nothing. A shutter or a change of the rate does
    not last as long as what is named. Where exactly every second image is lost, what is left is a
    rhythm, too, and nothing is seen.

    `lost` is the share of images lost that has lasted for 3 s (0.05 to 1), 0.0 while there is
    none. Times are integer nanoseconds; stamps are the camera's, `now_ns` is a clock that never
    falls. For one thread.
    """

    def __init__(self) -> None:
        self._intervals: deque[tuple[int, int]] = deque()
        self._last: int | None = None
        self._since_ns: int | None = None
        self._decided_ns: int | None = None
        self.lost = 0.0

    def on_stamp(self, stamp_ns: int, now_ns: int) -> None:
        """Take note of an image that has arrived."""
        last, self._last = self._last, stamp_ns
        if self._decided_ns is None:
            self._decided_ns = now_ns
        if last is None or stamp_ns == last:
            return
        if 0 < stamp_ns - last <= _PAUSE_NS:
            self._intervals.append((now_ns, stamp_ns - last))
        else:
            self._intervals.clear()

    def update(self, now_ns: int) -> float:
        """Return `lost` as it is now; to be called several times a second."""
        share = self.share(now_ns)
        if share is not None:
            self._decided_ns = now_ns
        if share is None and self._intervals:
            return self.lost  # few images, by chance off the beat, are no sign that all come
        if share is None or share <= _LOST:
            self._since_ns, self.lost = None, 0.0
        elif self._since_ns is None:
            self._since_ns = now_ns
        elif now_ns - self._since_ns >= _LASTING_NS:
            self.lost = share
        return self.lost

    def undecided(self, now_ns: int) -> bool:
        """Whether images have come, but for 3 s too few or too irregular ones to tell."""
        return self._decided_ns is not None and now_ns - self._decided_ns >= _LASTING_NS

    def share(self, now_ns: int) -> float | None:
        """Return the share of images lost in the last 2.5 s, None where the stamps do not tell."""
        while self._intervals and now_ns - self._intervals[0][0] > _WINDOW_NS:
            self._intervals.popleft()
        if len(self._intervals) < _INTERVALS_NEEDED:
            return None
        ordered = sorted(interval for _, interval in self._intervals)
        shortest = ordered[int(_SHORTEST * len(ordered))]
        single = [interval for interval in ordered if shortest <= interval <= _ONE * shortest]
        period: float = single[len(single) // 2]
        for _ in range(2):  # few of the intervals may be single ones: measure by all of them
            beats = [max(1, round(interval / period)) for interval in ordered]
            period = sum(ordered) / sum(beats)
        on_beat = sum(abs(interval / period - beat) <= _ON_BEAT
                      for interval, beat in zip(ordered, beats))
        if on_beat < _IN_RHYTHM * len(ordered):
            return None
        return 1.0 - len(beats) / sum(beats)
