"""The table of parameters on a node: declared, checked, changed while it runs."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

from rcl_interfaces.msg import FloatingPointRange
from rcl_interfaces.msg import IntegerRange
from rcl_interfaces.msg import ParameterDescriptor
from rcl_interfaces.msg import SetParametersResult

from uaafusion_ros.errors import ParameterError
from uaafusion_ros.parameters.row import CHANGES
from uaafusion_ros.parameters.row import Row
from uaafusion_ros.parameters.table import DEFAULTS
from uaafusion_ros.parameters.table import normalised
from uaafusion_ros.parameters.table import ROWS
from uaafusion_ros.parameters.table import TABLE
from uaafusion_ros.parameters.table import unknown


class Parameters:
    """
    The parameters of a node: declared from the table, changed all or nothing.

    The node must have been made with `automatically_declare_parameters_from_overrides=True`.
    `values` is an immutable snapshot, replaced as a whole by each accepted change. A value
    that was refused at start is replaced by its default and named in `problems` until it is
    set to an accepted one, so that a bad file leaves a node that can be asked and mended.
    """

    def __init__(
        self, node: Any, unconfigured: Callable[[], bool],
        changed: Callable[[Mapping[str, Any], Sequence[str]], None]
    ) -> None:
        """
        Declare the table on `node`.

        `unconfigured()` tells whether parameters that need a new configuration may change;
        `changed(values, names)` is called after each accepted change of `names`.
        """
        self._unconfigured = unconfigured
        self._changed = changed
        self.problems: dict[str, str] = {}
        self.ignored: list[str] = []
        given = {name: node.get_parameter(name).value
                 for name in node.list_parameters([], 0).names}
        values = dict(DEFAULTS)
        for name, value in given.items():
            if name in ROWS:
                node.undeclare_parameter(name)
                try:
                    values[name] = ROWS[name].normalise(value)
                except ParameterError as error:
                    self.problems[name] = str(error)
            elif not name.startswith(('qos_overrides.', 'use_sim_time', 'start_type_')):
                node.undeclare_parameter(name)
                self.ignored.append(unknown(name))
        for row in TABLE:
            node.declare_parameter(row.name, values[row.name], _descriptor(row),
                                   ignore_override=True)
        self.values: Mapping[str, Any] = MappingProxyType(values)
        node.add_on_set_parameters_callback(self._check)
        node.add_post_set_parameters_callback(self._take)

    def _check(self, parameters: Sequence[Any]) -> SetParametersResult:
        own = {item.name: item.value for item in parameters if item.name in ROWS}
        try:
            normalised(own)
        except ParameterError as error:
            return SetParametersResult(successful=False, reason=str(error))
        late = [name for name in own if ROWS[name].change == 'unconfigured']
        if late and not self._unconfigured():
            return SetParametersResult(
                successful=False,
                reason=f'{late[0]} = {own[late[0]]!r} is refused now; it can change only while '
                       'the node is unconfigured: deactivate and cleanup, set it, configure and '
                       f'activate (accepted is {ROWS[late[0]].accepted})')
        return SetParametersResult(successful=True)

    def _take(self, parameters: Sequence[Any]) -> None:
        own = normalised({item.name: item.value for item in parameters if item.name in ROWS})
        if own:
            for name in own:
                self.problems.pop(name, None)
            self.values = MappingProxyType({**self.values, **own})
            self._changed(self.values, tuple(own))


def _descriptor(row: Row) -> ParameterDescriptor:
    # Dynamic typing, because a statically typed double refuses the integer that YAML makes of
    # "20"; the table's own check is the stricter one.
    descriptor = ParameterDescriptor(
        name=row.name, description=row.description, read_only=row.change == 'start',
        additional_constraints=f'{row.accepted}; may change {CHANGES[row.change]}',
        dynamic_typing=True)
    if row.minimum is not None and row.kind == 'integer':
        descriptor.integer_range = [
            IntegerRange(from_value=int(row.minimum), to_value=int(row.maximum))]
    if row.minimum is not None and row.kind == 'double':
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=row.minimum, to_value=row.maximum)]
    return descriptor
