"""Profiles from parameters, and what is said when nothing arrives."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip('rclpy')

from rclpy.qos import QoSPolicyKind  # noqa: E402
from rclpy.qos import QoSProfile  # noqa: E402
from rclpy.qos import ReliabilityPolicy  # noqa: E402

from uaafusion_ros.nodes import qos  # noqa: E402
from uaafusion_ros.settings import QosSettings  # noqa: E402

pytestmark = pytest.mark.ros
RELIABLE = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
BEST_EFFORT = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)


def test_defaults_hear_every_camera_and_serve_every_listener():
    """Best effort in, reliable out, as deep as the parameters say."""
    settings = QosSettings(output_depth=7)
    given = qos.profile(settings.output_depth, settings.output_reliability)
    taken = qos.profile(settings.input_depth, settings.input_reliability)
    assert (given.reliability, given.depth) == (ReliabilityPolicy.RELIABLE, 7)
    assert (taken.reliability, taken.depth) == (ReliabilityPolicy.BEST_EFFORT, 5)


def test_incompatible_events_name_topic_and_remedy():
    """The text changes with the side and the policy."""
    said = []
    event = SimpleNamespace(last_policy_kind=QoSPolicyKind.RELIABILITY)
    qos.input_events('/rgb', said.append).incompatible_qos(event)
    qos.output_events('/fused', said.append).incompatible_qos(event)
    qos.input_events('/rgb', said.append).incompatible_qos(
        SimpleNamespace(last_policy_kind=QoSPolicyKind.DEADLINE))
    assert said[0].startswith('/rgb:') and 'qos.input_reliability to best_effort' in said[0]
    assert 'the publisher is best effort, this subscriber reliable' in said[0]
    assert said[1].startswith('/fused:') and 'qos.output_reliability to reliable' in said[1]
    assert 'change DEADLINE' in said[2]


@pytest.mark.parametrize('wanted, publishers, elsewhere, words', [
    (BEST_EFFORT, [], '', 'nobody publishes it'),
    (BEST_EFFORT, [], 'set input.rgb_transport', 'set input.rgb_transport'),
    (RELIABLE, [BEST_EFFORT], '', 'set qos.input_reliability to best_effort'),
    (RELIABLE, [BEST_EFFORT, RELIABLE], '', '2 publisher(s) exist'),
    (BEST_EFFORT, [BEST_EFFORT], 'other', 'FASTDDS_DEFAULT_PROFILES_FILE'),
])
def test_silence_is_explained_by_what_publishes(wanted, publishers, elsewhere, words):
    """No publisher, another transport, a deaf ear, or a stalled camera."""
    assert words in qos.cause_of_silence(wanted, [
        SimpleNamespace(qos_profile=profile) for profile in publishers], elsewhere)


def test_silence_is_due_after_doubling_times():
    """Due at 1, 2, 4 and 8 timeouts, and anew after an image."""
    warnings = qos.SilenceWarnings()
    for _ in range(2):
        due = [tenth / 10 for tenth in range(200) if warnings.due(tenth / 10, 2.0)]
        assert due == [2.0, 4.0, 8.0, 16.0]
