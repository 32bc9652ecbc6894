"""A rig described by static transforms is registered at the distance that was asked for."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from uaafusion_ros.errors import RegistrationError
from uaafusion_ros.imaging.registration import load
from uaafusion_ros.imaging.registration.extrinsics import between
from uaafusion_ros.settings import RegistrationSettings

DISTANCE = 4.0
THERMAL_K = np.array([[190.0, 0, 79.5], [0, 190, 59.5], [0, 0, 1]])
RGB_K = np.array([[330.0, 0, 165], [0, 330, 118], [0, 0, 1]])
# Parent, child, position in m, turn as a rotation vector.
RIG = (('base_link', 'mast', (0.2, 0.1, 1.1), (0.0, 0.0, 0.4)),
       ('mast', 'rgb_optical', (0.05, -0.06, 0.0), (-1.2, 1.25, -1.2)),
       ('mast', 'thermal_link', (0.05, 0.05, 0.02), (0.02, -0.01, 0.015)),
       ('thermal_link', 'thermal_optical', (0.0, 0.0, 0.0), (-1.21, 1.21, -1.21)))


def transform(parent, child, position, turn):
    angle = np.linalg.norm(turn)
    x, y, z = np.array(turn) * (np.sin(angle / 2) / angle if angle else 0.5)
    return SimpleNamespace(
        header=SimpleNamespace(frame_id=parent), child_frame_id=child,
        transform=SimpleNamespace(
            translation=SimpleNamespace(**dict(zip('xyz', position))),
            rotation=SimpleNamespace(x=x, y=y, z=z, w=np.cos(angle / 2))))


def by_child(*edges):
    return {edge[1]: transform(*edge) for edge in edges}


def place(frame):
    """Return the place of a frame of the rig in base_link, as a 4x4 matrix."""
    for parent, child, position, turn in RIG:
        if child == frame:
            step = np.eye(4)
            step[:3, :3], step[:3, 3] = cv2.Rodrigues(np.array(turn))[0], position
            return place(parent) @ step
    return np.eye(4)


def info(k, size):
    return SimpleNamespace(
        width=size[0], height=size[1], distortion_model='plumb_bob', d=(0.0,) * 5,
        k=k.ravel(), r=np.eye(3).ravel(), p=np.column_stack([k, np.zeros(3)]).ravel(),
        binning_x=0, binning_y=0, roi=SimpleNamespace(width=0, height=0))


def test_a_plane_scene_lands_on_itself_within_half_a_pixel():
    """Gaussian spots on a board 4 m before the RGB camera, seen by both pinholes."""
    registration = load(
        RegistrationSettings(mode='plane', plane_distance_m=DISTANCE, rgb_frame='rgb_optical',
                             thermal_frame='thermal_optical'),
        {'rgb': info(RGB_K, (320, 240)), 'thermal': info(THERMAL_K, (160, 120))}, by_child(*RIG))
    to_thermal = np.linalg.inv(place('thermal_optical')) @ place('rgb_optical')
    errors = []
    for x in np.linspace(-0.8, 0.8, 5):
        for y in np.linspace(-0.6, 0.6, 5):
            point = np.array([x, y, DISTANCE, 1.0])
            seen, expected = ((k @ spot[:3] / spot[2])[:2] for k, spot in (
                (THERMAL_K, to_thermal @ point), (RGB_K, point)))
            rows, columns = np.mgrid[:120, :160]
            thermal = 250 * np.exp(-((columns - seen[0])**2 + (rows - seen[1])**2) / 8)
            image = registration.apply(thermal.astype(np.uint8), (240, 320)).image.astype(float)
            rows, columns = np.mgrid[:240, :320]
            found = np.array([(image * columns).sum(), (image * rows).sum()]) / image.sum()
            errors.append(np.abs(found - expected).max())
    assert max(errors) < 0.5


def test_it_is_the_place_of_the_source_in_the_target():
    for source, target in (('thermal_optical', 'rgb_optical'), ('rgb_optical', 'base_link'),
                           ('base_link', 'thermal_optical'), ('mast', 'mast')):
        position, (x, y, z, w) = between(by_child(*RIG), target, source)
        expected = np.linalg.inv(place(target)) @ place(source)
        half = np.arctan2(np.linalg.norm([x, y, z]), w)
        turn = np.array([x, y, z]) * (2 * half / np.sin(half) if half else 2.0)
        assert np.allclose(cv2.Rodrigues(turn)[0], expected[:3, :3], atol=1e-6)
        assert np.allclose(position, expected[:3, 3])


@pytest.mark.parametrize('edges, words', [
    ((), 'knows no frame yet'), (RIG[:3], "does not connect 'thermal_optical' with 'rgb_optical'"),
    ((*RIG, ('thermal_optical', 'base_link', (0, 0, 0), (0, 0, 0))), 'back to itself'),
    ((*RIG[:3], ('mast', 'thermal_optical', (0, 0, np.nan), (0, 0, 0))), 'no valid place')])
def test_what_does_not_connect_the_frames_is_told(edges, words):
    with pytest.raises(RegistrationError, match=words):
        between(by_child(*edges), 'rgb_optical', 'thermal_optical')
