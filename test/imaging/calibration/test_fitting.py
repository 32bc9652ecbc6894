"""Points become a homography; wrong points and wrong views do not spoil it."""

from boards_seen import errors
from boards_seen import mapping
import numpy as np
import pytest

from uaafusion_ros.errors import RegistrationError
from uaafusion_ros.imaging.calibration.contract import Matches
from uaafusion_ros.imaging.calibration.fitting import fit
from uaafusion_ros.imaging.registration.homography import project

SIZE = (640, 512)
TRUTH = mapping(SIZE, (640, 480), 5)


def matches(name, count=40, noise=0.3, move=(0, 0), seed=0):
    rng = np.random.default_rng([seed, sum(name.encode())])
    thermal = rng.uniform(0, 1, (count, 2)) * SIZE
    return Matches(name, thermal,
                   project(TRUTH, thermal) + rng.normal(0, noise, (count, 2)) + move)


def test_the_error_is_that_of_the_points():
    found = fit([matches(name, noise=0.5) for name in 'abcdefgh'])
    centre, corner = errors(found.matrix, TRUTH, SIZE)
    assert centre < 0.2 and corner < 0.6
    assert found.error_px == pytest.approx(0.5 * np.sqrt(2), rel=0.1)
    assert found.points == 320
    assert all(0.3 < report.error_px < 0.9 and report.points == 40 for report in found.views)


def test_a_bad_view_is_left_out_and_said_so():
    views = [matches(name) for name in 'abcd'] + [matches('moved', move=(9, -5))]
    found = fit(views)
    assert errors(found.matrix, TRUTH, SIZE)[1] < 0.7
    assert [report.name for report in found.views if report.left_out] == ['moved']
    assert found.views[-1].error_px == pytest.approx(np.hypot(9, 5), abs=1)
    assert 'off by more than' in found.views[-1].left_out
    assert found.points == 160


def test_single_wrong_points_make_no_bad_view():
    views = [matches(name) for name in 'abc']
    views[1].rgb[:8] += 50
    found = fit(views)
    assert errors(found.matrix, TRUTH, SIZE)[1] < 0.7
    assert found.points == 112 and not any(report.left_out for report in found.views)


@pytest.mark.parametrize('views, reason', [
    ([], '0 points were found'),
    ([matches('a', 3)], '3 points were found'),
    ([Matches('line', np.column_stack([np.arange(20.0)] * 2), np.column_stack(
        [np.arange(20.0)] * 2))], 'no homography fits'),
    ([Matches('same', np.ones((9, 2)), np.ones((9, 2)))], 'no homography fits'),
])
def test_too_little_is_refused(views, reason):
    with pytest.raises(RegistrationError, match=reason):
        fit(views)
