import numpy as np
import pytest

from uaafusion_ros.imaging import dead_lines


def noisy(shape=(48, 64), dtype=np.uint16):
    return np.random.default_rng(0).normal(8000, 300, shape).astype(dtype)


@pytest.mark.parametrize('axis', [0, 1])
@pytest.mark.parametrize('lines', [[0], [47], [10], [10, 11], [5, 7], [0, 1, 20, 46, 47]])
@pytest.mark.parametrize('value', [0, 8000, 16383])
def test_dead_lines_are_found_and_filled_by_their_neighbours(axis, lines, value):
    image = noisy()
    if axis == 1:
        image = np.ascontiguousarray(image.T)
    whole = image.copy()
    view = image if axis == 0 else image.T
    view[lines] = value
    dead = dead_lines.find(image, axis)
    assert dead.tolist() == lines
    assert not len(dead_lines.find(image, 1 - axis))
    dead_lines.fill(image, axis, dead)
    truth = whole if axis == 0 else whole.T
    kept = [k for k in range(48) if k not in lines]
    np.testing.assert_array_equal(view[kept], truth[kept])
    for line in lines:
        before = max((k for k in kept if k < line), default=min(kept))
        after = min((k for k in kept if k > line), default=max(kept))
        if line in (0, 1) or line in (46, 47):
            before = after = before if line > 40 else after
        mean = (truth[before].astype(float) + truth[after]) / 2
        assert np.abs(view[line] - mean).max() <= 1


def test_borders_flat_skies_and_small_images_are_no_dead_lines():
    image = noisy()
    image[:3] = image[-5:] = 0                  # letterbox
    image[10:20] = 8000                         # a sky without noise
    assert not len(dead_lines.find(image, 0))
    assert not len(dead_lines.find(np.zeros((48, 64), np.uint8), 0))
    assert not len(dead_lines.find(noisy((48, 8)), 0))
    assert not len(dead_lines.find(noisy((2, 64)), 0))


def test_a_line_that_hardly_differs_does_no_harm():
    image = np.tile(np.arange(64, dtype=np.uint8), (48, 1))
    image[20:30] = 200
    image[25, 5] = 201
    image[27, 5] = 201
    assert not len(dead_lines.find(image, 0))   # row 26 is of one value by chance


@pytest.mark.parametrize('axis', [0, 1])
def test_one_live_pixel_keeps_a_line_alive(axis):
    """Whichever it is, as only some are looked at first."""
    for place in range(64):
        image = noisy()
        image[20] = 0
        image[20, place] = 1
        assert not len(dead_lines.find(image if axis == 0 else image.T, axis)), place


def test_floats_are_filled_between():
    image = noisy(dtype=np.float32)
    image[10] = -5.0
    dead_lines.fill(image, 0, dead_lines.find(image, 0))
    np.testing.assert_allclose(image[10], (image[9] + image[11]) / 2)


def test_a_stream_is_searched_four_times_a_second():
    """What was found holds meanwhile; other images, and stamps that jump, are searched at once."""
    live = noisy((48, 64))
    broken = live.copy()
    broken[20] = 0
    watch = dead_lines.DeadLines()
    ms = 10 ** 6
    for image, stamp_ns, found in (
            (live, 0, 0), (broken, 249 * ms, 0), (broken, 250 * ms, 1), (live, 499 * ms, 1),
            (live, 500 * ms, 0), (broken, 400 * ms, 1), (live[:, :32], 410 * ms, 0),
            (broken, 420 * ms, 1), (live, None, 0), (broken, 430 * ms, 1)):
        rows, columns = watch.of(image, stamp_ns)
        assert (len(rows), len(columns)) == (found, 0), (stamp_ns, found)
