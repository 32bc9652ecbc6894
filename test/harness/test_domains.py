"""Each holder of a ROS domain has it for itself, also among processes that start together."""

from __future__ import annotations

import random
import socket
import subprocess
import sys

import pytest

from uaafusion_ros.errors import DependencyError
from uaafusion_ros.harness import domains
from uaafusion_ros.harness.domains import own_domain

HOLD = ('import sys\nfrom uaafusion_ros.harness.domains import own_domain\n'
        'with own_domain() as domain:\n    print(domain, flush=True)\n    sys.stdin.read()\n')


@pytest.fixture
def in_order(monkeypatch):
    """Let domains be tried from the first on."""
    monkeypatch.setattr(random, 'sample', lambda values, count: list(values)[:count])


def test_a_domain_is_held_and_given_back(in_order):
    with own_domain() as first, own_domain() as second:
        assert 1 <= first < second <= 100
    with own_domain() as again:
        assert again == first


def test_a_domain_with_participants_is_not_taken(in_order):
    """The participant that another program would have is a bound port here."""
    with own_domain() as first:
        pass
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(('', 7410 + 250 * first))
        with own_domain() as next_one:
            assert next_one > first


def test_processes_that_start_together_hold_different_ones():
    """All try the same few domains in the same order."""
    code = 'import random\nrandom.sample = lambda values, count: list(values)\n' + HOLD
    started = [subprocess.Popen([sys.executable, '-c', code], text=True, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE) for _ in range(4)]
    held = [process.stdout.readline() for process in started]
    for process in started:
        process.communicate()
    assert len(set(held)) == 4 and all(int(domain) for domain in held)


def test_no_domain_left_is_said(monkeypatch):
    monkeypatch.setattr(domains, '_DOMAINS', [7])
    with own_domain():
        with pytest.raises(DependencyError, match='every ROS domain'), own_domain():
            pass
