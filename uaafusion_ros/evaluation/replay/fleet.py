"""
Many bags through the replay, side by side, on this machine or on a Ray cluster.

Every bag is a task of its own, so a worker that dies takes one bag with it. A result appears in
the fleet's folder whole or not at all; what is there already, from the same bag, model and
settings, is kept. Ray (https://www.ray.io) starts, places and watches the workers.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace as changed
import json
import logging
import os
from pathlib import Path
import shutil
from typing import Any

from uaafusion_ros import __version__
from uaafusion_ros.engine import models
from uaafusion_ros.errors import DependencyError
from uaafusion_ros.errors import ParameterError
from uaafusion_ros.errors import UaafusionError
from uaafusion_ros.evaluation.bag_source import BagSource
from uaafusion_ros.evaluation.page import BagResult
from uaafusion_ros.evaluation.page import write_fleet_page
from uaafusion_ros.evaluation.replay import thresholds
from uaafusion_ros.evaluation.replay.run import replay as replay_bag
from uaafusion_ros.evaluation.replay.run import ReplayOptions
from uaafusion_ros.evaluation.replay.settings import sha256_of
from uaafusion_ros.packages import pip_install

Replay = Callable[[Path, Path, ReplayOptions], Mapping[str, Any]]

# Of the shared memory that Ray takes for results; ours are a few kilobytes. Ray's least.
_STORE_BYTES = 80 << 20

# Two threads nearly double an engine's speed, more do less. It is a fixed number because results
# of ONNX Runtime differ in the last bit with it.
THREADS = 2


def run_fleet(
    bags: Sequence[Path], out: Path, options: ReplayOptions, *, workers: int | None = None,
    address: str | None = None, replay: Replay = replay_bag,
    report: Callable[[BagResult], None] = lambda result: None,
) -> list[BagResult]:
    """
    Replay bags into `out`/<name>-<start of the bag's sha256>/ and write `out`/fleet.html.

    At most `workers` bags are in work at a time (default: as many as there are cores for). Where
    neither `options` nor their config say how many threads an engine has, it has `THREADS`.
    `address` is that of a running Ray cluster, whose machines see the same files under the same
    paths; without it Ray is started here, heard on the loopback interface only, and ended.
    `report` is told of each bag as it ends. Returns the results in the order of the bags. Raises
    ParameterError and EngineError for options that no bag could be replayed with,
    DependencyError without Ray, OSError where nothing can be written.
    """
    bags = list(dict.fromkeys(Path(bag).resolve() for bag in bags))
    out = Path(out).resolve()
    if workers is not None and workers < 1:
        raise ParameterError(f'{workers} workers cannot work; accepted is 1 or more')
    options = _for_workers(options)
    request = fingerprint(options)
    out.mkdir(parents=True, exist_ok=True)
    found: dict[Path, BagResult] = {}
    for bag, result in _spread(bags, out, options, request, workers, address, replay):
        found[bag] = result
        report(result)
    results = [found[bag] for bag in bags]
    write_fleet_page(out / 'fleet.html', results)
    return results


def fingerprint(options: ReplayOptions) -> dict[str, Any]:
    """
    Return what a result depends on besides the bag; equal fingerprints, equal results.

    Raises ParameterError and EngineError.
    """
    values = options.settings().values()
    path = values.pop('model.path')
    _, model = models.read(Path(path) if path else None, values['model.preset'])
    rules = thresholds.read_rules(options.thresholds) if options.thresholds else []
    return {
        'version': __version__, 'settings': sha256_of(values), 'model': model.sha256,
        'thresholds': [vars(rule) for rule in rules], 'topics': options.asked_topics(),
        'force_roles': options.force_roles, 'every': options.every, 'limit': options.limit,
        'metrics_every': options.metrics_every}


def replay_into(bag: Path, out: Path, options: ReplayOptions, request: Mapping[str, Any],
                replay: Replay) -> BagResult:
    """
    Replay one bag into its folder of the fleet, unless its result is there already.

    `request` is the fingerprint of the options. An error that the user can mend becomes a result
    that is 'failed'; any other is raised.
    """
    try:
        source = BagSource(bag)
        identity = source.identity()
        asked = {**request, 'bag': identity.sha256}
        folder = out / f'{source.name}-{identity.sha256[:8]}'
        metrics: Mapping[str, Any] | None = finished(folder, asked)
        if metrics:
            return _result(bag, folder, 'kept', metrics)
        draft = out / f'.{folder.name}'
        shutil.rmtree(draft, ignore_errors=True)  # of a worker that died
        metrics = replay(bag, draft, options)
        if metrics['inputs']['bag']['sha256'] != identity.sha256:
            shutil.rmtree(draft)
            return BagResult(str(bag), '', 'failed', 'the bag was altered while it was read; '
                             'wait until its recording has ended', 0, None)
        made, = draft.iterdir()
        (made / 'inputs.json').write_text(json.dumps(asked, indent=1) + '\n')
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(made, folder)
        draft.rmdir()
    except (UaafusionError, OSError) as error:
        return BagResult(str(bag), '', 'failed', str(error), 0, None)
    whole = metrics['status'] == 'complete'
    return _result(bag, folder, 'done' if whole else 'partial', metrics)


def finished(folder: Path, request: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the metrics of a result that is complete and answers this request, else None."""
    try:
        metrics = json.loads((folder / 'metrics.json').read_text(encoding='utf-8'))
        answered = json.loads((folder / 'inputs.json').read_text())
        same = (answered == json.loads(json.dumps(request))
                and metrics['inputs']['bag']['sha256'] == request['bag']
                and metrics['inputs']['model']['sha256'] == request['model'])
        return metrics if same and metrics['status'] == 'complete' else None
    except (OSError, ValueError, KeyError, TypeError):  # missing, damaged or of another program
        return None


