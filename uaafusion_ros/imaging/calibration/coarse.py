"""A first guess at how two cameras lie over one another: size, turn and move, over all views."""

from __future__ import annotations

from collections.abc import Generator
from collections.abc import Sequence

import cv2
import numpy as np

from uaafusion_ros.imaging.calibration.contract import View
from uaafusion_ros.imaging.registration.edges import directions

# What is searched: the width of the thermal view relative to the RGB view, and its turn.
SCALES = np.exp(np.arange(np.log(0.5), np.log(1.45), 0.04))
ANGLES = np.radians(np.arange(-6.0, 6.1, 1.5))

# Images are compared at this width; half a step of scale or turn is a pixel of its border.
_WIDTH = 128
_MOST_VIEWS = 8

# A match that uses less than this share of the RGB edges is judged as if it used it.
_LEAST_OVERLAP = 0.3


def search(views: Sequence[View]) -> Generator[None, None, np.ndarray]:
    """
    Return the similarity (3x3, thermal to RGB pixels) under which the edges agree best.

    Every size and turn of SCALES and ANGLES is tried, and for each every move at once: the
    correlation of edge directions by Fourier transform, summed over views. Yields after each.
    """
    views = views[::-(-len(views) // _MOST_VIEWS)]
    thermal_size, rgb_size = (image.shape[::-1] for image in (views[0].thermal, views[0].luma))
    to_small = _shrunk(rgb_size)
    small = (_WIDTH, round(rgb_size[1] * _WIDTH / rgb_size[0]))
    rows, columns = (cv2.getOptimalDFTSize(2 * side) for side in small[::-1])
    canvas = (rows, columns)
    fixed = [directions(cv2.resize(view.luma, small, interpolation=cv2.INTER_AREA), sigma=1.0)
             for view in views]
    spectra = [_spectrum(vectors, canvas) for vectors in fixed]
    energy = _spectrum(sum((vectors**2).sum(axis=2) for vectors in fixed), canvas)
    moving, from_reduced = _reduced([view.thermal for view in views], thermal_size)
    best, found = -np.inf, np.eye(3)
    for scale in SCALES:
        for angle in ANGLES:
            similarity = _centred(scale, angle, thermal_size, rgb_size)
            score, move = _best_move(
                moving, to_small @ similarity @ from_reduced, small, spectra, energy)
            yield
            if score > best:
                best, found = score, np.linalg.inv(to_small) @ _moved(move) @ to_small @ similarity
    return found


def warp(thermal: np.ndarray, matrix: np.ndarray,
         size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return thermal in a grid of `size` (width, height), and where edges in it are real."""
    image = cv2.warpPerspective(
        thermal, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.warpPerspective(
        np.full(thermal.shape, 255, np.uint8), matrix, size, flags=cv2.INTER_NEAREST)
    return image, cv2.erode(inside, np.ones((7, 7), np.uint8),
                            borderType=cv2.BORDER_CONSTANT, borderValue=255)


def _best_move(thermal: Sequence[np.ndarray], matrix: np.ndarray, size: tuple[int, int],
               spectra: Sequence[np.ndarray], energy: np.ndarray
               ) -> tuple[float, tuple[int, int]]:
    total, own = np.zeros_like(energy), 0.0
    for image, spectrum in zip(thermal, spectra):
        warped, inside = warp(image, matrix, size)
        vectors = directions(warped, inside, sigma=1.0)
        own += float(np.vdot(vectors, vectors))
        total += cv2.mulSpectrums(
            spectrum, _spectrum(vectors, energy.shape[:2]), 0, conjB=True)
    # Energy of the RGB edges under the thermal view, for every move.
    view = _spectrum((inside > 0).astype(np.float32), energy.shape[:2])
    under = _real(cv2.mulSpectrums(energy, view, 0, conjB=True))
    agreement = _real(total) / np.sqrt(
        max(own, 1e-9) * np.maximum(under, max(_LEAST_OVERLAP * float(under.max()), 1e-9)))
    row, column = np.unravel_index(agreement.argmax(), agreement.shape)
    across, down = (int(place - side if place > side // 2 else place)
                 for place, side in zip((column, row), energy.shape[1::-1]))
    return float(agreement[row, column]), (across, down)


def _spectrum(values: np.ndarray, canvas: tuple[int, int]) -> np.ndarray:
    """Return the Fourier transform, on a canvas, of vectors (as complex numbers) or numbers."""
    padded = np.zeros((*canvas, 2), np.float32)
    height, width = values.shape[:2]
    if values.ndim == 3:
        padded[:height, :width] = values
    else:
        padded[:height, :width, 0] = values
    return cv2.dft(padded, nonzeroRows=height)


def _real(spectrum: np.ndarray) -> np.ndarray:
    return cv2.dft(spectrum, flags=cv2.DFT_INVERSE | cv2.DFT_SCALE)[..., 0]


def _reduced(images: Sequence[np.ndarray],
             size: tuple[int, int]) -> tuple[list[np.ndarray], np.ndarray]:
    """Return images shrunk to about the width of comparison, and the matrix back to `size`."""
    share = min(1.0, _WIDTH / size[0])
    small = tuple(round(side * share) for side in size)
    x, y = (big / little for big, little in zip(size, small))
    back = np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])
    return [cv2.resize(image, small, interpolation=cv2.INTER_AREA) for image in images], back


def _shrunk(size: tuple[int, int]) -> np.ndarray:
    share = _WIDTH / size[0]
    return np.array([[share, 0, (share - 1) / 2], [0, share, (share - 1) / 2], [0, 0, 1]])


def _moved(move: tuple[int, int]) -> np.ndarray:
    return np.array([[1, 0, move[0]], [0, 1, move[1]], [0, 0, 1.0]])


def _centred(scale: float, angle: float, thermal_size: tuple[int, int],
             rgb_size: tuple[int, int]) -> np.ndarray:
    """Return the similarity that lays one centre on the other."""
    factor = scale * rgb_size[0] / thermal_size[0]
    turn = factor * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centres = [(np.array(size) - 1) / 2 for size in (thermal_size, rgb_size)]
    matrix = np.eye(3)
    matrix[:2, :2], matrix[:2, 2] = turn, centres[1] - turn @ centres[0]
    return matrix
