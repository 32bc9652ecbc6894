"""
Replays mutated bags; run by test_fuzzed_bags.py in a process of its own.

`python bag_fuzz.py FIRST COUNT` prints a line for each damaged bag whose replay says that it is
complete although it holds less, and for each error that is not typed; at last how many were
replayed and refused.
"""

from __future__ import annotations

from contextlib import redirect_stdout
from pathlib import Path
from random import Random
import shutil
import sys
import tempfile
import time
import traceback

import cv2
import numpy as np

from uaafusion_ros.cli import main as command
from uaafusion_ros.engine.contract import Backend
from uaafusion_ros.engine.contract import ModelSpec
from uaafusion_ros.evaluation.bags import BagWriter
from uaafusion_ros.evaluation.replay import run

LONGEST_S = 60.0
START_NS, PERIOD_NS, COUNT = 1_700_000_000 * 10**9, 10**8, 4
KINDS = ('cut', 'flips', 'drop', 'noise', 'zero', 'no metadata', 'empty', 'zero stamps',
         'metadata')
SPEC = ModelSpec(Path('none.onnx'), '', 'none', ('background', 'thing'),
                 np.zeros((2, 3), np.uint8), 1)


class Mean(Backend):
    """Stands in for a network, which takes most of the time and is not what is tried."""

    def __init__(self) -> None:
        super().__init__(SPEC, 'mean')

    def _run(self, rgb, thermal):
        return [rgb // 2 + thermal[..., None] // 2, thermal // 128, thermal]

    def close(self) -> None:
        """Hold nothing."""


def write(path: Path, storage: str, zstd: bool, kind: str) -> None:
    """Write a small bag whose pairs are whole, or of `kind` where that is within messages."""
    rng = np.random.default_rng(0)
    rgb = cv2.GaussianBlur(rng.integers(0, 256, (48, 64, 3), np.uint8), (0, 0), 2)
    with BagWriter(path, storage=storage, zstd=zstd) as bag:
        for number in range(COUNT):
            stamp = START_NS + number * PERIOD_NS
            told = 0 if kind == 'zero stamps' else stamp
            bag.add_image('/rgb/image_raw', rgb + np.uint8(number), 'rgb8', told, 'rgb', stamp)
            bag.add_image('/thermal/image_raw', rgb[..., 0] + np.uint8(number), 'mono8', told,
                          'thermal', stamp)


def damage(path: Path, kind: str, random: Random) -> None:
    """Alter the files of a bag."""
    metadata = path / 'metadata.yaml'
    storage, = [item for item in path.iterdir() if item != metadata]
    file = metadata if kind == 'metadata' else storage
    data = bytearray(file.read_bytes())
    place = random.randrange(len(data))
    length = random.randint(1, max(1, min(4000, len(data) - place)))
    if kind == 'no metadata':
        metadata.unlink()
    elif kind == 'cut':
        del data[place:]
    elif kind == 'empty':
        data.clear()
    elif kind in ('flips', 'metadata'):
        for _ in range(random.randint(1, 30)):
            data[random.randrange(len(data))] = random.randrange(256)
    elif kind == 'drop':
        del data[place:place + length]
    elif kind == 'noise':
        data[place:place + length] = random.randbytes(length)
    elif kind == 'zero':
        data[place:place + length] = bytes(length)
    file.write_bytes(data)


def main(first: int, count: int) -> None:
    """Replay the bags of these seeds; print what should not be."""
    run._load = lambda settings, recorded: Mean()
    codes = {0: 0, 1: 0, 2: 0}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(first, first + count):
            random = Random(seed)
            kind, storage = random.choice(KINDS), random.choice(('mcap', 'sqlite3'))
            print(f'seed {seed}, {storage}, {kind}', file=sys.stderr, flush=True)
            bag, out = Path(folder) / f'bag{seed}', Path(folder) / 'out'
            write(bag, storage, storage == 'mcap' and random.random() < 0.5, kind)
            damage(bag, kind, random)
            began = time.monotonic()
            try:
                with redirect_stdout(sys.stderr):
                    code = command.main(['replay', str(bag), '--out', str(out)])
                codes[code] += 1
            except Exception:
                print(f'seed {seed}, {storage}, {kind}: {traceback.format_exc()}')
                continue
            if time.monotonic() - began > LONGEST_S:
                print(f'seed {seed}, {storage}, {kind}: took too long')
            if code == 0 and kind in ('cut', 'empty', 'no metadata', 'zero stamps', 'drop'):
                print(f'seed {seed}, {storage}, {kind}: the damage was not told')
            if code == 2 and (out / bag.name / 'metrics.json').exists():
                print(f'seed {seed}, {storage}, {kind}: results of a bag that was refused')
            shutil.rmtree(bag)
            shutil.rmtree(out, ignore_errors=True)
    print(f'{codes[0] + codes[1]} replayed, {codes[2]} refused')


if __name__ == '__main__':
    main(int(sys.argv[1]), int(sys.argv[2]))
