"""
Run all benchmarks of the processor, print their tables and write one JSON file.

    python benchmarks/bench.py [--quick] [--out bench_output] [--only engine node scaling]

Run it from the source tree, on an otherwise idle machine; it takes about twenty minutes, with
--quick one, which shows that everything runs and nothing else. OUT/bench.json holds every figure
with machine, versions, plan and a hash of the configuration; report.py writes its tables into
docs/performance.md. The processes' logs are in OUT/log. Exit code: 0, or 2 where a part cannot
run here, which does not stop the others.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
import json
from pathlib import Path
import sys
from typing import Any

from common import Plan
from common import provenance
from common import QUICK
import engine
import node
import report
import scaling

from uaafusion_ros.errors import UaafusionError

# node and scaling need nothing of ROS here; their processes do.
PARTS: dict[str, Callable[[Plan, Path], dict[str, Any]]] = {
    'engine': lambda plan, folder: engine.measure(plan),
    'node': lambda plan, folder: node.measure(plan, folder / 'node'),
    'scaling': lambda plan, folder: scaling.measure(plan, folder / 'scaling')}



def run(plan: Plan, out: Path, parts: list[str]) -> dict[str, Any]:
    """Run the parts and write OUT/bench.json after each; return its content."""
    out.mkdir(parents=True, exist_ok=True)
    result = provenance(plan)
    for part in parts:
        print(f'{part} ...', file=sys.stderr, flush=True)
        try:
            result[part] = PARTS[part](plan, out / 'log')
        except UaafusionError as error:
            result[part] = {'error': str(error)}
        (out / 'bench.json').write_text(json.dumps(result, indent=1) + '\n')
    return result


def main(arguments: list[str] | None = None) -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(
        prog='bench', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--quick', action='store_true')
    parser.add_argument('--out', type=Path, default=Path('bench_output'))
    parser.add_argument('--only', nargs='+', choices=PARTS, default=list(PARTS))
    options = parser.parse_args(arguments)
    result = run(QUICK if options.quick else Plan(), options.out, options.only)
    print(report.markdown(result))
    return 2 if any('error' in result[part] for part in options.only) else 0


if __name__ == '__main__':
    sys.exit(main())
