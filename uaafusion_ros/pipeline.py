"""The one place where the stages meet: a pair of frames in, a result out."""

from __future__ import annotations

from contextlib import contextmanager
import time
from typing import Iterator

from uaafusion_ros.engine.backend import Backend
from uaafusion_ros.frames import FramePair
from uaafusion_ros.frames import FusionResult
from uaafusion_ros.imaging import encodings
from uaafusion_ros.imaging.registration import register
from uaafusion_ros.imaging.thermal import ThermalScaler


class FusionPipeline:
    """
    Turns pairs into results, the same way in the node, offline and in benchmarks.

    Holds the thermal stream's brightness range, so one pipeline serves one camera pair and one
    thread.
    """

    def __init__(self, backend: Backend, *, registration_mode: str = 'resize',
                 thermal_scaler: ThermalScaler | None = None) -> None:
        self.backend = backend
        self._mode = registration_mode
        self._scaler = thermal_scaler or ThermalScaler()

    def process(self, pair: FramePair) -> FusionResult:
        """
        Fuse and segment a pair, in the RGB frame's pixel grid.

        Raises EncodingError, RegistrationError or EngineError.
        """
        timings: dict[str, float] = {}
        with _timed(timings, 'convert'):
            rgb = encodings.to_rgb8(pair.rgb.array, pair.rgb.encoding)
            thermal = encodings.to_thermal(pair.thermal.array, pair.thermal.encoding)
        with _timed(timings, 'thermal'):
            thermal = self._scaler.scale(thermal).image
        with _timed(timings, 'register'):
            thermal = register(thermal, rgb.shape[:2], self._mode)
        with _timed(timings, 'infer'):
            output = self.backend.infer(rgb, thermal)
        return FusionResult(output.fused, output.mask, output.confidence, timings)


@contextmanager
def _timed(timings: dict[str, float], stage: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    timings[stage] = (time.perf_counter() - began) * 1e3
