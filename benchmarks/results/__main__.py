"""
Measure what docs/results.md says and write it.

Run it from the source tree: python -m benchmarks.results. What takes long is kept in a folder, so
that a second run is quick; what is missing is one sentence in the page.
"""

from __future__ import annotations

import argparse
from pathlib import Path
import sys

from benchmarks.results.page import Places
from benchmarks.results.page import write
from uaafusion_ros.errors import UaafusionError


def named_folder(text: str) -> tuple[str, Path]:
    """Parse NAME=DIR."""
    name, equals, path = text.partition('=')
    if not (name and equals and Path(path).is_dir()):
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=DIR with an existing folder")
    return name, Path(path)


def even(text: str) -> int:
    """Parse an even integer above 0: the sheets show two pairs in a row."""
    if not text.isdecimal() or int(text) == 0 or int(text) % 2:
        raise argparse.ArgumentTypeError(f"'{text}' is not an even integer above 0")
    return int(text)


def main(argv: list[str] | None = None) -> int:
    """Parse the command line, write the page."""
    parser = argparse.ArgumentParser(
        prog='python -m benchmarks.results', description=__doc__.strip().splitlines()[0])
    parser.add_argument('--data', type=Path, default=Path('../shared/data'),
                        help='folder with msrs/val, peers/ and tno/ (default: %(default)s)')
    parser.add_argument('--runs', type=Path, default=Path('runs'),
                        help='what train/configs write (default: %(default)s)')
    parser.add_argument('--paper', type=Path, default=Path('models/uaafusion_paper.safetensors'),
                        help='weights of the paper preset (default: %(default)s)')
    parser.add_argument('--kept', type=Path, default=Path('results_output'),
                        help='folder of what takes long (default: %(default)s)')
    parser.add_argument('--out', type=Path, default=Path('docs/results.md'),
                        help='the page; its figures go to images/ beside it '
                             '(default: %(default)s)')
    parser.add_argument('--fused', type=named_folder, action='append', default=[],
                        metavar='NAME=DIR', help='more fused images, named like the pairs')
    parser.add_argument('--pairs', type=even, metavar='N',
                        help='use only N pairs, spread evenly over the set; the page says so')
    options = parser.parse_args(argv)
    places = Places(options.data, options.runs, options.paper, options.kept,
                    tuple(options.fused))
    try:
        missing = write(places, options.out, options.pairs)
    except UaafusionError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    print(f'wrote {options.out}', *missing, sep='\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
