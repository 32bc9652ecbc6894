from array import array

import numpy as np

from uaafusion_ros.imaging.buffers import message_data
from uaafusion_ros.imaging.buffers import message_image


def test_a_message_image_is_not_copied():
    image = message_image((3, 4, 3))
    assert (image.shape, image.dtype) == ((3, 4, 3), np.uint8)
    assert not image.any()
    data = message_data(image)
    image[2, 3, 2] = 7
    assert (type(data), data.typecode, len(data), data[-1]) == (array, 'B', 36, 7)
    assert message_data(image.reshape(-1).view(np.uint8)) is data


def test_anything_else_is():
    image = message_image((4, 6))
    image[:] = np.arange(24).reshape(4, 6)
    others = {'of its own': image.copy(), 'a part': image[:3], 'over bytes': np.frombuffer(
        image.tobytes(), np.uint8), 'over another typecode': np.frombuffer(array('H', range(9)),
                                                                           np.uint8)}
    for name, other in others.items():
        data = message_data(other)
        assert data.tobytes() == other.tobytes(), name
        assert not np.shares_memory(np.frombuffer(data, np.uint8), other), name


def test_wider_pixels_become_bytes():
    assert message_data(np.array([[1, 258]], '<u2')).tolist() == [1, 0, 2, 1]
