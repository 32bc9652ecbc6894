"""What was unusual about thermal images, said once for each kind."""

from __future__ import annotations

from pathlib import Path
import sys


class Findings:
    """Collects findings of thermal images, and prints them."""

    def __init__(self) -> None:
        self._first: dict[str, tuple[Path, str]] = {}
        self._counts: dict[str, int] = {}

    def add(self, path: Path, findings) -> None:
        """Note the findings (`imaging.thermal_checks.Finding`) of one file."""
        for finding in findings:
            text = '; '.join(filter(None, (finding.text, finding.mended)))
            self._first.setdefault(finding.kind, (path, text))
            self._counts[finding.kind] = self._counts.get(finding.kind, 0) + 1

    def report(self) -> None:
        """Print a line for each kind on stderr: its first file, what it is, how many more."""
        for kind, (path, text) in self._first.items():
            more = self._counts[kind] - 1
            print(f'{path}: {text}' + (f' (and {more} more images)' if more else ''),
                  file=sys.stderr)
