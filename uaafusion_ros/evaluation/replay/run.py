"""One bag through the node's own pipeline without ROS: numbers, pictures, a verdict."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
import sys
from typing import Any

from tqdm import tqdm

from uaafusion_ros import __version__
from uaafusion_ros.engine.contract import Backend
from uaafusion_ros.errors import BagError
from uaafusion_ros.errors import ParameterError
from uaafusion_ros.evaluation.bag_source import BagSource
from uaafusion_ros.evaluation.bags import camera_info_of
from uaafusion_ros.evaluation.cameras import Cameras
from uaafusion_ros.evaluation.cameras import choose_cameras
from uaafusion_ros.evaluation.replay import thresholds
from uaafusion_ros.evaluation.replay.bag_flow import BagFlow
from uaafusion_ros.evaluation.replay.engines import RecordedBackend
from uaafusion_ros.evaluation.replay.engines import Tap
from uaafusion_ros.evaluation.replay.labels import LabelBook
from uaafusion_ros.evaluation.replay.measuring import Measurer
from uaafusion_ros.evaluation.replay.outputs import write_outputs
from uaafusion_ros.evaluation.replay.recording import Recording
from uaafusion_ros.evaluation.replay.settings import described
from uaafusion_ros.evaluation.replay.settings import read_settings
from uaafusion_ros.evaluation.replay.settings import sha256_of
from uaafusion_ros.evaluation.replay.settings import shipped_precision
from uaafusion_ros.evaluation.replay.stopwatch import Stopwatch
from uaafusion_ros.evaluation.replay.stream_metrics import summarise
from uaafusion_ros.evaluation.topics import Choice
from uaafusion_ros.evaluation.topics import ROLES
from uaafusion_ros.frames import FusionResult
from uaafusion_ros.imaging.registration import load
from uaafusion_ros.pipeline import FusionPipeline
from uaafusion_ros.pipeline import make_backend
from uaafusion_ros.pipeline import make_pipeline
from uaafusion_ros.settings import Settings
from uaafusion_ros.stream.frame_router import Job

SCHEMA = 1


@dataclass(frozen=True)
class ReplayOptions:
    """
    What a replay is told besides the bag; None leaves a choice to the files or to the bag.

    `config` is a parameter file of the node, which `preset`, `model`, `backend` and `threads`
    override; `thresholds` a file of limits. Every `every`th pair is fused, at most `limit` of
    them, and the fusion metrics are computed for every `metrics_every`th fused one. `recorded`
    is a folder with what a node made of this bag (see `engines.RecordedBackend`); no model is
    run then. `force_roles` takes the cameras' images for what they do not look like. Raises
    ParameterError.
    """

    config: Path | None = None
    thresholds: Path | None = None
    preset: str | None = None
    model: Path | None = None
    backend: str | None = None
    threads: int | None = None
    rgb_topic: str | None = None
    thermal_topic: str | None = None
    label_topic: str | None = None
    every: int = 1
    limit: int | None = None
    metrics_every: int = 5
    recorded: Path | None = None
    quiet: bool = False
    force_roles: bool = False

    def __post_init__(self) -> None:
        for name, value in (('every', self.every), ('limit', self.limit),
                            ('metrics_every', self.metrics_every)):
            if value is not None and value < 1:
                raise ParameterError(f'{name} is {value}, accepted is 1 or more')

    def settings(self) -> Settings:
        """Return the node's settings: those of the file, and what overrides them here."""
        overrides = {'model.preset': self.preset, 'engine.backend': self.backend,
                     'engine.threads': self.threads,
                     'model.path': str(self.model) if self.model else None}
        if self.preset and not self.model:
            overrides['model.path'] = ''
        return read_settings(
            self.config, {name: value for name, value in overrides.items() if value is not None})

    def asked_topics(self) -> dict[str, str | None]:
        """Return the topics that were asked for, by role."""
        return {role: getattr(self, f'{role}_topic') for role in ROLES}


