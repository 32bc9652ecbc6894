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
import json
import os
from pathlib import Path
import random
import signal
import subprocess
import sys
from threading import Thread
import time
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from faulty_camera import Camera  # noqa: E402
from faulty_camera import CAMERAS  # noqa: E402
from faulty_camera import hot_slot  # noqa: E402
from faulty_camera import SLOTS  # noqa: E402
from faulty_camera import SPOILS  # noqa: E402
from soak_record import calm  # noqa: E402
from soak_record import CYCLE_S  # noqa: E402
from soak_record import gaps  # noqa: E402
from soak_record import judge  # noqa: E402
from soak_record import Record  # noqa: E402
from soak_record import SAMPLE_S  # noqa: E402
import soak_verdict as verdicts  # noqa: E402
from soak_verdict import Verdict  # noqa: E402

from uaafusion_ros.demo.processes import check_ros  # noqa: E402
from uaafusion_ros.demo.processes import free_domain  # noqa: E402
from uaafusion_ros.demo.processes import interrupt_on_termination  # noqa: E402
from uaafusion_ros.demo.processes import ros_environment  # noqa: E402

EXPECTED = 'image dropped'  # what the log may call an error: the malformed images


class Soak:
    """One node, two cameras, a listener; and what they do."""

    def __init__(self, options: argparse.Namespace, environment: dict[str, str]) -> None:
        """Start everything and wait until fused images come."""
        self.record = Record()
        self._options, self._environment = options, environment
        self._log = options.out / 'node.txt'
        self._running = True
        self._start = time.monotonic()
        width, height = options.size
        with self._log.open('wb') as log:
            self._node = subprocess.Popen(
                [sys.executable, '-m', 'uaafusion_ros.nodes.fusion_node', '--ros-args', '-p',
                 f'engine.warmup_size:=[{width}, {height}]', '-p', 'diagnostics.period_s:=1.0'],
                env=environment, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True)
        self.cameras = {camera: self._camera(camera) for camera in CAMERAS}
        self._listener = Thread(target=self._listen, daemon=True)
        self._listener.start()
        try:
            self._wait_for_an_image(60.0)
        except BaseException:  # nobody else could end what has been started
            self.end()
            raise
        self._sampler = Thread(target=self._sample, daemon=True)
        self._sampler.start()

    def _wait_for_an_image(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not self.record.output_s:
            if self._node.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f'no fused image came; see {self._log}')
            time.sleep(0.1)

    def _camera(self, camera: str) -> Camera:
        return Camera(camera, rate=self._options.rate, size=self._options.size,
                      environment=self._environment)

    def _now(self) -> float:
        return time.monotonic() - self._start

    def _listen(self) -> None:
        import rclpy
        from sensor_msgs.msg import Image
        rclpy.init()
        node = rclpy.create_node('soak')

        def heard(message: Image) -> None:
            stamp = message.header.stamp
            stamp_s = stamp.sec + stamp.nanosec * 1e-9
            self.record.output_s.append(self._now())
            self.record.latency_ms.append((time.time() - stamp_s) * 1e3)
            slot = hot_slot(np.frombuffer(message.data, np.uint8).reshape(
                message.height, message.width, 3))
            if slot is not None:
                frames = (round(stamp_s * self._options.rate) - slot) % SLOTS
                self.record.thermal_age_s.append(frames / self._options.rate)

        node.create_subscription(Image, 'fused/image', heard, 10)
        while self._running:
            rclpy.spin_once(node, timeout_sec=0.2)
        node.destroy_node()
        rclpy.try_shutdown()

    def _sample(self) -> None:
        """Read what the node holds four times a second, and time a fixed piece of work."""
        record, proc = self.record, Path(f'/proc/{self._node.pid}')
        work = np.random.default_rng(0).random((160, 160))
        while self._running and self._node.poll() is None:
            status = dict(
                line.split(':', 1) for line in (proc / 'status').read_text().splitlines())
            if 'RssAnon' not in status:
                return  # it has just ended
            record.private_mb.append(int(status['RssAnon'].split()[0]) / 1024)
            record.shared_mb.append(int(status['RssShmem'].split()[0]) / 1024)
            record.threads.append(len(os.listdir(proc / 'task')))
            record.descriptors.append(len(os.listdir(proc / 'fd')))
            record.sampled_s.append(self._now())
            began = time.perf_counter()
            work @ work @ work
            record.control.append((self._now(), (time.perf_counter() - began) * 1e3))
            time.sleep(SAMPLE_S)

    def cycle(self, draw: random.Random) -> None:
        """Let every fault happen once, each at its own time and followed by quiet."""
        faults = [
            (lambda: self._tell('rgb', 'silent', 1.5), 'rgb silent'),
            (lambda: self._tell('thermal', 'silent', 1.5), 'thermal silent'),
            (lambda: self._tell('thermal', 'loss 0.5', 2.0), 'half of thermal lost'),
            (lambda: self._tell('thermal', 'freeze', draw.uniform(0.3, 1.2)), 'shutter repeats'),
            (lambda: self._tell('thermal', 'silent', draw.uniform(0.3, 1.2)), 'shutter withholds'),
            (lambda: self._tell('rgb', f'spoil {draw.choice(SPOILS)} 0.5', 1.0), 'rgb malformed'),
            (lambda: self._tell('thermal', f'spoil {draw.choice(SPOILS)}', 1.0),
             'thermal malformed'),
            (lambda: self._tell('rgb', 'late 3600000', 0.7), 'rgb stamps of the past'),
            (lambda: self._replace(draw.choice(CAMERAS)), 'camera replaced'),
        ]
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
        if self._node.poll() is not None:
            raise RuntimeError(f'the node ended with code {self._node.returncode}; see '
                               f'{self._log}')

    def _tell(self, camera: str, command: str, seconds: float) -> None:
        self.cameras[camera].tell(command)
        time.sleep(seconds)
        self.cameras[camera].tell('run')

    def _replace(self, camera: str) -> None:
        before = len(self.record.output_s)
        self.cameras[camera].end()
        self.cameras[camera] = self._camera(camera)
        time.sleep(1.5)
        while len(self.record.output_s) == before and self._node.poll() is None:
            time.sleep(0.05)

    def end(self) -> int:
        """End all processes in order; return the node's exit code."""
        for camera in self.cameras.values():
            camera.end()
        if self._node.poll() is None:
            self._node.send_signal(signal.SIGINT)
        try:
            self._node.wait(10.0)
        except subprocess.TimeoutExpired:
            self._node.kill()
            self._node.wait()
        self._running = False
        self._listener.join(5.0)
        return self._node.returncode

    def complaints(self) -> list[str]:
        """Return the lines of the log that no fault explains."""
        return [line for line in self._log.read_text(errors='replace').splitlines()
                if 'Traceback' in line or 'FATAL' in line
                or ('ERROR' in line and EXPECTED not in line)]


