"""Faults are said once, and remembered."""

from __future__ import annotations

from threading import Thread
import time
from types import SimpleNamespace

from uaafusion_ros.errors import EncodingError
from uaafusion_ros.nodes import voice as voice_module
from uaafusion_ros.nodes.voice import recent
from uaafusion_ros.nodes.voice import said as words_of
from uaafusion_ros.nodes.voice import Voice


def test_a_fault_is_said_once_per_period(monkeypatch):
    """The key tells faults apart, so a camera's number does; another fault is not held back."""
    said, now = [], [100.0]
    monkeypatch.setattr(voice_module, 'monotonic', lambda: now[0])
    voice = Voice(SimpleNamespace(error=said.append, warning=said.append), 5.0)
    voice.error('camera0: image of 10 bytes', 'camera0 malformed')
    voice.error('camera0: image of 11 bytes', 'camera0 malformed')
    voice.error('camera1: image of 10 bytes', 'camera1 malformed')
    voice.warning('silence')
    voice.warning('silence')
    assert said == ['camera0: image of 10 bytes', 'camera1: image of 10 bytes', 'silence']
    assert voice.last('camera0 malformed') == 'camera0: image of 11 bytes'
    assert voice.last_error == 'camera1: image of 10 bytes', 'a warning is no error'
    now[0] += 5.0
    voice.error('camera0: image of 12 bytes', 'camera0 malformed')
    assert said[3:] == ['camera0: image of 12 bytes']


def test_two_threads_may_speak_at_once():
    """One of them looks what was said before while the other is about to say the same."""
    class Slow(dict):
        def get(self, *arguments):
            found = super().get(*arguments)
            time.sleep(0.05)
            return found

    said = []
    voice = Voice(SimpleNamespace(error=said.append))
    voice._said = Slow()
    threads = [Thread(target=voice.error, args=('hot',)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == ['hot']


def test_a_fault_is_recent_while_its_count_rises():
    """The text is the last one, the number that of this period."""
    voice = Voice(SimpleNamespace(error=lambda text: None))
    voice.error('16:9 on 4:3', 'dropped.pair.failed')
    counts = {'dropped.pair.failed': 5}
    assert recent('dropped.pair.failed', counts, {}, voice) == [
        '16:9 on 4:3 (5 since the last report)']
    assert recent('dropped.pair.failed', counts, counts, voice) == []


def test_only_foreign_errors_are_named_by_type():
    """The project's own texts stand alone."""
    assert words_of(EncodingError('too short')) == 'too short'
    assert words_of(ValueError('too short')) == 'ValueError: too short'
