"""A place for one item between two threads, where the newest replaces what was not taken."""

from __future__ import annotations

from threading import Condition
from typing import Generic
from typing import TypeVar

Item = TypeVar('Item')


class LatestSlot(Generic[Item]):
    """
    Hand items from any thread to a slower one without a queue: latency stays one item.

    All methods may be called from any thread. A closed slot stays closed.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._item: Item | None = None
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether close() was called: tells the end from a timeout of take()."""
        with self._changed:
            return self._closed

    def put(self, item: Item) -> Item | None:
        """
        Leave an item and return the one it replaces, or None.

        On a closed slot the item itself comes back, so that the caller can count it as lost.
        Raises ValueError for None, which take() could not tell from nothing.
        """
        if item is None:
            raise ValueError('None was put into a slot, accepted is anything else')
        with self._changed:
            if self._closed:
                return item
            before, self._item = self._item, item
            self._changed.notify()
            return before

    def take(self, timeout: float | None = None) -> Item | None:
        """Wait up to `timeout` s (None: for ever) for an item; None if none came or closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._closed, timeout)
            item, self._item = self._item, None
            return item

    def close(self) -> Item | None:
        """Wake every waiting taker and accept no more; return the item nobody took, or None."""
        with self._changed:
            self._closed = True
            item, self._item = self._item, None
            self._changed.notify_all()
            return item