def replay(bag: Path, out: Path, options: ReplayOptions = ReplayOptions()) -> dict[str, Any]:
    """
    Replay a bag and leave all results in the folder `out`/<name of the bag>.

    Returns the content of metrics.json, which is written last: where it lies, the replay ended.
    Of a damaged bag or one with damaged images, what can be read is replayed and the status is
    'partial'. Raises BagError where nothing could be fused or paired (saying how much was read
    and why), ParameterError for a setting, EngineError for a model, OSError where results cannot
    be written.
    """
    settings = options.settings()
    rules = thresholds.read_rules(options.thresholds) if options.thresholds else []
    source = BagSource(bag)
    cameras = _cameras(source, options)
    choice = cameras.choice
    if not options.quiet:
        print('\n'.join([f'{source.name}:', *choice.lines()]), file=sys.stderr)
    folder = Path(out) / source.name
    if bag.resolve() == folder.resolve() or folder.resolve() in bag.resolve().parents:
        raise BagError(f'the results would be written into {folder}, where the bag lies; name '
                       'another --out')
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'metrics.json').unlink(missing_ok=True)
    with closing(_load(settings, options.recorded)) as backend:
        tap = Tap(backend)
        labels = LabelBook(backend.spec.classes)
        stopwatch = Stopwatch()
        measurer = Measurer(tap, labels, options.metrics_every, settings.overlay.alpha)
        with Recording(folder / 'output.mcap') as recording, _bar(source, choice, options) as bar:
            flow = BagFlow(source, choice, settings, labels,
                           lambda camera: bar.update(camera == settings.sync.reference))
            run = _Run(flow, settings, tap, measurer, recording, stopwatch)
            run.fuse_all(options)
            if not measurer.frames or not (flow.counts['paired'] or run.stopped):
                raise BagError(_nothing(source, flow, run))
        values = {**described(settings), 'replay.every': options.every,
                  'replay.limit': options.limit, 'replay.metrics_every': options.metrics_every}
        samples, groups = measurer.samples.result()
        metrics: dict[str, Any] = {
            'schema': SCHEMA,
            'version': __version__,
            'status': 'partial' if source.problem or _malformed(flow) else 'complete',
            'problems': _problems(source, cameras, flow, run, labels, backend.spec.path),
            'verdict': 'none',
            'inputs': {
                'bag': vars(source.identity()),
                'model': _model(tap, settings),
                'config': {'sha256': sha256_of(values), 'values': values},
                'topics': {role: getattr(choice, role) for role in ROLES}},
            'checks': [],
            'counts': {**flow.counts, **run.counts,
                       **{f'labels.{key}': count for key, count in labels.counts.items()}},
            'modes': {mode: count / len(measurer.frames)
                      for mode, count in sorted(measurer.modes.items())},
            'summary': summarise(frame['metrics'] for frame in measurer.frames),
            'segmentation': labels.result(),
            'frames': measurer.frames,
            'samples': groups,
        }
        metrics['checks'] = thresholds.check(rules, metrics)
        if rules:
            passed = all(entry['passed'] for entry in metrics['checks'])
            metrics['verdict'] = 'pass' if passed else 'fail'
        return write_outputs(folder, metrics, stopwatch.report(_names(tap)), samples)


class _Run:
    """The loop over what the bag gives, and what it counts."""

    def __init__(self, flow: BagFlow, settings: Settings, tap: Tap, measurer: Measurer,
                 recording: Recording, stopwatch: Stopwatch) -> None:
        self._flow = flow
        self._settings = settings
        # Mode plane has to wait for both calibrations.
        plane = settings.registration.mode == 'plane'
        self._pipeline: FusionPipeline | None = None if plane else make_pipeline(tap, settings)
        self._tap = tap
        self._measurer = measurer
        self._recording = recording
        self._stopwatch = stopwatch
        self.counts = dict.fromkeys(
            ('fused', 'shown', 'skipped', 'dropped.pair.failed', 'dropped.alone.failed',
             'dropped.pair.not_published', 'dropped.alone.not_published'), 0)
        self.problem = ''
        self.stopped = False

    def fuse_all(self, options: ReplayOptions) -> None:
        """Fuse pair after pair until the bag or the limit ends."""
        for number, job in enumerate(self._flow.jobs()):
            for stage in ('read', 'pair'):
                self._stopwatch.add(stage, self._flow.took_ms[stage])
                self._flow.took_ms[stage] = 0.0
            if number % options.every:
                self.counts['skipped'] += 1
            elif not self._tap.expect(job.reference.stamp_ns):
                self.counts[f'dropped.{job.kind}.not_published'] += 1
            else:
                self._fuse(job)
            if self.counts['fused'] + self.counts['shown'] == options.limit:
                self.stopped = True
                return

    def _fuse(self, job: Job) -> None:
        try:
            result = self._process(job)
        except Exception as error:  # as in the node: the next pair deserves its chance
            self.counts[f'dropped.{job.kind}.failed'] += 1
            self.problem = str(error) or type(error).__name__
            return
        self.counts['fused' if job.pair else 'shown'] += 1
        for stage, milliseconds in result.timings_ms.items():
            self._stopwatch.add(stage, milliseconds)
        latency_ms = self._tap.latency_ms(job.pair) if job.pair else None
        if latency_ms is not None:
            self._stopwatch.add('end_to_end', latency_ms)
        with self._stopwatch.timed('measure'):
            overlay = self._measurer.measure(job, result)
        with self._stopwatch.timed('write'):
            self._recording.add(
                job.reference, result, overlay, self._flow.infos.get(job.camera))

    def _process(self, job: Job) -> FusionResult:
        if self._pipeline is None:
            infos = {camera: camera_info_of(data) for camera, data in self._flow.infos.items()}
            self._pipeline = make_pipeline(
                self._tap, self._settings, registration=load(
                    self._settings.registration, infos, self._flow.transforms))
        if job.pair:
            return self._pipeline.process(job.pair)
        return self._pipeline.process_alone(job.camera, job.reference)


