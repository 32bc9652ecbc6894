"""
The tables of a benchmark's JSON file as Markdown, printed or put into docs/performance.md.

    python benchmarks/report.py bench_output/bench.json [--doc docs/performance.md]

With --doc, what stands between the two marks in that file is replaced.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
import json
from pathlib import Path
import sys
from typing import Any

import engine
import node
import scaling

BEGIN = '<!-- figures of the processor: begin -->'
END = '<!-- figures of the processor: end -->'
TITLES = (('engine', 'Engines alone', engine.table),
          ('node', 'Nodes end to end', node.table),
          ('scaling', 'Scaling', scaling.table))


def markdown(result: Mapping[str, Any]) -> str:
    """Return all tables with what they were measured on."""
    facts, plan = result['machine'], result['plan']
    lines = [
        f'{facts["processor"]}, {facts["cores"]} cores, load {facts["load_before"]:.1f} before; '
        f'{plan["threads"]} threads, {plan["size"][0]}x{plan["size"][1]}, thermal '
        f'{plan["thermal"]}, medians of {plan["runs"]} runs; configuration {result["config"]}, '
        f'model {result["model"]}.', '',
        ', '.join(f'{name} {version}' for name, version in result['versions'].items()) + '.']
    for key, title, table in TITLES:
        if key in result:
            part = result[key]
            lines += ['', f'### {title}', '',
                      f'Not measured: {part["error"]}' if 'error' in part else table(part)]
    return '\n'.join(lines)


def filled(text: str, tables: str) -> str:
    """Return a document with the tables between its marks; ValueError where these are missing."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f'the document needs the lines {BEGIN} and {END}, in this order')
    return f'{before}{BEGIN}\n\n{tables}\n\n{END}{after}'


def main(arguments: list[str] | None = None) -> int:
    """Print or fill in."""
    parser = argparse.ArgumentParser(prog='report', description=__doc__.strip().splitlines()[0])
    parser.add_argument('results', type=Path, help='bench.json')
    parser.add_argument('--doc', type=Path, help='file to put the tables into')
    options = parser.parse_args(arguments)
    tables = markdown(json.loads(options.results.read_text()))
    if options.doc:
        options.doc.write_text(filled(options.doc.read_text(), tables))
    else:
        print(tables)
    return 0


if __name__ == '__main__':
    sys.exit(main())
