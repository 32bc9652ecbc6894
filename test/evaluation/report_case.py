"""A replay's result made by hand, to try the pages on: numbers by formula, the demo's pictures."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np

import uaafusion_ros
from uaafusion_ros.evaluation.page import Sample
from uaafusion_ros.imaging.color import overlay

TNO = Path(uaafusion_ros.__file__).parent / 'data' / 'tno'
HASH = 'ab' * 32
START_NS = 1_790_000_000_123_456_789
MEASURES = {'VIF': 'up', 'Qabf': 'up', 'SSIM': 'up', 'MSE': 'down', 'flicker': 'down'}


def measured(frames: int = 60, status: str = 'complete', verdict: str = 'fail') -> dict:
    """Return metrics of the form that a replay writes; frame 7's VIF is not known."""
    rows = [row(n) for n in range(frames)]
    passed = verdict == 'pass'
    return {
        'schema': 1, 'version': '0.1.0', 'status': status,
        'problems': [] if status == 'complete' else [
            'the bag ends within a message: 60 of 75 pairs were read'],
        'verdict': verdict,
        'inputs': {
            'bag': {'name': 'night_2026_10_31', 'sha256': HASH, 'bytes': 123456789,
                    'storage': 'mcap'},
            'model': {'preset': 'fast', 'file': 'uaafusion_fast.onnx', 'sha256': HASH,
                      'precision': 'fp32', 'backend': 'openvino'},
            'config': {'sha256': HASH,
                       'values': {'sync': {'slop_ms': 20.0, 'reference': 'rgb'}, 'stride': None}},
            'topics': {'thermal': '/thermal/image_raw', 'rgb': '/rgb/image_raw', 'label': None},
        },
        'checks': [] if verdict == 'none' else [
            check('VIF', 'p05', 0.41, minimum=0.3, passed=True),
            check('flicker', 'p95', 0.09, maximum=0.1, passed=True),
            check('Qabf', 'mean', 0.44, minimum=0.4 if passed else 0.5, passed=passed),
            check('mIoU', 'mean', 0.6 if passed else None, minimum=0.5, passed=passed)],
        'counts': {'thermal': {'received': frames + 3, 'no_partner': 2}, 'pairs': frames,
                   'fused': frames, 'shown': 0},
        'modes': {'fused': 0.8, 'thermal_only': 0.2},
        'summary': {name: summary(rows, name) for name in MEASURES},
        'segmentation': {'miou': 0.52, 'macc': 0.61, 'classes': [
            {'name': 'unlabelled', 'iou': 0.97, 'pixels': 9_000_000},
            {'name': 'car', 'iou': 0.71, 'pixels': 400_000},
            {'name': 'person', 'iou': 0.4, 'pixels': 31_000},
            {'name': 'bump', 'iou': None, 'pixels': 0}]},
        'frames': rows,
        'samples': {'worst': [30, 31], 'best': [3, 50], 'spaced': [0, 20, 40, frames - 1]},
    }


def row(n: int) -> dict:
    """Return one frame of the metrics."""
    dip = math.exp(-((n - 30) / 4) ** 2)
    return {
        'index': n, 'stamp_ns': START_NS + n * 100_000_000, 'skew_ms': 3.0 * math.sin(n / 5),
        'mode': 'thermal_only' if 25 <= n < 37 else 'fused',
        'metrics': {
            'VIF': None if n == 7 else 0.6 + 0.05 * math.sin(n / 3) - 0.3 * dip,
            'Qabf': 0.5 + 0.03 * math.cos(n / 4) - 0.3 * dip,
            'SSIM': 0.9 - 0.001 * n, 'MSE': 900 + 400 * dip + 10 * math.sin(n),
            'flicker': 0.02 + 0.08 * dip},
        'fused_sha256': HASH, 'mask_sha256': HASH,
    }


def check(metric, statistic, value, minimum=None, maximum=None, passed=True) -> dict:
    """Return one check of the metrics."""
    return {'metric': metric, 'statistic': statistic, 'value': value, 'minimum': minimum,
            'maximum': maximum, 'passed': passed}


def summary(rows: list[dict], name: str) -> dict:
    """Summarise one measure as a replay does."""
    values = [r['metrics'][name] for r in rows if r['metrics'][name] is not None]
    p05, median, p95 = np.percentile(values, (5, 50, 95)).tolist()
    return {'mean': float(np.mean(values)), 'median': median, 'p05': p05, 'p95': p95,
            'min': min(values), 'max': max(values), 'n': len(values),
            'direction': MEASURES[name], 'unit': 'gray²' if name == 'MSE' else ''}


def timed() -> dict:
    """Return the timing of a replay."""
    stage = {'p50': 120.5, 'p95': 151.0, 'p99': 180.25, 'mean': 124.0, 'n': 60}
    return {'machine': {'cpu': 'two cores', 'cores': 2}, 'versions': {'python': '3.11.7'},
            'stages': {'read': stage, 'engine': stage}, 'overhead_share': 0.041,
            'frames_per_second': 7.4}


def samples(metrics: dict) -> list[Sample]:
    """Make the pictures that the metrics name; the fused one is the mean of both cameras."""
    scenes = sorted(path.stem for path in (TNO / 'rgb').glob('*.png'))
    palette = np.array([(0, 0, 0), (64, 0, 128), (240, 160, 0)], np.uint8)
    made = []
    for n, index in enumerate(sorted({i for group in metrics['samples'].values() for i in group})):
        name = f'{scenes[n % len(scenes)]}.png'
        rgb = cv2.cvtColor(cv2.imread(str(TNO / 'rgb' / name)), cv2.COLOR_BGR2RGB)
        thermal = cv2.imread(str(TNO / 'thermal' / name), cv2.IMREAD_GRAYSCALE)
        fused = cv2.addWeighted(rgb, 0.5, cv2.cvtColor(thermal, cv2.COLOR_GRAY2RGB), 0.5, 0)
        mask = (thermal > 200).astype(np.uint8)
        stamp_ns = metrics['frames'][index]['stamp_ns']
        made.append(Sample(index, stamp_ns, rgb, thermal, fused, overlay(fused, mask, palette)))
    return made
