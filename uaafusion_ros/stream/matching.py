"""
Match two sorted lists of stamps: the closest pair first, no two pairs crossing.

Stamps are integer nanoseconds; a `range` of indices says which stretch of each list takes part.
"""

from __future__ import annotations

from bisect import bisect_left


def mutual(
    refs: list[int], others: list[int], slop_ns: int, rows: range, columns: range,
) -> tuple[int, int] | None:
    """
    Follow nearest neighbours from the oldest reference to two that are each other's.

    `rows` must not be empty. No stamp lies between the two found, so a pair that crosses them is
    longer: they are in the matching that takes the closest pair first, in whatever order they
    are found. Returns their indices, or None where nothing is within slop_ns (inclusive) of the
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


def closest_first(
    refs: list[int], others: list[int], slop_ns: int, rows: range, columns: range,
) -> list[tuple[int, int]]:
    """Match a stretch to which no stamp is to come; index pairs, rising in both."""
    matched: list[tuple[int, int]] = []
    while rows and columns:
        found = mutual(refs, others, slop_ns, rows, columns)
        if found is None:
            rows = rows[1:]
            continue
        i, j = found
        matched += closest_first(
            refs, others, slop_ns, range(rows.start, i), range(columns.start, j))
        matched.append(found)
        rows, columns = range(i + 1, rows.stop), range(j + 1, columns.stop)
    return matched


def _nearest(stamps: list[int], stamp: int, within: range) -> int:
    """Index of the nearest stamp, the earlier of two at equal distance."""
    right = bisect_left(stamps, stamp, within.start, within.stop)
    if right == within.start:
        return right
    if right == within.stop or stamp - stamps[right - 1] <= stamps[right] - stamp:
        return right - 1
    return right
