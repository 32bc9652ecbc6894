"""The results of a replay as one MCAP file, for rviz2 and Foxglove."""

from __future__ import annotations

from pathlib import Path
import shutil

import numpy as np

from uaafusion_ros.evaluation.bags import BagWriter
from uaafusion_ros.evaluation.bags import info_size
from uaafusion_ros.evaluation.bags import RELIABLE_QOS
from uaafusion_ros.frames import Frame
from uaafusion_ros.frames import FusionResult

FUSED = '/fused/image'
MASK = '/segmentation/mask'
OVERLAY = '/segmentation/overlay'
INFO = '/fused/camera_info'


class Recording:
    """
    Writes the topics that the node would publish, with its stamps, into one file.

    A context manager; the file appears when it is left without an exception. The messages lie in
    zstd chunks and are logged at their stamps.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._folder = path.parent / f'.{path.stem}'

    def __enter__(self) -> Recording:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._bag = BagWriter(self._folder, RELIABLE_QOS, zstd=True)
        self._bag.__enter__()
        return self

    def __exit__(self, *exception) -> None:
        self._bag.__exit__(*exception)
        if exception[0] is None:
            # An MCAP file has its own index; the folder around it adds nothing to one file.
            next(self._folder.glob('*.mcap')).replace(self._path)
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, reference: Frame, result: FusionResult, overlay: np.ndarray,
            info: bytes | None) -> None:
        """
        Write one result with the stamp and frame_id of the `reference` frame.

        `info` is the reference camera's serialised CameraInfo; it is left out where its size is
        not that of the fused image.
        """
        header = reference.stamp_ns, reference.frame_id
        self._bag.add_image(FUSED, result.fused, 'rgb8', *header)
        self._bag.add_image(MASK, result.mask, 'mono8', *header)
        self._bag.add_image(OVERLAY, overlay, 'rgb8', *header)
        if info is not None and info_size(info) == result.mask.shape:
            self._bag.add_info_again(INFO, info, *header)
