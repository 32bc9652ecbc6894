"""Pairs of images to calibrate with, out of two folders or a bag."""

from __future__ import annotations

from argparse import Namespace
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np

from uaafusion_ros.cli.findings import Findings
from uaafusion_ros.errors import BagError
from uaafusion_ros.errors import EncodingError
from uaafusion_ros.frames import Frame
from uaafusion_ros.imaging import encodings
from uaafusion_ros.imaging.calibration.contract import View
from uaafusion_ros.imaging.files import read_rgb
from uaafusion_ros.imaging.files import read_thermal
from uaafusion_ros.imaging.folders import match
from uaafusion_ros.imaging.thermal import ThermalScaler
from uaafusion_ros.imaging.thumbnail import thumbnail
from uaafusion_ros.stream.offset import OffsetEstimator

# Stamps of a calibration pair may differ by this: what is calibrated with should stand still.
SLOP_NS = 50_000_000


def read(options: Namespace) -> list[View]:
    """Return up to `options.views` pairs of `options.source`; raises what is raised below."""
    source = options.source
    if (source / 'rgb').is_dir() or (source / 'thermal').is_dir():
        return from_folder(source, options.views, options.force_roles)
    return from_bag(source, options.views,
                    {'rgb': options.rgb_topic, 'thermal': options.thermal_topic},
                    options.force_roles)


def from_folder(folder: Path, count: int, force_roles: bool) -> list[View]:
    """
    Return up to `count` evenly chosen pairs of folder/rgb and folder/thermal with equal stems.

    Raises DatasetError if there is none, EncodingError if one cannot be read.
    """
    pairs, _ = match(folder / 'rgb', folder / 'thermal')
    views, findings = [], Findings()
    for rgb, thermal in _spread(pairs, count):
        luma = cv2.cvtColor(read_rgb(rgb, force_roles), cv2.COLOR_RGB2GRAY)
        found = read_thermal(thermal, force_roles)
        findings.add(thermal, found.findings)
        views.append(_view(rgb.stem, luma, found.array, found.encoding))
    findings.report()
    return views


def from_bag(path: Path, count: int, asked: dict[str, str | None],
             force_roles: bool) -> list[View]:
    """
    Return up to `count` pairs, evenly chosen from all of a bag; `asked` maps cameras to topics.

    A delay between the cameras' stamps that their motion shows is printed and allowed for. Raises
    BagError if the bag cannot be read, a camera's topic is not clear or nothing pairs,
    EncodingError for an image that contradicts itself.
    """
    from uaafusion_ros.evaluation.bag_source import BagSource
    from uaafusion_ros.evaluation.bags import frame_of
    from uaafusion_ros.evaluation.bags import image_stamp_ns
    from uaafusion_ros.evaluation.cameras import choose_cameras
    from uaafusion_ros.stream.pairing import match

    source = BagSource(path)
    choice = choose_cameras(source, {**asked, 'label': None}, force_roles).choice
    topics = {choice.rgb: 'rgb', choice.thermal: 'thermal'}
    stamps: dict[str, set[int]] = {'rgb': set(), 'thermal': set()}
    estimator, found = OffsetEstimator(), None
    for message in source.messages(topics):
        camera, stamp_ns = topics[message.topic], image_stamp_ns(message.data)
        stamps[camera].add(stamp_ns)
        if found is None:
            with suppress(EncodingError):  # said if it is one of those to calibrate with
                frame = frame_of(message, unpack=False)
                small = thumbnail(frame.array, frame.encoding)
                if small is not None:
                    found = estimator.add(camera, small, stamp_ns, message.log_time_ns)
    delay = found or estimator.estimate()
    shift_ns = round(delay.offset_ms * 1e6) if delay.sure else 0
    print(f'stamps: sync.thermal_offset_ms {delay.offset_ms:.0f} (within '
          f'{delay.uncertainty_ms:.0f} ms): {delay.reason}' if delay.sure else
          f'stamps: no delay between the cameras was measured: {delay.reason}')
    rgb, thermal = sorted(stamps['rgb']), sorted(stamps['thermal'])
    pairs = match(rgb, [stamp_ns + shift_ns for stamp_ns in thermal], SLOP_NS)
    if not pairs:
        raise BagError(
            f'no image of {choice.rgb} ({len(rgb)}) has a stamp within {SLOP_NS // 10**6} ms of '
            f'one of {choice.thermal} ({len(thermal)}); record both cameras with one clock')
    chosen = _spread(pairs, count)
    wanted = {'rgb': {rgb[i] for i, _ in chosen}, 'thermal': {thermal[j] for _, j in chosen}}
    frames: dict[tuple[str, int], Frame] = {}
    for message in source.messages(topics):
        key = topics[message.topic], image_stamp_ns(message.data)
        if key[1] in wanted[key[0]] and key not in frames:
            frames[key] = frame_of(message)
    views = []
    for i, j in chosen:
        seen, warm = frames['rgb', rgb[i]], frames['thermal', thermal[j]]
        luma = cv2.cvtColor(encodings.to_rgb8(seen.array, seen.encoding), cv2.COLOR_RGB2GRAY)
        views.append(_view(str(rgb[i]), luma, warm.array, warm.encoding))
    return views


def _view(name: str, luma: np.ndarray, thermal: np.ndarray, encoding: str) -> View:
    # A scaler of its own: views may be minutes apart, and a range must not pass between them.
    scaled = ThermalScaler().scale(encodings.to_thermal(thermal, encoding))
    return View(name, scaled.image, luma)


def _spread(items: list, count: int) -> list:
    places = np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)
    return [items[place] for place in places]
