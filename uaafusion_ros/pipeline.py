"""
The one place where the stages meet: a pair of images in, a result out.

`load` and `FusionPipeline` are the Python API; node, `uaafusion fuse` and replay run the same.
"""

from __future__ import annotations

from pathlib import Path
import time
from typing import TYPE_CHECKING

import cv2
import numpy as np

from uaafusion_ros.engine.contract import Backend
from uaafusion_ros.engine.loading import load_backend
from uaafusion_ros.engine.loading import load_explainer
from uaafusion_ros.errors import EncodingError
from uaafusion_ros.frames import Frame
from uaafusion_ros.frames import FramePair
from uaafusion_ros.frames import FusionResult
from uaafusion_ros.imaging import compressed
from uaafusion_ros.imaging import encodings
from uaafusion_ros.imaging.objects import class_ids
from uaafusion_ros.imaging.objects import DetectedObject
from uaafusion_ros.imaging.objects import find_objects
from uaafusion_ros.imaging.registration import load as load_registration
from uaafusion_ros.imaging.registration import pass_through
from uaafusion_ros.imaging.registration import Registered
from uaafusion_ros.imaging.registration import Registration
from uaafusion_ros.imaging.registration import Roi
from uaafusion_ros.imaging.registration.drift import Drift
from uaafusion_ros.imaging.registration.drift import DriftMonitor
from uaafusion_ros.imaging.thermal import ScaledThermal
from uaafusion_ros.imaging.thermal import ThermalFacts
from uaafusion_ros.imaging.thermal import ThermalScaler
from uaafusion_ros.settings import EngineSettings
from uaafusion_ros.settings import RegistrationSettings
from uaafusion_ros.settings import Settings

if TYPE_CHECKING:
    from uaafusion_ros.engine.explanation import Explanation

_DRIFT_NS = 3_000_000_000  # of stamp time between two pairs that drift is measured on


