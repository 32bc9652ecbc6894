"""The GPU benchmark's arithmetic, which needs no GPU, and its answer where there is none."""

import importlib.util
import json
from pathlib import Path
import sys

import pytest

torch = pytest.importorskip('torch')

SOURCE = Path(__file__).parents[2] / 'benchmarks' / 'gpu.py'


@pytest.fixture(scope='module', autouse=True)
def one_thread():
    """On a busy machine two threads spend their time waiting for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope='module')
def gpu():
    spec = importlib.util.spec_from_file_location('benchmark_of_the_gpu', SOURCE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_a_convolution_is_counted_by_the_book(gpu):
    conv = torch.nn.Conv2d(3, 8, 3, padding=1, bias=False)
    cost = gpu.count(lambda: conv(torch.zeros(1, 3, 10, 20)), list(conv.parameters()))
    # 27 multiply-adds for each of 8 x 200 values; weights, input and output once each.
    assert cost.flops == 2 * 27 * 8 * 200
    assert cost.bytes == 4 * (8 * 27 + 3 * 200 + 8 * 200)
    assert cost.weights_bytes == 4 * 8 * 27


def test_groups_halves_and_products_are_counted(gpu):
    depthwise = torch.nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False).bfloat16()
    cost = gpu.count(lambda: depthwise(torch.zeros(1, 4, 8, 8).bfloat16()), [])
    assert (cost.flops, cost.bytes) == (2 * 9 * 4 * 64, 2 * (36 + 2 * 256))
    cost = gpu.count(lambda: torch.zeros(2, 3) @ torch.zeros(3, 5), [])
    assert (cost.flops, cost.bytes) == (2 * 2 * 3 * 5, 4 * (6 + 15 + 10))


def test_derivatives_are_counted(gpu):
    conv = torch.nn.Conv2d(3, 8, 3, padding=1, bias=False).requires_grad_(False)
    image = torch.zeros(1, 3, 10, 20, requires_grad=True)
    cost = gpu.count(lambda: torch.autograd.grad(conv(image).sum(), image), [])
    assert cost.flops == 2 * (2 * 27 * 8 * 200)


def test_each_operation_is_bound_by_its_own_limit(gpu):
    cost = gpu.Cost((gpu.Operation(100, 1), gpu.Operation(1, 100)), 0)
    assert cost.seconds(10, 10) == 20
    assert cost.seconds(100, 1) == 101


def test_percentiles_are_of_single_pairs(gpu):
    assert gpu.summary([i / 1e3 for i in range(1, 201)]) == {
        'p50_ms': 100.0, 'p99_ms': 198.0, 'mean_ms': 100.5, 'pairs': 200}


def test_one_failing_runtime_costs_no_other(gpu):
    def broken():
        raise ValueError('no')

    assert gpu.tried(broken) == {'error': 'ValueError: no'}


def test_the_table_holds_figures_and_reasons(gpu):
    runs = {'torch fast bf16': {'p50_ms': 1.5, 'p99_ms': 2.0, 'no_graph': '', 'gflop': 10.0,
                                'mbytes': 300.0, 'roofline_ms': 0.15, 'roofline_share': 0.1},
            'tensorrt fast fp16': {'error': 'EngineError: no'}}
    text = gpu.table({
        'machine': {'gpu': 'X', 'torch': '2', 'cuda': '13'}, 'size': '640x480', 'runs': runs,
        'rates': {'bf16': 1e12, 'fp32': 1e12, 'bytes': 1e12}})
    assert '| torch fast bf16 | 1.50 | 2.00 | 10.0 | 300.0 | 0.150 | 0.100 |' in text
    assert text.endswith('tensorrt fast fp16: EngineError: no')


def test_a_whole_run_on_the_processor_gives_what_the_report_needs(gpu):
    row = gpu.time_torch('fast', 'fp32', gpu.pair(32, 64), torch.device('cpu'), 0.01)
    cost = row.pop('cost')
    assert row['pairs'] >= 3
    assert cost.flops / 1e9 == row['gflop'] > 0.05
    assert 3e6 < cost.weights_bytes < 30e6
    json.dumps(row)


def test_a_report_is_written_run_by_run(gpu, monkeypatch, tmp_path, capsys):
    """Everything but the GPU: the clock of a pair and the rates are given."""
    monkeypatch.setattr(gpu.torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(gpu, 'peak_rates', lambda device: {
        'bf16': 100.0, 'fp16': 100.0, 'fp32': 10.0, 'bytes': 1e9})
    monkeypatch.setattr(gpu, 'machine', lambda device: {'gpu': 'X', 'torch': '2', 'cuda': '13'})
    monkeypatch.setattr(gpu, 'find_spec', lambda name: name != 'tensorrt')
    row = {'p50_ms': 2000.0, 'p99_ms': 3000.0, 'no_graph': ''}
    out = tmp_path / 'gpu.json'

    def in_torch(name, precision, *_):
        if name == 'paper':
            assert len(json.loads(out.read_text())['runs']) == 2
            raise RuntimeError('out of memory')
        return {**row, 'cost': gpu.Cost((gpu.Operation(100, 1),), 0)}

    monkeypatch.setattr(gpu, 'time_torch', in_torch)
    monkeypatch.setattr(gpu, 'time_tensorrt', lambda *_: dict(row))
    assert gpu.main(['--out', str(out)]) == 0
    runs = json.loads(out.read_text())['runs']
    assert runs['torch paper fp32'] == {'error': 'RuntimeError: out of memory'}
    assert runs['torch fast bf16']['roofline_share'] == 0.5
    assert runs['torch fast fp32']['roofline_share'] == 5.0
    assert runs['tensorrt_rtx fast fp16']['roofline_share'] == 0.5
    assert runs['tensorrt_rtx fast fp32']['roofline_share'] == 5.0
    assert 'torch paper fp32: RuntimeError' in capsys.readouterr().out


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU')
def test_without_a_gpu_it_says_so(gpu, capsys):
    assert gpu.main([]) == 2
    assert 'sees no CUDA GPU' in capsys.readouterr().err
