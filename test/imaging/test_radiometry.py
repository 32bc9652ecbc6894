import numpy as np
import pytest

from uaafusion_ros.imaging.radiometry import Radiometry

U16, F32, U8 = (np.dtype(kind) for kind in ('u2', 'f4', 'u1'))


@pytest.mark.parametrize(('unit', 'gain', 'offset', 'counts', 'told'), [
    ('kelvin', 0.01, 0.0, 30015, 300.15), ('celsius', 0.01, 0.0, 30015, 27.0),
    ('celsius', 0.04, 0.0, 7500, 26.85), ('celsius', 0.1, 23.15, 2500, 0.0),
    ('counts', 0.01, 0.0, 30015, 30015)])
def test_counts_become_temperatures_and_back(unit, gain, offset, counts, told):
    radiometry = Radiometry(unit, gain, offset)
    assert radiometry.told(counts, U16) == pytest.approx(told)
    assert radiometry.held(told, U16) == pytest.approx(counts)
    assert radiometry.unit_of(U16) == unit


def test_floats_are_in_the_unit_already_and_8_bits_in_none():
    radiometry = Radiometry('celsius')
    assert radiometry.told(27.0, F32) == radiometry.held(27.0, F32) == 27.0
    assert radiometry.told(128.0, U8) == 128.0
    assert (radiometry.unit_of(F32), radiometry.unit_of(U8)) == ('celsius', 'counts')
