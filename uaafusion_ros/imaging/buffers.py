"""Images in memory that a message takes as it is, so that their pixels are written once."""

from __future__ import annotations

from array import array
from math import prod
from typing import Any

import numpy as np


def message_image(shape: tuple[int, ...]) -> np.ndarray:
    """Return a uint8 array of zeros that `message_data` need not copy."""
    return np.frombuffer(array('B', (0,)) * prod(shape), np.uint8).reshape(shape)


def message_data(image: np.ndarray) -> array:
    """
    Return the bytes of a C-contiguous array as the array.array that a uint8[] field holds.

    The whole of a `message_image`, reshaped or not, gives its own memory, which must not change
    before the message was published; anything else is copied.
    """
    owner: Any = image
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, memoryview):  # as which numpy keeps what an array was made over
        owner = owner.obj
    if isinstance(owner, array) and owner.typecode == 'B' and len(owner) == image.nbytes:
        return owner
    data = array('B')
    data.frombytes(image.reshape(-1).view(np.uint8).data)
    return data
