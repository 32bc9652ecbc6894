"""The picture of the README shows persons whom RGB alone hardly shows."""

import importlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from uaafusion_ros import load

DOCS = Path(__file__).parents[1] / 'docs'


def contrast(image, inside, ring):
    """Return how far the mean inside is from that of the surroundings, in gray levels."""
    gray = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return abs(float(gray[inside].mean()) - float(gray[ring].mean()))


def test_the_persons_are_dark_in_rgb_and_stand_out_in_what_is_fused(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    scene = importlib.import_module('night_street')
    view = scene.street(3.0)
    noise = np.random.default_rng(0)
    rgb, thermal = scene.photograph(view, noise), scene.thermograph(view, noise)
    pipeline = load(backend='onnxruntime')
    result = pipeline.fuse(rgb, thermal)
    persons = np.isin(view.material, [scene.NAMES.index(name) for name in ('coat', 'trousers')])
    around = cv2.dilate(persons.astype(np.uint8), np.ones((15, 15))) - cv2.dilate(
        persons.astype(np.uint8), np.ones((5, 5))) > 0
    found = result.mask[persons] == pipeline.backend.spec.classes.index('person')
    in_rgb = contrast(rgb, persons, around)
    assert in_rgb < 15 and contrast(result.fused, persons, around) > 5 * in_rgb
    assert found.mean() > 0.5


def test_it_moves_for_six_seconds_and_is_small():
    path = DOCS / 'images/night_street.webp'
    with Image.open(path) as picture:
        picture.seek(1)
        picture.load()
        assert picture.n_frames * picture.info['duration'] == 6000
    assert path.stat().st_size < 2.5e6
