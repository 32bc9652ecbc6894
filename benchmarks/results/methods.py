"""The fusion methods that are compared: from a pair to an image and, of some, a mask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace
import hashlib
from pathlib import Path

import cv2
import numpy as np
import torch

from train.data import Sample
from train.deploy import finished
from uaafusion_ros import network
from uaafusion_ros.engine.loading import load_backend
from uaafusion_ros.errors import DatasetError
from uaafusion_ros.errors import EngineError
from uaafusion_ros.network.model import Deployed
from uaafusion_ros.network.model import UAAFusion

Fused = tuple[np.ndarray, 'np.ndarray | None']


@dataclass(frozen=True)
class Method:
    """
    A name and how it fuses a pair: a gray or RGB uint8 image, and a mask or None.

    `ours` marks the methods whose wins over the others are counted.
    """

    name: str
    fuse: Callable[[Sample], Fused]
    ours: bool = False


def gray(image: np.ndarray) -> np.ndarray:
    """BT.601 luma of an RGB image; a gray one as it is."""
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


SOURCES = (Method('thermal', lambda sample: (sample.thermal, None)),
           Method('RGB', lambda sample: (sample.rgb, None)))
MEAN = Method('mean', lambda sample: (
    cv2.addWeighted(sample.thermal, 0.5, gray(sample.rgb), 0.5, 0), None))


def folder(name: str, path: Path, ours: bool = False) -> Method:
    """Images on disk, gray or colour, named like the pairs. Raises DatasetError."""
    if not path.is_dir():
        raise DatasetError(f"{path}: no such folder; it would hold the images of '{name}'")

    def fuse(sample: Sample) -> Fused:
        found = sorted(path.glob(f'{sample.name}.*'))
        image = cv2.imread(str(found[0]), cv2.IMREAD_ANYCOLOR) if found else None
        if image is None:
            raise DatasetError(
                f"{path / sample.name}.*: no readable image; '{name}' must hold one per pair")
        return image if image.ndim == 2 else np.ascontiguousarray(image[..., ::-1]), None
    return Method(name, fuse, ours)


def shipped(preset: str, classes: tuple[str, ...], backend: str = '') -> Method:
    """Return what ships of a preset, as the engine runs it; its masks must know `classes`."""
    engine = load_backend(preset=preset, **({'backend': backend} if backend else {}))
    if engine.spec.classes != classes:
        raise EngineError(f"preset '{preset}' knows the classes {engine.spec.classes}, the data "
                          f'set {classes}; its masks cannot be scored')

    def fuse(sample: Sample) -> Fused:
        output = engine.infer(sample.rgb, sample.thermal)
        return output.fused, output.mask
    return Method(f'uaafusion {preset}', fuse, ours=True)


def kept(method: Method, weights: Path, root: Path) -> Method:
    """Return a method that keeps its images in `root`, by its weights and the networks' source."""
    digest = hashlib.sha256(weights.read_bytes())
    for source in sorted(Path(network.__file__).parent.glob('*.py')):
        digest.update(source.read_bytes())

    def fuse(sample: Sample) -> Fused:
        path = root / digest.hexdigest()[:16] / f'{sample.name}.npz'
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix('.partial.npz')
            np.savez_compressed(partial, *method.fuse(sample))
            partial.replace(path)
        with np.load(path) as images:
            return images['arr_0'], images['arr_1']
    return replace(method, fuse=fuse)


def changed(name: str, weights: Path, change: Callable[[UAAFusion], object]) -> Method:
    """Return the network of a file after `change` to it, in PyTorch. Raises CheckpointError."""
    whole, _ = finished(weights)
    change(whole)
    graph = Deployed(whole)

    @torch.no_grad()
    def fuse(sample: Sample) -> Fused:
        image, mask, _ = graph(torch.from_numpy(sample.rgb), torch.from_numpy(sample.thermal))
        return image.numpy(), mask.numpy()
    return Method(name, fuse, ours=True)


def even_weights(whole: UAAFusion) -> None:
    """Weigh both sources alike and keep no target's contrast."""
    whole.spec = replace(whole.spec, weights='even')


def targets_off(whole: UAAFusion) -> None:
    """Keep no target's contrast."""
    whole.targets.zero_()


def memories_off(whole: UAAFusion) -> None:
    """Zero the long and the short memory from the second stage on."""
    def hook(module: torch.nn.Module, args: tuple) -> torch.Tensor:
        image, *memories = args[0].chunk(3, dim=1)
        return torch.cat((image, *map(torch.zeros_like, memories)), dim=1)
    for stage in whole.fusion.stages[1:]:
        stage.inject.register_forward_pre_hook(hook)
