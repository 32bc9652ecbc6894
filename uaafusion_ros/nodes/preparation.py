"""Compiling for the camera's image size: at once, or beside the node where that takes minutes."""

from __future__ import annotations

from threading import Event
from threading import Thread

from uaafusion_ros.engine.contract import Backend
from uaafusion_ros.nodes.throttled_log import describe_error
from uaafusion_ros.nodes.throttled_log import ThrottledLogger


class Preparation:
    """
    Prepare a backend for one image size.

    What is ready without long preparation is prepared in the caller's thread, so that the first
    pair finds all compiled; else a thread does it, and the node stays responsive.
    """

    def __init__(self, backend: Backend, size: tuple[int, int], log: ThrottledLogger) -> None:
        """Begin for `size` (width, height); (0, 0) leaves it to the first image."""
        self._cancelled = Event()
        self._log = log
        width, height = size
        if not (width and height):
            return
        if backend.ready(height, width):
            backend.prepare(height, width)
            return
        Thread(target=self._prepare, args=(backend, height, width), name='preparation',
               daemon=True).start()

    def cancel(self) -> None:
        """Give up what is not ready yet; the backend may be closed from then on."""
        self._cancelled.set()

    def _prepare(self, backend: Backend, height: int, width: int) -> None:
        try:
            backend.prepare(height, width, lambda phase, share: not self._cancelled.is_set())
        except Exception as error:  # the backend keeps it as its problem and runs on the spare
            if not self._cancelled.is_set():
                self._log.warning(f'the engine was not prepared: {describe_error(error)}')
