"""Measure what docs/results.md says and write it; run it from the source tree."""

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


def main(argv: list[str] | None = None) -> int:
    """Parse the command line, write the page, name what is missing."""
    parser = argparse.ArgumentParser(
        prog='python -m benchmarks.results', description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument('--data', type=Path, default=Path('../shared/data'),
                        help='folder with msrs/val, peers and roadscene')
    parser.add_argument('--study', type=Path, default=Path('runs/study'),
                        help='what `make study` wrote')
    parser.add_argument('--kept', type=Path, default=Path('results_output'),
                        help='folder for the images of paper, which take long')
    parser.add_argument('--out', type=Path, default=Path('docs/results.md'), help='the page')
    parser.add_argument('--fused', type=named_folder, action='append', default=[],
                        metavar='NAME=DIR', help='more fused images, named like the pairs')
    parser.add_argument('--pairs', type=int, metavar='N', default=None,
                        help='use only N pairs, spread evenly; the page says so')
    options = parser.parse_args(argv)
    places = Places(options.data, options.study, options.kept, tuple(options.fused))
    try:
        missing = write(places, options.out, options.pairs)
    except UaafusionError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    print(f'wrote {options.out}', *missing, sep='\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
