"""
Match two sorted lists of stamps: many pairs with small errors, no two of them crossing.

Stamps are integer nanoseconds; a `range` of indices says which stretch of each list takes part.
"""

from __future__ import annotations

from bisect import bisect_left
from bisect import bisect_right


def mutual(
    refs: list[int], others: list[int], slop_ns: int, rows: range, columns: range,
) -> tuple[int, int] | None:
    """
    Follow nearest neighbours from the oldest reference to two that are each other's.

    `rows` must not be empty. No stamp lies between the two found, so a pair that crosses them is
    longer. Returns their indices, or None where nothing is within slop_ns (inclusive) of the
    oldest reference.
    """
    if not columns:
        return None
    i = rows.start
    j = _nearest(others, refs[i], columns)
    if abs(refs[i] - others[j]) > slop_ns:
        return None
    while True:
        back = _nearest(refs, others[j], rows)
        if back == i:
            return i, j
        i = back
        j = _nearest(others, refs[i], columns)


def best(
    refs: list[int], others: list[int], slop_ns: int, rows: range, columns: range,
) -> list[tuple[int, int]]:
    """
    Match a stretch to which no stamp is to come; index pairs, rising in both.

    Of all matchings without crossing pairs, the one whose sum of 1.5 slop_ns - error is largest:
    a pair more is worth a little more error in its neighbours, but not that all of them move on
    to the next frame. Takes time for each two stamps within slop_ns of one another.
    """
    # The best matching that uses no column beyond ends[k] has totals[k]; both lists rise.
    ends, totals = [columns.start - 1], [0]
    lasts: list[tuple | None] = [None]
    for i in rows:
        found = []
        first = bisect_left(others, refs[i] - slop_ns, columns.start, columns.stop)
        last = bisect_right(others, refs[i] + slop_ns, columns.start, columns.stop)
        for j in range(first, last):
            k = bisect_left(ends, j) - 1
            worth = 3 * slop_ns - 2 * abs(refs[i] - others[j]) + 1  # 1 for a slop of 0
            found.append((j, totals[k] + worth, (lasts[k], i, j)))
        for j, total, pair in found:
            begin = bisect_left(ends, j)
            if total > totals[bisect_right(ends, j) - 1]:
                end = bisect_right(totals, total, begin)
                ends[begin:end], totals[begin:end], lasts[begin:end] = [j], [total], [pair]
    matched = []
    pair = lasts[-1]
    while pair is not None:
        pair, i, j = pair
        matched.append((i, j))
    return matched[::-1]


def _nearest(stamps: list[int], stamp: int, within: range) -> int:
    """Index of the nearest stamp, the earlier of two at equal distance."""
    right = bisect_left(stamps, stamp, within.start, within.stop)
    if right == within.start:
        return right
    if right == within.stop or stamp - stamps[right - 1] <= stamps[right] - stamp:
        return right - 1
    return right
