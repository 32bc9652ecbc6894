"""Time pauses, races, loops and jumps: outputs resume within a second, timers do not burst."""

from __future__ import annotations

import shutil
import struct
import subprocess
from threading import Thread
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
import pytest
from robot import Listener
from robot import ROOT
from robot import until
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from source import Source

from uaafusion_ros.nodes.messages import ns_from_stamp
from uaafusion_ros.nodes.messages import stamp_from_ns

pytestmark = [pytest.mark.ros, pytest.mark.slow]
SECOND = 10 ** 9
HOUR = 3600 * SECOND
REPORT_S = 0.2


class Arrivals:
    """When outputs (with their stamps) and reports came, by the monotonic clock."""

    def __init__(self, listener: Listener) -> None:
        self.outputs: list[tuple[float, int]] = []
        self.reports: list[float] = []
        listener.node.create_subscription(Image, '/fused/image', lambda message: (
            self.outputs.append((time.monotonic(), ns_from_stamp(message.header.stamp)))), 50)
        listener.node.create_subscription(
            DiagnosticArray, '/diagnostics',
            lambda _: self.reports.append(time.monotonic()), 50)

    def resumed_after(self, began: float, first_ns: int, last_ns: int) -> float:
        """Return after how many seconds the first output of these stamps came; 99 for never."""
        def found() -> list[float]:
            return [at - began for at, stamp in self.outputs
                    if at >= began and first_ns <= stamp <= last_ns]

        until(found, 5.0)
        return min(found(), default=99.0)

    def most_reports_in_a_second(self) -> int:
        """Return the largest number of reports within any second."""
        return max(sum(first <= at < first + 1.0 for at in self.reports)
                   for first in self.reports)


class Simulation:
    """A simulator: /clock and a camera pair each tenth of a simulated second."""

    def __init__(self, listener: Listener, source: Source) -> None:
        self.rate, self.now_ns = 1.0, 100 * SECOND
        self._jump_ns = 0
        self._clock = listener.node.create_publisher(Clock, '/clock', 10)
        self._source = source
        assert until(self._clock.get_subscription_count) and source.matched()
        self._running = True
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        next_image_ns, before = 0, time.monotonic()
        while self._running:
            time.sleep(0.005)
            now = time.monotonic()
            self.now_ns += round((now - before) * self.rate * SECOND)
            before = now
            if self._jump_ns:
                self.now_ns += self._jump_ns
                next_image_ns, self._jump_ns = self.now_ns, 0
            now_ns = self.now_ns
            if self.rate:
                self._clock.publish(Clock(clock=stamp_from_ns(now_ns)))
            if now_ns >= next_image_ns and self.rate:
                self._source.send_pair(now_ns)
                next_image_ns = now_ns - now_ns % (SECOND // 10) + SECOND // 10

    def jump(self, by_ns: int) -> None:
        """Go on elsewhere in time, with an image at once; return when it has happened."""
        self._jump_ns = by_ns
        assert until(lambda: not self._jump_ns)

    def close(self) -> None:
        """Stop the time."""
        self._running = False
        self._thread.join()


@pytest.fixture
def simulated(robot: Any) -> Any:
    """Return arrivals and simulation around an active node on simulated time."""
    arrivals = Arrivals(robot.listener)
    node = robot.active(use_sim_time=True, engine__warmup_size=[64, 48],
                        diagnostics__period_s=REPORT_S)
    simulation = Simulation(robot.listener, Source(robot.listener))
    assert until(lambda: len(arrivals.outputs) > 3)
    yield arrivals, simulation
    simulation.close()
    assert node.alive() and not node.said('ERROR'), node.lines


def test_simulated_time_may_pause_race_loop_and_jump(simulated, record_property):
    """Each time the first output of the new time comes within a second."""
    arrivals, simulation = simulated
    resumed = {}

    def resume(name: str, last_ns: int | None = None) -> None:
        first_ns = simulation.now_ns - SECOND // 5
        resumed[name] = arrivals.resumed_after(
            time.monotonic(), first_ns, last_ns or first_ns + 100 * SECOND)

    simulation.rate = 0.0
    reports = len(arrivals.reports)
    time.sleep(2.5)
    assert len(arrivals.reports) - reports > 3, 'the reports stand still with the time'
    simulation.rate = 1.0
    resume('pause')
    simulation.rate = 10.0
    resume('rate x10')
    time.sleep(1.0)
    simulation.rate = 1.0
    resume('rate x1')
    for number in range(5):
        simulation.jump(-2 * SECOND)
        resume(f'loop {number + 1}', simulation.now_ns + SECOND)
        time.sleep(0.8)
    for name, step in (('+1 h', HOUR), ('-1 h', -HOUR)):
        simulation.jump(step)
        resume(name)
        time.sleep(0.5)
    record_property('resumed_s', resumed)
    print('\n' + ', '.join(f'{name}: {seconds:.2f} s' for name, seconds in resumed.items()))
    assert max(resumed.values()) <= 1.0, resumed
    assert arrivals.most_reports_in_a_second() <= 1 / REPORT_S + 2


@pytest.fixture
def step(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that steps the wall clock of every process started from now on."""
    if shutil.which('cc') is None:
        pytest.skip('a C compiler is needed to step the clock of single processes')
    library, file = tmp_path / 'clock_step.so', tmp_path / 'step'
    subprocess.run(['cc', '-shared', '-fPIC', '-O1', '-o', library,
                    ROOT / 'test/ros/clock_step.c', '-ldl'], check=True)
    file.write_bytes(struct.pack('q', 0))
    monkeypatch.setenv('LD_PRELOAD', str(library))
    monkeypatch.setenv('CLOCK_STEP_FILE', str(file))

    def set_to(seconds: int) -> None:
        with file.open('r+b') as written:
            written.write(struct.pack('q', seconds))

    return set_to


def test_a_step_of_the_wall_clock_is_survived(robot, step, record_property):
    """An hour ahead and back, for node and cameras alike, as when the clock is set."""
    arrivals = Arrivals(robot.listener)
    node = robot.active(engine__warmup_size=[64, 48], diagnostics__period_s=REPORT_S)
    robot.camera('--size', '64', '48', '--rate', '10')
    assert until(lambda: len(arrivals.outputs) > 5)
    resumed = []
    for seconds in (3600, 0, -3600, 0):
        step(seconds)
        expected = time.time_ns() + seconds * SECOND
        resumed.append(arrivals.resumed_after(
            time.monotonic(), expected - SECOND, expected + 10 * SECOND))
        time.sleep(1.0)
    record_property('resumed_s', resumed)
    print(f'\nresumed after {", ".join(f"{seconds:.2f}" for seconds in resumed)} s')
    assert max(resumed) <= 1.0, resumed
    assert arrivals.most_reports_in_a_second() <= 1 / REPORT_S + 2
    assert node.alive() and not node.said('ERROR'), node.lines
    assert node.stop() == 0
