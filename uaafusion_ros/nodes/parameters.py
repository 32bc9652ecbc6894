"""One table of parameters drives declaration, validation, run-time change and documentation."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import difflib
import math
from types import MappingProxyType
from typing import Any

from rcl_interfaces.msg import FloatingPointRange
from rcl_interfaces.msg import IntegerRange
from rcl_interfaces.msg import ParameterDescriptor
from rcl_interfaces.msg import SetParametersResult

from uaafusion_ros.errors import ParameterError

_KINDS = {
    'bool': 'true or false',
    'integer': 'an integer',
    'double': 'a finite number',
    'string': 'a string',
    'interval': 'two finite numbers [low, high] with low < high',
    'size': 'two integers [width, height]',
}
_CHANGES = {
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


TABLE = (
    Row('autostart', 'bool', True,
        'Configure and activate without a lifecycle manager.', change='start'),
    Row('model.preset', 'string', 'fast',
        'Network architecture of the shipped model to load, a key of models/models.yaml.',
        change='unconfigured'),
    Row('model.path', 'string', '',
        'ONNX model to load instead of a shipped one; empty loads the preset.',
        change='unconfigured'),
    Row('engine.backend', 'string', 'auto',
        'Runtime; auto takes OpenVINO where it is installed and ONNX Runtime elsewhere.',
        choices=('auto', 'openvino', 'onnxruntime', 'tensorrt'), change='unconfigured'),
    Row('engine.threads', 'integer', 0, 'Threads of the runtime; 0 uses every core.',
        minimum=0, maximum=1024, change='unconfigured'),
    Row('engine.warmup_size', 'size', (0, 0),
        'Image size of the RGB camera to prepare the runtime for while configuring; [0, 0] '
        'prepares it when the first pair comes, which can cost seconds of images.',
        'pixels', 0, 16384, change='unconfigured'),
    Row('sync.policy', 'string', 'nearest',
        'How stamps are paired: nearest is built in; approximate and exact are those of the '
        'message_filters package and need it installed.',
        choices=('nearest', 'approximate', 'exact'), change='unconfigured'),
    Row('sync.reference', 'string', 'rgb',
        'Camera whose stamp, frame_id and calibration every output carries; pixels are always '
        'those of the RGB image, so calibration of another size is withheld.',
        choices=('rgb', 'thermal'), change='unconfigured'),
    Row('sync.slop_ms', 'double', 16.0,
        'Largest difference of two stamps that make a pair; ignored by exact. More than half a '
        'frame period can pair neighbours where frames are lost.', 'ms', 0.0, 1000.0),
    Row('sync.queue_size', 'integer', 10,
        'Frames of one camera that may wait for a partner; the oldest is dropped first.',
        minimum=2, maximum=500),
    Row('sync.max_wait_ms', 'double', 250.0,
        'Longest time a reference frame waits for a nearer partner; used by nearest only.',
        'ms', 0.0, 10000.0),
    Row('sync.thermal_offset_ms', 'double', 0.0,
        'Added to thermal stamps for pairing only, when that camera stamps early (positive) or '
        'late (negative); outputs keep the stamps as they came.', 'ms', -1000.0, 1000.0),
    Row('registration.mode', 'string', 'resize',
        'How thermal is laid over RGB: resize for cameras that share a view, none when both '
        'images already have the same size.', choices=('resize', 'none')),
    Row('thermal.scaling', 'string', 'percentile',
        'How 16-bit and float thermal images become 8-bit: by percentiles of the image or by '
        'the fixed range.', choices=('percentile', 'fixed')),
    Row('thermal.percentiles', 'interval', (0.5, 99.5),
        'Percentiles that become black and white with percentile scaling.', '%', 0.0, 100.0),
    Row('thermal.range', 'interval', (0.0, 65535.0),
        'Values that become black and white with fixed scaling, in the unit of the image '
        '(counts, centikelvin, degrees).', '', -1e30, 1e30),
    Row('thermal.smoothing', 'double', 0.9,
        'Share of the brightness range that percentile scaling keeps from image to image, '
        'against flicker; 0 measures each image alone.', '', 0.0, 0.99),
    Row('thermal.polarity', 'string', 'white_hot',
        'What the camera shows bright; black_hot images are inverted before fusion.',
        choices=('white_hot', 'black_hot')),
    Row('overlay.alpha', 'double', 0.5,
        'Opacity of the class colours in segmentation/overlay.', '', 0.0, 1.0),
    Row('input.max_megapixels', 'double', 16.0,
        'Larger images are refused before anything is computed.', 'megapixels', 0.01, 200.0),
    Row('input.timeout_s', 'double', 2.0,
        'Silence of a camera after which a warning names the likely cause.', 's', 0.1, 3600.0),
    Row('qos.input_reliability', 'string', 'best_effort',
        'Reliability asked of the cameras; best_effort hears every camera, reliable only '
        'reliable ones.', choices=('best_effort', 'reliable'), change='unconfigured'),
    Row('qos.input_depth', 'integer', 5, 'Images kept by the middleware per input.',
        minimum=1, maximum=1000, change='unconfigured'),
    Row('qos.output_reliability', 'string', 'reliable',
        'Reliability offered to listeners; reliable serves every listener.',
        choices=('best_effort', 'reliable'), change='unconfigured'),
    Row('qos.output_depth', 'integer', 5, 'Images kept by the middleware per output.',
        minimum=1, maximum=1000, change='unconfigured'),
    Row('diagnostics.period_s', 'double', 1.0, 'Time between two diagnostics messages.',
        's', 0.1, 60.0),
)
ROWS: Mapping[str, Row] = MappingProxyType({row.name: row for row in TABLE})
DEFAULTS: Mapping[str, Any] = MappingProxyType({row.name: row.default for row in TABLE})


def normalised(values: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return every value in its parameter's own type.

    Raises `ParameterError` with one sentence per refused or unknown parameter.
    """
    good, problems = {}, []
    for name, value in values.items():
        try:
            if name not in ROWS:
                raise ParameterError(unknown(name))
            good[name] = ROWS[name].normalise(value)
        except ParameterError as error:
            problems.append(str(error))
    if problems:
        raise ParameterError('; '.join(problems))
    return good


