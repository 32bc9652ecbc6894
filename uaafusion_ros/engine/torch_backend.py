"""PyTorch as a backend, for development machines: a training checkpoint runs without export."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from torch import Tensor
import torch.nn.functional as F

from uaafusion_ros.engine.contract import Backend
from uaafusion_ros.engine.contract import EngineOutput
from uaafusion_ros.engine.contract import ModelSpec
from uaafusion_ros.engine.contract import PerSize
from uaafusion_ros.engine.explanation import Explanation
from uaafusion_ros.engine.models import intact
from uaafusion_ros.errors import CheckpointError
from uaafusion_ros.errors import EngineError
from uaafusion_ros.network import checkpoint
from uaafusion_ros.network.build import make_fusion
from uaafusion_ros.network.build import make_segmenter
from uaafusion_ros.network.exact import fuse_exactly
from uaafusion_ros.network.guidance import Guidance
from uaafusion_ros.network.model import Deployed
from uaafusion_ros.network.model import Prediction
from uaafusion_ros.network.model import UAAFusion
from uaafusion_ros.network.presets import Preset
from uaafusion_ros.network.presets import preset

WHOLE = ('network', 'exact')  # parts of a checkpoint that fuse and segment
PRECISIONS = ('bf16', 'fp32')
# Its first runs choose convolution kernels and allocate.
WARM_UP = 5


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

    Raises CheckpointError, or ModelFileError where the file is missing or not of the `pinned`
    sha256.
    """
    _, digest = intact(path, pinned)
    tensors, meta = checkpoint.load(path)
    if meta.get('part') not in WHOLE:
        raise CheckpointError(f"{path}: holds a '{meta.get('part')}', not a whole network; give "
                              "the best.safetensors of a run of the phase 'joint' or 'exact'")
    spec = preset(meta['preset'])
    spec = replace(spec, classes=len(meta.get('classes', ())) or spec.classes,
                   weights=meta.get('weights', spec.weights))
    network = make_network(spec)
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
    *outputs, by_thermal, by_rgb, weight, targets = (tensor.numpy() for tensor in found[:7])
    return Explanation(
        EngineOutput(*outputs), by_thermal[0, 0], by_rgb[0, 0], weight[0, 0], targets[0, 0],
        np.stack([image[0, 0].numpy() for image in found[7:]]),
        'of the score' if isinstance(network, ExactNetwork) else 'nats')


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


class TorchSession:
    """
    A deployed network with buffers of its own; not for two threads at once.

    On a GPU the copies and the network are recorded as one CUDA graph, where the network allows
    it; `no_graph` says why not, or is empty.
    """

    def __init__(self, module: Deployed, height: int, width: int, device: torch.device,
                 precision: str) -> None:
        """Allocate and warm up; raises EngineError."""
        self._module, self._device = module, device
        self._half = precision == 'bf16'
        self._graph: torch.cuda.CUDAGraph | None = None
        self.no_graph = '' if device.type == 'cuda' else 'CUDA graphs need a GPU'
        on_gpu = device.type == 'cuda'
        with _reported(f'PyTorch cannot prepare {width}x{height}'):
            shapes = ((height, width, 3), (height, width))
            self._hosts = [torch.zeros(shape, dtype=torch.uint8, pin_memory=on_gpu)
                           for shape in shapes]
            self._results = [torch.zeros(shape, dtype=torch.uint8, pin_memory=on_gpu)
                             for shape in (*shapes, shapes[1])]
            if on_gpu:
                self._inputs = [host.to(device) for host in self._hosts]
                # One size for ever: cuDNN may try which convolution is the fastest.
                torch.backends.cudnn.benchmark = True
                self._stream = torch.cuda.Stream(device)
                self._stream.wait_stream(torch.cuda.current_stream(device))
                self._done = torch.cuda.Event(blocking=True)
                for _ in range(WARM_UP):
                    self._start()
                    self._done.synchronize()
                self._record()

    def run(self, rgb: np.ndarray, thermal: np.ndarray) -> list[np.ndarray]:
        """Run one pair; new arrays fused, mask, confidence. Raises EngineError."""
        with _reported('PyTorch failed'):
            for host, image in zip(self._hosts, (rgb, thermal)):
                np.copyto(host.numpy(), image)
            if self._device.type == 'cuda':
                self._start()
                self._done.synchronize()
            else:
                self._compute(self._hosts)
            return [result.numpy().copy() for result in self._results]

    def _start(self) -> None:
        with torch.cuda.stream(self._stream):
            if self._graph is None:
                self._enqueue()
            else:
                self._graph.replay()
            self._done.record()

    def _record(self) -> None:
        if isinstance(self._module.network, ExactNetwork):
            self.no_graph = 'exact attribution takes as many derivatives as it finds classes'
            return
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=self._stream,
                                  capture_error_mode='thread_local'):
                self._enqueue()
        except RuntimeError as error:
            cause = error.__context__ or error  # the end of a broken capture raises, too
            self.no_graph = str(cause).strip().splitlines()[0]
            torch.cuda.synchronize(self._device)
            return
        self._graph = graph

    def _enqueue(self) -> None:
        for target, host in zip(self._inputs, self._hosts):
            target.copy_(host, non_blocking=True)
        self._compute(self._inputs)

    def _compute(self, inputs: list[Tensor]) -> None:
        # Not inference_mode: exact attribution takes derivatives inside.
        with torch.no_grad(), torch.autocast(
                self._device.type, torch.bfloat16, enabled=self._half, cache_enabled=False):
            outputs = self._module(*inputs)
        for result, output in zip(self._results, outputs):
            result.copy_(output, non_blocking=True)


