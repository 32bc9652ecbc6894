"""The engine benchmark runs every engine on the same pair and compares like with like."""

from __future__ import annotations

from dataclasses import replace

import common
import engine
import numpy as np
import pytest


def test_the_pair_is_a_real_one_of_the_asked_size():
    rgb, thermal = engine.pair((96, 64))
    assert (rgb.shape, rgb.dtype) == ((64, 96, 3), np.uint8)
    assert (thermal.shape, thermal.dtype) == ((64, 96), np.uint8)
    assert rgb.std() > 10 and thermal.std() > 10


def test_the_rate_is_compared_with_the_same_runtime(monkeypatch):
    times = {'fast, openvino f32': 10.0, 'fast, onnxruntime f32': 40.0,
             'seafusion shape, openvino f32': 120.0}
    monkeypatch.setattr(engine, 'shipped_presets', lambda: ['fast'])
    monkeypatch.setattr(engine, 'ours', lambda *_: {
        name: None for name in times if name.startswith('fast')})
    monkeypatch.setattr(engine, 'peers', lambda *_: {'seafusion shape, openvino f32': None})
    monkeypatch.setattr(engine, 'rounds', lambda turns, count: {
        name: {'p50_ms': times[name], 'p95_ms': 2 * times[name], 'cpu_ms': 1.0} for name in turns})
    result = engine.measure(common.QUICK)
    assert result['rate_over_peer'] == {
        'fast, openvino f32': {'median': 12.0, 'low': 12.0, 'high': 12.0}}
    text = engine.table(result)
    assert '| fast, openvino f32 | 10.0 | 20.0 | 1.0 | 100.0 | 12.0 (12.0 to 12.0) |' in text
    assert '| fast, onnxruntime f32 | 40.0 | 80.0 | 1.0 | 25.0 | |' in text


@pytest.mark.slow
def test_every_installed_engine_runs():
    """A warm-up and one round each; the variant in another precision answers like the shipped."""
    pytest.importorskip('torch')
    plan = replace(common.QUICK, size=(96, 64), threads=1, rounds=1)
    result = engine.measure(plan)
    assert {'fast, onnxruntime f32', 'fast, torch eager f32',
            'seafusion shape, onnxruntime f32'} <= result['engines'].keys()
    assert 'fast, onnxruntime f32' in result['rate_over_peer']
    assert engine.table(result).count('\n') == len(result['engines']) + 1


def test_a_variant_of_openvino_answers_like_the_shipped_backend():
    pytest.importorskip('openvino')
    rgb, thermal = engine.pair((96, 64))
    data, _ = engine.models.load(*engine.models.shipped('fast'))
    variant = engine.openvino_graph(data, {'rgb': rgb, 'thermal': thermal},
                                    tuple(engine.models.OUTPUTS), 'f32', 1)
    fused, mask, _ = variant()
    expected = engine.load_backend(backend='openvino', threads=1).infer(rgb, thermal)
    assert np.abs(fused.astype(int) - expected.fused).max() <= 1
    assert (mask == expected.mask).mean() > 0.999
