"""A place for one item between two threads, where the newest replaces what was not taken."""

from __future__ import annotations

from queue import Empty
from queue import SimpleQueue
from threading import Lock
from typing import Generic
from typing import TypeVar

Item = TypeVar('Item')


class LatestSlot(Generic[Item]):
    """
    Hand items from any thread to a slower one without a queue: latency stays one item.

    All methods may be called from any thread. A closed slot stays closed.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._item: Item | None = None
        self._closed = False
        # One token while there is an item, and one for ever when closed; it wakes in C, which a
        # Condition does not.
        self._tokens: SimpleQueue[None] = SimpleQueue()

    @property
    def closed(self) -> bool:
        """Whether close() was called: tells the end from a timeout of take()."""
        return self._closed

    def put(self, item: Item) -> Item | None:
        """
        Leave an item and return the one it replaces, or None.

        On a closed slot the item itself comes back, so that the caller can count it as lost.
        Raises ValueError for None, which take() could not tell from nothing.
        """
        if item is None:
            raise ValueError('None was put into a slot, accepted is anything else')
        with self._lock:
            if self._closed:
                return item
            before, self._item = self._item, item
        if before is None:
            self._tokens.put(None)
        return before

    def take(self, timeout: float | None = None) -> Item | None:
        """Wait up to `timeout` s (None: for ever) for an item; None if none came or closed."""
        try:
            self._tokens.get(timeout=timeout)
        except Empty:
            return None
        with self._lock:
            item, self._item = self._item, None
        if self._closed:
            self._tokens.put(None)
        return item

    def close(self) -> Item | None:
        """Wake every waiting taker and accept no more; return the item nobody took, or None."""
        with self._lock:
            self._closed = True
            item, self._item = self._item, None
        self._tokens.put(None)
        return item
