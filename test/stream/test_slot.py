import threading
import time

import pytest

from uaafusion_ros.stream.slot import LatestSlot


def test_the_newest_item_wins_and_the_replaced_one_comes_back():
    slot = LatestSlot()
    assert slot.put('a') is None
    assert slot.put('b') == 'a'
    assert slot.take(0) == 'b'
    assert slot.take(0) is None
    assert slot.put('c') is None


def test_none_is_refused():
    with pytest.raises(ValueError, match='None'):
        LatestSlot().put(None)


def test_take_waits_no_longer_than_asked():
    start = time.monotonic()
    assert LatestSlot().take(0.05) is None
    assert 0.04 <= time.monotonic() - start < 2.0


def test_close_wakes_a_waiting_taker_and_refuses_more():
    slot = LatestSlot()
    taken = []
    taker = threading.Thread(target=lambda: taken.append(slot.take()))
    taker.start()
    assert slot.close() is None
    taker.join(5.0)
    assert taken == [None]
    assert slot.closed
    assert slot.put('late') == 'late'
    assert slot.take(0) is None


def test_close_returns_what_nobody_took():
    slot = LatestSlot()
    slot.put('left')
    assert slot.close() == 'left'
    assert slot.close() is None


def test_every_item_is_taken_or_replaced_and_order_holds():
    slot = LatestSlot()
    taken = []

    def work():
        while (item := slot.take(5.0)) is not None:
            taken.append(item)

    worker = threading.Thread(target=work)
    worker.start()
    replaced = sum(slot.put(k) is not None for k in range(1, 5001))
    left = slot.close()
    worker.join(5.0)
    assert not worker.is_alive()
    assert taken == sorted(taken)
    assert len(taken) + replaced + (left is not None) == 5000
    assert left == 5000 or taken[-1] == 5000