def main(arguments: list[str] | None = None) -> int:
    """Run the soak and print its verdict."""
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
    environment = ros_environment(
        free_domain(), ROOT / 'config/fastdds.xml', options.out.resolve() / 'ros_log')
    environment['PYTHONPATH'] = os.pathsep.join(
        filter(None, (str(ROOT), os.environ.get('PYTHONPATH', ''))))
    check_ros(environment)
    os.environ.update(environment)
    soak = Soak(options, environment)
    draw = random.Random(options.seed)
    try:
        for _ in range(max(1, round(options.minutes * 60 / CYCLE_S))):
            soak.cycle(draw)
    finally:
        code = soak.end()
    found = soak.complaints()
    results = judge(soak.record, code, found)
    (options.out / 'soak.json').write_text(json.dumps(
        _written(options, soak.record, results, found), indent=1))
    said = {result.said for result in results}
    print(f'soak of {options.minutes:g} min at {options.rate:g} Hz: '
          + '; '.join(map(str, results)))
    return 1 if verdicts.FAILS in said else 3 if verdicts.OPEN in said else 0


def _written(options: argparse.Namespace, record: Record, results: list[Verdict],
             complaints: list[str]) -> dict[str, Any]:
    return {
        'minutes': options.minutes, 'rate_hz': options.rate, 'size': list(options.size),
        'seed': options.seed, 'processors': os.cpu_count(),
        'verdicts': [asdict(result) for result in results],
        'outputs': len(record.output_s), 'complaints': complaints[:50],
        'latency_ms': dict(zip(
            ('p50', 'p95', 'p99'),
            np.percentile([latency for _, latency in calm(record)], (50, 95, 99)).tolist())),
        'memory_mb': {
            'private': verdicts.cycle_minima(
                record.sampled_s, record.private_mb, record.cycles),
            'shared': verdicts.cycle_minima(record.sampled_s, record.shared_mb, record.cycles)},
        'longest_gaps': gaps(record)[:10],
        'faults': [(round(begin, 2), round(end, 2), name) for begin, end, name in record.faults],
    }


if __name__ == '__main__':
    sys.exit(main())
