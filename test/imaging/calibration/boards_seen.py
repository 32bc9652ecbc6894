"""Boards as both cameras see them: rendered, with the homography between the cameras known."""

import cv2
import numpy as np

from uaafusion_ros.imaging.calibration.contract import View

SUPER = 4
CELL = 60


def checkerboard(columns, rows):
    """Return a board with columns x rows inner corners and a white rim."""
    cells = np.indices((rows + 1, columns + 1)).sum(axis=0) % 2
    board = np.kron(cells, np.ones((CELL, CELL))) * 200 + 30
    return np.pad(board, CELL, constant_values=230).astype(np.uint8)


def circles(columns, rows):
    board = np.full(((rows + 1) * CELL, (columns + 1) * CELL), 230, np.uint8)
    for row in range(rows):
        for column in range(columns):
            cv2.circle(board, ((column + 1) * CELL, (row + 1) * CELL), CELL // 4, 30, -1)
    return board


def shot(board, matrix, size):
    """Return the image of a board (gray background) that `matrix` lays into an image of size."""
    grown = np.diag([SUPER, SUPER, 1.0])
    grown[:2, 2] = (SUPER - 1) / 2
    big = cv2.warpPerspective(board, grown @ matrix, (size[0] * SUPER, size[1] * SUPER),
                              flags=cv2.INTER_LINEAR, borderValue=120)
    return cv2.resize(big, size, interpolation=cv2.INTER_AREA)


def views(board, thermal_to_rgb, thermal_size, rgb_size, count, seed=0):
    """Return views of a board held in many ways; the thermal image is inverted and noisy."""
    rng = np.random.default_rng(seed)
    height, width = board.shape
    ends = np.float32([(0, 0), (width, 0), (width, height), (0, height)])
    seen = []
    for number in range(count):
        scale = rng.uniform(0.3, 0.5) * rgb_size[0] / width
        angle = rng.uniform(-0.25, 0.25)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        centre = np.array(rgb_size) * rng.uniform(0.4, 0.6, 2)
        placed = (ends - ends.mean(axis=0)) * scale @ turn.T + centre
        placed += rng.uniform(-12, 12, (4, 2))
        to_rgb = cv2.getPerspectiveTransform(ends, placed.astype(np.float32))
        luma = shot(board, to_rgb, rgb_size)
        warm = 255 - shot(board, np.linalg.inv(thermal_to_rgb) @ to_rgb, thermal_size)
        noisy = [np.clip(image * 0.7 + 20 + rng.normal(0, 3, image.shape), 0, 255)
                 .astype(np.uint8) for image in (warm, luma)]
        seen.append(View(f'{number:02}', *noisy))
    return seen


def mapping(thermal_size, rgb_size, seed=0):
    """Return a homography of realistic size: some per cent, degrees and tens of pixels."""
    rng = np.random.default_rng(seed)
    angle = np.radians(rng.uniform(-3, 3))
    scale = rng.uniform(0.95, 1.05) * rgb_size[0] / thermal_size[0]
    centres = [(np.array(size) - 1) / 2 for size in (thermal_size, rgb_size)]
    matrix = np.eye(3)
    matrix[:2, :2] = scale * np.array([[np.cos(angle), -np.sin(angle)],
                                       [np.sin(angle), np.cos(angle)]])
    matrix[:2, 2] = centres[1] - matrix[:2, :2] @ centres[0] + rng.uniform(-30, 30, 2)
    tilt = np.eye(3)
    tilt[2, :2] = rng.uniform(-3e-5, 3e-5, 2)
    about = np.eye(3)
    about[:2, 2] = centres[1]
    matrix = about @ tilt @ np.linalg.inv(about) @ matrix
    return matrix / matrix[2, 2]


def errors(found, expected, thermal_size):
    """Return how far two homographies are apart: at the centre, and at the worst corner."""
    right, bottom = thermal_size[0] - 1, thermal_size[1] - 1
    places = np.array([(right / 2, bottom / 2), (0, 0), (right, 0), (right, bottom), (0, bottom)])
    apart = [cv2.perspectiveTransform(places[:, None], matrix)[:, 0]
             for matrix in (found, expected)]
    distances = np.hypot(*(apart[0] - apart[1]).T)
    return distances[0], distances[1:].max()
