"""The section on fusion: all methods under one evaluator, and who wins."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence

from benchmarks.results.measure import measure
from benchmarks.results.measure import Measured
from benchmarks.results.methods import Method
from benchmarks.results.store import Store
from benchmarks.results.tables import fusion_table
from benchmarks.results.tables import segmentation_table
from benchmarks.results.tables import USUAL
from benchmarks.results.tables import wins_table
from train.data import Sample
from uaafusion_ros.errors import ParameterError
from uaafusion_ros.errors import UaafusionError


def measured(candidates: Mapping[str, Callable[[], Method]], samples: Sequence[Sample],
             classes: int, store: Store) -> tuple[dict[str, Measured], list[str], list[str]]:
    """
    Measure every method that can be had.

    Returns the figures by the methods' names, which of them are ours, and one sentence for each
    candidate that failed.
    """
    found: dict[str, Measured] = {}
    ours, missing = [], []
    for name, make in candidates.items():
        try:
            method = make()
            if method.name in found:
                raise ParameterError(f"two methods are called '{method.name}'; rename one")
            found[method.name] = measure(method, samples, classes, store)
        except UaafusionError as error:
            missing.append(not_measured(name, error))
        else:
            ours += [method.name] if method.ours else []
    return found, ours, missing


def section(found: Mapping[str, Measured], ours: Sequence[str],
            classes: Sequence[str]) -> list[str]:
    """Return the paragraphs: every metric, the wins, and the masks of those that have one."""
    means = {name: each.means for name, each in found.items()}
    counts = {name: each.counts for name, each in found.items() if each.counts is not None}
    text = [fusion_table(means)] if means else []
    if ours and len(means) > len(ours):
        text += [f'Better in how many of {", ".join(USUAL)}:', wins_table(means, ours)]
    if counts:
        text += ['IoU of their own masks in percent:', segmentation_table(counts, classes)]
    return text


def not_measured(name: str, error: UaafusionError) -> str:
    """Say in one sentence what could not be measured."""
    return f'Not measured: {name} ({error}).'