def unknown(name: str) -> str:
    """Say that there is no parameter `name` and which one was probably meant."""
    near = difflib.get_close_matches(name, ROWS, n=1)
    return f'there is no parameter {name!r}' + (f'; did you mean {near[0]!r}?' if near else '')


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
        additional_constraints=f'{row.accepted}; may change {_CHANGES[row.change]}',
        dynamic_typing=True)
    if row.minimum is not None and row.kind == 'integer':
        descriptor.integer_range = [
            IntegerRange(from_value=int(row.minimum), to_value=int(row.maximum))]
    if row.minimum is not None and row.kind == 'double':
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=row.minimum, to_value=row.maximum)]
    return descriptor


def yaml_value(value: Any) -> str:
    """Return a default the way a parameter file writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value or "''"
    return str(list(value)) if isinstance(value, tuple) else str(value)


def parameters_markdown() -> str:
    """Return the text of docs/parameters.md."""
    lines = [
        '# Parameters of fusion_node', '',
        'Generated by `make docs`; the table '
        'lives in `uaafusion_ros/nodes/parameters.py`.', '',
        'A refused change leaves every old value in place; setting several parameters with one '
        '`set_parameters_atomically` call is all or nothing.', '',
        '| parameter | default | accepted | may change | meaning |',
        '|---|---|---|---|---|']
    lines += [
        f'| `{row.name}` | `{yaml_value(row.default)}` | {row.accepted} | '
        f'{_CHANGES[row.change]} | {row.description} |'
        for row in sorted(TABLE, key=lambda row: row.name)]
    return '\n'.join(lines) + '\n'