def _spread(
    bags: Sequence[Path], out: Path, options: ReplayOptions, request: Mapping[str, Any],
    workers: int | None, address: str | None, replay: Replay,
) -> Iterator[tuple[Path, BagResult]]:
    """Give each bag to a worker; yield the results as they come."""
    ray = import_ray(address)
    _start(ray, address)
    try:
        cores = [int(node['Resources'].get('CPU', 0)) for node in ray.nodes() if node['Alive']]
        share = min(options.threads, max(cores))
        room = sum(n // share for n in cores)
        workers = workers or room
        # Who asks for more workers than there is room for gets them, unreserved. A bag that ends
        # its worker would end the next one too: no second try.
        task = ray.remote(
            max_retries=0, num_cpus=share if workers <= room else 0,
            scheduling_strategy='SPREAD')(replay_into)
        waiting = list(reversed(bags))
        running: dict[Any, Path] = {}
        while waiting or running:
            while waiting and len(running) < workers:
                bag = waiting.pop()
                running[task.remote(bag, out, options, request, replay)] = bag
            (done,), _ = ray.wait(list(running))
            bag = running.pop(done)
            try:
                yield bag, ray.get(done)
            except ray.exceptions.RayError as error:
                yield bag, BagResult(str(bag), '', 'failed', _why(error, ray), 0, None)
    finally:
        ray.shutdown()


def import_ray(address: str | None) -> Any:
    """Return Ray, heard by nobody else without a cluster; DependencyError where it is missing."""
    # Nothing is to be told to Ray's makers, and without a cluster nobody else is to be heard:
    # this variable, named after the systems where it is the default, makes Ray use the loopback
    # interface. It is read when Ray is first imported.
    os.environ['RAY_USAGE_STATS_ENABLED'] = '0'
    if not address:
        os.environ['RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER'] = '0'
    try:
        import ray
    except ImportError as error:
        raise DependencyError(
            f'a fleet needs the Python package ray ({error}): {pip_install("ray")}') from error
    return ray


def _start(ray, address: str | None) -> None:
    # Without 'local', Ray joins what another program, or a killed one, has left in its files.
    where = {'address': address} if address else {
        'address': 'local', 'include_dashboard': False, 'object_store_memory': _STORE_BYTES}
    for last in (False, False, True):  # it gives itself 30 s, too little on a busy machine
        try:
            ray.init(**where, log_to_driver=False, logging_level=logging.ERROR)
            return
        except Exception as error:  # Ray has no type of its own for it
            ray.shutdown()
            if last or address:
                raise DependencyError(f'Ray cannot be reached or started: {error}') from error


def _why(error: Exception, ray) -> str:
    if isinstance(error, ray.exceptions.OutOfMemoryError):
        return 'the machine ran out of memory; give fewer --workers and run the command again'
    if isinstance(error, (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError)):
        return ('its worker died, killed by a signal or for want of memory; run the command '
                'again to replay what is missing')
    cause = getattr(error, 'cause', None) or error
    last = (str(cause).strip().splitlines() or [''])[-1]  # before it may stand a traceback
    return f'the replay broke with {type(cause).__name__}: {last}'


def _result(bag: Path, folder: Path, state: str, metrics: Mapping[str, Any]) -> BagResult:
    reason = '; '.join(metrics['problems']) if state == 'partial' else ''
    return BagResult(
        str(bag), folder.name, state, reason, metrics['counts']['fused'],
        {key: value for key, value in metrics.items() if key != 'frames'})


def _for_workers(options: ReplayOptions) -> ReplayOptions:
    """Workers may have another working directory, and no terminal."""
    paths = {name: getattr(options, name).resolve() for name in ('config', 'thresholds', 'model')
             if getattr(options, name)}
    threads = options.settings().engine.threads or THREADS
    return changed(options, **paths, threads=threads, quiet=True)
