"""One compiled graph per image size, the most recent ones kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic
from typing import TypeVar

Graph = TypeVar('Graph')

# A camera has one size; a second covers a pair of cameras that alternate in a replay.
KEPT = 2


class PerSize(Generic[Graph]):
    """
    Compiles a graph for each (height, width) on first use.

    A graph of fixed size runs a fifth faster than one with free dimensions, as the runtime can
    fold all shape arithmetic. `release` frees what is kept no longer, where that is more than to
    forget it.
    """

    def __init__(self, compile_for: Callable[[int, int], Graph],
                 release: Callable[[Graph], None] | None = None) -> None:
        self._compile = compile_for
        self._release = release
        self._graphs: OrderedDict[tuple[int, int], Graph] = OrderedDict()

    def get(self, height: int, width: int) -> Graph:
        """Return the graph of a size, compiling it where needed."""
        size = (height, width)
        if size not in self._graphs:
            while len(self._graphs) >= KEPT:
                self._forget_oldest()
            self._graphs[size] = self._compile(height, width)
        self._graphs.move_to_end(size)
        return self._graphs[size]

    def __contains__(self, size: tuple[int, int]) -> bool:
        """Say whether the graph of a (height, width) is compiled."""
        return size in self._graphs

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
