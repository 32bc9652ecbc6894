"""A bag played into the real node over DDS, and what the node published, for a replay to judge."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
import shutil
import time

from tqdm import tqdm

from uaafusion_ros.demo.processes import interrupt_on_termination
from uaafusion_ros.demo.processes import private_ros
from uaafusion_ros.demo.processes import Process
from uaafusion_ros.demo.topics import RGB_INFO_TOPIC
from uaafusion_ros.demo.topics import RGB_TOPIC
from uaafusion_ros.demo.topics import THERMAL_INFO_TOPIC
from uaafusion_ros.demo.topics import THERMAL_TOPIC
from uaafusion_ros.errors import BagError
from uaafusion_ros.errors import EncodingError
from uaafusion_ros.errors import EngineError
from uaafusion_ros.evaluation.bag_source import BagSource
from uaafusion_ros.evaluation.bags import BagWriter
from uaafusion_ros.evaluation.bags import COMPRESSED_IMAGE
from uaafusion_ros.evaluation.bags import frame_of
from uaafusion_ros.evaluation.replay.engines import OUTPUT_BAG
from uaafusion_ros.evaluation.replay.engines import SENT_LOG
from uaafusion_ros.evaluation.replay.run import ReplayOptions
from uaafusion_ros.evaluation.cameras import choose_cameras

_PACKAGE = 'uaafusion_ros'
_START_LIMIT_S = 60.0
_SETTLE_LIMIT_S = 10.0
_TOPICS = {'rgb': (RGB_TOPIC, RGB_INFO_TOPIC), 'thermal': (THERMAL_TOPIC, THERMAL_INFO_TOPIC)}


def record_live(bag: Path, out: Path, options: ReplayOptions, rate: float | None) -> Path:
    """
    Play a bag's cameras into a fusion node and record its outputs.

    Images come as raw topics and best effort, as from cameras; `rate` is in images per second and
    camera, None as recorded. Returns the folder `out`/<bag>/live that `engines.RecordedBackend`
    reads. Raises DependencyError without ROS, EngineError if a process fails, BagError.
    """
    interrupt_on_termination()
    settings = options.settings()
    source = BagSource(bag)
    folder = Path(out) / source.name / 'live'
    shutil.rmtree(folder, ignore_errors=True)
    log = folder / 'log'
    log.mkdir(parents=True)
    environment = private_ros(log.resolve())
    size = _copy_cameras(source, options, folder / 'bag_in', settings.input.max_pixels)
    arguments = ['--ros-args']
    if options.config:
        arguments += ['--params-file', str(options.config.resolve())]
    for name in ('model.preset', 'model.path', 'engine.backend', 'engine.threads'):
        value = settings.values()[name]
        arguments += ['-p', f'{name}:={value or repr(value)}']
    for setting in ('autostart:=true', f'engine.warmup_size:={size}',
                    'input.rgb_transport:=raw', 'input.thermal_transport:=raw'):
        arguments += ['-p', setting]
    with ExitStack() as stack:
        node = stack.enter_context(Process(
            f'{_PACKAGE}.nodes.fusion_node', arguments, environment, log / 'node.txt'))
        recorder = stack.enter_context(Process(
            f'{_PACKAGE}.demo.recorder', [str(folder / OUTPUT_BAG)], environment,
            log / 'recorder.txt'))
        with tqdm(desc=f'{source.name}, live', unit='pair', disable=options.quiet) as bar:
            _follow_until_ready(node, recorder)
            speed = ['--rate', str(rate)] if rate else []
            player = stack.enter_context(Process(
                f'{_PACKAGE}.demo.player',
                [str(folder / 'bag_in'), '--log', str(folder / SENT_LOG), *speed], environment,
                log / 'player.txt'))
            _follow(player, [node, recorder], bar)
        for process in (recorder, node):
            process.stop()
    shutil.rmtree(folder / 'bag_in')
    return folder


def _copy_cameras(source: BagSource, options: ReplayOptions, path: Path,
                  max_pixels: int) -> list[int]:
    """Write the chosen topics, raw, under the names that the node listens to; return the size."""
    choice = choose_cameras(source, options.asked_topics(), options.force_roles).choice
    cameras = {getattr(choice, camera): names[0] for camera, names in _TOPICS.items()}
    infos = {topic: _TOPICS[camera][1] for camera, topic in choice.info.items()}
    size = [0, 0]
    with BagWriter(path) as bag:
        for message in source.messages({*cameras, *infos}):
            if message.topic in infos:
                bag.add_serialized(infos[message.topic], message.type_name, message.log_time_ns,
                                   message.data)
                continue
            if message.type_name != COMPRESSED_IMAGE:
                bag.add_serialized(cameras[message.topic], message.type_name,
                                   message.log_time_ns, message.data)
                if size != [0, 0] or message.topic != choice.rgb:
                    continue
            try:
                frame = frame_of(message, max_pixels)
            except EncodingError:  # the replay counts it
                continue
            if message.topic == choice.rgb:
                size = [frame.array.shape[1], frame.array.shape[0]]
            if message.type_name == COMPRESSED_IMAGE:
                bag.add_image(cameras[message.topic], frame.array, frame.encoding,
                              frame.stamp_ns, frame.frame_id, message.log_time_ns)
    if size == [0, 0]:
        raise BagError(f'no image of {choice.rgb} can be read; there is nothing to play')
    return size


def _follow_until_ready(node: Process, recorder: Process) -> None:
    deadline = time.monotonic() + _START_LIMIT_S
    while True:
        events = recorder.events()
        if any('ready' in event for event in events):
            return
        problems = [event['problem'] for event in events if 'problem' in event]
        if problems:
            raise EngineError(f'the node does not start: {problems[-1]}')
        _check_alive([node, recorder])
        if time.monotonic() > deadline:
            raise EngineError(f'the node offers no outputs after {_START_LIMIT_S:g} s '
                              f'({node.last_words()}); see {node.log}')
        time.sleep(0.05)


def _follow(player: Process, others: list[Process], bar: tqdm) -> None:
    """Wait until all is played and the node has published all that it took."""
    deadline = None
    while deadline is None or time.monotonic() < deadline:
        time.sleep(0.05)
        _check_alive(others)
        played = player.exit_code
        if played:
            raise EngineError(f'the player failed ({player.last_words()}); see {player.log}')
        for event in others[-1].events():
            bar.update('fused' in event)
            counts = event.get('counts', {})
            if deadline and counts.get('in_flight') == '0' and int(counts['fused']) <= bar.n:
                return
        if played == 0 and deadline is None:
            deadline = time.monotonic() + _SETTLE_LIMIT_S


def _check_alive(processes: list[Process]) -> None:
    for process in processes:
        if process.exit_code is not None:
            raise EngineError(f'{process.name} ended with code {process.exit_code} '
                              f'({process.last_words()}); see {process.log}')
