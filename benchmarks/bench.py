"""
Run all benchmarks of the processor, print their tables and write one JSON file.

    python benchmarks/bench.py [--quick] [--out bench_output] [--only engine node scaling]
                               [--doc docs/performance.md]
    python benchmarks/bench.py --from bench_output/bench.json [--doc docs/performance.md]

Run it from the source tree, on an otherwise idle machine; it takes about twenty minutes, with
--quick one, which shows that everything runs and nothing else. OUT/bench.json holds every figure
with machine, versions, plan and a hash of the configuration; the second form prints an earlier
one. --doc puts the tables between the two marks of a document. The processes' logs are in OUT/log.
Exit code: 0, or 2 where a part cannot run here, which does not stop the others.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Mapping
import json
from pathlib import Path
import sys
from typing import Any
from typing import NamedTuple

from common import Plan
from common import provenance
from common import QUICK
import engine
import node

from uaafusion_ros.errors import UaafusionError
from uaafusion_ros.harness.processes import interrupt_on_termination

BEGIN = '<!-- figures of the processor: begin -->'
END = '<!-- figures of the processor: end -->'


class Part(NamedTuple):
    """A benchmark, its title, what measures and what prints it."""

    title: str
    measure: Callable[[Plan, Path], dict[str, Any]]
    table: Callable[[Mapping[str, Any]], str]


PARTS = {
    'engine': Part('Engines alone', lambda plan, _: engine.measure(plan), engine.table),
    'node': Part('Nodes end to end', node.measure, node.table),
    'scaling': Part('Scaling', node.measure_scaling, node.scaling_table)}


def run(plan: Plan, out: Path, parts: list[str]) -> dict[str, Any]:
    """Run the parts and write OUT/bench.json after each; return its content."""
    out.mkdir(parents=True, exist_ok=True)
    result = provenance(plan)
    for part in parts:
        print(f'{part} ...', file=sys.stderr, flush=True)
        try:
            result[part] = PARTS[part].measure(plan, out / 'log' / part)
        except UaafusionError as error:
            result[part] = {'error': str(error)}
        (out / 'bench.json').write_text(json.dumps(result, indent=1) + '\n')
    return result


def markdown(result: Mapping[str, Any]) -> str:
    """Return all tables with what they were measured on."""
    facts, plan = result['machine'], result['plan']
    lines = [
        f'{facts["processor"]}, {facts["cores"]} cores, load {facts["load_before"]:.1f} before; '
        f'{plan["threads"]} threads, {plan["size"][0]}x{plan["size"][1]}, thermal '
        f'{plan["thermal"]}, medians of {plan["runs"]} runs; configuration {result["config"]}, '
        f'model {result["model"]}.', '',
        ', '.join(f'{name} {version}' for name, version in result['versions'].items()) + '.']
    for key, part in PARTS.items():
        if key in result:
            lines += ['', f'### {part.title}', '',
                      f'Not measured: {result[key]["error"]}' if 'error' in result[key]
                      else part.table(result[key])]
    return '\n'.join(lines)


def fill(document: Path, tables: str) -> None:
    """Put the tables between the marks of a document; ValueError where these are missing."""
    before, begin, rest = document.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f'{document} needs the lines {BEGIN} and {END}, in this order')
    document.write_text(f'{before}{BEGIN}\n\n{tables}\n\n{END}{after}')


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog='bench', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--quick', action='store_true')
    parser.add_argument('--out', type=Path, default=Path('bench_output'))
    parser.add_argument('--only', nargs='+', choices=PARTS, default=list(PARTS))
    parser.add_argument('--from', type=Path, dest='earlier', metavar='FILE')
    parser.add_argument('--doc', type=Path)
    options = parser.parse_args(arguments)
    interrupt_on_termination()
    result = (json.loads(options.earlier.read_text()) if options.earlier
              else run(QUICK if options.quick else Plan(), options.out, options.only))
    tables = markdown(result)
    print(tables)
    if options.doc:
        fill(options.doc, tables)
    return 2 if any('error' in result.get(part, {}) for part in PARTS) else 0


if __name__ == '__main__':
    sys.exit(main())
