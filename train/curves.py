"""
Curves of finished runs from their log.csv: `python -m train.curves OUT.png LOG.csv [...]`.

One column per run: the training loss above, what was measured on the validation pairs below.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
import sys

from matplotlib.axes import Axes
from matplotlib.figure import Figure
import numpy as np

from uaafusion_ros.errors import DatasetError
from uaafusion_ros.errors import UaafusionError

SMOOTH = 15  # logged values, ten steps apart

Curve = dict[int, float]


def read_log(path: Path) -> dict[str, Curve]:
    """
    Return {name: {step: value}} of a log, the later value where a resumed run wrote a step again.

    Raises DatasetError naming the file where it is missing or no such log.
    """
    if not path.is_file():
        raise DatasetError(f'{path}: no such log; a run writes log.csv into its folder')
    curves: dict[str, Curve] = {}
    try:
        with path.open(newline='') as file:
            for row in csv.DictReader(file):
                curves.setdefault(row['name'], {})[int(row['step'])] = float(row['value'])
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(f'{path}: not a log of step, name, value ({error})') from error
    if 'loss' not in curves:
        raise DatasetError(f"{path}: holds no 'loss'; give the log.csv of a run")
    return {name: dict(sorted(curve.items())) for name, curve in curves.items()}


def draw(logs: dict[str, dict[str, Curve]]) -> Figure:
    """Return the figure of runs by title."""
    figure = Figure(figsize=(4.2 * len(logs), 5.4), layout='constrained')
    grid = figure.subplots(2, len(logs), squeeze=False, sharex='col')
    for (title, curves), (above, below) in zip(logs.items(), grid.T):
        steps, values = (np.array(list(part)) for part in
                         (curves['loss'].keys(), curves['loss'].values()))
        above.plot(steps, values, color='0.8', linewidth=0.8)
        above.plot(steps, _running(values, SMOOTH), color='tab:blue', label='loss')
        above.set(title=title, yscale='log')
        above.legend(frameon=False)
        measured = {name.removeprefix('val_'): curve
                    for name, curve in curves.items() if name.startswith('val_')}
        _measures(below, measured)
        for axes in (above, below):
            axes.grid(alpha=0.3)
    grid[0, 0].set_ylabel('training loss')
    grid[1, 0].set_ylabel('validation')
    return figure


def _measures(axes: Axes, curves: dict[str, Curve]) -> None:
    """Draw shares of one; where there are errors too, these have an axis of their own."""
    shares = [name for name in curves if name.startswith('miou')]
    other = axes.twinx() if shares and len(shares) < len(curves) else axes
    lines = [(axes if name in shares else other).plot(
        list(curve), list(curve.values()), marker='o', markersize=3, color=f'C{number}',
        label=name if name in shares or other is axes else f'{name} (right)')[0]
        for number, (name, curve) in enumerate(curves.items())]
    axes.set(xlabel='step')
    if lines:
        axes.legend(handles=lines, frameon=False, fontsize='x-small', ncols=2,
                    loc='upper center', bbox_to_anchor=(0.5, -0.2))


def _running(values: np.ndarray, width: int) -> np.ndarray:
    """Return the mean of up to `width` values about each."""
    window = np.ones(min(width, values.size))
    return (np.convolve(values, window, 'same')
            / np.convolve(np.ones(values.size), window, 'same'))


def main(argv: list[str] | None = None) -> int:
    """Draw and return the exit code."""
    parser = argparse.ArgumentParser(prog='python -m train.curves', description=__doc__)
    parser.add_argument('out', type=Path)
    parser.add_argument('logs', type=Path, nargs='+')
    args = parser.parse_args(argv)
    try:
        # The log of a run that is still in its folder is named after the folder.
        logs = {path.parent.name if path.stem == 'log' else path.stem: read_log(path)
                for path in args.logs}
    except UaafusionError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    draw(logs).savefig(args.out, dpi=100)
    print(f'wrote {args.out}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
