"""Parameter sets of any type and value: taken whole, or refused whole with a text that mends."""

from __future__ import annotations

from collections.abc import Iterator
import math
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from rclpy.context import Context  # noqa: E402
from rclpy.exceptions import ParameterNotDeclaredException  # noqa: E402
from rclpy.lifecycle import TransitionCallbackReturn  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.parameter import parameter_dict_from_yaml_file  # noqa: E402

from uaafusion_ros.engine.contract import Backend  # noqa: E402
from uaafusion_ros.engine.contract import ModelSpec  # noqa: E402
from uaafusion_ros.nodes import fusion_node  # noqa: E402
from uaafusion_ros.parameter import Parameter as Row  # noqa: E402
from uaafusion_ros.settings import PARAMETERS  # noqa: E402

pytestmark = pytest.mark.ros
SETS = 1500
SHIPPED = Path(__file__).resolve().parents[2] / 'config/fusion.yaml'
NAN, INF = float('nan'), float('inf')
NUMBERS = (0, 1, -1, 2, 7, 10, 500, 501, 1024, 16384, 2 ** 31, 2 ** 63 - 1, -2 ** 63,
           0.0, -0.0, 0.5, 1.0, 0.99, 16.0, 99.5, 100.0, 1000.0, 1000.0001, 1e30, 1.1e30, 1e308,
           5e-324, NAN, INF, -INF)
LENGTHS = {'interval': 2, 'size': 2, 'position': 3, 'quaternion': 4}
STRINGS = ('', 'auto', 'nearest', 'Nearest', 'rgb', 'nan', '20', 'true', '/etc/passwd', '%s',
           'ÿ' * 300)


SPEC = ModelSpec(Path('none.onnx'), '', 'none', ('background', 'thing'),
                 np.zeros((2, 3), np.uint8), 1)


