"""The worker's side: a job in, messages out."""

from __future__ import annotations

from collections.abc import Mapping
import time

from rclpy.clock import ROSClock
from sensor_msgs.msg import CameraInfo

from uaafusion_ros.frames import FusionResult
from uaafusion_ros.nodes.auto_registration import AutoRegistration
from uaafusion_ros.nodes.camera_checks import CameraChecks
from uaafusion_ros.nodes.counters import Counters
from uaafusion_ros.nodes.counters import Latencies
from uaafusion_ros.nodes.frame_dispatcher import ros_time_ns
from uaafusion_ros.nodes.messages import image_size
from uaafusion_ros.nodes.objects import DETECTIONS
from uaafusion_ros.nodes.objects import OBJECTS
from uaafusion_ros.nodes.outputs import INFO
from uaafusion_ros.nodes.outputs import Outputs
from uaafusion_ros.nodes.parameters import Parameters
from uaafusion_ros.nodes.preparation import Preparation
from uaafusion_ros.nodes.throttled_log import describe_error
from uaafusion_ros.nodes.throttled_log import ThrottledLogger
from uaafusion_ros.pipeline import FusionPipeline
from uaafusion_ros.settings import Settings
from uaafusion_ros.stream.frame_router import Job


class Fuser:
    """
    Run the pipeline on each job and publish what somebody listens to.

    Called by the worker's thread. `pipeline` may be replaced at any time; `parameters`
    holds the settings in use and `infos` the newest calibration by camera. `auto` is offered
    every pair, and what it finds is used from then on. `checks` tell what is wrong with the
    cameras' images.
    """

    def __init__(
        self, pipeline: FusionPipeline, preparation: Preparation, outputs: Outputs,
        clock: ROSClock, counters: Counters, latencies: Latencies, log: ThrottledLogger,
        parameters: Parameters, infos: Mapping[str, CameraInfo],
        auto: AutoRegistration | None = None
    ) -> None:
        """Publish by `outputs`; tell `preparation` the sizes; count, time and complain."""
        self.pipeline = pipeline
        self._preparation = preparation
        self._outputs = outputs
        self._clock = clock
        self._counters = counters
        self._latencies = latencies
        self._log = log
        self._parameters = parameters
        self._infos = infos
        self._auto = auto
        self.checks = CameraChecks(log)

    def work(self, job: Job) -> None:
        """Fuse a pair, or show a frame alone; never raises."""
        try:
            result = self._publish(job, self._parameters.settings)
        except Exception as error:  # whatever a pair provokes, the next one deserves its chance
            failed = f'dropped.{job.kind}.failed'
            what = 'pair' if job.pair else f'{job.camera} image'
            self._log.error(f'{what} dropped: {describe_error(error)}', failed)
            self._counters.add(failed)
            return
        if result is None:
            self._counters.add(f'dropped.{job.kind}.no_listener')
            return
        self._counters.add('fused' if job.pair else 'shown')
        times_ms = {'processing': (time.monotonic_ns() - job.decided_ns) / 1e6}
        latency_ms = (ros_time_ns(self._clock) - job.reference.stamp_ns) / 1e6
        if -1e3 <= latency_ms <= 60e3:  # beyond, a recorded stamp meets the clock of today
            times_ms['latency'] = latency_ms
        times_ms.update((f'stage.{stage}', ms) for stage, ms in result.timings_ms.items())
        self._latencies.add(times_ms)

    def _publish(self, job: Job, settings: Settings) -> FusionResult | None:
        wanted = self._outputs.wanted()
        pipeline, reference, result = self.pipeline, job.reference, None
        if self._auto is not None:
            pipeline.registration = self._auto.registration
            if job.pair:
                self._auto.offer(job.pair)
        if wanted - {INFO}:
            frames = (((job.camera, reference),) if job.pair is None else
                      (('thermal', job.pair.thermal), ('rgb', job.pair.rgb)))
            for camera, frame in frames:
                self.checks.check(camera, frame, settings.input.force_roles)
            result = (pipeline.process(job.pair) if job.pair
                      else pipeline.process_alone(job.camera, reference))
            self._preparation.follow(result.fused.shape[:2])
            self._outputs.publish_images(
                wanted, result, reference, pipeline.backend.spec.palette, settings)
            if wanted & {OBJECTS, DETECTIONS}:
                objects, unit = pipeline.objects(result)
                self._outputs.publish_objects(
                    wanted, objects, pipeline.backend.spec.classes, unit, reference)
        info = self._infos.get(job.camera)
        if INFO in wanted and info is not None:
            if result is not None:
                size, overlap = result.fused.shape[:2], result.overlap
            elif job.pair:
                size = image_size(job.pair.rgb)
                overlap = pipeline.overlap(image_size(job.pair.thermal), size)
            else:
                size, overlap = image_size(reference), None
            self._outputs.publish_info(info, reference, size, overlap)
        return result
