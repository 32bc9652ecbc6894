"""Engines for a replay: one that lets its inputs be seen, one that repeats a recording."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from uaafusion_ros.engine import models
from uaafusion_ros.engine.contract import Backend
from uaafusion_ros.engine.contract import EngineOutput
from uaafusion_ros.errors import EngineError
from uaafusion_ros.evaluation.bags import read_images
from uaafusion_ros.evaluation.replay.recording import FUSED
from uaafusion_ros.evaluation.replay.recording import MASK
from uaafusion_ros.frames import FramePair

# What a live run leaves: a bag of the outputs, and [topic, stamp_ns, published_ns] per image.
OUTPUT_BAG = 'bag_out'
SENT_LOG = 'sent.json'

_WAITING = 64


class _Output(NamedTuple):
    fused: np.ndarray
    mask: np.ndarray
    arrived_ns: int


class RecordedBackend(Backend):
    """
    Gives back what a node published, by the stamps of the outputs.

    `folder` holds OUTPUT_BAG, whose images are logged at their arrival and rise in their stamps,
    and SENT_LOG. The model is only looked at for its classes. Raises BagError, ModelFileError.
    """

    def __init__(self, folder: Path, model: Path | None, preset: str) -> None:
        _, spec = models.read(model, preset)
        super().__init__(spec, 'live')
        sent = json.loads((folder / SENT_LOG).read_text())
        self._published_ns = {stamp: published for _, stamp, published in sent}
        self._images = self._outputs(folder / OUTPUT_BAG)
        self._waiting: dict[int, _Output] = {}
        self._stamp_ns = 0

    def expect(self, stamp_ns: int) -> bool:
        """Go to the output of a stamp; False if the node published none."""
        self._stamp_ns = stamp_ns
        self._waiting = {s: output for s, output in self._waiting.items() if s >= stamp_ns}
        while not self._waiting or max(self._waiting) < stamp_ns:
            stamp, output = next(self._images, (None, None))
            if stamp is None:
                break
            self._waiting[stamp] = output
        return stamp_ns in self._waiting

    def latency_ms(self, pair: FramePair) -> float:
        """Return the time from the publishing of a pair's later image to the output's arrival."""
        sent = max(self._published_ns[frame.stamp_ns] for frame in (pair.thermal, pair.rgb))
        return (self._waiting[self._stamp_ns].arrived_ns - sent) / 1e6

    def infer(self, rgb: np.ndarray, thermal: np.ndarray) -> EngineOutput:
        """Return the output of the stamp that was expected last."""
        fused, mask, _ = self._waiting[self._stamp_ns]
        if mask.shape != thermal.shape:
            raise EngineError(
                f'the recorded mask is {mask.shape}, the images are {thermal.shape}; replay the '
                'bag that was played')
        return EngineOutput(fused, mask, np.full(mask.shape, 255, np.uint8))

    def _run(self, rgb: np.ndarray, thermal: np.ndarray) -> list[np.ndarray]:
        raise EngineError('a recording holds finished images and runs no graph; use infer')

    def close(self) -> None:
        """Let the recording go."""
        self._images.close()

    @staticmethod
    def _outputs(bag: Path) -> Generator[tuple[int, _Output], None, None]:
        halves: dict[int, dict[str, np.ndarray]] = {}
        for topic, arrived_ns, frame in read_images(bag):
            if topic not in (FUSED, MASK):
                continue
            both = halves.setdefault(frame.stamp_ns, {})
            both[topic] = frame.array
            if len(both) == 2:
                del halves[frame.stamp_ns]
                yield frame.stamp_ns, _Output(both[FUSED], both[MASK], arrived_ns)
            elif len(halves) > _WAITING:
                del halves[next(iter(halves))]


class Tap(Backend):
    """
    Another engine, whose last inputs can be seen: `rgb` uint8 HxWx3 and `thermal` uint8 HxW.

    Both are None until the engine runs for the pair that was expected. `used` names every engine
    that computed something: one that stands in while the other is prepared gives other pixels.
    """

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend.spec, backend.name)
        self._backend = backend
        self._prepared: set[tuple[int, ...]] = set()
        self.used: set[str] = set()
        self.rgb: np.ndarray | None = None
        self.thermal: np.ndarray | None = None

    def expect(self, stamp_ns: int) -> bool:
        """Forget the last inputs; False if a recording has nothing for this stamp."""
        self.rgb = self.thermal = None
        return not isinstance(self._backend, RecordedBackend) or self._backend.expect(stamp_ns)

    def latency_ms(self, pair: FramePair) -> float | None:
        """Return the time that a node took for a pair; None without a recording of one."""
        recorded = self._backend
        return recorded.latency_ms(pair) if isinstance(recorded, RecordedBackend) else None

    def infer(self, rgb: np.ndarray, thermal: np.ndarray) -> EngineOutput:
        """Note the inputs and let the engine work, prepared for their size."""
        self.rgb, self.thermal = rgb, thermal
        if thermal.shape not in self._prepared:
            self._prepared.add(thermal.shape)
            if not self._backend.ready(*thermal.shape):
                with suppress(EngineError):  # then its spare works, and `used` shows it
                    self._backend.prepare(*thermal.shape)
        output = self._backend.infer(rgb, thermal)
        self.used.add(self._backend.name)
        return output

    def _run(self, rgb: np.ndarray, thermal: np.ndarray) -> list[np.ndarray]:
        return self._backend._run(rgb, thermal)

    def close(self) -> None:
        """Close the engine."""
        self._backend.close()