class MirrorBackend(Backend):
    """Not a model: it lets the node be configured at once."""

    def __init__(self) -> None:
        """Have nothing to load."""
        super().__init__(SPEC, 'mirror')

    def _run(self, rgb: np.ndarray, thermal: np.ndarray) -> list[np.ndarray]:
        return [rgb, thermal, thermal]

    def close(self) -> None:
        """Hold nothing."""


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return an unconfigured node on a context of its own."""
    monkeypatch.setattr(fusion_node, 'make_backend', lambda settings: MirrorBackend())
    context = Context()
    rclpy.init(context=context)
    node = fusion_node.FusionNode(context=context)
    yield node
    assert node.close(5.0)
    node.destroy_node()
    context.try_shutdown()


def _number(value: Any, low: float | None, high: float | None) -> bool:
    return (type(value) in (int, float) and math.isfinite(value)
            and (low is None or low <= value <= high))


def accepts(row: Row, value: Any) -> bool:
    """Say by the documented kinds alone whether `row` takes `value`."""
    low, high = row.minimum, row.maximum
    if row.choices:
        return value in row.choices and type(value) is str
    if row.kind == 'bool':
        return type(value) is bool
    if row.kind == 'str':
        return type(value) is str
    if row.kind == 'int':
        return type(value) is int and _number(value, low, high)
    if row.kind == 'float':
        return _number(value, low, high)
    if not (hasattr(value, '__len__') and type(value) is not str
            and len(value) == LENGTHS[row.kind]
            and all(_number(part, low, high) for part in value)):
        return False
    if row.kind == 'size':
        return all(type(part) is int for part in value)
    if row.kind == 'interval':
        return value[0] < value[1]
    return row.kind == 'position' or abs(math.hypot(*value) - 1.0) <= 0.01


def _any_value(random: Random) -> Any:
    number = random.choice(NUMBERS)
    if type(number) is int:
        same = [item for item in NUMBERS if type(item) is int]
    else:
        same = [item for item in NUMBERS if type(item) is float]
    return random.choice((
        None, True, False, number, number, number, random.choice(STRINGS),
        [random.choice(same) for _ in range(random.choice((1, 2, 2, 3, 4)))],
        [True, False], ['1', '2'], [b'\x01', b'\x02']))


def _good_value(row: Row, random: Random) -> Any:
    low, high = row.minimum, row.maximum
    if row.choices:
        return random.choice(row.choices)
    if row.kind == 'float':
        return random.choice((low, high, random.uniform(low, high)))
    if row.kind == 'int':
        return random.choice((int(low), int(high), random.randint(int(low), int(high))))
    if row.kind == 'interval':
        return sorted(random.uniform(low, high) for _ in range(2))
    if row.kind == 'size':
        return [random.randint(int(low), int(high)) for _ in range(2)]
    if row.kind == 'position':
        return [random.uniform(low, high) for _ in range(3)]
    if row.kind == 'quaternion':
        angle = random.uniform(0.0, 6.3)
        return [0.0, math.sin(angle), 0.0, math.cos(angle)]
    return random.choice((True, False)) if row.kind == 'bool' else random.choice(STRINGS)


def _read(node: Any, rows: list[Row]) -> dict[str, Any]:
    return {row.name: repr(node.get_parameter(row.name).value) for row in rows}


@pytest.mark.parametrize('active', [False, True], ids=['unconfigured', 'active'])
def test_every_set_is_taken_or_refused_as_a_whole(node, active, record_property):
    """
    Wrong types, numbers out of range, NaN, and sets of which a part is good.

    A refusal leaves ROS' and the node's own values as they were, and names a refused key, its
    value and what is accepted.
    """
    if active:
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    rows = list(PARAMETERS.values())
    random = Random(int(active))
    taken = refused = 0
    for number in range(SETS):
        chosen = random.sample(rows, random.choice((1, 1, 2, 3)))
        values = {row.name: (_good_value if random.random() < 0.6 else
                             lambda _, random: _any_value(random))(row, random)
                  for row in chosen}
        changeable = {'always'} | (set() if active else {'unconfigured'})
        bad = [row for row in chosen if not accepts(row, values[row.name])]
        before, own = _read(node, rows), node.settings
        late = [row for row in chosen if row.change not in changeable
                and _stored(values[row.name]) != own.values()[row.name]]
        result = node.set_parameters_atomically(
            [Parameter(name, value=value) for name, value in values.items()])
        told = f'set {number}, {values}: {result.reason}'
        assert result.successful == (not bad and not late), told
        if result.successful:
            taken += 1
            for name, value in values.items():
                assert node.settings.values()[name] == _stored(value), told
            continue
        refused += 1
        assert _read(node, rows) == before and node.settings is own, told
        assert any(row.name in result.reason for row in bad + late), told
        for row in bad:
            if row.name in result.reason and row.change in changeable:
                assert _names(result.reason, values[row.name]), told
                assert _says_what_is_accepted(result.reason, row), told
    record_property('sets', {'taken': taken, 'refused': refused})
    print(f'\n{taken} sets taken, {refused} refused')
    assert min(taken, refused) > SETS // 20


def _stored(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _names(reason: str, value: Any) -> bool:
    return repr(value) in reason or (
        hasattr(value, '__len__') and all(repr(part) in reason for part in value))


def _says_what_is_accepted(reason: str, row: Row) -> bool:
    if row.choices:
        return all(choice in reason for choice in row.choices)
    if row.minimum is not None:
        return f'{row.minimum}' in reason and f'{row.maximum}' in reason
    return row.accepted in reason


@pytest.mark.parametrize('active', [False, True], ids=['unconfigured', 'active'])
def test_a_node_takes_its_own_dump(node, active):
    """Every parameter set to what it is, one by one and all at once, changes nothing."""
    if active:
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    dump = [node.get_parameter(name) for name in PARAMETERS]
    before = node.settings
    for result in [*node.set_parameters(dump), node.set_parameters_atomically(dump)]:
        assert result.successful, result.reason
    assert node.settings == before
    refused = node.set_parameters_atomically([Parameter('autostart', value=False)])
    assert not refused.successful and 'only at start' in refused.reason


def test_the_shipped_file_is_for_a_running_node_of_any_name(node):
    """As `ros2 param load` reads it."""
    found = parameter_dict_from_yaml_file(str(SHIPPED), True, ['/front/some_name'])
    assert len(found) > 10
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    results = node.set_parameters([Parameter.from_parameter_msg(each) for each in found.values()])
    assert all(result.successful for result in results), results


def test_a_renamed_node_starts_with_a_file_like_the_shipped_one(tmp_path):
    """The key does not name the node."""
    file = tmp_path / 'my.yaml'
    text = SHIPPED.read_text()
    assert 'slop_ms: 16.0' in text
    file.write_text(text.replace('slop_ms: 16.0', 'slop_ms: 7.0'))
    context = Context()
    rclpy.init(context=context)
    node = fusion_node.FusionNode(context=context, cli_args=[
        '--ros-args', '-r', '__node:=other', '-r', '__ns:=/rear', '--params-file', str(file)])
    assert node.get_fully_qualified_name() == '/rear/other'
    assert node.settings.sync.slop_ms == 7.0
    node.destroy_node()
    context.try_shutdown()


def test_an_unknown_name_spoils_its_set(node):
    """Nothing of a set with a name that does not exist is taken."""
    rows = list(PARAMETERS.values())
    for row in rows:
        before, own = _read(node, rows), node.settings
        with pytest.raises(ParameterNotDeclaredException):
            node.set_parameters_atomically([
                Parameter('overlay.alpha', value=0.25), Parameter(row.name + '_', value=1)])
        assert _read(node, rows) == before and node.settings is own