class FusionPipeline:
    """
    Turns pairs into results, the same way in the node, offline and in benchmarks.

    `registration` is that of 'resize' where none is given; it may be replaced at any time. Holds
    the thermal stream's brightness range, so one pipeline serves one camera pair and one thread.
    What it last saw of the thermal images is in `thermal_facts`, of the registration in `drift`;
    any thread may read them. Drift is measured where `watch_drift` is set.
    """

    def __init__(self, backend: Backend, *, registration: Registration | None = None,
                 thermal_scaler: ThermalScaler | None = None, watch_drift: bool = False) -> None:
        self.backend = backend
        self.registration = registration or load_registration(RegistrationSettings())
        self._scaler = thermal_scaler or ThermalScaler()
        self._rgb_size: tuple[int, int] | None = None
        self._drift = DriftMonitor() if watch_drift else None
        self._drift_ns = 0
        self._scaled_last: ScaledThermal | None = None
        self.drift: Drift | None = None

    @property
    def thermal_facts(self) -> ThermalFacts | None:
        """What was measured on the last thermal image, None before the first; about 0.2 ms."""
        last = self._scaled_last
        return None if last is None else last.facts

    def objects(self, result: FusionResult) -> tuple[list[DetectedObject], str]:
        """
        Return the objects in the mask of the newest result, and the unit of their temperatures.

        Only a radiometric thermal image (see `Radiometry`) that is part of the result gives them
        temperatures.
        """
        last = None if result.mode == 'RGB_ONLY' else self._scaled_last
        known = None if last is None else last.temperatures()
        if known is not None and self._rgb_size is not None:
            registered = self.registration.apply(known, self._rgb_size)
            known = registered.image
            if registered.valid is not None:
                known[registered.valid == 0] = np.nan
        ids = class_ids(self.backend.spec.classes)
        return (find_objects(result.mask, result.confidence, ids, known),
                '' if last is None else last.unit)

    def process(self, pair: FramePair) -> FusionResult:
        """
        Fuse and segment a pair, in the RGB frame's pixel grid.

        Where the thermal camera sees nothing, the fused image is the RGB image. Raises
        EncodingError, RegistrationError or EngineError.
        """
        timings: dict[str, float] = {}
        with _Timed(timings, 'convert'):
            rgb = _rgb(pair.rgb)
            thermal = _thermal(pair.thermal)
        result, registered = self._fuse(rgb, thermal, pair.thermal.stamp_ns, timings)
        self._watch_drift(pair.rgb.stamp_ns, rgb, registered)
        return result

    def fuse(self, rgb: np.ndarray, thermal: np.ndarray,
             stamp_ns: int | None = None) -> FusionResult:
        """
        Fuse and segment two arrays, in the pixel grid of `rgb`.

        Args:
            rgb: uint8 (height, width, 3), in the order red, green, blue.
            thermal: uint8, uint16 or float32 (height, width) of any size.
            stamp_ns: time of the thermal image in a stream, in nanoseconds: the brightness range
                then follows the stream. Without it each image has a range of its own.

        Raises:
            EncodingError: an array has another shape or type.
            RegistrationError: thermal cannot be brought into the grid of `rgb`.
            EngineError: the runtime failed.
        """
        _check_arrays(rgb, thermal)
        return self._fuse(rgb, thermal, stamp_ns, {})[0]

    def explain(self, rgb: np.ndarray, thermal: np.ndarray) -> Explanation:
        """
        Return what led to the fusion of two arrays (as `fuse` takes them), as `Explanation`.

        Its maps are smaller than the image. Sides that are no multiple of the model's are cut at
        the right and bottom. The model runs once more, on ONNX Runtime, or on PyTorch where it is
        a checkpoint.

        Raises:
            DependencyError: the package onnx is not installed.
            UaafusionError: as from `fuse`.
        """
        _check_arrays(rgb, thermal)
        spec = self.backend.spec
        explainer, _ = load_explainer(spec.path, spec.sha256)
        registered = self.registration.apply(self._scaled(thermal, None), rgb.shape[:2])
        return explainer(rgb, registered.image)

    def process_alone(self, camera: str, frame: Frame) -> FusionResult:
        """
        Return what one camera gives while the other is missing; `camera` is 'thermal' or 'rgb'.

        RGB alone passes through as it is, and the network segments it with its own luma in the
        place of thermal. Thermal alone becomes gray and is segmented with that gray in the place
        of RGB; it lies in the RGB grid if a pair has been seen, else in its own. Raises
        EncodingError, RegistrationError or EngineError.
        """
        timings: dict[str, float] = {}
        if camera == 'rgb':
            with _Timed(timings, 'convert'):
                rgb = _rgb(frame)
                luma = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
            with _Timed(timings, 'infer'):
                output = self.backend.infer(rgb, luma)
            return FusionResult(rgb, output.mask, output.confidence, timings, 'RGB_ONLY')
        with _Timed(timings, 'convert'):
            thermal = _thermal(frame)
        with _Timed(timings, 'thermal'):
            seen = Registered(self._scaled(thermal, frame.stamp_ns))
        if self._rgb_size is not None:
            with _Timed(timings, 'register'):
                seen = self.registration.apply(seen.image, self._rgb_size)
        gray = cv2.merge((seen.image,) * 3)
        with _Timed(timings, 'infer'):
            output = self.backend.infer(gray, seen.image)
        mask, confidence = output.mask, output.confidence
        if seen.valid is not None:
            unseen = seen.valid == 0
            mask[unseen] = confidence[unseen] = 0
        return FusionResult(gray, mask, confidence, timings, 'THERMAL_ONLY', seen.overlap)

    def overlap(self, thermal_size: tuple[int, int], rgb_size: tuple[int, int]) -> Roi | None:
        """
        Return the rectangle around what both cameras see, None where that is everything.

        Sizes are (height, width). Raises RegistrationError.
        """
        return self.registration.apply(np.zeros(thermal_size, np.uint8), rgb_size).overlap

    def _fuse(self, rgb: np.ndarray, thermal: np.ndarray, stamp_ns: int | None,
              timings: dict[str, float]) -> tuple[FusionResult, Registered]:
        with _Timed(timings, 'thermal'):
            thermal = self._scaled(thermal, stamp_ns)
        with _Timed(timings, 'register'):
            self._rgb_size = rgb.shape[:2]
            registered = self.registration.apply(thermal, self._rgb_size)
        with _Timed(timings, 'infer'):
            output = self.backend.infer(rgb, registered.image)
        fused = output.fused
        if registered.valid is not None:
            with _Timed(timings, 'blend'):
                fused = pass_through(fused, rgb, registered.valid)
        return FusionResult(fused, output.mask, output.confidence, timings,
                            overlap=registered.overlap), registered

    def _scaled(self, thermal: np.ndarray, stamp_ns: int | None) -> np.ndarray:
        self._scaled_last = self._scaler.scale(thermal, stamp_ns)
        return self._scaled_last.image

    def _watch_drift(self, stamp_ns: int, rgb: np.ndarray, registered: Registered) -> None:
        if self._drift is None or abs(stamp_ns - self._drift_ns) < _DRIFT_NS:
            return
        self._drift_ns = stamp_ns
        luma = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        self.drift = self._drift.update(registered.image, luma, registered.valid)


