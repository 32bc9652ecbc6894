"""A stream in which most images are faulty goes through a real node, and nothing is lost in it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
import sys
import time

import pytest
from rclpy.qos import QoSProfile
from robot import until
from source import Source

from uaafusion_ros.nodes.messages import stamp_from_ns

sys.path.append(str(Path(__file__).resolve().parents[1] / 'robustness'))

from image_fuzz import message  # noqa: E402
from slow_decoder import decode  # noqa: E402

pytestmark = pytest.mark.ros
PAIRS = 500
MS = 10 ** 6


@pytest.mark.slow
def test_every_faulty_image_is_counted_and_every_good_pair_after_it_is_fused(robot):
    """
    Two fuzzed images before each good pair, over DDS to a node's process.

    Faulty ones are 'malformed' and right ones without partner 'no_partner', exactly as a slow
    decoder says; each good pair is paired, and what comes out is ever the same to the bit.
    """
    listener = robot.listener
    listener.hear('fused/image')
    node = robot.active(qos__input_reliability='reliable', qos__input_depth=1000,
                        engine__warmup_size=[64, 48], sync__slop_ms=5.0,
                        diagnostics__period_s=0.1, mode__timeout_s=10.0)
    source = Source(listener, qos=QoSProfile(depth=1000))
    assert source.matched()
    refused = {'rgb': 0, 'thermal': 0}
    start = time.time_ns() - PAIRS * 100 * MS  # none is stamped in the future
    for number in range(PAIRS):
        stamp_ns = start + number * 100 * MS
        for place, camera in enumerate(('rgb', 'thermal')):
            msg = message(20_000 + 2 * number + place)
            msg.header.stamp = stamp_from_ns(stamp_ns - (70 - 30 * place) * MS)
            refused[camera] += decode(msg, 16_000_000) is None
            source.publish(camera, msg)
        source.send_pair(stamp_ns)
        time.sleep(0.008)
        if number % 50 == 49:  # a reader that lags further behind than the queue would lose some
            assert until(lambda: listener.values()['received.thermal'] == str(
                source.sent['thermal']), 60.0), listener.values()
    # The last pair is decided when a later one has come, or its wait is over.
    assert until(lambda: listener.counts().get('paired') == PAIRS, 30.0), listener.counts()
    assert until(lambda: listener.counts()['in_flight'] == 0)
    counts = listener.counts()
    print(f'\n{counts}')
    for camera in ('rgb', 'thermal'):
        assert counts[f'received.{camera}'] == source.sent[camera] == 2 * PAIRS
        assert counts[f'dropped.{camera}.malformed'] == refused[camera]
        assert counts[f'dropped.{camera}.no_partner'] == PAIRS - refused[camera]
        assert counts[f'pending.{camera}'] == 0
    ended = {key.rpartition('.')[2]: count for key, count in counts.items()
             if key.startswith('dropped.pair.')}
    assert counts['fused'] + sum(ended.values()) == PAIRS
    assert set(ended) <= {'superseded', 'late'}
    heard = listener.images['/fused/image']
    assert until(lambda: len(heard) == counts['fused'] + counts['shown'])
    assert counts['fused'] > PAIRS // 10
    # The scene has two variants, which take turns. A lone frame may be shown where the other
    # camera's faults look like a shutter.
    variants = Counter(bytes(image.data) for image in heard).most_common(2)
    assert sum(count for _, count in variants) == counts['fused'], 'a fault has left a trace'
    assert node.alive() and 'Traceback' not in '\n'.join(node.lines)
    assert len(node.said('ERROR')) < 60, 'the log is flooded'
    assert listener.state() == 'active'


def test_another_image_size_in_mid_stream_is_followed(robot):
    """Outputs take each new size, also an odd one and one that was seen before."""
    listener = robot.listener
    listener.hear('fused/image')
    node = robot.active(engine__warmup_size=[64, 48])
    source = Source(listener)
    assert source.matched()
    for size in ((64, 48), (90, 70), (47, 35), (64, 48)):
        source.resize(size)
        before = len(listener.images['/fused/image'])

        def followed() -> bool:
            source.send_pair(time.time_ns())
            time.sleep(0.05)
            return size in {(image.width, image.height)
                            for image in listener.images['/fused/image'][before:]}

        assert until(followed, 20.0), f'no fused image of {size}'
    assert not node.said('ERROR')
