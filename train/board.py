"""TensorBoard files: scalars and pictures of a run, for people to watch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tensorboardX import SummaryWriter

from uaafusion_ros.evaluation.contact_sheet import strip


class Board:
    """Writes to `folder`; what an earlier process wrote there from step `start` on is hidden."""

    def __init__(self, folder: Path, start: int) -> None:
        self._writer = SummaryWriter(str(folder), purge_step=start, flush_secs=10)

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Add one point to the curve of each name."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def pictures(self, step: int, name: str, images: dict[str, np.ndarray]) -> None:
        """Add a strip of images (uint8, HxW or HxWx3 RGB, one size) under their titles."""
        self._writer.add_image(
            name, strip(list(images.values()), list(images)), step, dataformats='HWC')

    def close(self) -> None:
        """Write what is still on its way; a process that is killed loses ten seconds of it."""
        self._writer.close()