def load(preset: str = 'fast', *, model: Path | str | None = None, backend: str = 'auto',
         registration: Path | str | None = None,
         working_size: tuple[int, int] = EngineSettings.working_size) -> FusionPipeline:
    """
    Return a pipeline that is ready to fuse arrays.

    Args:
        preset: a shipped network.
        model: an ONNX file or checkpoint of this package, instead of a shipped network.
        backend: 'auto', or the name of a runtime, such as 'onnxruntime'.
        registration: a file that `uaafusion calibrate` wrote; without one, thermal is scaled to
            the size of the RGB image.
        working_size: (width, height) at which the processor's runtimes work on much larger images;
            (0, 0) runs each image at its own size.

    Raises:
        ModelFileError: the model is missing, altered, or not one of this package.
        EngineError: no runtime can run it.
        RegistrationError: the registration file is missing or wrong.
    """
    laid = None if registration is None else load_registration(
        RegistrationSettings(mode='homography', file=str(registration)))
    runtime = load_backend(model=None if model is None else Path(model), preset=preset,
                           backend=backend, working_size=working_size)
    return FusionPipeline(runtime, registration=laid)


def make_backend(settings: Settings) -> Backend:
    """Return the model on the runtime that the settings ask for; raises what load_backend does."""
    model, engine = settings.model, settings.engine
    return load_backend(
        model=Path(model.path) if model.path else None, preset=model.preset,
        backend=engine.backend, threads=engine.threads, working_size=engine.working_size,
        cache=Path(engine.cache) if engine.cache else None, precision=engine.precision)


def make_pipeline(backend: Backend, settings: Settings, *,
                  registration: Registration | None = None,
                  watch_drift: bool = False) -> FusionPipeline:
    """
    Return the pipeline that the settings describe.

    `registration` replaces that of the settings. Raises RegistrationError.
    """
    return FusionPipeline(
        backend, registration=registration or load_registration(settings.registration),
        thermal_scaler=ThermalScaler(settings.thermal), watch_drift=watch_drift)


def _check_arrays(rgb: np.ndarray, thermal: np.ndarray) -> None:
    """Raise EncodingError unless the arrays can be a colour and a thermal image."""
    shape, dtype = np.shape(rgb), getattr(rgb, 'dtype', type(rgb).__name__)
    if dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or 0 in shape:
        hint = ('np.stack((gray,) * 3, axis=-1) makes one of a gray image'
                if len(shape) == 2 else
                'image[..., :3] drops alpha, 255 * image undoes a division')
        raise EncodingError(f'rgb is {dtype} of shape {shape}; accepted is uint8 of shape '
                            f'(height, width, 3) in the order red, green, blue; {hint}')
    shape, dtype = np.shape(thermal), getattr(thermal, 'dtype', type(thermal).__name__)
    if dtype not in (np.uint8, np.uint16, np.float32) or len(shape) != 2 or 0 in shape:
        hint = ('image[..., 0] takes the first channel' if len(shape) == 3
                else 'image.astype(np.float32) keeps temperatures')
        raise EncodingError(f'thermal is {dtype} of shape {shape}; accepted is uint8, uint16 or '
                            f'float32 of shape (height, width); {hint}')


def _rgb(frame: Frame) -> np.ndarray:
    return encodings.to_rgb8(*pixels(frame))


def _thermal(frame: Frame) -> np.ndarray:
    return encodings.to_thermal(*pixels(frame))


def pixels(frame: Frame) -> tuple[np.ndarray, str]:
    """Return a frame's array and its encoding, decoded if compressed; raises EncodingError."""
    if compressed.is_compressed(frame.encoding):
        return compressed.decode(frame.array, frame.encoding)
    return frame.array, frame.encoding


class _Timed:
    """Note how long a stage takes; a class, as a generator costs more than what it times."""

    def __init__(self, timings: dict[str, float], stage: str) -> None:
        self._timings, self._stage = timings, stage

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *exception: object) -> None:
        self._timings[self._stage] = (time.perf_counter() - self._began) * 1e3
