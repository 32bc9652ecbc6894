"""Quality beside speed: a graph is judged as the backend that ships it runs it."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('torch')
pytest.importorskip('openvino')

import tradeoff  # noqa: E402

from train.data import Sample  # noqa: E402
from uaafusion_ros.engine import models  # noqa: E402
from uaafusion_ros.engine.loading import load_backend  # noqa: E402
from uaafusion_ros.engine.tensorrt import gate  # noqa: E402
from uaafusion_ros.evaluation.fusion_metrics import evaluate  # noqa: E402


def test_each_pair_is_fused_from_its_own_images():
    backend = load_backend(preset='fast', backend='openvino', threads=1)
    samples, rows = [], []
    for scene in gate.samples(64, 96)[:2]:
        answer = backend.infer(scene.rgb, scene.thermal)
        samples.append(Sample(scene.name, scene.rgb, scene.thermal, answer.mask))
        rows.append(evaluate(scene.thermal, tradeoff.gray(scene.rgb),
                             tradeoff.gray(answer.fused)))
    data, spec = models.load(*models.shipped('fast'))
    means, miou = tradeoff.quality(data, 'f32', samples, len(spec.classes), 1)
    assert miou == 1.0
    assert means == pytest.approx({
        name: np.mean([row[name] for row in rows]) for name in rows[0]})


def test_a_model_needs_a_name():
    assert tradeoff.named('old=a/b.onnx') == ('old', Path('a/b.onnx'))
    with pytest.raises(argparse.ArgumentTypeError, match='expected NAME=FILE'):
        tradeoff.named('a/b.onnx')
