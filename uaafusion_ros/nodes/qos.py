"""Quality of service from parameters, and a plain word when it keeps images from arriving."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.event_handler import PublisherEventCallbacks
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import HistoryPolicy
from rclpy.qos import qos_policy_name_from_kind
from rclpy.qos import QoSProfile
from rclpy.qos import ReliabilityPolicy

from uaafusion_ros.nodes import transport


def profile(depth: int, reliability: str) -> QoSProfile:
    """Return the profile of 'reliable' or 'best_effort' images; durability is volatile."""
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth,
                      reliability=ReliabilityPolicy[reliability.upper()])


def input_events(topic: str, warn: Callable[[str], None]) -> SubscriptionEventCallbacks:
    """Return callbacks that warn when a publisher of `topic` cannot be heard."""

    def incompatible(event: Any) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        warn(f'{topic}: a publisher offers an incompatible {policy}, nothing arrives from it; '
             + _mend_input(policy))

    return SubscriptionEventCallbacks(incompatible_qos=incompatible)


def output_events(topic: str, warn: Callable[[str], None]) -> PublisherEventCallbacks:
    """Return callbacks that warn when a subscriber of `topic` cannot be served."""

    def incompatible(event: Any) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        mend = ('the publisher is best effort, the subscriber reliable: set '
                'qos.output_reliability to reliable here or ask best effort there'
                if policy == 'RELIABILITY' else
                f'change {policy} of the subscriber; outputs are volatile, nothing is kept for it')
        warn(f'{topic}: a subscriber asks an incompatible {policy}, nothing reaches it; {mend}')

    return PublisherEventCallbacks(incompatible_qos=incompatible)


def _mend_input(policy: str) -> str:
    if policy == 'RELIABILITY':
        return ('the publisher is best effort, this subscriber reliable: set '
                'qos.input_reliability to best_effort here or make the camera reliable')
    return f'change {policy} of the publisher'


def cause_of_silence(wanted: QoSProfile, publishers: list[Any], elsewhere: str = '') -> str:
    """
    Say why nothing arrives on a topic, and what to do.

    `wanted` is the subscriber's profile, `publishers` the answer of
    `get_publishers_info_by_topic`, `elsewhere` what to set if the camera is heard on another
    topic.
    """
    if not publishers:
        return elsewhere or (
            'nobody publishes it: start the camera, or remap the topic or namespace '
            '(ros2 topic list), or check ROS_DOMAIN_ID')
    deaf = [item for item in publishers
            if wanted.reliability == ReliabilityPolicy.RELIABLE
            and item.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT]
    if len(deaf) == len(publishers):
        return 'its publisher is best effort: ' + _mend_input('RELIABILITY')
    return (f'{len(publishers)} publisher(s) exist: the camera has stalled, or its images '
            'do not fit the transport; start both sides with FASTDDS_DEFAULT_PROFILES_FILE '
            'set to config/fastdds.xml')


def senders(node: Node, topic: str) -> tuple[transport.Sender, ...]:
    """Return what is known of the publishers of a topic that `node` has subscribed to."""
    own = [each.endpoint_gid for each in node.get_subscriptions_info_by_topic(topic)
           if (each.node_name, each.node_namespace) == (node.get_name(), node.get_namespace())]
    held = transport.segments()
    return tuple(transport.Sender(
        f'{each.node_namespace.rstrip("/")}/{each.node_name}',
        each.qos_profile.reliability == ReliabilityPolicy.RELIABLE,
        transport.segment_of(each.endpoint_gid, own[0], held) if own else None)
        for each in node.get_publishers_info_by_topic(topic))


class SilenceWarnings:
    """
    Decide when a silent topic deserves a warning.

    Warns after 1, 2, 4, 8, ... timeouts of silence, so that a camera that is off for a day
    fills no log.
    """

    def __init__(self) -> None:
        """Begin with a topic that is not silent."""
        self._due = 1.0

    def due(self, silence_s: float, timeout_s: float) -> bool:
        """Return whether a warning is due now; to be asked several times per timeout."""
        periods = silence_s / timeout_s
        if periods < 1.0:
            self._due = 1.0
        if periods < self._due:
            return False
        while self._due <= periods:
            self._due *= 2.0
        return True
