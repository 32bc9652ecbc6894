"""ROS domain ids that are used by one program of this machine at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import random
import socket

from uaafusion_ros.errors import DependencyError

_DOMAINS = range(1, 101)  # higher ids would meet the ports that Linux gives to any program


@contextmanager
def own_domain() -> Iterator[int]:
    """
    Hold a ROS domain id, 1 to 100, for as long as the context lasts.

    No other holder on this machine gets the same one: each binds a name in Linux's abstract socket
    namespace, which the system frees however the process ends. A domain with participants of
    other programs is not taken either: the first participant of domain d holds UDP port
    7410 + 250 d (RTPS 2.3, 9.6.1.1). Raises DependencyError if all are taken.
    """
    for domain in random.sample(_DOMAINS, len(_DOMAINS)):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as claim:
            try:
                claim.bind(f'\0uaafusion_ros.domain.{domain}')
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                    probe.bind(('', 7410 + 250 * domain))
            except OSError:
                continue
            yield domain
            return
    raise DependencyError('every ROS domain from 1 to 100 is in use on this machine; end some of '
                          'its ROS processes')
