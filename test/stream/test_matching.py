from __future__ import annotations

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import pytest

from uaafusion_ros.stream.pairing import match


@pytest.mark.parametrize(('refs', 'others', 'slop', 'expected'), [
    ([], [1], 5, []),
    ([1], [], 5, []),
    ([10], [4, 15], 5, [(0, 1)]),
    ([10], [4, 16], 5, []),
    ([10], [5, 15], 5, [(0, 0)]),                 # equal distance: the earlier
    ([7], [7], 0, [(0, 0)]),
    ([0, 15], [12], 20, [(1, 0)]),                # of two references the nearer
    ([0, 10, 20], [1, 11, 21], 5, [(0, 0), (1, 1), (2, 2)]),
    ([0, 10], [9, 12], 20, [(0, 0), (1, 1)]),     # two pairs rather than the closest one
    ([10, 20, 30], [1, 11, 21], 10, [(0, 1), (1, 2)]),  # but all do not move on for one more
    ([0, 100, 103], [101, 200], 5, [(1, 0)]),
])
def test_many_pairs_with_small_errors(refs, others, slop, expected):
    assert match(refs, others, slop) == expected


def worth(refs, others, slop, matched):
    return sum(3 * slop - 2 * abs(refs[i] - others[j]) + 1 for i, j in matched)


def most_worth(refs, others, slop):
    """The largest worth of any matching, by the full table."""
    before = [0] * (len(others) + 1)
    for ref in refs:
        row = [0]
        for j, other in enumerate(others):
            most = max(before[j + 1], row[j])
            if abs(ref - other) <= slop:
                most = max(most, before[j] + 3 * slop - 2 * abs(ref - other) + 1)
            row.append(most)
        before = row
    return before[-1]


stamps = st.lists(st.integers(0, 200), max_size=12, unique=True).map(sorted)


@settings(max_examples=200, deadline=None)
@given(stamps, stamps, st.integers(0, 40))
def test_no_matching_is_worth_more(refs, others, slop):
    matched = match(refs, others, slop)
    assert all(a < c and b < d for (a, b), (c, d) in zip(matched, matched[1:]))
    assert all(abs(refs[i] - others[j]) <= slop for i, j in matched)
    assert worth(refs, others, slop, matched) == most_worth(refs, others, slop)
