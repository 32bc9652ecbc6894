"""Pairs with what a method makes of them, to look at: no metric tells of an artefact."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence

import cv2
import numpy as np

from benchmarks.results.methods import Method
from train.data import Sample
from uaafusion_ros.evaluation.contact_sheet import contact_sheet
from uaafusion_ros.evaluation.contact_sheet import Key
from uaafusion_ros.evaluation.contact_sheet import Row
from uaafusion_ros.imaging.color import overlay

COLUMNS = (('thermal', ''), ('rgb', ''), ('fused', ''), ('classes', ''))
WIDTH = 272
CREDIT = 'images: MSRS (L. Tang et al., PIAFusion, 2022), shrunk'


def sheet(method: Method, samples: Sequence[Sample], palette: Mapping[str, tuple[int, int, int]],
          title: str) -> np.ndarray:
    """
    Return the figure, uint8 HxWx3, of an even number of MSRS pairs, two in a row.

    The method sees each pair whole; what is drawn is shrunk to `WIDTH` pixels.
    """
    colours = np.array(list(palette.values()), np.uint8)
    cells = []
    for sample in samples:
        fused, mask = method.fuse(sample)
        drawn = overlay(fused, mask, colours, 0.6)
        height = WIDTH * sample.thermal.shape[0] // sample.thermal.shape[1]
        cells.append([cv2.resize(image, (WIDTH, height), interpolation=cv2.INTER_AREA)
                      for image in (sample.thermal, sample.rgb, fused, drawn)])
    rows = [Row((*cells[k], *cells[k + 1]),
                f'{samples[k].name} (left), {samples[k + 1].name} (right)')
            for k in range(0, len(cells) - 1, 2)]
    legend = [Key(tuple(colour), name) for name, colour in palette.items()]
    return contact_sheet(title, COLUMNS * 2, rows, legend,
                         [f'{CREDIT}; model: {method.weights[:12]}'])
