"""What every runtime keeps: bytes of two images in, bytes of three out, one graph per size."""

from __future__ import annotations

from abc import ABC
from abc import abstractmethod
from collections import deque
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Generic
from typing import TypeVar

import cv2
import numpy as np

from uaafusion_ros.engine.working_size import carried
from uaafusion_ros.engine.working_size import shrunk
from uaafusion_ros.engine.working_size import working_size
from uaafusion_ros.errors import EngineError

# Names and kinds of a deployed graph's images.
INPUTS = {'rgb': 'uint8 HxWx3', 'thermal': 'uint8 HxW'}
OUTPUTS = {'fused': 'uint8 HxWx3', 'mask': 'uint8 HxW', 'confidence': 'uint8 HxW'}
# Phase and share of the whole preparation (0 to 1); answers whether to go on.
Progress = Callable[[str, float], bool]
# Unread notes of a backend; older ones are forgotten.
NOTES = 32
# Graphs of a backend. A camera has one size; a second is for cameras that alternate in a replay.
KEPT = 2

Graph = TypeVar('Graph')


class BuildCancelled(EngineError):
    """A build was stopped because its progress callback said so."""


@dataclass(frozen=True)
class ModelSpec:
    """
    What a model file is.

    classes[i] is the name and palette[i] (uint8 Nx3 RGB) the colour of class id i; image sizes
    are padded to a multiple of `multiple`; sha256 is that of the file.
    """

    path: Path
    sha256: str
    preset: str
    classes: tuple[str, ...]
    palette: np.ndarray
    multiple: int

    def padded(self, height: int, width: int) -> tuple[int, int]:
        """Return the size that the graph runs an image of this size in."""
        unit = self.multiple
        return -(-height // unit) * unit, -(-width // unit) * unit


@dataclass(frozen=True)
class EngineOutput:
    """fused uint8 HxWx3 RGB, mask uint8 HxW class ids, confidence uint8 HxW (255 = certain)."""

    fused: np.ndarray
    mask: np.ndarray
    confidence: np.ndarray


class Backend(ABC):
    """
    A loaded model on one runtime; not for use by two threads at once.

    `name` is the runtime's, with its version; `choice` says why this one runs. `problem` is what
    is wrong now, `progress` what is being prepared and how far; both are empty most of the time,
    and any thread may read them. Much larger images than `working_size` (width, height) run on the
    graph made small, as engine/working_size.py says; `ran_at` is the size, padding included, that
    the last image ran in.
    """

    def __init__(self, spec: ModelSpec, name: str) -> None:
        self.spec = spec
        self.name = name
        self.choice = ''
        self.problem = ''
        self.progress = ''
        self.working_size = (0, 0)
        self.ran_at = ''
        self._notes: deque[str] = deque(maxlen=NOTES)

    def infer(self, rgb: np.ndarray, thermal: np.ndarray) -> EngineOutput:
        """
        Fuse and segment rgb uint8 HxWx3 and thermal uint8 HxW of one size.

        A size that is no multiple of the model's is padded at the right and bottom by repeating
        the border, and the outputs are cut back. Raises EngineError for anything else.
        """
        height, width = thermal.shape[:2]
        if (rgb.dtype != np.uint8 or thermal.dtype != np.uint8 or thermal.ndim != 2
                or rgb.shape != (height, width, 3) or 0 in thermal.shape):
            raise EngineError(f'rgb is {rgb.dtype} {rgb.shape}, thermal {thermal.dtype} '
                              f'{thermal.shape}; expected uint8 (H, W, 3) and uint8 (H, W)')
        padded = self.graph_size(height, width)
        self.ran_at = f'{padded[1]}x{padded[0]}'
        if padded != self.spec.padded(height, width):
            by_small = shrunk(rgb, padded), shrunk(thermal, padded)
            return EngineOutput(*carried(rgb, thermal, *by_small, self._run(*by_small)))
        if padded != (height, width):
            rgb, thermal = (
                cv2.copyMakeBorder(image, 0, padded[0] - height, 0, padded[1] - width,
                                   cv2.BORDER_REPLICATE) for image in (rgb, thermal))
        outputs = self._run(np.ascontiguousarray(rgb), np.ascontiguousarray(thermal))
        if padded != (height, width):
            outputs = [np.ascontiguousarray(array[:height, :width]) for array in outputs]
        return EngineOutput(*outputs)

    def graph_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the (height, width) that the graph runs an image of this size in."""
        small = working_size(height, width, self.working_size)
        return self.spec.padded(*small or (height, width))

    def ready(self, height: int, width: int) -> bool:
        """Say whether images of this size run without a long preparation."""
        return True

    def prepare(self, height: int, width: int, progress: Progress | None = None) -> None:
        """
        Compile for an image size, so that the first image finds all ready.

        Seconds on a processor; a TensorRT engine that has to be built takes minutes, tells
        `progress` about it, and stops with EngineError when that returns False. Another thread
        than the one that infers may call it where the class says so, as those of a node do.
        Raises EngineError.
        """
        self.infer(np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint8))

    def gpu_memory(self) -> tuple[int, int] | None:
        """
        Return the GPU's memory in bytes: what all programs use, and all there is.

        None on a processor, and while the GPU does not answer. Any thread may call.
        """
        return None

    def take_notes(self) -> list[str]:
        """Return what happened since the last call that a user should know, one sentence each."""
        notes: list[str] = []
        with suppress(IndexError):
            while True:
                notes.append(self._notes.popleft())
        return notes

    def _note(self, text: str) -> None:
        self._notes.append(text)

    @abstractmethod
    def _run(self, rgb: np.ndarray, thermal: np.ndarray) -> list[np.ndarray]:
        """Run the graph on contiguous images of a fitting size; new arrays, in graph order."""

    @abstractmethod
    def close(self) -> None:
        """Free the runtime's memory."""


class PerSize(Generic[Graph]):
    """
    Keeps a graph for each (height, width), compiled on first use; any thread may call.

    A graph of fixed size runs faster than one with free dimensions, as the runtime can fold all
    shape arithmetic, but costs as much as running ten images. `release` frees what is kept no
    longer, where that is more than to forget it.
    """

    def __init__(self, compile_for: Callable[[int, int], Graph],
                 release: Callable[[Graph], None] | None = None) -> None:
        self._compile = compile_for
        self._release = release
        self._graphs: OrderedDict[tuple[int, int], Graph] = OrderedDict()
        self._compiling = Lock()

    def get(self, height: int, width: int) -> Graph:
        """Return the graph of a size, compiling it where needed."""
        size = (height, width)
        graph = self._graphs.get(size)
        if graph is None:
            with self._compiling:  # whoever wants the same one meanwhile waits for it
                graph = self._graphs.get(size)
                if graph is None:
                    while len(self._graphs) >= KEPT:
                        self._forget_oldest()
                    graph = self._graphs[size] = self._compile(height, width)
        with suppress(KeyError):  # another thread made room
            self._graphs.move_to_end(size)
        return graph

    def __contains__(self, size: tuple[int, int]) -> bool:
        """Say whether the graph of a (height, width) is compiled."""
        return size in self._graphs

    def __len__(self) -> int:
        """Return how many graphs are compiled."""
        return len(self._graphs)

    def clear(self) -> None:
        """Forget every graph; what one release raises is raised after all were called."""
        try:
            if self._graphs:
                self._forget_oldest()
        finally:
            if self._graphs:
                self.clear()

    def _forget_oldest(self) -> None:
        _, graph = self._graphs.popitem(last=False)
        if self._release is not None:
            self._release(graph)
