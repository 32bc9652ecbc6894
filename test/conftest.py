"""What every test needs: a process that can be interrupted, and with ROS a domain of its own."""

from __future__ import annotations

from collections.abc import Iterator
import signal

import pytest

from uaafusion_ros.harness.domains import own_domain

# A shell script starts its background jobs with SIGINT ignored, and children inherit that: the
# processes that tests start could then not be ended as a user ends them.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def domain(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Hold a ROS domain for nodes of this process and its children; no other process has it."""
    with own_domain() as domain:
        monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
        monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
        yield domain


@pytest.fixture(autouse=True)
def domain_of_ros_tests(request: pytest.FixtureRequest) -> None:
    """Give each test that is marked `ros` its domain."""
    if request.node.get_closest_marker('ros'):
        request.getfixturevalue('domain')
