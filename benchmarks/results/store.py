"""
What takes long to compute, kept in a folder: fused images, masks, rows of metrics.

Nothing here expires. Images are asked for by a key that names all they depend on (`key_of`), rows
of metrics by the images themselves and the evaluator's source.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
import hashlib
import json
from pathlib import Path

import cv2
import numpy as np

from uaafusion_ros import network
from uaafusion_ros.evaluation import fusion_metrics
from uaafusion_ros.evaluation.fusion_metrics import evaluate


# Read when the code itself is, so that a file edited during a run does not pass for what ran.
_SOURCES = b''.join(path.read_bytes()
                    for path in sorted(Path(network.__file__).parent.glob('*.py')))
_EVALUATOR = Path(fusion_metrics.__file__).read_bytes()


def key_of(weights: Path, variant: str) -> str:
    """Return a folder name for what `variant` of these weights and this source code computes."""
    digest = hashlib.sha256(weights.read_bytes() + _SOURCES)
    return f'{digest.hexdigest()[:16]}_{variant}'


class Store:
    """A folder of kept results; `root` is made when the first of them is written."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def images(self, key: str, name: str, parts: Sequence[str],
               compute: Callable[[], Sequence[np.ndarray]]) -> list[np.ndarray]:
        """
        Return one image per part, gray or RGB, uint8 or uint16, computed where one is not kept.

        They lie in `key`/`part`/`name`.png and come back bit for bit.
        """
        paths = [self.root / key / part / f'{name}.png' for part in parts]
        found = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) if path.is_file() else None
                 for path in paths]
        if any(image is None for image in found):
            found = [_reordered(image) for image in compute()]
            for path, image in zip(paths, found, strict=True):
                path.parent.mkdir(parents=True, exist_ok=True)
                partial = path.with_suffix('.partial.png')
                cv2.imwrite(str(partial), image)
                partial.replace(path)
        return [_reordered(image) for image in found]

    def metrics(self, thermal: np.ndarray, luma: np.ndarray,
                fused: np.ndarray) -> dict[str, float]:
        """Return all fusion metrics of one gray uint8 image and its sources."""
        digest = hashlib.sha256(_EVALUATOR)
        for image in (thermal, luma, fused):
            digest.update(np.ascontiguousarray(image))
        path = self.root / 'metrics' / f'{digest.hexdigest()[:32]}.json'
        if path.is_file():
            return json.loads(path.read_text())
        row = evaluate(thermal, luma, fused)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix('.partial')
        partial.write_text(json.dumps(row))
        partial.replace(path)
        return row


def _reordered(image: np.ndarray) -> np.ndarray:
    """Swap red and blue, which OpenCV keeps the other way round."""
    return image if image.ndim == 2 else np.ascontiguousarray(image[..., ::-1])