def _cameras(source: BagSource, options: ReplayOptions) -> Cameras:
    try:
        return choose_cameras(source, options.asked_topics(), options.force_roles)
    except BagError as error:
        count = sum(topic.count for topic in source.topics)
        damage = f' and {source.problem}' if source.problem else ''
        raise BagError(f'{error} (the bag {source.path} holds {count} readable messages{damage})'
                       ) from None


def _load(settings: Settings, recorded: Path | None) -> Backend:
    if recorded:
        model = settings.model
        return RecordedBackend(recorded, Path(model.path) if model.path else None, model.preset)
    return make_backend(settings)


def _bar(source: BagSource, choice: Choice, options: ReplayOptions) -> tqdm:
    total = sum(topic.count for topic in source.topics if topic.name == choice.rgb)
    return tqdm(total=total, desc=source.name, unit='frame', disable=options.quiet)


def _model(tap: Tap, settings: Settings) -> dict[str, str]:
    spec, engine = tap.spec, _names(tap)
    precision = shipped_precision(spec.sha256)
    if 'tensorrt' in engine:  # the others compute in what the file holds
        precision = settings.engine.precision
    return {'preset': spec.preset, 'file': spec.path.name, 'sha256': spec.sha256,
            'precision': precision, 'backend': engine}


def _names(tap: Tap) -> str:
    return ' and '.join(sorted(tap.used))


def _problems(source: BagSource, cameras: Cameras, flow: BagFlow, run: _Run, labels: LabelBook,
              model: Path) -> list[str]:
    problems = list(cameras.findings)
    if source.problem:
        problems.append(
            f'the bag {source.name} {source.problem}: {flow.messages} messages of the chosen '
            f"topics were read and {run.counts['fused']} pairs fused")
    for count, what, reason in (
            (_malformed(flow), 'images could not be read', flow.problem),
            (run.counts['dropped.pair.failed'] + run.counts['dropped.alone.failed'],
             'pairs could not be fused', run.problem),
            (run.counts['dropped.pair.not_published'],
             'pairs were not published by the node', 'it was busy or lost them'),
            (labels.counts['refused'], 'labels were refused', labels.problem)):
        if count:
            problems.append(f'{count} {what}; the last: {reason}')
    return [_without_folders(problem, source.path, model) for problem in problems]


def _malformed(flow: BagFlow) -> int:
    return sum(count for key, count in flow.counts.items() if key.endswith('.malformed'))


def _without_folders(text: str, *paths: Path) -> str:
    """Cut the folders of the paths off, so that the same bag elsewhere gives the same text."""
    for path in paths:
        for folder in (path.resolve().parent, path.parent):
            text = text.replace(f'{folder}/', '')
    return text


def _nothing(source: BagSource, flow: BagFlow, run: _Run) -> str:
    received = ', '.join(f'{camera} {flow.counts[f"received.{camera}"]}'
                         for camera in ('thermal', 'rgb'))
    alone = f', {run.counts["shown"]} of one camera alone' if run.counts['shown'] else ''
    reasons = [f'the bag {source.problem}'] if source.problem else []
    reasons += [text for text in (run.problem, flow.problem) if text]
    if not flow.counts['paired'] and flow.clocks():
        reasons.append(flow.clocks())
    return (f'nothing of the bag {source.path} could be fused: {flow.messages} messages were '
            f'read (images: {received}), {flow.counts["paired"]} paired'
            f'{alone}; {"; ".join(reasons)}')
