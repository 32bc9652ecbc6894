"""
Run the node for long at a camera's rate while its cameras fail, and say what became of it.

Run it from the source tree: python benchmarks/soak.py --minutes 10. The node and both cameras are
processes of their own, with the memory settings of the launch file. Each cycle of 30 s holds
every fault once, in an order drawn anew: a camera that falls silent and returns, half of the
thermal frames lost, a shutter that repeats or withholds images for 0.3 to 1.2 s, malformed
images of either camera, stamps of the past, and a camera's process that is replaced. Measurements
and verdicts go to OUT/soak.json, the node's log to OUT/node.txt, and one line to the screen.

The exit code is 0 if all holds, 1 if anything fails, 3 if something could not be decided.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import field
import json
import os
from pathlib import Path
import random
import sys
from threading import Thread
import time
from typing import Any

import numpy as np

from uaafusion_ros.errors import UaafusionError
from uaafusion_ros.harness import verdicts
from uaafusion_ros.harness.camera import CAMERAS
from uaafusion_ros.harness.camera import Cameras
from uaafusion_ros.harness.camera import SPOILS
from uaafusion_ros.harness.pictures import hot_slot
from uaafusion_ros.harness.pictures import SLOTS
from uaafusion_ros.harness.processes import check_alive
from uaafusion_ros.harness.processes import held
from uaafusion_ros.harness.processes import interrupt_on_termination
from uaafusion_ros.harness.processes import private_ros
from uaafusion_ros.harness.processes import Process

CYCLE_S = 30.0
SAMPLE_S = 0.25
CALM_S = 1.0          # after a fault, before latencies count again
LONGEST_GAP_S = 1.0   # of outputs, while a camera lives
GHOST_S = 0.1         # oldest thermal image that may be shown
START_S = 60.0
EXPECTED = 'image dropped'  # what the log may call an error: the malformed images


@dataclass
class Record:
    """What was measured; times are in seconds from the start, by the monotonic clock."""

    samples: list[dict[str, float]] = field(default_factory=list)  # `held`, at_s and work_ms
    outputs: list[tuple[float, float]] = field(default_factory=list)  # time, latency in ms
    thermal_age_s: list[float] = field(default_factory=list)
    cycles: list[tuple[float, float]] = field(default_factory=list)
    faults: list[tuple[float, float, str]] = field(default_factory=list)

    def column(self, name: str) -> list[float]:
        return [sample[name] for sample in self.samples]

    def minima_mb(self, name: str) -> list[float]:
        """Return the least memory of each cycle."""
        return verdicts.cycle_minima(
            self.column('at_s'), [kib / 1024 for kib in self.column(name)], self.cycles)

    def calm(self) -> list[tuple[float, float]]:
        return [output for output in self.outputs if not any(
            begin <= output[0] < end + CALM_S for begin, end, _ in self.faults)]

    def judge(self, code: int, complaints: list[str]) -> list[verdicts.Verdict]:
        """Return the verdicts; at least one cycle is needed."""
        def by_cycle(values: list[tuple[float, float]]) -> list[list[float]]:
            return [[value for at, value in values if begin <= at < end]
                    for begin, end in self.cycles]

        at = self.column('at_s')
        ends = [int(np.searchsorted(at, end)) - 1 for _, end in self.cycles]
        inside = [time for time, _ in self.outputs
                  if self.cycles[0][0] <= time <= self.cycles[-1][1]]
        return [
            verdicts.memory(self.minima_mb('private'), CYCLE_S),
            *(verdicts.constant(name, [self.samples[place][name] for place in ends])
              for name in ('threads', 'descriptors')),
            verdicts.drift(by_cycle(self.calm()), by_cycle([*zip(at, self.column('work_ms'))])),
            verdicts.at_most('longest gap of outputs', max(np.diff(inside)), LONGEST_GAP_S, 's',
                             max(np.diff(at)) - SAMPLE_S),
            verdicts.at_most('oldest thermal image shown', max(self.thermal_age_s), GHOST_S, 's'),
            verdicts.none_of('unexpected errors', complaints),
            verdicts.at_most('exit code', abs(code), 0, '')]


class Soak:
    """One node, two cameras, a listener; and what they do."""

    def __init__(self, options: argparse.Namespace, environment: dict[str, str]) -> None:
        """Start everything and wait until fused images come."""
        self.record = Record()
        self._options, self._environment = options, environment
        self._running, self._start = True, time.monotonic()
        self.node = Process(
            ['-m', 'uaafusion_ros.nodes.main', '--ros-args', '-p',
             f'engine.warmup_size:={list(options.size)}', '-p', 'diagnostics.period_s:=1.0'],
            environment, options.out / 'node.txt')
        self._cameras = {camera: self._camera(camera) for camera in CAMERAS}
        self._threads = [Thread(target=work, daemon=True) for work in (self._listen, self._sample)]
        self._threads[0].start()
        try:
            deadline = time.monotonic() + START_S
            while not self.record.outputs and time.monotonic() < deadline:
                self._sleep_until(self._now() + 0.1)
            if not self.record.outputs:
                raise UaafusionError(f'no fused image came; see {self.node.log}')
        except BaseException:  # nobody else could end what has been started
            self.end()
            raise
        self._threads[1].start()

    def _camera(self, camera: str) -> Cameras:
        return Cameras('--cameras', camera, '--pictures', 'blocks', '--stamp', 'trigger',
                       '--rate', self._options.rate, '--size', *self._options.size,
                       environment=self._environment)

    def _now(self) -> float:
        return time.monotonic() - self._start

    def _listen(self) -> None:
        import rclpy
        from sensor_msgs.msg import Image
        rclpy.init()
        node = rclpy.create_node('soak')
        rate = self._options.rate

        def heard(message: Image) -> None:
            stamp_s = message.header.stamp.sec + message.header.stamp.nanosec * 1e-9
            self.record.outputs.append((self._now(), (time.time() - stamp_s) * 1e3))
            slot = hot_slot(np.frombuffer(message.data, np.uint8).reshape(
                message.height, message.width, 3))
            if slot is not None:
                self.record.thermal_age_s.append((round(stamp_s * rate) - slot) % SLOTS / rate)

        node.create_subscription(Image, 'fused/image', heard, 10)
        while self._running:
            rclpy.spin_once(node, timeout_sec=0.2)
        node.destroy_node()
        rclpy.try_shutdown()

    def _sample(self) -> None:
        """Read what the node holds four times a second, and time a fixed piece of work."""
        work = np.random.default_rng(0).random((160, 160))
        while self._running and self.node.exit_code is None:
            try:
                sample = held(self.node.pid)
            except (OSError, KeyError):
                return  # it has just ended
            at_s, began = self._now(), time.perf_counter()
            work @ work @ work
            self.record.samples.append(
                {**sample, 'at_s': at_s, 'work_ms': (time.perf_counter() - began) * 1e3})
            time.sleep(SAMPLE_S)

    def cycle(self, draw: random.Random) -> None:
        """Let every fault happen once, each at its own time and followed by quiet."""
        tell = self._tell
        faults = [
            (lambda: tell('rgb', 'silent', 1.5), 'rgb silent'),
            (lambda: tell('thermal', 'silent', 1.5), 'thermal silent'),
            (lambda: tell('thermal', 'loss 0.5', 2.0), 'half of thermal lost'),
            (lambda: tell('thermal', 'freeze', draw.uniform(0.3, 1.2)), 'shutter repeats'),
            (lambda: tell('thermal', 'silent', draw.uniform(0.3, 1.2)), 'shutter withholds'),
            (lambda: tell('rgb', f'spoil {draw.choice(SPOILS)} 2', 1.0), 'rgb malformed'),
            (lambda: tell('thermal', f'spoil {draw.choice(SPOILS)}', 1.0), 'thermal malformed'),
            (lambda: tell('rgb', 'late 3600000', 0.7), 'rgb stamps of the past'),
            (lambda: self._replace(draw.choice(CAMERAS)), 'camera replaced')]
        draw.shuffle(faults)
        began = self._now()
        for number, (fault, name) in enumerate(faults):
            self._sleep_until(began + number * CYCLE_S / len(faults))
            at = self._now()
            fault()
            self.record.faults.append((at, self._now(), name))
        self._sleep_until(began + CYCLE_S)
        self.record.cycles.append((began, self._now()))

    def _sleep_until(self, at: float) -> None:
        time.sleep(max(0.0, at - self._now()))
        check_alive([self.node])

    def _tell(self, camera: str, command: str, seconds: float) -> None:
        self._cameras[camera].tell(camera, command)
        time.sleep(seconds)
        self._cameras[camera].tell(camera, 'run')

    def _replace(self, camera: str) -> None:
        before = len(self.record.outputs)
        self._cameras[camera].stop()
        self._cameras[camera] = self._camera(camera)
        time.sleep(1.5)
        while len(self.record.outputs) == before and self.node.exit_code is None:
            time.sleep(0.05)

    def end(self) -> int:
        """End all processes in order; return the node's exit code."""
        for camera in self._cameras.values():
            camera.stop()
        code = self.node.stop(grace_s=10.0)
        self._running = False
        self._threads[0].join(5.0)
        return code

    def complaints(self) -> list[str]:
        """Return the lines of the log that no fault explains."""
        return [line for line in self.node.log.read_text(errors='replace').splitlines()
                if 'Traceback' in line or 'FATAL' in line
                or ('ERROR' in line and EXPECTED not in line)]


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run the cycles; return what goes to soak.json."""
    with private_ros(options.out) as environment:
        os.environ.update(environment)
        soak, draw = Soak(options, environment), random.Random(options.seed)
        try:
            for _ in range(max(1, round(options.minutes * 60 / CYCLE_S))):
                soak.cycle(draw)
        finally:
            code = soak.end()
    record, complaints = soak.record, soak.complaints()
    return {
        'minutes': options.minutes, 'rate_hz': options.rate, 'size': list(options.size),
        'seed': options.seed, 'processors': os.cpu_count(),
        'verdicts': [asdict(verdict) | {'text': str(verdict)}
                     for verdict in record.judge(code, complaints)],
        'outputs': len(record.outputs), 'complaints': complaints[:50],
        'latency_ms': dict(zip(('p50', 'p95', 'p99'), np.percentile(
            [latency for _, latency in record.calm()], (50, 95, 99)).tolist())),
        'memory_mb': {name: record.minima_mb(name) for name in ('private', 'shared')},
        'faults': record.faults}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog='soak', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--minutes', type=float, default=10.0)
    parser.add_argument('--rate', type=float, default=30.0, help='images per second and camera')
    parser.add_argument('--size', type=int, nargs=2, default=(96, 72), metavar=('W', 'H'))
    parser.add_argument('--seed', type=int, default=0, help='of the order of the faults')
    parser.add_argument('--out', type=Path, default=Path('soak_output'))
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    interrupt_on_termination()
    try:
        result = run(options)
    except UaafusionError as error:
        print(f'soak: {error}', file=sys.stderr)
        return 1
    (options.out / 'soak.json').write_text(json.dumps(result, indent=1))
    print(f'soak of {options.minutes:g} min at {options.rate:g} Hz: '
          + '; '.join(verdict['text'] for verdict in result['verdicts']))
    said = {verdict['said'] for verdict in result['verdicts']}
    return 1 if verdicts.FAILS in said else 3 if verdicts.OPEN in said else 0


if __name__ == '__main__':
    sys.exit(main())
