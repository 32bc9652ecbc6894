"""What a node would make of a bag: pairs, frames shown alone, and drops, in the bag's own time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
import time
from typing import Any

from uaafusion_ros.errors import UaafusionError
from uaafusion_ros.evaluation.bag_source import BagSource
from uaafusion_ros.evaluation.bags import CAMERA_INFO
from uaafusion_ros.evaluation.bags import frame_of
from uaafusion_ros.evaluation.bags import RawMessage
from uaafusion_ros.evaluation.bags import TF_MESSAGE
from uaafusion_ros.evaluation.bags import transforms_of
from uaafusion_ros.evaluation.replay.labels import LabelBook
from uaafusion_ros.evaluation.topics import Choice
from uaafusion_ros.frames import Frame
from uaafusion_ros.imaging.thumbnail import thumbnail
from uaafusion_ros.settings import Settings
from uaafusion_ros.stream.frame_router import Decision
from uaafusion_ros.stream.frame_router import FrameRouter
from uaafusion_ros.stream.frame_router import Job
from uaafusion_ros.stream.frame_router import TICK_NS
from uaafusion_ros.stream.pairing import STREAMS
from uaafusion_ros.stream.timeline import Drop


class BagFlow:
    """
    Reads a bag once and leads its frames by the node's own router: freezes, modes, pairs.

    The log times of the messages stand for their arrival, so that a frame waits for a partner,
    and a camera is missed, exactly as on the robot; only stamps ahead of that clock are not
    refused, as a converted bag may have any log times. Labels go to their book. `infos` has the
    last serialised CameraInfo by camera, `transforms` those of /tf_static by child frame,
    `problem` the last image that could not be read, `took_ms` the time spent since it was last
    emptied, by 'read' and 'pair'.
    """

    def __init__(self, source: BagSource, choice: Choice, settings: Settings,
                 labels: LabelBook, heard: Callable[[str], None]) -> None:
        """Begin; `settings` are the node's; `heard(camera)` is called for each of its images."""
        self._source = source
        self._settings = settings
        self._router: FrameRouter | None = None  # made when the first image says what time it is
        self._labels = labels
        self._heard = heard
        self._cameras = {getattr(choice, camera): camera for camera in STREAMS}
        self._label_topic = choice.label
        self._info_cameras = {topic: camera for camera, topic in choice.info.items()}
        self._counts: Counter[str] = Counter({
            **{f'received.{camera}': 0 for camera in STREAMS}, 'paired': 0,
            **{f'dropped.{camera}.{reason.value}': 0 for camera in STREAMS for reason in Drop},
            'dropped.pair.late': 0})
        self._now_ns = 0
        self.messages = 0
        self.infos: dict[str, bytes] = {}
        self.transforms: dict[str, Any] = {}
        self.problem = ''
        self.took_ms: dict[str, float] = {'read': 0.0, 'pair': 0.0}
        self._stamps: dict[str, list[int]] = {camera: [] for camera in STREAMS}

    def jobs(self) -> Iterator[Job]:
        """Yield every pair and every frame that is shown alone, oldest first."""
        topics = {*self._cameras, *self._info_cameras, self._label_topic, '/tf_static'} - {None}
        messages = self._source.messages(topics)
        while True:
            began = time.perf_counter()
            message = next(messages, None)
            frame = self._take(message) if message else None
            read = time.perf_counter()
            jobs = []
            if message is None:
                if self._router is not None:
                    jobs = self._counted(self._router.reset(Drop.RESET, self._now_ns))
            elif frame is not None:
                jobs = self._lead(self._cameras[message.topic], frame, message.log_time_ns)
            self.took_ms['read'] += (read - began) * 1e3
            self.took_ms['pair'] += (time.perf_counter() - read) * 1e3
            yield from jobs
            if message is None:
                return

    @property
    def counts(self) -> dict[str, int]:
        """Count by the names that the node reports: received, paired, dropped, pending."""
        counts = dict(self._counts)
        for camera in STREAMS:
            dropped = sum(count for key, count in counts.items()
                          if key.startswith(f'dropped.{camera}.'))
            counts[f'pending.{camera}'] = (
                counts[f'received.{camera}'] - counts['paired'] - dropped)
        return counts

    def clocks(self) -> str:
        """Say what about the stamps of both cameras keeps their images from being paired."""
        if not all(self._stamps.values()):
            return ''
        for camera, stamps in self._stamps.items():
            if not any(stamps):
                return (f'every {camera} stamp is zero: let its driver fill header.stamp, or '
                        'stamp the images as they arrive and record again')
        slop_ns = self._settings.sync.slop_ms * 1e6
        thermal, rgb = self._stamps['thermal'], self._stamps['rgb']
        if min(thermal) > max(rgb) + slop_ns or min(rgb) > max(thermal) + slop_ns:
            apart = (min(thermal) - min(rgb)) / 1e9
            return (f'the clocks of the cameras are apart: the thermal stamps are '
                    f'{abs(apart):.6g} s {"ahead of" if apart > 0 else "behind"} those of rgb; '
                    'stamp both with one clock and record again')
        return 'no two stamps lie within sync.slop_ms: compare the stamps of both cameras'

    def _lead(self, camera: str, frame: Frame, now_ns: int) -> list[Job]:
        if self._router is None:
            self._now_ns = now_ns
            self._router = FrameRouter(self._settings, now_ns)
        jobs = []
        # A gap in the bag must not hide a timeout that the node would have met in it.
        for moment in (self._now_ns + TICK_NS, now_ns):
            if moment <= now_ns:
                jobs += self._counted(self._router.on_tick(moment))
        self._now_ns = now_ns
        small = thumbnail(frame.array, frame.encoding) if self._router.estimates_offset else None
        return jobs + self._counted(
            self._router.on_frame(camera, frame, now_ns, thumbnail=small))

    def _counted(self, decision: Decision) -> list[Job]:
        counts = decision.counts()
        counts.pop('alone', None)  # what is shown is counted by what shows it
        self._counts.update(counts)
        return decision.jobs

    def _take(self, message: RawMessage) -> Frame | None:
        """Return a camera's frame; keep or count anything else."""
        self.messages += 1
        camera = self._cameras.get(message.topic)
        if message.type_name == TF_MESSAGE:
            self.transforms.update(
                {each.child_frame_id: each for each in transforms_of(message.data)})
            return None
        if message.type_name == CAMERA_INFO:
            self.infos[self._info_cameras[message.topic]] = message.data
            return None
        if camera:
            self._counts[f'received.{camera}'] += 1
            self._heard(camera)
        try:
            frame = frame_of(message, self._settings.input.max_pixels, unpack=camera is None)
        except UaafusionError as error:
            if camera:
                self._counts[f'dropped.{camera}.malformed'] += 1
                self.problem = f'{message.topic}: {error}'
            else:
                self._labels.counts['received'] += 1
                self._labels.refuse(error)
            return None
        if camera is None:
            self._labels.add_label(frame)
            return None
        self._stamps[camera].append(frame.stamp_ns)
        return frame