def deployed(network: UAAFusion | ExactNetwork, device: torch.device,
             precision: str) -> Deployed:
    """
    Return bytes in, bytes out on a device, for inference; `network` is moved and converted.

    precision: 'bf16' computes convolutions in bfloat16, 'fp32' in float32, which a GPU rounds to
    TF32 as PyTorch does by default. Raises EngineError for bf16 with exact attribution, whose
    derivatives are taken in float32.
    """
    if precision not in PRECISIONS:
        raise EngineError(f"precision '{precision}' is unknown to PyTorch's backend; known: "
                          f'{", ".join(PRECISIONS)}')
    if precision == 'bf16' and isinstance(network, ExactNetwork):
        raise EngineError(f"preset '{network.spec.name}' takes derivatives, which bfloat16 is too "
                          'coarse for; use precision fp32')
    network = network.eval().requires_grad_(False).to(
        device, memory_format=torch.channels_last)
    if precision == 'bf16':
        # What autocast would do in every run, and in every replay of a graph.
        for module in network.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
                module.bfloat16()
    return Deployed(network)


def make_network(spec: Preset) -> UAAFusion | ExactNetwork:
    """Return the network of a preset with fresh weights, whichever its attribution."""
    return ExactNetwork(spec) if spec.attribution == 'exact' else UAAFusion(spec)


class ExactNetwork(nn.Module):
    """A preset whose attribution needs autograd, with the signature of UAAFusion."""

    multiple = UAAFusion.multiple

    def __init__(self, spec: Preset) -> None:
        super().__init__()
        self.spec = spec
        self.fusion = make_fusion(spec)
        self.segmenter = make_segmenter(spec)

    def forward(self, thermal: Tensor, luma: Tensor,
                chroma: Tensor) -> tuple[Prediction, Guidance, Tensor]:
        """
        Return the fusion, what guided it, and the class logits (B, C, H, W) of the fused image.

        The guidance has the image's size: how much each source raises the score of a place's
        class by what it shows in the class's region, and no targets.
        """
        found = fuse_exactly(self.spec, self.fusion, self.segmenter, thermal, luma, chroma)
        fused = found.iterates[-1].clamp(0, 1)
        thermal_map, luma_map = (
            _spread(by_class, found.classes) for by_class in (found.thermal, found.luma))
        none = torch.zeros_like(found.w_thermal)
        guide = Guidance(thermal_map, luma_map, found.w_thermal, none, none)
        return (Prediction(fused, found.iterates, (thermal, luma)), guide,
                self.segmenter(fused, chroma))


def _spread(attributions: Tensor, classes: Tensor) -> Tensor:
    """Return the rectified sums over each class's region, at its places, (B, 1, H, W)."""
    sizes = F.one_hot(classes, attributions.shape[1]).sum(dim=(1, 2))
    sums = (attributions * sizes).clamp_min(0)  # a_c is the mean over the region
    return sums.gather(1, classes.flatten(1)).view_as(classes).unsqueeze(1)


@contextmanager
def _reported(what: str) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # out of memory is one, too
        text = str(error).strip() or type(error).__name__
        raise EngineError(f'{what}: {text.splitlines()[0]}') from error


def _described(path: Path, digest: str, network: UAAFusion | ExactNetwork,
               meta: dict) -> ModelSpec:
    """Return what a checkpoint says of itself; classes without names are numbered."""
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
