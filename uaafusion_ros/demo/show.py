"""The demo itself: a bag is written, played into the node, its outputs recorded and counted."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
import json
from pathlib import Path
import shutil
import time
from typing import Iterable

from tqdm import tqdm

from uaafusion_ros.demo.outcome import Arrival
from uaafusion_ros.demo.outcome import Outcome
from uaafusion_ros.demo.outcome import pair_up
from uaafusion_ros.demo.outcome import Sent
from uaafusion_ros.demo.outcome import settle
from uaafusion_ros.demo.processes import interrupt_on_termination
from uaafusion_ros.demo.processes import private_ros
from uaafusion_ros.demo.processes import Process
from uaafusion_ros.demo.scene import OUTPUT_SIZE
from uaafusion_ros.demo.source import load_stills
from uaafusion_ros.demo.source import Shot
from uaafusion_ros.demo.source import write_bag
from uaafusion_ros.demo.topics import RGB_TOPIC
from uaafusion_ros.demo.topics import THERMAL_TOPIC
from uaafusion_ros.errors import BagError
from uaafusion_ros.errors import EngineError

_START_LIMIT_S = 60.0
_SETTLE_LIMIT_S = 10.0
_PACKAGE = 'uaafusion_ros'


@dataclass(frozen=True)
class Show:
    """Where everything lies after a run, what was planned, and what became of it."""

    folder: Path
    input_bag: Path
    output_bag: Path
    shots: list[Shot]
    sent: list[Sent]
    arrivals: list[Arrival]
    outcome: Outcome


class _Witness:
    """Collects the recorder's events."""

    def __init__(self) -> None:
        self.ready = False
        self.problem = ''
        self.arrivals: list[Arrival] = []
        self.counts: dict[str, str] = {}

    def hear(self, events: Iterable[dict]) -> None:
        for event in events:
            self.ready = self.ready or 'ready' in event
            self.problem = event.get('problem', self.problem)
            self.counts = event.get('counts', self.counts)
            if 'fused' in event:
                self.arrivals.append(Arrival(event['fused'], event['arrived']))

    def settled(self, sent: int) -> bool:
        """Tell whether the node's report has caught up with all that was sent."""
        if not self.counts:
            return False
        counts = {key: int(value) for key, value in self.counts.items() if value.isdigit()}
        arrived = len(self.arrivals) >= counts.get('fused', 0) >= len(self.arrivals)
        quiet = all(
            counts.get(key) == 0 for key in ('pending.rgb', 'pending.thermal', 'in_flight'))
        received = min(counts.get('received.rgb', 0), counts.get('received.thermal', 0))
        return arrived and quiet and received >= sent


def run_show(folder: Path, rate: float, seconds: float, preset: str, backend: str) -> Show:
    """
    Run the demo into `folder`, `rate` pairs per second for `seconds`.

    `preset` and `backend` are what the node is started with. Raises DependencyError without ROS,
    EngineError if a process fails, BagError if one of the folders for the bags holds something
    else.
    """
    interrupt_on_termination()
    log = folder / 'log'
    log.mkdir(parents=True, exist_ok=True)
    input_bag, output_bag = fresh_bag(folder / 'bag_in'), fresh_bag(folder / 'bag_out')
    environment = private_ros(log.resolve())
    stills = load_stills()
    with tqdm(total=max(len(stills), round(rate * seconds)), unit='pair', smoothing=0) as bar:
        bar.set_description('writing the bag')
        shots = write_bag(input_bag, stills, rate, seconds)
        bar.set_description('starting the node')
        witness = _Witness()
        with ExitStack() as stack:
            node = stack.enter_context(
                Process(
                    f'{_PACKAGE}.nodes.fusion_node',
                    ['--ros-args', '-p', f'model.preset:={preset}',
                     '-p', f'engine.backend:={backend}',
                     '-p', f'engine.warmup_size:={list(OUTPUT_SIZE)}'],
                    environment, log / 'node.txt'))
            recorder = stack.enter_context(Process(
                f'{_PACKAGE}.demo.recorder', [str(output_bag)], environment,
                log / 'recorder.txt'))
            _wait_until_ready(node, recorder, witness)
            bar.set_description('fusing')
            sent = _play(
                input_bag, rate, log, environment, stack, [node, recorder], witness, bar)
            for process in (recorder, node):
                process.stop()
            witness.hear(recorder.events())
    return Show(
        folder, input_bag, output_bag, shots, sent, witness.arrivals,
        settle(sent, witness.arrivals, witness.counts))


def _wait_until_ready(node: Process, recorder: Process, witness: _Witness) -> None:
    deadline = time.monotonic() + _START_LIMIT_S
    while not witness.ready:
        _check_alive([node, recorder])
        if witness.problem:
            raise EngineError(f'the node does not start: {witness.problem}')
        if time.monotonic() > deadline:
            raise EngineError(
                f'the node offers no outputs after {_START_LIMIT_S:g} s '
                f'({node.last_words()}); see {node.log}')
        time.sleep(0.05)
        witness.hear(recorder.events())


def _play(bag: Path, rate: float, log: Path, environment, stack: ExitStack,
          others: list[Process], witness: _Witness, bar: tqdm) -> list[Sent]:
    play_log = log / 'sent.json'
    player = stack.enter_context(Process(
        f'{_PACKAGE}.demo.player',
        [str(bag), '--rate', str(rate), '--log', str(play_log)],
        environment, log / 'player.txt'))
    recorder = others[-1]

    def follow() -> None:
        time.sleep(0.05)
        witness.hear(recorder.events())
        if len(witness.arrivals) > bar.n:
            bar.update(len(witness.arrivals) - bar.n)
        _check_alive(others)

    while player.exit_code is None:
        follow()
    if player.exit_code:
        raise EngineError(f'the player failed ({player.last_words()}); see {player.log}')
    sent = pair_up(json.loads(play_log.read_text()), RGB_TOPIC, THERMAL_TOPIC)
    deadline = time.monotonic() + _SETTLE_LIMIT_S
    while not witness.settled(len(sent)) and time.monotonic() < deadline:
        follow()
    return sent


def _check_alive(processes: Iterable[Process]) -> None:
    for process in processes:
        if process.exit_code is not None:
            raise EngineError(
                f'{process.name} ended with code {process.exit_code} '
                f'({process.last_words()}); see {process.log}')


def fresh_bag(path: Path) -> Path:
    """Return `path` after removing the bag there; raises BagError if it holds anything else."""
    if path.exists():
        strangers = [
            item.name for item in path.iterdir()
            if item.suffix != '.mcap' and item.name != 'metadata.yaml']
        if strangers:
            raise BagError(
                f'{path} is to become a bag but holds {", ".join(sorted(strangers))}; '
                'name another --out')
        shutil.rmtree(path)
    return path
