"""What each status says, from parts that are made up."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

pytest.importorskip('rclpy')

from builtin_interfaces.msg import Time  # noqa: E402
from diagnostic_msgs.msg import DiagnosticStatus  # noqa: E402

from uaafusion_ros.imaging.registration.drift import Drift  # noqa: E402
from uaafusion_ros.imaging.thermal import ThermalFacts  # noqa: E402
from uaafusion_ros.nodes.counters import Counters  # noqa: E402
from uaafusion_ros.nodes.counters import Latencies  # noqa: E402
from uaafusion_ros.nodes.reports import memory  # noqa: E402
from uaafusion_ros.nodes.reports import Parts  # noqa: E402
from uaafusion_ros.nodes.reports import Reports  # noqa: E402
from uaafusion_ros.nodes.throttled_log import ThrottledLogger  # noqa: E402
from uaafusion_ros.settings import Settings  # noqa: E402

pytestmark = pytest.mark.ros
OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


class FakeNode:
    """A node that keeps what it publishes and logs."""

    def __init__(self):
        self.sent, self.said = [], []

    def create_publisher(self, *_):
        return SimpleNamespace(publish=self.sent.append)

    def get_clock(self):
        return SimpleNamespace(now=lambda: SimpleNamespace(to_msg=Time))

    def get_fully_qualified_name(self):
        return '/fusion_node'

    def get_logger(self):
        return SimpleNamespace(info=self.said.append, warning=self.said.append,
                               error=self.said.append)


class Bench:
    """Reports of parts that can be changed."""

    def __init__(self):
        self.node = FakeNode()
        self.counters = Counters()
        self.log = ThrottledLogger(self.node.get_logger())
        self.reports = Reports(self.node, self.counters, Latencies(), self.log)
        self.parts = dict.fromkeys(
            ('backend', 'pipeline', 'outputs', 'inputs', 'router'))

    def status(self, name, **parts):
        """Report; return level, message and values of one status."""
        self.parts.update(parts)
        self.reports.publish(
            Parts(state='active', blocking_error='', **self.parts), Settings())
        entry = next(item for item in self.node.sent[-1].status
                     if item.name == f'/fusion_node: {name}')
        return entry.level, entry.message, {item.key: item.value for item in entry.values}


def backend(**given):
    return SimpleNamespace(**{'name': 'x 1.0', 'choice': 'only one', 'problem': '',
                              'progress': '', 'take_notes': list, 'ran_at': '640x512',
                              'gpu_memory': lambda: None, **given})


def facts(**given):
    return ThermalFacts(**{
        'unit': 'celsius', 'low': 10.0, 'high': 40.0, 'coldest': 5.0, 'hottest': 60.0,
        'invalid': 0.0, 'saturated': 0.0, 'clipped': 0.0, 'dead_rows': 0, 'dead_columns': 0,
        **given})


def test_every_key_is_there_once():
    """Whoever flattens the statuses loses nothing."""
    bench = Bench()
    bench.status('cameras', backend=backend(), pipeline=SimpleNamespace(
        drift=Drift(0.1, (0.0, 0.0), 3), thermal_facts=facts(), registration=SimpleNamespace()))
    keys = [item.key for entry in bench.node.sent[-1].status for item in entry.values]
    assert len(keys) == len(set(keys))
    names = [entry.name.partition(': ')[2] for entry in bench.node.sent[-1].status]
    assert names == ['cameras', 'pairs', 'mode', 'engine', 'registration', 'thermal', 'latency',
                     'memory']


def test_a_build_and_a_lost_runtime_are_warnings():
    bench = Bench()
    assert bench.status('engine', backend=backend())[:2] == (OK, 'ok')
    assert bench.status('engine', backend=backend())[2]['working_size'] == '640x512'
    level, message, values = bench.status(
        'engine', backend=backend(progress='TensorRT: building (40%)'))
    assert level == WARN and 'building (40%)' in message and '40%' in values['progress']
    assert any('40%' in line for line in bench.node.said)
    count = len(bench.node.said)
    bench.status('engine')
    assert len(bench.node.said) == count, 'the same progress is said once'
    assert bench.status('engine', backend=backend(
        problem='the GPU is gone; on the processor'))[:2] == (
            WARN, 'the GPU is gone; on the processor')
    bench.status('engine', backend=backend(take_notes=lambda: ['TensorRT works again']))
    assert bench.node.said[-1] == 'TensorRT works again'


def test_thermal_faults_are_told_when_they_stay():
    """One bad image is no warning, and one good one no end of it."""
    bench = Bench()
    pipeline = SimpleNamespace(drift=None, thermal_facts=facts(dead_rows=2),
                               registration=SimpleNamespace())
    assert bench.status('thermal')[:2] == (OK, 'ok')
    levels = [bench.status('thermal', pipeline=pipeline)[0] for _ in range(3)]
    assert levels == [OK, OK, WARN]
    level, message, values = bench.status('thermal')
    assert '2 dead rows' in message and values['thermal_hottest'] == '60'
    pipeline.thermal_facts = facts()
    assert [bench.status('thermal')[0] for _ in range(4)] == [WARN, WARN, OK, OK]


def test_drift_is_told_with_the_move_that_would_mend_it():
    """After enough pairs that agree."""
    bench = Bench()
    pipeline = SimpleNamespace(drift=Drift(0.8, (7.6, -1.2), 4), thermal_facts=None,
                               registration=SimpleNamespace())
    assert {bench.status('registration', pipeline=pipeline)[0] for _ in range(5)} == {OK}
    pipeline.drift = Drift(0.8, (7.6, -1.2), 12)
    levels = [bench.status('registration')[0] for _ in range(3)]
    assert levels == [OK, OK, WARN]
    _, message, values = bench.status('registration')
    assert '+8, -1 pixels' in message and values['drift_score'] == '0.80'
    pipeline.registration.reason = 'waits for the calibration of rgb'
    assert 'waits for the calibration' in bench.status('registration')[1]


@pytest.mark.parametrize('mode, received, level', [
    ('FUSED', 5, OK), ('RGB_ONLY', 5, WARN), ('THERMAL_FROZEN', 5, WARN), ('STALE', 0, WARN),
    ('STALE', 5, ERROR)])
def test_the_mode_has_a_level(mode, received, level):
    """Nothing heard yet is no error; both cameras lost is one."""
    from uaafusion_ros.stream.health import Health
    from uaafusion_ros.stream.health import Mode
    bench = Bench()
    bench.counters.add('received.rgb', received)
    router = SimpleNamespace(
        thermal_offset=lambda: (0.0, None),
        health=lambda now_ns: Health(Mode(mode), 'the cable is loose', 0, 3, False),
        skew=lambda: SimpleNamespace(skew_p50_ms=1.0, skew_p95_ms=2.0, drift_ppm=None, advice='',
                                     age_p50_ms={'rgb': 3.0, 'thermal': 4.0}),
        advice=lambda: '')
    got, message, values = bench.status('mode', router=router)
    assert (got, values['mode'], values['mode_changes']) == (level, mode, '3')
    assert message == ('ok' if level == OK else f'{mode}: the cable is loose')
    assert bench.status('cameras')[2]['age_ms.thermal'] == '4.00'
    assert bench.status('pairs')[2]['skew_ms.p95'] == '2.00'


def test_memory_is_that_of_this_process():
    before = float(memory(None)['rss_mb'])
    block = bytearray(b'x' * 60_000_000)
    assert 50 < float(memory(None)['rss_mb']) - before < 120
    del block


def test_names_that_messages_were_read_by_are_not_kept():
    bench, names = Bench(), [''.join(('na', 'me', str(number))) for number in range(500)]
    idle = sum(map(sys.getrefcount, names))
    # As the C code of a message looks up its fields.
    assert not any(hasattr(bench, name) for name in names)
    assert sum(map(sys.getrefcount, names)) > idle + 100, 'not CPython: nothing to test'
    for _ in range(30):
        bench.status('memory')
    assert sum(map(sys.getrefcount, names)) == idle


def test_memory_of_the_gpu_is_told_where_the_engine_has_one():
    bench = Bench()
    assert set(bench.status('memory', backend=backend())[2]) == {'rss_mb'}
    values = bench.status('memory', backend=backend(
        gpu_memory=lambda: (1_234_560_000, 8_000_000_000)))[2]
    assert (values['gpu_used_mb'], values['gpu_total_mb']) == ('1234.6', '8000.0')


def test_what_is_unusual_about_thermal_images_warns():
    level, message, _ = Bench().status('thermal', findings=('telemetry rows',))
    assert (level, message) == (WARN, 'telemetry rows')
