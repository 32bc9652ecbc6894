"""A bag played into a fusion node over DDS, its outputs recorded: three processes, one result."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from dataclasses import field
import json
from pathlib import Path
import time
from typing import Any

from tqdm import tqdm

from uaafusion_ros.errors import EngineError
from uaafusion_ros.harness.processes import check_alive
from uaafusion_ros.harness.processes import private_ros
from uaafusion_ros.harness.processes import Process
from uaafusion_ros.harness.topics import FUSED_TOPIC

_START_LIMIT_S = 60.0
_SETTLE_LIMIT_S = 10.0
_POLL_S = 0.05


@dataclass
class NodeRun:
    """
    What went into a node and what came out.

    `sent` has (topic, stamp_ns, time_ns of publishing) per image, `arrivals` (stamp_ns, time_ns
    of arrival) per fused image, `values` what the node last reported of itself, at `reported_ns`.
    """

    sent: list[tuple[str, int, int]] = field(default_factory=list)
    arrivals: list[tuple[int, int]] = field(default_factory=list)
    values: Mapping[str, str] = field(default_factory=dict)
    reported_ns: int = 0

    def take(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Add what the recorder said."""
        for event in events:
            if 'values' in event:
                self.values, self.reported_ns = event['values'], event['at']
            if event.get('image') == FUSED_TOPIC:
                self.arrivals.append((event['stamp'], event['arrived']))

    def settled(self) -> bool:
        """Tell whether the node has published all that it took, by its last report."""
        counts = {key: int(value) for key, value in self.values.items() if value.isdigit()}
        waiting = [counts.get(key) for key in ('pending.rgb', 'pending.thermal', 'in_flight')]
        return waiting == [0, 0, 0] and counts.get('fused', 0) <= len(self.arrivals)


def run_bag(bag: Path, recording: Path, node_arguments: list[str], log: Path, bar: tqdm,
            rate: float | None = None) -> NodeRun:
    """
    Start a node, play `bag` into it, and record to the new bag `recording` what it publishes.

    `node_arguments` follow --ros-args; `rate` is in images per second and topic, None as recorded.
    The processes' logs go to the folder `log`; the bar counts fused images. Raises DependencyError
    without ROS, EngineError if a process fails.
    """
    log.mkdir(parents=True, exist_ok=True)
    found = NodeRun()
    with private_ros(log) as environment, ExitStack() as stack:
        def start(module: str, arguments: list[str]) -> Process:
            return stack.enter_context(Process(
                ['-m', f'uaafusion_ros.{module}', *arguments], environment,
                log / f'{module.rpartition(".")[2]}.txt'))

        bar.set_description('starting the node')
        node = start('nodes.main', ['--ros-args', *node_arguments])
        recorder = start('harness.recorder', ['--bag', str(recording)])
        _wait_until_ready(node, recorder)
        bar.set_description('fusing')
        speed = ['--rate', str(rate)] if rate else []
        sent = log / 'sent.json'
        player = start('harness.player', [str(bag), '--log', str(sent), *speed])
        played_ns, deadline = 0, float('inf')
        while time.monotonic() < deadline:
            time.sleep(_POLL_S)
            check_alive([node, recorder])
            if player.exit_code:
                raise EngineError(f'the player failed ({player.last_words()}); see {player.log}')
            if player.exit_code == 0 and not played_ns:
                played_ns, deadline = time.time_ns(), time.monotonic() + _SETTLE_LIMIT_S
            found.take(recorder.events())
            bar.update(len(found.arrivals) - bar.n)
            # What was reported before all was played says nothing of the last images.
            if played_ns and found.reported_ns > played_ns and found.settled():
                break
        for process in (recorder, node):
            process.stop()
        found.take(recorder.events())
    found.sent = [tuple(entry) for entry in json.loads(sent.read_text())]
    return found


def _wait_until_ready(node: Process, recorder: Process) -> None:
    deadline = time.monotonic() + _START_LIMIT_S
    while True:
        events = recorder.events()
        if any('ready' in event for event in events):
            return
        problems = [event['problem'] for event in events if 'problem' in event]
        if problems:
            raise EngineError(f'the node does not start: {problems[-1]}')
        check_alive([node, recorder])
        if time.monotonic() > deadline:
            raise EngineError(f'the node offers no outputs after {_START_LIMIT_S:g} s '
                              f'({node.last_words()}); see {node.log}')
        time.sleep(_POLL_S)
