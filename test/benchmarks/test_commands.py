"""The benchmarks by their commands, as short as they can be: they run and say what they found."""

from __future__ import annotations

import json
import os
from pathlib import Path
import subprocess
import sys

import pytest

pytest.importorskip('tabulate')
ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: object) -> subprocess.CompletedProcess:
    """Run a benchmark from the source tree."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, 'PYTHONPATH': str(ROOT)}, timeout=400)


def rows(text: str, first: str) -> list[list[str]]:
    """Return the cells of the lines of a table that begin with `first`."""
    return [[cell.strip() for cell in line.strip('|').split('|')]
            for line in text.splitlines() if line.startswith(f'| {first}')]


@pytest.mark.ros
@pytest.mark.slow
def test_make_bench_fills_tables_and_the_document(tmp_path):
    """Every engine and every kind of node is measured; what was measured prints again."""
    for package in ('torch', 'openvino', 'rosbags'):
        pytest.importorskip(package)
    bench = ROOT / 'benchmarks/bench.py'
    done = run(bench, '--quick', '--out', tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((tmp_path / 'bench.json').read_text())
    engines = result['engine']['engines']
    assert {'fast, onnxruntime f32', 'fast, openvino f32',
            'seafusion shape, onnxruntime f32'} <= engines.keys()
    assert all(0 < row['p50_ms'] <= row['p95_ms'] for row in engines.values())
    faster = result['engine']['rate_over_peer']['fast, onnxruntime f32']
    assert faster['median'] == pytest.approx(
        engines['seafusion shape, onnxruntime f32']['p50_ms']
        / engines['fast, onnxruntime f32']['p50_ms'])
    nodes = result['node']['rates']
    assert set(nodes) == {'shipped', 'plain, torch eager', 'shipped, constant engine',
                          'plain, constant engine'}
    for name, rates in nodes.items():
        row = rates['10']
        assert row['sent'] >= 10
        if name == 'plain, torch eager':
            continue  # which a busy machine may be too slow for in so short a time
        assert row['out'] >= 0.5 * row['sent'], (name, row)
        assert 0 < row['latency_ms']['p50'] < 5e3
        assert row['cpu_ms'] > 0 and row['memory_mb']['after'] > 10
    compared = result['node']['usual_over_ours']['without engine, 10 Hz']
    assert compared['median'] == pytest.approx(
        nodes['plain, constant engine']['10']['cpu_ms']
        / nodes['shipped, constant engine']['10']['cpu_ms'])
    assert result['node']['overload']['shipped']['capacity_hz'] > 0
    assert set(result['scaling']['sizes']) == {'96x64', '160x128'}
    assert [len(pairs) for pairs in result['scaling']['pairs'].values()] == [1, 2]
    shown, = rows(done.stdout, 'fast, onnxruntime f32')
    assert float(shown[1]) == round(engines['fast, onnxruntime f32']['p50_ms'], 1)
    assert len(rows(done.stdout, 'shipped, constant engine')) == 1
    assert result['versions']['python'] in done.stdout

    document = tmp_path / 'page.md'
    document.write_text('before\n<!-- figures of the processor: begin -->\nold\n'
                        '<!-- figures of the processor: end -->\nafter\n')
    again = run(bench, '--from', tmp_path / 'bench.json', '--doc', document)
    assert again.returncode == 0 and again.stdout == done.stdout
    text = document.read_text()
    assert again.stdout.strip() in text and 'old' not in text
    assert text.startswith('before\n') and text.endswith('\nafter\n')


def test_what_cannot_run_is_said_and_stops_nothing(tmp_path):
    """A part that failed is named in the report, and the exit code tells it."""
    record = {'machine': {'processor': 'X', 'cores': 2, 'load_before': 0.0},
              'plan': {'threads': 2, 'size': [64, 48], 'thermal': 'mono16', 'runs': 1},
              'config': 'c', 'model': 'm', 'versions': {'python': '3'},
              'node': {'error': 'no ROS here'}}
    (tmp_path / 'bench.json').write_text(json.dumps(record))
    done = run(ROOT / 'benchmarks/bench.py', '--from', tmp_path / 'bench.json')
    assert done.returncode == 2
    assert 'Not measured: no ROS here' in done.stdout


def test_sizes_that_differ_and_the_first_pair_are_timed():
    pytest.importorskip('openvino')
    done = run(ROOT / 'benchmarks/mixed_sizes.py', '--pairs', 3, '--backend', 'openvino')
    (mixed,) = rows(done.stdout, 'openvino')
    assert int(mixed[1]) == 3 and all(float(cell) > 0 for cell in mixed[2:])
    done = run(ROOT / 'benchmarks/first_pair.py', '--runs', 1, '--backend', 'openvino')
    cold, warm = rows(done.stdout, 'openvino')
    assert (cold[1], warm[1]) == ('empty', 'filled')
    assert 0 < float(warm[3]) < float(cold[3]), 'the second start compiled again'
