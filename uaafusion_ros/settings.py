"""
Every parameter of the node, by section: the one place where parameters are declared.

From here come the typed values that modules are given (`settings.sync.slop_ms`), the parameters
that ROS sees (`nodes/parameters.py`), docs/parameters.md and config/fusion.yaml
(`cli/parameters.py`). A section is what is renewed together when one of its values changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import fields
from dataclasses import replace
import difflib
from typing import Any

from uaafusion_ros.errors import ParameterError
from uaafusion_ros.parameter import expert
from uaafusion_ros.parameter import Parameter
from uaafusion_ros.parameter import parameter
from uaafusion_ros.parameter import parameters_of
from uaafusion_ros.parameter import Section


@dataclass(frozen=True)
class NodeSettings(Section, prefix=''):
    """The node itself."""

    autostart: bool = parameter(
        True, 'Configure and activate without a lifecycle manager.', change='start')


@dataclass(frozen=True)
class ModelSettings(Section, prefix='model.'):
    """Which network."""

    preset: str = expert(
        'fast', 'Network architecture of the shipped model to load, a key of models/models.yaml.',
        change='unconfigured')
    path: str = expert(
        '', 'ONNX model to load instead of a shipped one; empty loads the preset.',
        change='unconfigured')


@dataclass(frozen=True)
class EngineSettings(Section, prefix='engine.'):
    """What runs it."""

    backend: str = parameter(
        'auto',
        'Runtime; auto takes the first of these that is installed and finds what it runs on.',
        choices=('auto', 'tensorrt', 'openvino', 'onnxruntime'), change='unconfigured')
    precision: str = expert(
        'fp16', 'What TensorRT computes in.', choices=('fp16', 'fp32'), change='unconfigured')
    cache: str = expert(
        '', "Folder of the compiled engines; empty is the user's own cache.",
        change='unconfigured')
    threads: int = expert(
        0, "Threads of the processor's runtimes; 0 uses every core that affinity and container "
        'leave to the process.', '', 0, 1024, change='unconfigured')
    working_size: tuple[int, int] = parameter(
        (640, 480), 'Size that the network works in on a processor where images have half as many '
        'pixels again or more: never smaller than this, in the shape of the image. The fused '
        "image keeps the whole images' texture. [0, 0] works in every image's own size.",
        'pixels', 0, 16384, kind='size', change='unconfigured')
    warmup_size: tuple[int, int] = parameter(
        (0, 0), 'Image size of the RGB camera to prepare the runtime for while configuring; '
        '[0, 0] prepares it when the first pair comes, which can cost seconds of images. A '
        'TensorRT engine is built in the background; until then images run on the processor.',
        'pixels', 0, 16384, kind='size', change='unconfigured')


@dataclass(frozen=True)
class SyncSettings(Section, prefix='sync.'):
    """Which images belong together."""

    policy: str = expert(
        'nearest', 'How stamps are paired: nearest is built in; approximate and exact are those '
        'of the message_filters package and need it installed.',
        choices=('nearest', 'approximate', 'exact'), change='unconfigured')
    reference: str = parameter(
        'rgb', 'Camera whose stamp, frame_id and calibration every output carries; pixels are '
        'always those of the RGB image, so calibration of another size is withheld.',
        choices=('rgb', 'thermal'), change='unconfigured')
    slop_ms: float = parameter(
        16.0, 'Largest difference of two stamps that make a pair; ignored by exact. More than '
        'half a frame period can pair neighbours where frames are lost, and a thermal image older '
        'than 100 ms would show as a ghost.', 'ms', 0.0, 100.0)
    queue_size: int = expert(
        10, 'Frames of one camera that may wait for a partner; the oldest is dropped first.',
        '', 2, 500)
    max_wait_ms: float = expert(
        250.0, 'Longest time a reference frame waits for a nearer partner; used by nearest only.',
        'ms', 0.0, 10000.0)
    thermal_offset_ms: float = parameter(
        0.0, 'Added to thermal stamps for pairing only, when that camera stamps early (positive) '
        'or late (negative); outputs keep the stamps as they came.', 'ms', -1000.0, 1000.0)
    estimate_offset: bool = parameter(
        False, 'Measure the offset of the thermal stamps from what moves in both images, begin '
        'with thermal_offset_ms, and apply what is found once it is sure.')


@dataclass(frozen=True)
class RegistrationSettings(Section, prefix='registration.'):
    """How the two views are laid over one another."""

    mode: str = parameter(
        'resize', 'How thermal is laid over RGB: resize for cameras that share a view, none when '
        'both images already have the same size, auto as the node finds it in what both cameras '
        'see (resize until it is sure), homography by the file that calibration wrote, plane '
        'from both camera_info and the expert parameters beside this one.',
        choices=('resize', 'none', 'auto', 'homography', 'plane'), change='unconfigured')
    file: str = parameter(
        '', 'YAML file of a homography, as `uaafusion calibrate` writes it; mode auto keeps there '
        "what it found (empty: in the user's own cache).",
        change='unconfigured')
    plane_distance_m: float = expert(
        5.0, 'Distance from the RGB camera at which both images agree in mode plane.',
        'm', 0.05, 10000.0)
    translation_m: tuple[float, float, float] = expert(
        (0.0, 0.0, 0.0), "Where the thermal camera's optical frame lies in that of the RGB "
        'camera, for mode plane.', 'm', -100.0, 100.0, kind='position', change='unconfigured')
    rotation: tuple[float, float, float, float] = expert(
        (0.0, 0.0, 0.0, 1.0), "How the thermal camera's optical frame is turned in that of the "
        'RGB camera, for mode plane.', '', -1.0, 1.0, kind='quaternion', change='unconfigured')
    rgb_frame: str = expert(
        '', "The RGB camera's optical frame, for mode plane: with this and thermal_frame set, "
        '/tf_static tells how the cameras stand instead of translation_m and rotation.',
        change='unconfigured')
    thermal_frame: str = expert(
        '', "The thermal camera's optical frame, see rgb_frame.", change='unconfigured')
    rectified: bool = expert(
        False, 'Both image topics are rectified already (image_rect), for mode plane.',
        change='unconfigured')


@dataclass(frozen=True)
class ThermalSettings(Section, prefix='thermal.'):
    """How thermal images become 8-bit."""

    scaling: str = parameter(
        'percentile', 'How 16-bit and float thermal images become 8-bit: by percentiles of the '
        'image, by these and then equalised locally (clahe, 8-bit images too), or by the fixed '
        'range.', choices=('percentile', 'fixed', 'clahe'))
    percentiles: tuple[float, float] = expert(
        (0.5, 99.5), 'Percentiles that become black and white with percentile and clahe scaling.',
        '%', 0.0, 100.0, kind='interval')
    range: tuple[float, float] = parameter(
        (0.0, 65535.0), 'Values that become black and white with fixed scaling, in thermal.unit.',
        '', -1e30, 1e30, kind='interval')
    smoothing_s: float = expert(
        0.3, 'Time constant with which the brightness range follows the scene, against flicker; 0 '
        'measures each image alone.', 's', 0.0, 60.0)
    clahe_clip: float = expert(
        2.0, 'Contrast limit of clahe scaling; more shows more, noise too.', '', 0.1, 100.0)
    unit: str = parameter(
        'counts', 'Unit of thermal.range and of the temperatures in the diagnostics; celsius and '
        'kelvin need a radiometric camera.', choices=('counts', 'celsius', 'kelvin'))
    gain: float = expert(
        0.01, 'Kelvin per count of 16-bit images, for the units celsius and kelvin.',
        'K', 1e-6, 1000.0)
    offset: float = expert(
        0.0, 'Temperature of count 0 of 16-bit images, for the units celsius and kelvin.',
        'K', -1e6, 1e6)
    polarity: str = parameter(
        'white_hot', 'What the camera shows bright; black_hot images are inverted before fusion.',
        choices=('white_hot', 'black_hot'))


@dataclass(frozen=True)
class FreezeSettings(Section, prefix='thermal.freeze_'):
    """When a thermal camera that sends the same image again is not to be trusted."""

    repeats: int = expert(
        3, 'So many identical images in a row, while RGB moves, mean that the shutter is shut; '
        'RGB is published alone then. 0 never, for simulations without noise.', '', 0, 1000)
    age_ms: float = expert(
        100.0, 'A repeated image first seen longer ago than this is not fused, whatever the '
        'number of repeats.', 'ms', 0.0, 10000.0)


@dataclass(frozen=True)
class ModeSettings(Section, prefix='mode.'):
    """What is published while a camera is missing."""

    timeout_s: float = parameter(
        0.5, 'Silence of a camera after which the other one is published alone; longer for '
        'cameras whose usual interval is longer.', 's', 0.05, 60.0)
    recovery_pairs: int = expert(
        3, 'Pairs that lead back to fusion after one camera was published alone.', '', 1, 1000)


@dataclass(frozen=True)
class OverlaySettings(Section, prefix='overlay.'):
    """How the class colours are shown."""

    alpha: float = parameter(
        0.5, 'Opacity of the class colours in segmentation/overlay.', '', 0.0, 1.0)


@dataclass(frozen=True)
class OutputSettings(Section, prefix='output.'):
    """How results are written."""

    jpeg_quality: int = expert(90, 'Quality of fused/image/compressed.', '', 1, 100)


@dataclass(frozen=True)
class InputSettings(Section, prefix='input.'):
    """What is accepted from the cameras."""

    rgb_transport: str = parameter(
        'raw', 'raw takes rgb/image_raw; compressed takes JPEG or PNG from '
        'rgb/image_raw/compressed.', choices=('raw', 'compressed'), change='unconfigured')
    thermal_transport: str = parameter(
        'raw', 'raw takes thermal/image_raw; compressed takes PNG (8 or 16 bits) or JPEG from '
        'thermal/image_raw/compressed.', choices=('raw', 'compressed'), change='unconfigured')
    force_roles: bool = expert(
        False, 'Take colours from the thermal camera and one channel of 16 bits from the RGB '
        'camera; otherwise they are refused, as the cameras may be exchanged.')
    max_future_s: float = expert(
        1.0, "Images stamped further ahead of the node's clock are refused.", 's', 0.0, 86400.0)
    max_megapixels: float = expert(
        16.0, 'Larger images are refused before anything is computed or unpacked.',
        'megapixels', 0.01, 200.0)
    timeout_s: float = expert(
        2.0, 'Silence of a camera after which a warning names the likely cause.', 's', 0.1, 3600.0)

    @property
    def max_pixels(self) -> int:
        """The limit of an image's size in pixels."""
        return int(self.max_megapixels * 1e6)


