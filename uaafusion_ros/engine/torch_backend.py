"""PyTorch as a backend, for development machines: a training checkpoint runs without export."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from uaafusion_ros.engine.backend import Backend
from uaafusion_ros.engine.backend import EngineOutput
from uaafusion_ros.engine.explanation import Explanation
from uaafusion_ros.engine.models import intact
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

WHOLE = ('network', 'exact')  # parts of a checkpoint that fuse and segment


def load(path: Path, device: str = '', precision: str = '',
         pinned: str | None = None) -> TorchBackend:
    """
    Return PyTorch for a checkpoint of a whole network, as `python -m train` writes it.

    device: 'cuda' or 'cpu', '' = a GPU where PyTorch sees one. precision: 'bf16' or 'fp32', '' =
    bf16 on a GPU where the preset allows it. Raises what `read` raises, or EngineError.
    """
    network, spec = read(path, pinned)
    where = torch.device(device or ('cuda' if torch.cuda.is_available() else 'cpu'))
    half = where.type == 'cuda' and not isinstance(network, ExactNetwork)
    return TorchBackend(network, spec, where, precision or ('bf16' if half else 'fp32'))


def read(path: Path, pinned: str | None = None) -> tuple[UAAFusion | ExactNetwork, ModelSpec]:
    """
    Return the network of a checkpoint of the phases 'joint' or 'exact' and its description.

    It is as it was trained: without the correction of class priors that the export makes, so rare
    classes spill over. Raises CheckpointError, or ModelFileError where the file is missing or not
    of the `pinned` sha256.
    """
    _, digest = intact(path, pinned)
    tensors, meta = checkpoint.load(path)
    if meta.get('part') not in WHOLE:
        raise CheckpointError(f"{path}: holds a '{meta.get('part')}', not a whole network; give "
                              "the best.safetensors of a run of the phase 'joint' or 'exact'")
    network = make_network(preset(meta['preset']))
    checkpoint.put(network, tensors, path, meta['preset'])
    return network.eval().requires_grad_(False), _described(path, digest, network, meta)


def explain(network: UAAFusion | ExactNetwork, rgb: np.ndarray,
            thermal: np.ndarray) -> Explanation:
    """
    Run a network on the processor; return its outputs and what led to them.

    rgb: uint8 HxWx3; thermal: uint8 HxW; H and W fit the network's multiple. With exact
    attribution VGA images take a minute.
    """
    # Not inference_mode: exact attribution takes derivatives inside.
    with torch.no_grad():
        found = deployed(network, torch.device('cpu'), 'fp32').explained(
            torch.from_numpy(rgb), torch.from_numpy(thermal))
    fused, mask, confidence, by_thermal, by_rgb, weight, maps, *iterates = (
        tensor.numpy() for tensor in found)
    return Explanation(
        EngineOutput(fused, mask, confidence), by_thermal[0], by_rgb[0], weight[0, 0], maps[0],
        np.stack([image[0, 0] for image in iterates]))


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


def _described(path: Path, digest: str, network: UAAFusion | ExactNetwork,
               meta: dict) -> ModelSpec:
    """Return what a checkpoint says of itself; one of 'joint' knows its classes by number."""
    count = network.spec.classes
    if 'palette' in meta:
        names, palette = meta['classes'], np.array(meta['palette'], np.uint8)
    else:
        names = [f'class {number}' for number in range(count)]
        hues = np.zeros((1, count, 3), np.uint8)
        hues[..., 0] = np.arange(count) * 180 // count
        hues[:, 1:, 1:] = 255
        palette = cv2.cvtColor(hues, cv2.COLOR_HSV2RGB)[0]
    return ModelSpec(path, digest, meta['preset'], tuple(names), palette, network.multiple)


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == 'cuda' else 'the processor'
