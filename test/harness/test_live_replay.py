"""A bag played into the real node is judged by what the node published."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from uaafusion_ros.cli.main import main
from uaafusion_ros.engine.loading import load_backend
from uaafusion_ros.evaluation.bags import BagWriter
from uaafusion_ros.evaluation.bags import read_images
from uaafusion_ros.harness.pictures import STILLS

pytest.importorskip('rclpy')

START_NS = 1_700_000_000_123_456_789


def still(camera: str) -> np.ndarray:
    image = cv2.imread(str(STILLS / camera / '11.png'), cv2.IMREAD_GRAYSCALE)
    return cv2.resize(image[:288, :384], (96, 72))


def write(path: Path) -> Path:
    """Write 12 pairs, thermal raw and RGB compressed, under names the node does not know."""
    with BagWriter(path) as bag:
        for number in range(12):
            stamp = START_NS + number * 200_000_000
            data = cv2.imencode('.png', still('rgb'))[1].tobytes()
            bag.add_compressed('/left/color/compressed', data, 'mono8; png', stamp, 'left')
            bag.add_image('/left/lwir', still('thermal'), 'mono8', stamp + 1_000_000, 'lwir')
    return path


@pytest.mark.ros
@pytest.mark.slow
def test_the_real_node_is_played_and_judged(tmp_path, capsys):
    bag, out = write(tmp_path / 'drive'), tmp_path / 'out'
    code = main(['replay', str(bag), '--out', str(out), '--live', '--rate', '2', '--backend',
                 'onnxruntime', '--threads', '1', '--metrics-every', '1'])
    assert code == 0, capsys.readouterr()
    metrics = json.loads((out / 'drive' / 'metrics.json').read_text())
    fused = len(metrics['frames'])
    assert 6 <= fused <= 12  # a loaded machine loses some
    assert metrics['counts']['dropped.pair.not_published'] == 12 - fused
    assert metrics['inputs']['model']['backend'] == 'live'
    assert metrics['summary']['Qabf']['n'] == fused
    timing = json.loads((out / 'drive' / 'timing.json').read_text())
    assert timing['stages']['end_to_end']['n'] == fused
    assert 0 < timing['stages']['end_to_end']['p50'] < 5000
    backend = load_backend(backend='onnxruntime', threads=1)
    rgb = np.repeat(still('rgb')[..., None], 3, axis=2)
    expected = backend.infer(rgb, still('thermal')).fused
    image = next(frame for topic, _, frame in read_images(out / 'drive' / 'output.mcap')
                 if topic == '/fused/image')
    assert np.array_equal(image.array, expected) and image.frame_id == 'left'
    assert not (out / 'drive' / 'live' / 'bag_in').exists()
