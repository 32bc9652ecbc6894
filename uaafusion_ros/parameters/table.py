"""The parameters of the node: names, types, defaults, ranges and what they mean."""

from __future__ import annotations

from collections.abc import Mapping
import difflib
from types import MappingProxyType
from typing import Any

from uaafusion_ros.engine.loading import NODE_NAMES
from uaafusion_ros.errors import ParameterError
from uaafusion_ros.parameters.row import Row

TABLE = (
    Row('autostart', 'bool', True,
        'Configure and activate without a lifecycle manager.', change='start'),
    Row('model.preset', 'string', 'fast',
        'Network architecture of the shipped model to load, a key of models/models.yaml.',
        change='unconfigured'),
    Row('model.path', 'string', '',
        'ONNX model to load instead of a shipped one; empty loads the preset.',
        change='unconfigured'),
    Row('engine.backend', 'string', 'auto',
        'Runtime; auto takes the first of these that is installed and finds what it runs on.',
        choices=NODE_NAMES, change='unconfigured'),
    Row('engine.precision', 'string', 'fp16', 'What TensorRT computes in.',
        choices=('fp16', 'fp32'), change='unconfigured'),
    Row('engine.cache', 'string', '',
        "Folder of the engines that TensorRT built; empty is the user's own cache.",
        change='unconfigured'),
    Row('engine.threads', 'integer', 0,
        "Threads of the processor's runtimes; 0 uses every core.",
        minimum=0, maximum=1024, change='unconfigured'),
    Row('engine.warmup_size', 'size', (0, 0),
        'Image size of the RGB camera to prepare the runtime for while configuring; [0, 0] '
        'prepares it when the first pair comes, which can cost seconds of images. A TensorRT '
        'engine is built in the background; until then images run on the processor.',
        'pixels', 0, 16384, change='unconfigured'),
    Row('sync.policy', 'string', 'nearest',
        'How stamps are paired: nearest is built in; approximate and exact are those of the '
        'message_filters package and need it installed.',
        choices=('nearest', 'approximate', 'exact'), change='unconfigured'),
    Row('sync.reference', 'string', 'rgb',
        'Camera whose stamp, frame_id and calibration every output carries; pixels are always '
        'those of the RGB image, so calibration of another size is withheld.',
        choices=('rgb', 'thermal'), change='unconfigured'),
    Row('sync.slop_ms', 'double', 16.0,
        'Largest difference of two stamps that make a pair; ignored by exact. More than half a '
        'frame period can pair neighbours where frames are lost, and a thermal image older than '
        '100 ms would show as a ghost.', 'ms', 0.0, 100.0),
    Row('sync.queue_size', 'integer', 10,
        'Frames of one camera that may wait for a partner; the oldest is dropped first.',
        minimum=2, maximum=500),
    Row('sync.max_wait_ms', 'double', 250.0,
        'Longest time a reference frame waits for a nearer partner; used by nearest only.',
        'ms', 0.0, 10000.0),
    Row('sync.thermal_offset_ms', 'double', 0.0,
        'Added to thermal stamps for pairing only, when that camera stamps early (positive) or '
        'late (negative); outputs keep the stamps as they came.', 'ms', -1000.0, 1000.0),
    Row('registration.mode', 'string', 'resize',
        'How thermal is laid over RGB: resize for cameras that share a view, none when both '
        'images already have the same size, homography by the file that calibration wrote, plane '
        'from both camera_info and the extrinsics below.',
        choices=('resize', 'none', 'homography', 'plane'), change='unconfigured'),
    Row('registration.file', 'string', '',
        'YAML file of a homography, as `uaafusion calibrate` writes it.', change='unconfigured'),
    Row('registration.plane_distance_m', 'double', 5.0,
        'Distance from the RGB camera at which both images agree in mode plane.',
        'm', 0.05, 10000.0),
    Row('registration.translation_m', 'position', (0.0, 0.0, 0.0),
        "Where the thermal camera's optical frame lies in that of the RGB camera, for mode "
        'plane.',
        'm', -100.0, 100.0, change='unconfigured'),
    Row('registration.rotation', 'quaternion', (0.0, 0.0, 0.0, 1.0),
        "How the thermal camera's optical frame is turned in that of the RGB camera, for mode "
        'plane.', '', -1.0, 1.0, change='unconfigured'),
    Row('registration.rectified', 'bool', False,
        'Both image topics are rectified already (image_rect), for mode plane.',
        change='unconfigured'),
    Row('thermal.scaling', 'string', 'percentile',
        'How 16-bit and float thermal images become 8-bit: by percentiles of the image, by these '
        'and then equalised locally (clahe, 8-bit images too), or by the fixed range.',
        choices=('percentile', 'fixed', 'clahe')),
    Row('thermal.percentiles', 'interval', (0.5, 99.5),
        'Percentiles that become black and white with percentile and clahe scaling.',
        '%', 0.0, 100.0),
    Row('thermal.range', 'interval', (0.0, 65535.0),
        'Values that become black and white with fixed scaling, in thermal.unit.',
        '', -1e30, 1e30),
    Row('thermal.smoothing_s', 'double', 0.3,
        'Time constant with which the brightness range follows the scene, against flicker; 0 '
        'measures each image alone.', 's', 0.0, 60.0),
    Row('thermal.clahe_clip', 'double', 2.0,
        'Contrast limit of clahe scaling; more shows more, noise too.', '', 0.1, 100.0),
    Row('thermal.unit', 'string', 'counts',
        'Unit of thermal.range and of the temperatures in the diagnostics; celsius and kelvin '
        'need a radiometric camera.', choices=('counts', 'celsius', 'kelvin')),
    Row('thermal.gain', 'double', 0.01,
        'Kelvin per count of 16-bit images, for the units celsius and kelvin.',
        'K', 1e-6, 1000.0),
    Row('thermal.offset', 'double', 0.0,
        'Temperature of count 0 of 16-bit images, for the units celsius and kelvin.',
        'K', -1e6, 1e6),
    Row('thermal.polarity', 'string', 'white_hot',
        'What the camera shows bright; black_hot images are inverted before fusion.',
        choices=('white_hot', 'black_hot')),
    Row('thermal.freeze_repeats', 'integer', 3,
        'So many identical images in a row, while RGB moves, mean that the shutter is shut; RGB '
        'is published alone then. 0 never, for simulations without noise.',
        minimum=0, maximum=1000),
    Row('thermal.freeze_age_ms', 'double', 100.0,
        'A repeated image first seen longer ago than this is not fused, whatever the number of '
        'repeats.', 'ms', 0.0, 10000.0),
    Row('mode.timeout_s', 'double', 0.5,
        'Silence of a camera after which the other one is published alone; longer for cameras '
        'whose usual interval is longer.', 's', 0.05, 60.0),
    Row('mode.recovery_pairs', 'integer', 3,
        'Pairs that lead back to fusion after one camera was published alone.',
        minimum=1, maximum=1000),
    Row('overlay.alpha', 'double', 0.5,
        'Opacity of the class colours in segmentation/overlay.', '', 0.0, 1.0),
    Row('output.jpeg_quality', 'integer', 90, 'Quality of fused/image/compressed.',
        minimum=1, maximum=100),
    Row('input.rgb_transport', 'string', 'raw',
        'raw takes rgb/image_raw; compressed takes JPEG or PNG from rgb/image_raw/compressed.',
        choices=('raw', 'compressed'), change='unconfigured'),
    Row('input.thermal_transport', 'string', 'raw',
        'raw takes thermal/image_raw; compressed takes PNG (8 or 16 bits) or JPEG from '
        'thermal/image_raw/compressed.', choices=('raw', 'compressed'), change='unconfigured'),
    Row('input.max_future_s', 'double', 1.0,
        "Images stamped further ahead of the node's clock are refused.", 's', 0.0, 86400.0),
    Row('input.max_megapixels', 'double', 16.0,
        'Larger images are refused before anything is computed or unpacked.',
        'megapixels', 0.01, 200.0),
    Row('input.timeout_s', 'double', 2.0,
        'Silence of a camera after which a warning names the likely cause.', 's', 0.1, 3600.0),
    Row('qos.input_reliability', 'string', 'best_effort',
        'Reliability asked of the cameras; best_effort hears every camera, reliable only '
        'reliable ones.', choices=('best_effort', 'reliable'), change='unconfigured'),
    Row('qos.input_depth', 'integer', 5, 'Images kept by the middleware per input.',
        minimum=1, maximum=1000, change='unconfigured'),
    Row('qos.output_reliability', 'string', 'reliable',
        'Reliability offered to listeners; reliable serves every listener.',
        choices=('best_effort', 'reliable'), change='unconfigured'),
    Row('qos.output_depth', 'integer', 5, 'Images kept by the middleware per output.',
        minimum=1, maximum=1000, change='unconfigured'),
    Row('diagnostics.period_s', 'double', 1.0, 'Time between two diagnostics messages.',
        's', 0.1, 60.0),
)
ROWS: Mapping[str, Row] = MappingProxyType({row.name: row for row in TABLE})
DEFAULTS: Mapping[str, Any] = MappingProxyType({row.name: row.default for row in TABLE})


def normalised(values: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return every value in its parameter's own type.

    Raises `ParameterError` with one sentence per refused or unknown parameter.
    """
    good, problems = {}, []
    for name, value in values.items():
        try:
            if name not in ROWS:
                raise ParameterError(unknown(name))
            good[name] = ROWS[name].normalise(value)
        except ParameterError as error:
            problems.append(str(error))
    if problems:
        raise ParameterError('; '.join(problems))
    return good


def unknown(name: str) -> str:
    """Say that there is no parameter `name` and which one was probably meant."""
    near = difflib.get_close_matches(name, ROWS, n=1)
    return f'there is no parameter {name!r}' + (f'; did you mean {near[0]!r}?' if near else '')
