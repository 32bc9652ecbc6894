"""
Registered thermal + RGB pairs on disk: what the rest of the training needs of `train.datasets`.

docs/datasets.md lists the data sets and the layout of one's own.
"""

from __future__ import annotations

from train.datasets.catalogue import LAYOUTS
from train.datasets.reader import Sample
from train.datasets.samples import class_counts
from train.datasets.samples import names_of
from train.datasets.samples import palette_of
from train.datasets.samples import read
from train.datasets.samples import read_all
from train.datasets.samples import split

__all__ = ['LAYOUTS', 'Sample', 'class_counts', 'names_of', 'palette_of', 'read', 'read_all',
           'split']
