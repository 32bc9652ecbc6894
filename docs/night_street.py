"""
Render a drive through a night street and what the package makes of it: the README's picture.

    python docs/night_street.py docs/images/night_street.webp

Everything in it is made up here: a ray caster draws the street as a colour camera and as a thermal
camera see it, the shipped network fuses both. It takes some minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
import sys

import cv2
import numpy as np
from PIL import Image

from uaafusion_ros import load
from uaafusion_ros.evaluation.contact_sheet import strip
from uaafusion_ros.imaging.color import overlay

WIDTH, HEIGHT = 640, 480
PANEL = (320, 240)
FOCAL = 560.0            # pixels
HORIZON = 215.0          # row
EYE = (1.6, 1.4)         # x, y of both cameras, metres; z goes along the street
SPEED = 3.0              # m/s
RATE, SECONDS = 10, 6

LAMPS = np.float32([(-4.0, 5.2, 5.0), (4.0, 5.2, 66.0), (-4.0, 5.2, 100.0)])
LAMP_POWER = 26 * np.float32([1.0, 0.66, 0.32])


@dataclass(frozen=True)
class Material:
    """Reflectance, own light (both linear RGB) and level in a thermal image of 8 bits."""

    colour: tuple[float, float, float]
    heat: float
    light: tuple[float, float, float] = (0.0, 0.0, 0.0)


MATERIALS = {
    'sky': Material((0, 0, 0), 14, (0.0016, 0.0020, 0.0042)),
    'asphalt': Material((0.10, 0.10, 0.11), 84),
    'line': Material((0.55, 0.55, 0.52), 76),
    'pavement': Material((0.20, 0.19, 0.18), 70),
    'brick': Material((0.24, 0.13, 0.09), 62),
    'plaster': Material((0.32, 0.29, 0.24), 56),
    'dark window': Material((0.03, 0.03, 0.04), 44),
    'lit window': Material((0.05, 0.05, 0.05), 100, (0.32, 0.20, 0.08)),
    'post': Material((0.08, 0.08, 0.09), 46),
    'lamp': Material((0, 0, 0), 170, (6.0, 4.2, 2.2)),
    'leaves': Material((0.05, 0.10, 0.04), 50),
    'blue car': Material((0.05, 0.11, 0.32), 50),
    'red car': Material((0.34, 0.04, 0.04), 50),
    'glass': Material((0.02, 0.03, 0.03), 38),
    'tyre': Material((0.02, 0.02, 0.02), 112),
    'tail light': Material((0.4, 0.0, 0.0), 70, (0.35, 0.01, 0.01)),
    'skin': Material((0.30, 0.20, 0.15), 240),
    'coat': Material((0.030, 0.030, 0.036), 196),
    'trousers': Material((0.022, 0.024, 0.034), 208),
}
NAMES = list(MATERIALS)


class View:
    """What each pixel of a camera at `z` sees: depth, material and normal."""

    def __init__(self, z: float) -> None:
        self.eye = np.array([*EYE, z], np.float32)
        columns = (np.arange(WIDTH) + 0.5 - WIDTH / 2) / FOCAL
        rows = (HORIZON - np.arange(HEIGHT) - 0.5) / FOCAL
        self.rays = np.ones((HEIGHT, WIDTH, 3), np.float32)  # z is 1, so that distance is depth
        self.rays[..., 0], self.rays[..., 1] = columns, rows[:, None]
        self.depth = np.full((HEIGHT, WIDTH), 400.0, np.float32)
        self.material = np.zeros((HEIGHT, WIDTH), np.uint8)
        self.normal = np.zeros((HEIGHT, WIDTH, 3), np.float32)

    def box(self, low, high, material: str) -> None:
        """Draw a box between two corners."""
        low, high = np.float32(low), np.float32(high)
        if high[2] <= self.eye[2] + 0.3:
            return
        place = (slice(None), slice(None))
        if low[2] > self.eye[2] + 1:
            place = self._place((low + high) / 2, float(np.linalg.norm(high - low)) / 2) or place
        rays = self.rays[place]
        rays = np.where(np.abs(rays) < 1e-6, np.float32(1e-6), rays)
        near, far = (low - self.eye) / rays, (high - self.eye) / rays
        near, far = np.minimum(near, far), np.maximum(near, far)
        axis = near.argmax(2)
        enter = near.max(2)
        hit = (enter < far.min(2)) & (enter > 0.1)
        normal = -np.sign(rays) * (np.arange(3) == axis[..., None])
        self._draw(place, np.where(hit, enter, np.inf), normal, material)

    def ball(self, centre, radii, material: str) -> None:
        """Draw an ellipsoid with its axes along those of the street."""
        radii = np.float32(radii)
        place = self._place(centre, float(radii.max()))
        if place is None:
            return
        offset, ray = (self.eye - np.float32(centre)) / radii, self.rays[place] / radii
        t = _root((ray * ray).sum(2), (ray * offset).sum(2), (offset * offset).sum() - 1)
        normal = (offset + ray * np.where(np.isfinite(t), t, 0)[..., None]) / radii
        self._draw(place, t, normal, material)

    def limb(self, start, end, radius: float, material: str) -> None:
        """Draw a cylinder with a ball at its end."""
        start, end = np.float32(start), np.float32(end)
        axis = end - start
        place = self._place((start + end) / 2, float(np.linalg.norm(axis)) / 2 + radius)
        if place is None:
            return
        ray, offset, square = self.rays[place], self.eye - start, float(axis @ axis)
        ray_axis, offset_axis = ray @ axis, float(offset @ axis)
        t = _root((ray * ray).sum(2) - ray_axis ** 2 / square,
                  ray @ offset - ray_axis * offset_axis / square,
                  float(offset @ offset) - offset_axis ** 2 / square - radius ** 2)
        along = (offset_axis + np.where(np.isfinite(t), t, 0) * ray_axis) / square
        t = np.where((along >= 0) & (along <= 1), t, np.inf)
        normal = offset + ray * np.where(np.isfinite(t), t, 0)[..., None] - along[..., None] * axis
        self._draw(place, t, normal, material)
        self.ball(end, (radius,) * 3, material)

    def ground(self) -> None:
        """Draw the road with its lines, and the pavements."""
        t = np.where(self.rays[..., 1] < -1e-4, -self.eye[1] / self.rays[..., 1], np.inf)
        up = np.broadcast_to(np.float32([0, 1, 0]), self.rays.shape)
        self._draw((slice(None), slice(None)), t, up, 'asphalt')
        x, _, z = np.moveaxis(self.points(), 2, 0)
        road = self.material == NAMES.index('asphalt')
        dashes = (np.abs(x) < 0.07) & (z % 6 < 3)
        edges = np.abs(np.abs(x) - 3.3) < 0.06
        self.material[road & (dashes | edges)] = NAMES.index('line')
        self.material[road & (np.abs(x) > 3.6)] = NAMES.index('pavement')

    def points(self) -> np.ndarray:
        """Return the place that each pixel sees, metres."""
        return self.eye + self.rays * self.depth[..., None]

    def _place(self, centre, radius: float) -> tuple[slice, slice] | None:
        x, y, z = np.float32(centre) - self.eye
        if z - radius < 0.3:
            return None
        reach = radius * FOCAL / (z - radius) + 2
        column, row = WIDTH / 2 + FOCAL * x / z, HORIZON - FOCAL * y / z
        return (slice(max(0, int(row - reach)), max(0, int(row + reach) + 1)),
                slice(max(0, int(column - reach)), max(0, int(column + reach) + 1)))

    def _draw(self, place, t, normal, material: str) -> None:
        front = t < self.depth[place]
        self.depth[place][front] = t[front]
        self.material[place][front] = NAMES.index(material)
        length = np.linalg.norm(normal, axis=2, keepdims=True)
        self.normal[place][front] = (normal / np.maximum(length, 1e-9))[front]


def _root(square, half, rest):
    """Return the smaller root of square t^2 + 2 half t + rest, infinite where there is none."""
    under = half * half - square * rest
    t = (-half - np.sqrt(np.maximum(under, 0))) / np.maximum(square, 1e-12)
    return np.where((under > 0) & (t > 0.1), t, np.inf)


def draw_person(view: View, x: float, z: float, stride: float, sideways: float) -> None:
    """Draw a person who walks along the street, or across it by the share `sideways`."""
    way = np.array([sideways, 0, -np.sqrt(1 - sideways ** 2)])
    side = np.array([way[2], 0, -way[0]])
    at = np.array([x, 0, z])
    up = np.array([0, 1.0, 0])
    for leg, swing in ((-1, np.sin(stride)), (1, -np.sin(stride))):
        hip = at + 0.10 * leg * side + 0.88 * up
        knee = hip + 0.17 * swing * way - 0.41 * up
        foot = knee + (0.15 * swing - 0.10 * max(0.0, np.cos(stride) * leg)) * way - 0.40 * up
        view.limb(hip, knee, 0.085, 'trousers')
        view.limb(knee, foot, 0.062, 'trousers')
        view.ball(foot + 0.05 * way - 0.02 * up, (0.08, 0.05, 0.10), 'tyre')
        shoulder = at + 0.21 * leg * side + 1.38 * up
        elbow = shoulder - 0.12 * swing * way - 0.27 * up
        hand = elbow + (0.06 - 0.10 * swing) * way - 0.22 * up
        view.limb(shoulder, elbow, 0.058, 'coat')
        view.limb(elbow, hand, 0.048, 'coat')
        view.ball(hand, (0.055,) * 3, 'skin')
    view.limb(at + 0.86 * up, at + 1.34 * up, 0.165, 'coat')
    view.ball(at + 1.25 * up, 0.20 * np.abs(side) + [0.13, 0.24, 0.13], 'coat')
    view.limb(at + 1.40 * up, at + 1.54 * up, 0.06, 'skin')
    view.ball(at + 1.63 * up, (0.095, 0.125, 0.105), 'skin')


def draw_car(view: View, x: float, z: float, paint: str) -> None:
    """Draw a car with its tail lights at `z`."""
    view.box((x - 0.88, 0.28, z), (x + 0.88, 0.92, z + 4.2), paint)
    view.box((x - 0.72, 0.92, z + 0.7), (x + 0.72, 1.42, z + 3.1), 'glass')
    view.box((x - 0.74, 1.38, z + 0.75), (x + 0.74, 1.46, z + 3.0), paint)
    for side in (-1, 1):
        for axle in (0.75, 3.4):
            view.ball((x + 0.80 * side, 0.32, z + axle), (0.12, 0.32, 0.32), 'tyre')
        view.ball((x + 0.64 * side, 0.70, z), (0.16, 0.09, 0.06), 'tail light')


def street(time: float) -> View:
    """Return what the cameras see at a time in seconds."""
    view = View(SPEED * time)
    view.ground()
    facades = [(-14, -6.6, 9, 24), (-16, -6.2, 12, 48), (-14, -6.8, 8, 80), (-14, -6.4, 11, 120),
               (6.4, 14, 10, 20), (6.9, 15, 8, 42), (6.3, 14, 12, 70), (6.6, 14, 9, 120)]
    begin = {-1: -10.0, 1: -10.0}
    for number, (low, high, height, end) in enumerate(facades):
        side = int(np.sign(low))
        view.box((low, 0, begin[side]), (high, height, end - 1.2),
                 ('brick', 'plaster')[number % 2])
        begin[side] = end
    for x, y, z in LAMPS:
        post = x + np.sign(x)
        view.limb((post, 0, z), (post, y + 0.1, z), 0.07, 'post')
        view.limb((post, y + 0.1, z), (x, y + 0.1, z), 0.05, 'post')
        view.ball((x, y, z), (0.22, 0.08, 0.16), 'lamp')
    for x, z in ((5.2, 17.0), (5.3, 37.0), (-5.3, 29.0)):
        view.limb((x, 0, z), (x, 2.4, z), 0.11, 'post')
        for dx, dy, dz in ((0, 3.4, 0), (0.5, 2.9, 0.3), (-0.5, 3.0, -0.2), (0.1, 2.8, -0.6)):
            view.ball((x + dx, dy, z + dz), (0.85, 0.8, 0.85), 'leaves')
    draw_car(view, 4.75, 22.0, 'red car')
    draw_car(view, -4.6, 34.0, 'blue car')
    draw_person(view, 4.9 - 0.8 * time, 30.0, 6.2 * time, -1.0)
    draw_person(view, -4.9, 23.5 - 0.25 * time, 4.0 * time, 0.0)
    draw_person(view, 5.6, 33.0 - 0.9 * time, 5.6 * time + 1, 0.0)
    return view


def add_windows(view: View) -> np.ndarray:
    """Put windows into the walls; returns the materials."""
    x, y, z = np.moveaxis(view.points(), 2, 0)
    material = view.material.copy()
    along = np.where(np.abs(view.normal[..., 0]) > 0.5, z, x)
    column, row = np.floor(along / 2.6), np.floor((y - 0.6) / 2.9)
    wall = np.isin(material, [NAMES.index('brick'), NAMES.index('plaster')])
    window = wall & (along % 2.6 > 0.8) & (along % 2.6 < 2.0) & (
        (y - 0.6) % 2.9 > 0.6) & ((y - 0.6) % 2.9 < 2.1) & (y > 0.6)
    chance = np.abs(np.sin(12.9898 * column + 78.233 * row + 37.7 * np.sign(x)) * 43758.5) % 1
    material[window] = NAMES.index('dark window')
    material[window & (chance > 0.86)] = NAMES.index('lit window')
    return material


def photograph(view: View, noise: np.random.Generator) -> np.ndarray:
    """Return the colour camera's image, uint8 HxWx3 RGB."""
    material = add_windows(view)
    colour = np.float32([MATERIALS[name].colour for name in NAMES])[material]
    own = np.float32([MATERIALS[name].light for name in NAMES])[material]
    points = view.points()
    grain = 0.85 + 0.3 * _grain(points)[..., None]
    radiance = own + colour * grain * np.float32([0.006, 0.008, 0.013])
    length = np.linalg.norm(view.rays, axis=2)
    reach = view.depth * length
    for lamp in LAMPS:
        to = lamp - points
        distance = np.linalg.norm(to, axis=2)
        to /= distance[..., None]
        shade = np.clip(1.5 * to[..., 1], 0, 1) ** 2
        received = shade * np.maximum((to * view.normal).sum(2), 0) / (1 + distance ** 2)
        radiance += colour * grain * LAMP_POWER * received[..., None]
        # Haze: light scattered towards the camera along the ray.
        eye = view.eye - lamp
        nearest = -(view.rays @ eye) / length
        miss = np.sqrt(np.maximum(eye @ eye - nearest ** 2, 0.01))
        haze = (np.arctan((reach - nearest) / miss) + np.arctan(nearest / miss)) / miss
        radiance += 0.0002 * LAMP_POWER * haze[..., None]
    radiance += 0.25 * cv2.GaussianBlur(np.minimum(radiance, 4), (0, 0), 7)
    grey = 1 - np.exp(-2.4 * radiance)
    image = 255 * np.maximum(grey, 0) ** (1 / 2.2) + noise.normal(0, 2.2, radiance.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


def thermograph(view: View, noise: np.random.Generator) -> np.ndarray:
    """Return the thermal camera's image, uint8 HxW."""
    heat = np.float32([MATERIALS[name].heat for name in NAMES])[add_windows(view)]
    rays = view.rays / np.linalg.norm(view.rays, axis=2, keepdims=True)
    facing = np.abs((view.normal * rays).sum(2))
    heat = heat * np.where(view.material > 0, 0.86 + 0.14 * np.sqrt(facing), 1)
    heat = heat + np.where(view.material > 0, 14 * (_grain(view.points()) - 0.5), 0)
    heat = cv2.GaussianBlur(heat, (0, 0), 1.1) + noise.normal(0, 1.6, heat.shape)
    return np.clip(heat, 0, 255).astype(np.uint8)


def _grain(points: np.ndarray) -> np.ndarray:
    """Return a smooth irregular pattern over places, 0 to 1."""
    x, y, z = np.moveaxis(points, 2, 0)
    return 0.5 + 0.25 * (np.sin(1.7 * x + 2.3 * np.sin(0.9 * z) + 1.1 * y)
                         * np.sin(2.9 * z + 1.3 * np.sin(2.1 * x) + 2.7 * y)
                         + np.sin(7.1 * x + 3.0 * y) * np.sin(6.3 * z + 4.1 * y))


def frame(pipeline, time: float) -> np.ndarray:
    """Return the three panels of one time, uint8 HxWx3 RGB."""
    noise = np.random.default_rng(round(time * 1000))
    view = street(time)
    rgb, thermal = photograph(view, noise), thermograph(view, noise)
    result = pipeline.fuse(rgb, thermal, stamp_ns=int(time * 1e9))
    drawn = overlay(result.fused, result.mask, pipeline.backend.spec.palette, 0.35)
    panels = [cv2.resize(image, PANEL, interpolation=cv2.INTER_AREA)
              for image in (rgb, thermal, drawn)]
    return strip(panels, ('RGB', 'Thermal', 'Fused + mask'))


def main() -> None:
    """Write the picture to the path of the command line."""
    path = Path(sys.argv[1])
    pipeline = load()
    frames = [Image.fromarray(frame(pipeline, number / RATE)) for number in range(RATE * SECONDS)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=1000 // RATE, loop=0,
                   quality=85, method=4)
    print(f'{path}: {len(frames)} frames, {path.stat().st_size / 1e6:.2f} MB')


if __name__ == '__main__':
    main()
