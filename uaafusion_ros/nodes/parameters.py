"""The settings as parameters of a ROS node: declared, checked, changed while it runs."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

from rcl_interfaces.msg import FloatingPointRange
from rcl_interfaces.msg import IntegerRange
from rcl_interfaces.msg import ParameterDescriptor
from rcl_interfaces.msg import SetParametersResult

from uaafusion_ros.errors import ParameterError
from uaafusion_ros.parameter import CHANGES
from uaafusion_ros.parameter import Parameter
from uaafusion_ros.settings import is_foreign
from uaafusion_ros.settings import PARAMETERS
from uaafusion_ros.settings import Settings
from uaafusion_ros.settings import unknown


class Parameters:
    """
    The parameters of a node: declared from the settings, changed all or nothing.

    The node must have been made with `automatically_declare_parameters_from_overrides=True`.
    `settings` is replaced as a whole by each accepted change. A value that was refused at start
    is replaced by its default and named in `problems` until it is set to an accepted one, so that
    a bad file leaves a node that can be asked and mended.
    """

    def __init__(
        self, node: Any, unconfigured: Callable[[], bool],
        changed: Callable[[Settings, Settings], None]
    ) -> None:
        """
        Declare every parameter on `node`.

        `unconfigured()` tells whether parameters that need a new configuration may change;
        `changed(before, now)` is called after each accepted change.
        """
        self._unconfigured = unconfigured
        self._changed = changed
        self.problems: dict[str, str] = {}
        self.ignored: list[str] = []
        self.settings = Settings()
        given = {name: node.get_parameter(name).value
                 for name in node.list_parameters([], 0).names if not is_foreign(name)}
        for name, value in given.items():
            node.undeclare_parameter(name)
            try:
                if name in PARAMETERS:
                    self.settings = self.settings.changed({name: value})
                else:
                    self.ignored.append(unknown(name))
            except ParameterError as error:
                self.problems[name] = str(error)
        for name, value in self.settings.values().items():
            node.declare_parameter(
                name, value, _descriptor(PARAMETERS[name]), ignore_override=True)
        node.add_on_set_parameters_callback(self._check)
        node.add_post_set_parameters_callback(self._take)

    def _check(self, parameters: Sequence[Any]) -> SetParametersResult:
        before = self.settings.values()
        try:
            now = self.settings.changed(_own(parameters)).values()
        except ParameterError as error:
            return SetParametersResult(successful=False, reason=str(error))
        # Equal values are no change, so that a node's own dump can be loaded at any time.
        late = [each for name, each in PARAMETERS.items()
                if now[name] != before[name] and (each.change == 'start' or (
                    each.change == 'unconfigured' and not self._unconfigured()))]
        if late:
            how = ('set it in the parameter file' if late[0].change == 'start' else
                   'deactivate and cleanup, set it, configure and activate')
            return SetParametersResult(
                successful=False,
                reason=f'{late[0].name} = {now[late[0].name]!r} is refused now; it can change '
                       f'only {CHANGES[late[0].change].removeprefix("only ")}: {how} (accepted is '
                       f'{late[0].accepted})')
        return SetParametersResult(successful=True)

    def _take(self, parameters: Sequence[Any]) -> None:
        own = _own(parameters)
        for name in own:
            self.problems.pop(name, None)
        before, self.settings = self.settings, self.settings.changed(own)
        self._changed(before, self.settings)


def _own(parameters: Sequence[Any]) -> dict[str, Any]:
    return {item.name: item.value for item in parameters if item.name in PARAMETERS}


def _descriptor(parameter: Parameter) -> ParameterDescriptor:
    # Dynamic typing, because a statically typed double refuses the integer that YAML makes of
    # "20"; the settings' own check is the stricter one. Not read-only, because rclpy would refuse
    # equal values, too.
    descriptor = ParameterDescriptor(
        name=parameter.name, description=parameter.description, dynamic_typing=True,
        additional_constraints=f'{parameter.accepted}; may change {CHANGES[parameter.change]}')
    if parameter.kind == 'int' and parameter.minimum is not None:
        descriptor.integer_range = [
            IntegerRange(from_value=parameter.minimum, to_value=parameter.maximum)]
    if parameter.kind == 'float' and parameter.minimum is not None:
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=parameter.minimum, to_value=parameter.maximum)]
    return descriptor
