"""Faults are logged once, and remembered."""

from __future__ import annotations

import sys
from threading import Barrier
from threading import Thread
from types import SimpleNamespace

from uaafusion_ros.errors import EncodingError
from uaafusion_ros.nodes import throttled_log as log_module
from uaafusion_ros.nodes.throttled_log import describe_error
from uaafusion_ros.nodes.throttled_log import recent
from uaafusion_ros.nodes.throttled_log import ThrottledLogger


def test_a_fault_is_said_once_per_period(monkeypatch):
    """The key tells faults apart, so a camera's number does; another fault is not held back."""
    said, now = [], [100.0]
    monkeypatch.setattr(log_module, 'monotonic', lambda: now[0])
    log = ThrottledLogger(SimpleNamespace(error=said.append, warning=said.append), 5.0)
    log.error('camera0: image of 10 bytes', 'camera0 malformed')
    log.error('camera0: image of 11 bytes', 'camera0 malformed')
    log.error('camera1: image of 10 bytes', 'camera1 malformed')
    log.warning('silence')
    log.warning('silence')
    assert said == ['camera0: image of 10 bytes', 'camera1: image of 10 bytes', 'silence']
    assert log.last('camera0 malformed') == 'camera0: image of 11 bytes'
    assert log.last_error == 'camera1: image of 10 bytes', 'a warning is no error'
    now[0] += 5.0
    log.error('camera0: image of 12 bytes', 'camera0 malformed')
    assert said[3:] == ['camera0: image of 12 bytes']


def test_two_threads_may_speak_at_once():
    """One of them looks what was said before while the other is about to say the same."""
    said, faults = [], [f'fault {number}' for number in range(200)]
    log = ThrottledLogger(SimpleNamespace(error=said.append))
    start, interval = Barrier(4), sys.getswitchinterval()

    def speak():
        start.wait()
        for fault in faults:
            log.error(fault)

    sys.setswitchinterval(1e-6)
    try:
        threads = [Thread(target=speak) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert sorted(said) == sorted(faults)


def test_a_fault_is_recent_while_its_count_rises():
    """The text is the last one, the number that of this period."""
    log = ThrottledLogger(SimpleNamespace(error=lambda text: None))
    log.error('16:9 on 4:3', 'dropped.pair.failed')
    counts = {'dropped.pair.failed': 5}
    assert recent('dropped.pair.failed', counts, {}, log) == [
        '16:9 on 4:3 (5 since the last report)']
    assert recent('dropped.pair.failed', counts, counts, log) == []


def test_only_foreign_errors_are_named_by_type():
    """The project's own texts stand alone."""
    assert describe_error(EncodingError('too short')) == 'too short'
    assert describe_error(ValueError('too short')) == 'ValueError: too short'
