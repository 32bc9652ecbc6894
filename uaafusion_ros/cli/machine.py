"""What `uaafusion doctor` looks at: this machine, its middleware and its runtimes."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version
from importlib.util import find_spec
import os
from pathlib import Path
import re
import resource
import subprocess
import sys
from typing import TYPE_CHECKING

from uaafusion_ros.engine.gpu import find_gpu
from uaafusion_ros.engine.loading import AUTOMATIC
from uaafusion_ros.engine.loading import load_backend
from uaafusion_ros.errors import EngineError
from uaafusion_ros.errors import UaafusionError
from uaafusion_ros.nodes import transport

if TYPE_CHECKING:
    from uaafusion_ros.nodes.camera_probe import Camera

_SEGMENT_SIZE = re.compile(r'<segment_size>\s*(\d+)\s*</segment_size>')


@dataclass(frozen=True)
class Machine:
    """
    Facts, as they were found. None is what the system does not tell or does not have.

    ros_error: why ROS cannot be used, or ''. vision_msgs: whether that package is installed.
    profile: path of the DDS profile that this shell sets, or ''; profile_segment: bytes of its
    shared-memory segment. rmem_max: bytes of a socket's buffer. gpu_error: why there is no GPU;
    driver: whether there is a driver at all. runtimes: versions by name, '' what is not installed.
    engine: what the node would run on, or engine_error. models: names of intact files;
    model_errors: what is wrong with the others.
    """

    distro: str = ''
    ros_error: str = ''
    vision_msgs: bool = True
    rmw: str = ''
    rmw_asked: str = ''
    domain: str = '0'
    profile: str = ''
    profile_segment: int | None = None
    shm_free: int | None = None
    rmem_max: int | None = None
    open_files: int | None = None
    gpu: str = ''
    gpu_error: str = ''
    driver: bool = False
    runtimes: dict[str, str] = field(default_factory=dict)
    engine: str = ''
    engine_error: str = ''
    models: tuple[str, ...] = ()
    model_errors: tuple[str, ...] = ()
    cameras: dict[str, Camera] = field(default_factory=dict)


def look(topics: dict[str, str], seconds: float) -> Machine:
    """Look at everything, and listen to the `topics` of both cameras for so many seconds."""
    ros_error, rmw = _ros_error(), ''
    cameras: dict[str, Camera] = {}
    if not ros_error:
        from uaafusion_ros.nodes.camera_probe import probe
        try:
            rmw, cameras = probe(topics, seconds)
        except UaafusionError as error:
            ros_error = str(error)
    profile = next(filter(None, map(os.environ.get, transport.PROFILE_VARIABLES)), '')
    gpu, gpu_error, driver = _gpu()
    engine, engine_error = _engine()
    models, model_errors = _models()
    return Machine(
        distro=os.environ.get('ROS_DISTRO', ''), ros_error=ros_error,
        vision_msgs=find_spec('vision_msgs') is not None, rmw=rmw,
        rmw_asked=os.environ.get('RMW_IMPLEMENTATION', ''),
        domain=os.environ.get('ROS_DOMAIN_ID', '0'),
        profile=profile, profile_segment=segment_of_profile(profile),
        shm_free=transport.free_shared_memory(),
        rmem_max=_number(Path('/proc/sys/net/core/rmem_max')),
        open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        gpu=gpu, gpu_error=gpu_error, driver=driver,
        runtimes={row.name: _version(row.name, row.package) for row in AUTOMATIC},
        engine=engine, engine_error=engine_error, models=models, model_errors=model_errors,
        cameras=cameras)


def _ros_error() -> str:
    """Return why rclpy cannot be imported, '' if it can."""
    # rcl ends the whole process where RMW_IMPLEMENTATION names an RMW that is not installed.
    tried = subprocess.run([sys.executable, '-c', 'import rclpy, sensor_msgs.msg'],
                           capture_output=True, text=True)
    said = tried.stderr.strip().splitlines() or [f'rclpy ends with code {tried.returncode}']
    return said[-1] if tried.returncode else ''


def segment_of_profile(path: str) -> int | None:
    """Return bytes of the largest segment in a DDS profile, 0 without one; None: no such file."""
    try:
        text = Path(path).read_text()
    except (OSError, UnicodeDecodeError):
        return None
    return max(map(int, _SEGMENT_SIZE.findall(text)), default=0)


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


def _gpu() -> tuple[str, str, bool]:
    try:
        gpu = find_gpu()
    except EngineError as error:
        return '', str(error), not isinstance(error.__cause__, OSError)
    return f'{gpu.name}, {gpu.architecture}', '', True


def _version(name: str, package: str) -> str:
    names = (package,) if package else ('tensorrt', 'tensorrt_rtx')
    module = next((each for each in names if find_spec(each)), None)
    if module is None:
        return ''
    try:
        return version(module)
    except PackageNotFoundError:  # installed by the system
        return 'of unknown version'


def _engine() -> tuple[str, str]:
    try:
        backend = load_backend()
    except UaafusionError as error:
        return '', str(error)
    backend.close()
    return f'{backend.name} ({backend.choice})', ''


def _models() -> tuple[tuple[str, ...], tuple[str, ...]]:
    from uaafusion_ros.engine import models
    intact, wrong = [], []
    try:
        for path, pinned in models.shipped_files():
            try:
                models.intact(path, pinned)
                intact.append(path.name)
            except UaafusionError as error:
                wrong.append(str(error))
    except UaafusionError as error:
        wrong.append(str(error))
    return tuple(intact), tuple(wrong)