@dataclass(frozen=True)
class QosSettings(Section, prefix='qos.'):
    """How images travel (a running camera and a listener must match)."""

    input_reliability: str = expert(
        'best_effort', 'Reliability asked of the cameras; best_effort hears every camera, '
        'reliable only reliable ones.', choices=('best_effort', 'reliable'), change='unconfigured')
    input_depth: int = expert(
        5, 'Images kept by the middleware per input.', '', 1, 1000, change='unconfigured')
    output_reliability: str = expert(
        'reliable', 'Reliability offered to listeners; reliable serves every listener.',
        choices=('best_effort', 'reliable'), change='unconfigured')
    output_depth: int = expert(
        5, 'Images kept by the middleware per output.', '', 1, 1000, change='unconfigured')


@dataclass(frozen=True)
class DiagnosticsSettings(Section, prefix='diagnostics.'):
    """What is reported on /diagnostics."""

    period_s: float = expert(1.0, 'Time between two diagnostics messages.', 's', 0.1, 60.0)


@dataclass(frozen=True)
class Settings:
    """The value of every parameter; immutable, so that any thread may keep it."""

    node: NodeSettings = NodeSettings()
    model: ModelSettings = ModelSettings()
    engine: EngineSettings = EngineSettings()
    sync: SyncSettings = SyncSettings()
    registration: RegistrationSettings = RegistrationSettings()
    thermal: ThermalSettings = ThermalSettings()
    freeze: FreezeSettings = FreezeSettings()
    mode: ModeSettings = ModeSettings()
    overlay: OverlaySettings = OverlaySettings()
    output: OutputSettings = OutputSettings()
    input: InputSettings = InputSettings()
    qos: QosSettings = QosSettings()
    diagnostics: DiagnosticsSettings = DiagnosticsSettings()

    def changed(self, values: Mapping[str, Any]) -> Settings:
        """
        Return these settings with other `values`, by full name.

        Raises ParameterError with one sentence per refused or unknown parameter.
        """
        problems = [unknown(name) for name in values if name not in PARAMETERS]
        sections = {}
        for name, section in vars(self).items():
            given = {key: values[each.name] for key, each in parameters_of(type(section)).items()
                     if each.name in values}
            try:
                sections[name] = replace(section, **given) if given else section
            except ParameterError as error:
                problems.append(str(error))
        if problems:
            raise ParameterError('; '.join(problems))
        return Settings(**sections)

    def values(self) -> dict[str, Any]:
        """Return every value by the full name of its parameter."""
        return {each.name: getattr(section, key) for section in vars(self).values()
                for key, each in parameters_of(type(section)).items()}


PARAMETERS: Mapping[str, Parameter] = {
    each.name: each for section in fields(Settings)
    for each in parameters_of(type(section.default)).values()}


def unknown(name: str) -> str:
    """Say that there is no parameter `name` and which one was probably meant."""
    near = difflib.get_close_matches(name, PARAMETERS, n=1)
    return f'there is no parameter {name!r}' + (f'; did you mean {near[0]!r}?' if near else '')


def is_foreign(name: str) -> bool:
    """Whether every node of rclpy has a parameter of this name; a node's dump holds it, too."""
    return name.startswith(('qos_overrides.', 'use_sim_time', 'start_type_'))
