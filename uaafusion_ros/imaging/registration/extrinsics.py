"""Where one camera stands in the other's frame, from the static transforms of a robot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from uaafusion_ros.errors import RegistrationError


def between(
    transforms: Mapping[str, Any], target: str, source: str
) -> tuple[tuple[float, float, float], tuple[float, float, float, float]]:
    """
    Return position (m) and rotation (quaternion x, y, z, w) of frame `source` in `target`.

    As tf2's lookup_transform(target, source) answers. `transforms` are geometry_msgs/
    TransformStamped by child frame, each the place of that frame in its parent
    (`header.frame_id`). Raises RegistrationError where they do not connect the two frames.
    """
    roots, (to_root, from_root) = zip(*(_in_root(transforms, frame) for frame in (source, target)))
    if roots[0] != roots[1]:
        known = {*transforms, *(each.header.frame_id for each in transforms.values())}
        raise RegistrationError(
            f'/tf_static does not connect {source!r} with {target!r}; it knows '
            f'{", ".join(sorted(known)) or "no frame yet"}: publish the missing transform, or set '
            'registration.rgb_frame and registration.thermal_frame to the optical frames')
    place = np.linalg.inv(from_root) @ to_root
    x, y, z = place[:3, 3].tolist()
    return (x, y, z), _quaternion(place[:3, :3])


def rotation_matrix(rotation: tuple[float, ...]) -> np.ndarray:
    """Return the rotation of a quaternion x, y, z, w of any length but 0 as a matrix (3x3)."""
    x, y, z, w = np.array(rotation) / np.linalg.norm(rotation)
    return np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]])


def _in_root(transforms: Mapping[str, Any], frame: str) -> tuple[str, np.ndarray]:
    """Return the last ancestor of a frame and the frame's place in it (4x4)."""
    place, passed = np.eye(4), {frame}
    while frame in transforms:
        message = transforms[frame]
        at, turn = message.transform.translation, message.transform.rotation
        rotation = (turn.x, turn.y, turn.z, turn.w)
        if not np.isfinite([at.x, at.y, at.z, *rotation]).all() or not any(rotation):
            raise RegistrationError(
                f'/tf_static has no valid place of {frame!r} in {message.header.frame_id!r}')
        step = np.eye(4)
        step[:3, :3], step[:3, 3] = rotation_matrix(rotation), (at.x, at.y, at.z)
        place, frame = step @ place, message.header.frame_id
        if frame in passed:
            raise RegistrationError(f'/tf_static leads from {frame!r} back to itself')
        passed.add(frame)
    return frame, place


def _quaternion(matrix: np.ndarray) -> tuple[float, float, float, float]:
    """Return a rotation matrix (3x3) as a quaternion x, y, z, w."""
    turn = cv2.Rodrigues(matrix)[0].ravel()
    angle = np.linalg.norm(turn)
    # sin(angle / 2) / angle, at 0 too.
    x, y, z = (turn * np.sinc(angle / 2 / np.pi) / 2).tolist()
    return x, y, z, float(np.cos(angle / 2))
