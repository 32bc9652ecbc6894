"""The demo itself: a bag is written, played into the node, its outputs recorded and counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
import shutil

import numpy as np
from tqdm import tqdm

from uaafusion_ros.demo.outcome import Arrival
from uaafusion_ros.demo.outcome import Outcome
from uaafusion_ros.demo.outcome import pair_up
from uaafusion_ros.demo.outcome import Sent
from uaafusion_ros.demo.outcome import settle
from uaafusion_ros.errors import BagError
from uaafusion_ros.evaluation.bags import BagWriter
from uaafusion_ros.harness.node_run import run_bag
from uaafusion_ros.harness.pictures import frames
from uaafusion_ros.harness.pictures import load_stills
from uaafusion_ros.harness.pictures import OUTPUT_SIZE
from uaafusion_ros.harness.pictures import StillPair
from uaafusion_ros.harness.processes import interrupt_on_termination
from uaafusion_ros.harness.topics import RGB_INFO_TOPIC
from uaafusion_ros.harness.topics import RGB_TOPIC
from uaafusion_ros.harness.topics import THERMAL_INFO_TOPIC
from uaafusion_ros.harness.topics import THERMAL_TOPIC

RGB_FRAME = 'rgb_optical_frame'
THERMAL_FRAME = 'thermal_optical_frame'

# An odd start and an odd skew, so that a stamp rounded anywhere on its way is seen.
_START_NS = 1_700_000_000_123_456_789
_SKEW_NS = 3_217_043


@dataclass(frozen=True)
class Shot:
    """One pair of the demo: the still it shows and the stamps of its two images."""

    scene: str
    stamp_ns: int

    @property
    def thermal_stamp_ns(self) -> int:
        """Return the thermal camera's stamp, a few milliseconds after the RGB camera's."""
        return self.stamp_ns + _SKEW_NS


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


def run_show(folder: Path, rate: float, seconds: float, preset: str, backend: str) -> Show:
    """
    Run the demo into `folder`, `rate` pairs per second for `seconds`.

    `preset` and `backend` are what the node is started with. Raises DependencyError without ROS,
    EngineError if a process fails, BagError if one of the folders for the bags holds something
    else.
    """
    interrupt_on_termination()
    folder.mkdir(parents=True, exist_ok=True)
    input_bag, output_bag = fresh_bag(folder / 'bag_in'), fresh_bag(folder / 'bag_out')
    stills = load_stills()
    with tqdm(total=max(len(stills), round(rate * seconds)), unit='pair', smoothing=0) as bar:
        bar.set_description('writing the bag')
        shots = write_bag(input_bag, stills, rate, seconds)
        found = run_bag(
            input_bag, output_bag,
            ['-p', f'model.preset:={preset}', '-p', f'engine.backend:={backend}',
             '-p', f'engine.warmup_size:={list(OUTPUT_SIZE)}'], folder / 'log', bar, rate)
    sent = pair_up(found.sent, RGB_TOPIC, THERMAL_TOPIC)
    arrivals = [Arrival(*each) for each in found.arrivals]
    return Show(folder, input_bag, output_bag, shots, sent, arrivals,
                settle(sent, arrivals, found.values))


def plan(stills: list[StillPair], rate: float,
         seconds: float) -> Iterator[tuple[Shot, np.ndarray, np.ndarray]]:
    """
    Yield (shot, thermal, rgb): `rate` per second for `seconds`, one scene after the other.

    Every scene gets its share of the frames, the first ones get the remainder; at least one each.
    Images are as `pictures.frames` makes them.
    """
    count = max(len(stills), round(rate * seconds))
    number = 0
    for place, still in enumerate(stills):
        share = count // len(stills) + (place < count % len(stills))
        for thermal, rgb in frames(still, share):
            stamp_ns = _START_NS + round(number * 1_000_000_000 / rate)
            yield Shot(still.name, stamp_ns), thermal, rgb
            number += 1


def write_bag(path: Path, stills: list[StillPair], rate: float, seconds: float) -> list[Shot]:
    """
    Write both cameras' images (rgb8, mono8) and camera_info; returns what was planned.

    Raises BagError if the bag exists.
    """
    shots = []
    with BagWriter(path) as bag:
        for shot, thermal, rgb in plan(stills, rate, seconds):
            height, width = thermal.shape
            bag.add_camera_info(RGB_INFO_TOPIC, width, height, shot.stamp_ns, RGB_FRAME)
            bag.add_image(RGB_TOPIC, rgb, 'rgb8', shot.stamp_ns, RGB_FRAME)
            stamp_ns = shot.thermal_stamp_ns
            bag.add_camera_info(THERMAL_INFO_TOPIC, width, height, stamp_ns, THERMAL_FRAME)
            bag.add_image(THERMAL_TOPIC, thermal, 'mono8', stamp_ns, THERMAL_FRAME)
            shots.append(shot)
    return shots


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
