"""Compiling for the camera's image size: at once, or beside the node where images are waiting."""

from __future__ import annotations

from threading import Event
from threading import Thread

from uaafusion_ros.engine.contract import Backend
from uaafusion_ros.nodes.throttled_log import describe_error
from uaafusion_ros.nodes.throttled_log import ThrottledLogger

# How long cancel() waits for a compilation, which no runtime of the processor can stop.
JOIN_S = 3.0


class Preparation:
    """
    Prepare a backend for one image size after the other.

    What is ready without long preparation is prepared in the caller's thread, so that the first
    pair finds all compiled; else a thread does it, and the node stays responsive.
    """

    def __init__(self, backend: Backend, size: tuple[int, int], log: ThrottledLogger) -> None:
        """Begin for `size` (width, height); (0, 0) leaves it to the first image."""
        self._backend = backend
        self._cancelled = Event()
        self._log = log
        self._thread: Thread | None = None
        width, height = size
        self._size = (height, width)
        if not (width and height):
            return
        if backend.ready(height, width):
            backend.prepare(height, width)
        else:
            self._start()

    def follow(self, size: tuple[int, int]) -> None:
        """
        Prepare beside the node for images of a (height, width), where the last had another one.

        What the backend runs them on meanwhile is its own affair, and so is a preparation or
        a failure that it reports itself.
        """
        busy = self._thread is not None and self._thread.is_alive()
        if size == self._size or busy or self._backend.progress or self._backend.problem:
            return
        self._size = size
        self._start()

    def cancel(self) -> None:
        """Give up what is not ready yet; the backend may be closed from then on."""
        self._cancelled.set()
        if self._thread is not None:
            self._thread.join(JOIN_S)

    def _start(self) -> None:
        self._thread = Thread(target=self._prepare, name='preparation', daemon=True)
        self._thread.start()

    def _prepare(self) -> None:
        try:
            self._backend.prepare(
                *self._size, lambda phase, share: not self._cancelled.is_set())
        except Exception as error:  # the backend keeps it as its problem and runs on the spare
            if not self._cancelled.is_set():
                self._log.warning(f'the engine was not prepared: {describe_error(error)}')
