"""Warnings that neither flicker nor come too late."""

from __future__ import annotations


class Steady:
    """Show a text once it was there `turns` times in a row, until as often it was not."""

    def __init__(self, turns: int = 3) -> None:
        """Start without a text."""
        self._turns = turns
        self._count = 0
        self._shown = ''

    def update(self, text: str) -> str:
        """Take what holds now, '' for nothing; return what to show."""
        if bool(text) == bool(self._shown):
            self._count = 0
            self._shown = text
            return text
        self._count += 1
        if self._count >= self._turns:
            self._count = 0
            self._shown = text
        return self._shown
