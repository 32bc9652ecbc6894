"""A VGA pair at 30 Hz for a minute: with the shipped profile no image is lost on its way."""

from __future__ import annotations

import pytest
from robot import until

pytestmark = [pytest.mark.ros, pytest.mark.slow]

RATE = 30


def _cpu_s(pid: int) -> float:
    with open(f'/proc/{pid}/stat') as stat:
        fields = stat.read().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / 100.0


@pytest.mark.parametrize('seconds, listen', [(60, True), (10, False)],
                         ids=['fusing', 'receiving_alone'])
def test_no_vga_image_is_lost_before_the_pairer(robot, seconds, listen, record_property):
    """The publisher's count is the node's, per camera; what inference cannot do is counted."""
    listener = robot.listener
    if listen:
        listener.hear('fused/image')
    node = robot.active(engine__warmup_size=[640, 480])
    start = _cpu_s(node.pid)
    sent = robot.camera(
        '--size', '640', '480', '--thermal-encoding', 'mono16', '--rate', str(RATE),
        '--count', str(seconds * RATE)).result(seconds + 60.0)
    used = _cpu_s(node.pid) - start
    until(lambda: listener.counts()['in_flight'] == 0)
    counts = listener.counts()
    record_property('counts', str(counts))
    record_property('node_cpu_ms_per_pair', used * 1e3 / sent['rgb'])
    print(f'\n{counts}\nprocessor time of the node: {used * 1e3 / sent["rgb"]:.2f} ms/pair')

    assert sent['rgb'] == sent['thermal'] == seconds * RATE
    for camera in ('rgb', 'thermal'):
        assert counts[f'received.{camera}'] == sent[camera]
        lost = {key: count for key, count in counts.items()
                if key.startswith(f'dropped.{camera}.') and count}
        assert not lost, lost
        assert counts[f'pending.{camera}'] == 0
    assert counts['paired'] == seconds * RATE
    dropped = {key: count for key, count in counts.items() if key.startswith('dropped.pair.')}
    assert counts['fused'] + sum(dropped.values()) == counts['paired']
    assert set(dropped) <= {
        'dropped.pair.superseded' if listen else 'dropped.pair.no_listener'}
    assert bool(counts['fused']) == listen
