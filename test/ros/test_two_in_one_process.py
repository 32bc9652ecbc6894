"""Two nodes of two namespaces in one process and one executor keep to themselves."""

from __future__ import annotations

from pathlib import Path
import textwrap

import pytest
from robot import until
from source import Source

from uaafusion_ros.nodes.messages import ns_from_stamp

pytestmark = pytest.mark.ros
SECOND = 10 ** 9

TWO_NODES = textwrap.dedent("""\
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.parameter import Parameter
    from uaafusion_ros.nodes.fusion_node import FusionNode

    rclpy.init()
    executor = SingleThreadedExecutor()
    nodes = [FusionNode(namespace=side, parameter_overrides=[
        Parameter('diagnostics.period_s', value=0.2),
        Parameter('engine.warmup_size', value=[64, 48]),
        Parameter('sync.slop_ms', value=slop)]) for side, slop in (('left', 5.0), ('right', 9.0))]
    for node in nodes:
        executor.add_node(node)
        node.start()
    while True:
        executor.spin_once(timeout_sec=0.5)
""")


def test_two_nodes_in_one_process_do_not_talk_to_one_another(robot, tmp_path):
    """Own images, counts, reports, parameters and life cycles, while both fuse."""
    listener = robot.listener
    script = Path(tmp_path) / 'two_nodes.py'
    script.write_text(TWO_NODES)
    process = robot.start(script)
    try:
        sources = {}
        for number, side in enumerate(('left', 'right')):
            assert until(lambda: listener.values(f'/{side}/fusion_node').get('state') == 'active',
                         30.0), process.lines
            listener.hear('fused/image', namespace=f'/{side}')
            sources[side] = Source(listener, namespace=f'/{side}', size=(64 + 32 * number, 48))
            assert sources[side].matched()
        sent = {'left': 6, 'right': 15}
        for number in range(15):
            for side, source in sources.items():
                if number < sent[side]:
                    source.send_pair((1000 if side == 'left' else 2000) * SECOND
                                     + number * SECOND // 10)
            until(lambda: False, 0.1)
        for side, first, width in (('left', 1000, 64), ('right', 2000, 96)):
            heard = listener.images[f'/{side}/fused/image']
            assert until(lambda: heard)
            assert {image.width for image in heard} == {width}
            assert all(first <= ns_from_stamp(image.header.stamp) / SECOND < first + 2
                       for image in heard)
            counts = listener.counts(f'/{side}/fusion_node')
            assert counts['received.rgb'] == counts['received.thermal'] == sent[side]
        assert listener.set('/left/fusion_node', overlay__alpha=0.9).successful
        assert listener.change(4, '/left/fusion_node')
        assert until(lambda: listener.values('/left/fusion_node')['state'] == 'inactive')
        assert listener.state('/right/fusion_node') == 'active'
        before = len(listener.images['/right/fused/image'])
        sources['right'].send_pair(2002 * SECOND)
        sources['right'].send_pair(2002 * SECOND + SECOND // 10)
        assert until(lambda: len(listener.images['/right/fused/image']) > before)
        assert process.alive() and not process.said('Traceback')
    finally:
        process.stop()
