"""PyTorch as a backend, for development machines: a training checkpoint runs without export."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import torch

from uaafusion_ros.engine.backend import Backend
from uaafusion_ros.engine.models import ModelSpec
from uaafusion_ros.engine.sizes import PerSize
from uaafusion_ros.engine.torch_session import deployed
from uaafusion_ros.engine.torch_session import ExactNetwork
from uaafusion_ros.engine.torch_session import make_network
from uaafusion_ros.engine.torch_session import TorchSession
from uaafusion_ros.errors import CheckpointError
from uaafusion_ros.network import checkpoint
from uaafusion_ros.network.model import UAAFusion
from uaafusion_ros.network.presets import preset


def load(path: Path, device: str = '', precision: str = '') -> TorchBackend:
    """
    Return PyTorch for a checkpoint of a whole network, as `python -m train` writes it.

    device: 'cuda' or 'cpu', '' = a GPU where PyTorch sees one. precision: 'bf16' or 'fp32', '' =
    bf16 on a GPU where the preset allows it. The network runs as it was trained: without the
    correction of class priors that the export makes, so rare classes spill over. Raises
    CheckpointError or EngineError.
    """
    tensors, meta = checkpoint.load(path)
    if meta.get('part') != 'network':
        raise CheckpointError(f"{path}: holds a '{meta.get('part')}', not a whole network; give "
                              "the best.safetensors of a run of the phase 'joint'")
    network = make_network(preset(meta['preset']))
    checkpoint.put(network, tensors, path, meta['preset'])
    spec = _described(path, network, meta)
    where = torch.device(device or ('cuda' if torch.cuda.is_available() else 'cpu'))
    half = where.type == 'cuda' and not isinstance(network, ExactNetwork)
    return TorchBackend(network, spec, where, precision or ('bf16' if half else 'fp32'))


class TorchBackend(Backend):
    """Runs a network of this package on PyTorch, channels last."""

    def __init__(self, network: UAAFusion | ExactNetwork, spec: ModelSpec, device: torch.device,
                 precision: str) -> None:
        super().__init__(spec, f'torch {torch.__version__} on {_device_name(device)}, {precision}')
        self.choice = 'asked for'
        module = deployed(network, device, precision)

        def opened(height: int, width: int) -> TorchSession:
            session = TorchSession(module, height, width, device, precision)
            if session.no_graph:
                self._note(f'no CUDA graph: {session.no_graph}')
            return session

        self._sessions = PerSize(opened)

    def _run(self, rgb: np.ndarray, thermal: np.ndarray) -> list[np.ndarray]:
        return self._sessions.get(*thermal.shape).run(rgb, thermal)

    def close(self) -> None:
        """Free the buffers and recorded graphs."""
        self._sessions.clear()


def _described(path: Path, network: UAAFusion | ExactNetwork, meta: dict) -> ModelSpec:
    """Return what a checkpoint says of itself; it knows its classes by number alone."""
    count = network.spec.classes
    hues = np.zeros((1, count, 3), np.uint8)
    hues[..., 0] = np.arange(count) * 180 // count
    hues[:, 1:, 1:] = 255
    palette = cv2.cvtColor(hues, cv2.COLOR_HSV2RGB)[0]
    return ModelSpec(path, hashlib.sha256(path.read_bytes()).hexdigest(), meta['preset'],
                     tuple(f'class {number}' for number in range(count)), palette,
                     network.multiple)


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == 'cuda' else 'the processor'
