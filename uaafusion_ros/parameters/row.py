"""One parameter: its type, its range, and the words for both."""

from __future__ import annotations

from dataclasses import dataclass
import math
from typing import Any

from uaafusion_ros.errors import ParameterError

_KINDS = {
    'bool': 'true or false',
    'integer': 'an integer',
    'double': 'a finite number',
    'string': 'a string',
    'interval': 'two finite numbers [low, high] with low < high',
    'size': 'two integers [width, height]',
    'position': 'three finite numbers [x, y, z]',
    'quaternion': 'four finite numbers [x, y, z, w] of length 1',
}
CHANGES = {
    'always': 'at any time',
    'unconfigured': 'while the node is unconfigured',
    'start': 'only at start',
}


@dataclass(frozen=True)
class Row:
    """
    One parameter of the node.

    `kind` is a key of `_KINDS`; `minimum` and `maximum` are inclusive, in `unit`, and for an
    interval bound both ends; `change` says when a running node accepts another value.
    """

    name: str
    kind: str
    default: Any
    description: str
    unit: str = ''
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    change: str = 'always'

    @property
    def accepted(self) -> str:
        """The accepted values in words."""
        if self.choices:
            return 'one of ' + ', '.join(self.choices)
        text = _KINDS[self.kind]
        if self.minimum is not None:
            text += f', {self.minimum} to {self.maximum}'
        return f'{text} {self.unit}'.rstrip()

    def normalise(self, value: Any) -> Any:
        """
        Return `value` as this parameter's own Python type.

        Integers are taken for doubles, because YAML writes 20 for 20.0. Raises
        `ParameterError` naming the key, the value and what is accepted.
        """
        try:
            return self._convert(value)
        except (TypeError, ValueError, OverflowError):
            raise ParameterError(
                f'{self.name} = {value!r} is refused; accepted is {self.accepted}') from None

    def _convert(self, value: Any) -> Any:
        if self.kind == 'interval':
            low, high = (self._number(float(part), part) for part in value)
            if not low < high:
                raise ValueError
            return low, high
        if self.kind == 'position':
            x, y, z = (self._number(float(part), part) for part in value)
            return x, y, z
        if self.kind == 'quaternion':
            x, y, z, w = (self._number(float(part), part) for part in value)
            if abs(math.hypot(x, y, z, w) - 1.0) > 0.01:
                raise ValueError
            return x, y, z, w
        if self.kind == 'size':
            width, height = (self._number(part, part) for part in value)
            if type(width) is not int or type(height) is not int:
                raise TypeError
            return width, height
        if self.kind == 'double':
            return self._number(float(value), value)
        wanted = {'bool': bool, 'integer': int, 'string': str}[self.kind]
        if type(value) is not wanted or (self.choices and value not in self.choices):
            raise TypeError
        return self._number(value, value) if self.kind == 'integer' else value

    def _number(self, number: float, given: Any) -> float:
        if isinstance(given, (bool, str)) or not math.isfinite(number):
            raise TypeError
        if self.minimum is not None and not self.minimum <= number <= self.maximum:
            raise ValueError
        return number
