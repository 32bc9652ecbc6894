"""The worker takes the newest job and gives back what it did not begin."""

from __future__ import annotations

from threading import Event

from uaafusion_ros.nodes.worker import Worker


def test_the_newest_job_wins_and_every_job_is_accounted_for():
    """While one job runs, the second is displaced by the third."""
    done, began, go_on = [], Event(), Event()

    def work(job):
        began.set()
        go_on.wait(5.0)
        done.append(job)

    worker = Worker(work)
    assert worker.put('first') is None
    assert began.wait(5.0)
    assert worker.put('second') is None
    assert worker.put('third') == 'second'
    go_on.set()
    while len(done) < 2:
        began.wait(0.01)
    assert worker.stop(5.0) == (None, True)
    assert done == ['first', 'third']
    assert worker.put('late') == 'late'


def test_a_job_that_does_not_end_is_told():
    """Stopping returns the waiting job and that the thread still runs."""
    began, go_on = Event(), Event()

    def work(job):
        began.set()
        go_on.wait(5.0)

    worker = Worker(work)
    worker.put('endless')
    assert began.wait(5.0)
    worker.put('waiting')
    assert worker.stop(0.05) == ('waiting', False)
    go_on.set()
    assert worker.stop(5.0) == (None, True)
