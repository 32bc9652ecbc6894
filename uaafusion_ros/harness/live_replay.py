"""A bag played into the real node over DDS, and what the node published, for a replay to judge."""

from __future__ import annotations

import json
import os
from pathlib import Path
import shutil

from tqdm import tqdm

from uaafusion_ros.errors import BagError
from uaafusion_ros.errors import EncodingError
from uaafusion_ros.evaluation.bag_source import BagSource
from uaafusion_ros.evaluation.bags import BagWriter
from uaafusion_ros.evaluation.bags import COMPRESSED_IMAGE
from uaafusion_ros.evaluation.bags import frame_of
from uaafusion_ros.evaluation.cameras import choose_cameras
from uaafusion_ros.evaluation.replay.engines import OUTPUT_BAG
from uaafusion_ros.evaluation.replay.engines import SENT_LOG
from uaafusion_ros.evaluation.replay.run import ReplayOptions
from uaafusion_ros.harness.node_run import run_bag
from uaafusion_ros.harness.processes import check_ros
from uaafusion_ros.harness.processes import interrupt_on_termination
from uaafusion_ros.harness.topics import RGB_INFO_TOPIC
from uaafusion_ros.harness.topics import RGB_TOPIC
from uaafusion_ros.harness.topics import THERMAL_INFO_TOPIC
from uaafusion_ros.harness.topics import THERMAL_TOPIC

_TOPICS = {'rgb': (RGB_TOPIC, RGB_INFO_TOPIC), 'thermal': (THERMAL_TOPIC, THERMAL_INFO_TOPIC)}


def record_live(bag: Path, out: Path, options: ReplayOptions, rate: float | None) -> Path:
    """
    Play a bag's cameras into a fusion node and record its outputs.

    Images come as raw topics and best effort, as from cameras; `rate` is in images per second and
    camera, None as recorded. Returns the folder `out`/<bag>/live that `engines.RecordedBackend`
    reads. Raises DependencyError without ROS, EngineError if a process fails, BagError.
    """
    interrupt_on_termination()
    check_ros(os.environ)  # before a long bag is copied
    settings = options.settings()
    source = BagSource(bag)
    folder = Path(out) / source.name / 'live'
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    size = _copy_cameras(source, options, folder / 'bag_in', settings.input.max_pixels)
    arguments = ['--params-file', str(options.config.resolve())] if options.config else []
    for name in ('model.preset', 'model.path', 'engine.backend', 'engine.threads'):
        value = settings.values()[name]
        arguments += ['-p', f'{name}:={value or repr(value)}']
    for setting in ('autostart:=true', f'engine.warmup_size:={size}',
                    'input.rgb_transport:=raw', 'input.thermal_transport:=raw'):
        arguments += ['-p', setting]
    with tqdm(unit='pair', disable=options.quiet) as bar:
        found = run_bag(folder / 'bag_in', folder / OUTPUT_BAG, arguments, folder / 'log', bar,
                        rate)
    (folder / SENT_LOG).write_text(json.dumps(found.sent))
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
