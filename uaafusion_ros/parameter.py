"""A parameter as a field of a frozen dataclass: what it accepts, and the words for it."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import fields
from dataclasses import replace
from functools import cache
from functools import partial
import math
from typing import Any
from typing import ClassVar

from uaafusion_ros.errors import ParameterError

# Kind: the type of each number, how many there are, and both in words.
_KINDS = {
    'bool': (bool, 1, 'true or false'),
    'int': (int, 1, 'an integer'),
    'float': (float, 1, 'a finite number'),
    'str': (str, 1, 'a string'),
    'interval': (float, 2, 'two finite numbers [low, high] with low < high'),
    'size': (int, 2, 'two integers [width, height]'),
    'position': (float, 3, 'three finite numbers [x, y, z]'),
    'quaternion': (float, 4, 'four finite numbers [x, y, z, w] of length 1'),
}
CHANGES = {
    'always': 'at any time',
    'unconfigured': 'while the node is unconfigured',
    'start': 'only at start',
}


@dataclass(frozen=True)
class Parameter:
    """
    One parameter of the node.

    `name` is the full one, such as sync.slop_ms; `minimum` and `maximum` are inclusive, in `unit`,
    and bound each number of a tuple; `kind` is a key of `_KINDS`, by default the default's type;
    `change` is a key of CHANGES: when a running node accepts another value. `expert` parameters
    are documented apart and not in config/fusion.yaml.
    """

    default: Any
    description: str
    unit: str = ''
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    kind: str = ''
    change: str = 'always'
    expert: bool = False
    name: str = ''

    @property
    def accepted(self) -> str:
        """The accepted values in words."""
        if self.choices:
            return 'one of ' + ', '.join(self.choices)
        text = _KINDS[self.kind][-1]
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
        _, count, _ = _KINDS[self.kind]
        if count == 1:
            return self._single(value)
        values = tuple(map(self._single, value))
        if (len(values) != count
                or self.kind == 'interval' and not values[0] < values[1]
                or self.kind == 'quaternion' and abs(math.hypot(*values) - 1.0) > 0.01):
            raise ValueError
        return values

    def _single(self, value: Any) -> Any:
        wanted: Any = _KINDS[self.kind][0]
        if wanted is float and isinstance(value, (int, float)) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not wanted or (self.choices and value not in self.choices):
            raise TypeError
        if wanted is float and not math.isfinite(value):
            raise ValueError
        if not (self.minimum is None or self.maximum is None
                or self.minimum <= value <= self.maximum):
            raise ValueError
        return value


def parameter(default: Any, *arguments: Any, **options: Any) -> Any:
    """Return a dataclass field that is a `Parameter` of these arguments, but for its name."""
    options.setdefault('kind', type(default).__name__)
    made = Parameter(default, *arguments, **options)
    return field(default=default, metadata={'parameter': made})


expert = partial(parameter, expert=True)


class Section:
    """
    Base of a frozen dataclass whose fields are parameters named `prefix` + field.

    Each instance, however it was made, holds accepted values in their own types only: making one
    raises ParameterError with one sentence per refused value.
    """

    prefix: ClassVar[str]

    def __init_subclass__(cls, prefix: str) -> None:
        cls.prefix = prefix

    def __post_init__(self) -> None:
        problems = []
        for name, each in parameters_of(type(self)).items():
            try:
                object.__setattr__(self, name, each.normalise(getattr(self, name)))
            except ParameterError as error:
                problems.append(str(error))
        if problems:
            raise ParameterError('; '.join(problems))


def _parameters_of(section: type[Any]) -> Mapping[str, Parameter]:
    """Return the parameters of a section by field."""
    return {each.name: replace(each.metadata['parameter'], name=section.prefix + each.name)
            for each in fields(section)}


# mypy takes the class of objects that have no hash for one that has none itself.
parameters_of: Callable[[Any], Mapping[str, Parameter]] = cache(_parameters_of)
