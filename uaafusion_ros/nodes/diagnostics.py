"""What the node knows of itself, as diagnostic_msgs."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from diagnostic_msgs.msg import DiagnosticStatus
from diagnostic_msgs.msg import KeyValue
from std_msgs.msg import Header


class Debounce:
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


def status(
    name: str, values: Mapping[str, Any], *, warning: str = '', error: str = ''
) -> DiagnosticStatus:
    """
    Return one status: ERROR with an `error`, WARN with a `warning`, else OK.

    Its message is both texts, the error first, or 'ok'.
    """
    level = (DiagnosticStatus.ERROR if error
             else DiagnosticStatus.WARN if warning else DiagnosticStatus.OK)
    return DiagnosticStatus(
        name=name, level=level, message='; '.join(filter(None, (error, warning))) or 'ok',
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()])


def report(stamp: Time, node: str, statuses: Sequence[DiagnosticStatus]) -> DiagnosticArray:
    """Return what /diagnostics says of the node of fully qualified name `node`."""
    for each in statuses:
        each.name = f'{node}: {each.name}'
        each.hardware_id = node
    return DiagnosticArray(header=Header(stamp=stamp), status=list(statuses))


def read(array: DiagnosticArray, node: str) -> dict[str, str]:
    """
    Return all values that the node of fully qualified name `node` reported in `array`.

    The dictionary is empty when the array comes from another node.
    """
    return {item.key: item.value for entry in array.status
            if entry.name.startswith(f'{node}: ') for item in entry.values}
