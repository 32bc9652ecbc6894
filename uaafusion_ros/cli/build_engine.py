"""
Build TensorRT engines now, so that the node's first start does not have to.

On the robot: `uaafusion build-engine --size 640x480`. An engine is built for the GPU that is
there, compared with ONNX Runtime, and kept in the cache that the node reads. Without a GPU, as in
a container's build, TensorRT-RTX builds for named GPUs: `--compute-capability SM86 SM120`; the
comparison then follows at the first start. What is in the cache already is not built again.

Exit code: 0 if every engine is in the cache, 1 if --check found one missing, 2 if one could not
be built.
"""

from __future__ import annotations

from argparse import ArgumentParser
from argparse import ArgumentTypeError
from argparse import Namespace
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
import re
import sys
import time
from typing import Any

from uaafusion_ros.errors import EngineError


def add_arguments(parser: ArgumentParser) -> None:
    """Add what to build and where to keep it."""
    model = parser.add_mutually_exclusive_group()
    model.add_argument('--preset', default='fast', help='shipped network (default: %(default)s)')
    model.add_argument('--model', type=Path, help='ONNX file exported by this package')
    parser.add_argument(
        '--precision', choices=('fp16', 'fp32'), default='fp16', help='(default: %(default)s)')
    parser.add_argument(
        '--size', type=size, nargs='+', default=[(480, 640)], metavar='WxH',
        help="size of the reference camera's images, one engine for each (default: 640x480)")
    parser.add_argument(
        '--compute-capability', nargs='+', default=[], type=str.upper, metavar='SM',
        help='GPUs to build for without having them, such as SM86 (TensorRT-RTX only)')
    parser.add_argument(
        '--cache', type=Path, help='folder of the engines (default: that of the node)')
    parser.add_argument(
        '--check', action='store_true', help='say what is in the cache, build nothing')


def size(text: str) -> tuple[int, int]:
    """Read WIDTHxHEIGHT; returns (height, width)."""
    match = re.fullmatch(r'(\d{1,5})x(\d{1,5})', text.lower())
    if not match or not all(map(int, match.groups())):
        raise ArgumentTypeError(f'{text!r} is no size; expected WIDTHxHEIGHT, such as 640x480')
    return int(match[2]), int(match[1])


def run(options: Namespace) -> int:
    """Build or look; see the text of the module for the exit codes."""
    from uaafusion_ros.engine import models
    from uaafusion_ros.engine.cache import default_folder
    from uaafusion_ros.engine.cache import EngineCache
    from uaafusion_ros.engine.gpu import find_gpu
    from uaafusion_ros.engine.tensorrt import api

    data, spec = models.read(options.model, options.preset)
    cache = EngineCache(options.cache or default_folder())
    sizes = [spec.padded(*wanted) for wanted in options.size]
    gpu = None
    if not options.compute_capability:
        try:
            gpu = find_gpu()
        except EngineError as error:
            raise EngineError(f'there is no GPU to build for: {error}; on a machine without one, '
                              'TensorRT-RTX builds for a GPU named by --compute-capability, such '
                              'as SM86') from error
    if options.check:
        trt = api.load('tensorrt_rtx' if options.compute_capability else 'auto')
        return _check(options, trt, spec, cache, sizes, gpu)
    for wanted in sizes:
        if not options.compute_capability:
            _build_here(options, data, spec, cache, wanted, gpu)
        for capability in options.compute_capability:
            _build_for(capability, options, data, spec, cache, wanted)
    return 0


def _build_for(capability: str, options: Namespace, data: bytes, spec: Any, cache: Any,
               wanted: tuple[int, int]) -> None:
    """Build for a GPU that need not be there."""
    from uaafusion_ros.engine.tensorrt import api
    from uaafusion_ros.engine.tensorrt.builder import build
    from uaafusion_ros.engine.tensorrt.builder import BuildOptions
    from uaafusion_ros.engine.tensorrt.builder import engine_key
    from uaafusion_ros.engine.tensorrt.builder import Precision

    trt = api.load('tensorrt_rtx')
    wish = BuildOptions(wanted, Precision(options.precision), capability)
    key = engine_key(trt, spec, wish)
    start = time.monotonic()
    title = f'{wish.resolution} {wish.precision} {capability}'
    with _bar(title) as (progress, say):
        cached = cache.get_or_build(key, lambda: build(trt, data, wish, progress).engine, say)
    print(f'{title}: {cached.origin}; {len(cached.engine) / 1e6:.1f} MB, '
          f'{time.monotonic() - start:.1f} s; it is checked when a GPU first loads it')


def _build_here(options: Namespace, data: bytes, spec: Any, cache: Any,
                wanted: tuple[int, int], gpu: Any) -> None:
    """Build, check and load on the GPU that is there, as the node does."""
    from uaafusion_ros.engine.tensorrt.backend import load

    backend = load(data, spec, gpu, cache.folder, options.precision)
    start = time.monotonic()
    title = f'{wanted[1]}x{wanted[0]} {gpu.name}'
    try:
        with _bar(title) as (progress, say):
            backend.prepare(*wanted, progress)
            for note in backend.take_notes():
                say(note)
    finally:
        backend.close()
    print(f'{title}: ready in {time.monotonic() - start:.1f} s; kept in {cache.folder}')


def _check(options: Namespace, trt: Any, spec: Any, cache: Any, sizes: list[tuple[int, int]],
           gpu: Any) -> int:
    """Print key and state of each engine that would be built."""
    from uaafusion_ros.engine.tensorrt.builder import BuildOptions
    from uaafusion_ros.engine.tensorrt.builder import engine_key
    from uaafusion_ros.engine.tensorrt.builder import Precision

    complete = True
    print(f'cache: {cache.folder}')
    for wanted in sizes:
        for capability in options.compute_capability or ['']:
            wish = BuildOptions(wanted, Precision(options.precision), capability)
            key = engine_key(trt, spec, wish, gpu)
            there, reason = cache.state(key)
            complete &= there
            print(f'{key.name}: {reason}')
            for field, value in key.fields():
                print(f'  {field}: {value}')
    return 0 if complete else 1


@contextmanager
def _bar(title: str) -> Iterator[tuple[Callable[[str, float], bool], Callable[[str], None]]]:
    """Show a progress bar; gives what moves it and what prints beside it."""
    from tqdm import tqdm

    with tqdm(total=100, desc=title, unit='%', leave=False,
              bar_format='{desc} |{bar}| {n:.0f} % {elapsed} {postfix}') as bar:
        def progress(phase: str, share: float) -> bool:
            bar.set_postfix_str(phase, refresh=False)
            bar.update(round(100 * share - bar.n))
            return True

        yield progress, lambda text: tqdm.write(text, file=sys.stderr)
