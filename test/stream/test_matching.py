from __future__ import annotations

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import pytest

from uaafusion_ros.stream.matching import closest_first
from uaafusion_ros.stream.matching import mutual


def match(refs, others, slop):
    return closest_first(refs, others, slop, range(len(refs)), range(len(others)))


@pytest.mark.parametrize(('refs', 'others', 'slop', 'expected'), [
    ([], [1], 5, []),
    ([1], [], 5, []),
    ([10], [4, 15], 5, [(0, 1)]),
    ([10], [4, 16], 5, []),
    ([10], [5, 15], 5, [(0, 0)]),                 # equal distance: the earlier
    ([0, 15], [12], 20, [(1, 0)]),                # of two references the nearer
    ([0, 10, 20], [1, 11, 21], 5, [(0, 0), (1, 1), (2, 2)]),
    ([0, 10], [9, 12], 20, [(1, 0)]),             # closest first, and nothing may cross it
    ([0, 100, 103], [101, 200], 5, [(1, 0)]),
])
def test_closest_first(refs, others, slop, expected):
    assert match(refs, others, slop) == expected


def test_only_the_stretch_takes_part():
    refs, others = [0, 10, 20], [0, 10, 20]
    assert closest_first(refs, others, 2, range(1, 3), range(0, 2)) == [(1, 1)]
    assert mutual(refs, others, 2, range(1, 3), range(0, 1)) is None


stamps = st.lists(st.integers(0, 200), max_size=12, unique=True).map(sorted)


@settings(max_examples=300, deadline=None)
@given(stamps, stamps, st.integers(0, 40))
def test_every_pair_left_out_crosses_or_shares_one_that_is_no_longer(refs, others, slop):
    matched = match(refs, others, slop)
    assert matched == sorted(matched)
    for i, ref in enumerate(refs):
        for j, other in enumerate(others):
            if abs(ref - other) > slop or (i, j) in matched:
                assert abs(ref - other) <= slop or (i, j) not in matched
                continue
            rivals = [(a, b) for a, b in matched if (i - a) * (j - b) <= 0]
            assert min(abs(refs[a] - others[b]) for a, b in rivals) <= abs(ref - other)
