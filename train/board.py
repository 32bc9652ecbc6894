"""
TensorBoard files: scalars and pictures of a run, for people to watch.

They are worth no training: the first error of writing is told, and ends the writing alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
import time

import numpy as np
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.event_pb2 import SessionLog
from tensorboardX.summary import image
from tensorboardX.summary import scalar

from uaafusion_ros.evaluation.contact_sheet import strip


class Board:
    """
    Writes to `folder`; what an earlier process wrote there from step `start` on is hidden.

    `warn` is told once why nothing more is written. SummaryWriter is not taken, for it writes in a
    thread: where that dies of a full disk, whoever adds to its queue waits for ever.
    """

    def __init__(self, folder: Path, start: int, warn: Callable[[str], object]) -> None:
        self._folder, self._warn = folder, warn
        self._events: EventsWriter | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._events = EventsWriter(str(folder / 'events'))
        except OSError as error:
            self._give_up(error)
        self._write(Event(step=start, session_log=SessionLog(status=SessionLog.START)))

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Add one point to the curve of each name."""
        self._write(*(Event(step=step, summary=scalar(name, value))
                      for name, value in values.items()))

    def pictures(self, step: int, name: str, images: dict[str, np.ndarray]) -> None:
        """Add a strip of images (uint8, HxW or HxWx3 RGB, one size) under their titles."""
        self._write(Event(step=step, summary=image(
            name, strip(list(images.values()), list(images)), dataformats='HWC')))

    def close(self) -> None:
        """Close the file."""
        if self._events:
            self._attempt(self._events.close)

    def _write(self, *events: Event) -> None:
        for event in events:
            event.wall_time = time.time()
            if self._events:
                self._attempt(partial(self._events.write_event, event))
        if self._events:
            self._attempt(self._events.flush)

    def _attempt(self, action: Callable[[], object]) -> None:
        try:
            action()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._events = None
        self._warn(f'{self._folder}: cannot be written ({error.strerror or error}); training goes '
                   'on without TensorBoard')
