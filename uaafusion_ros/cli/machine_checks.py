"""What the facts about a machine mean for the node: one line for each, with the remedy."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple
from typing import TYPE_CHECKING

from uaafusion_ros.cli.machine import Machine
from uaafusion_ros.engine.loading import AUTOMATIC
from uaafusion_ros.nodes import transport
from uaafusion_ros.packages import pip_install

if TYPE_CHECKING:
    from uaafusion_ros.nodes.camera_probe import Camera

_DISTROS = ('humble', 'jazzy', 'kilted')
_RMW = 'rmw_fastrtps'  # _cpp and _dynamic_cpp
_SEGMENT_BYTES = 8_000_000     # two colour images of 1280x1024
_RMEM_BYTES = 4_194_304        # what the profile asks for
_OPEN_FILES = 1024
_PROCESSES = 3                 # the node and two drivers
_USUAL_BYTES = 640 * 480 * 2  # of an image
_LOST, _LOST_MANY = 0.05, 0.2    # a few seconds on a busy machine are no exact measure
_SLOW_HZ = 1.0
_OLD_S = 1.0
_EXPORT = ('export FASTDDS_DEFAULT_PROFILES_FILE=$(ros2 pkg prefix --share uaafusion_ros)'
           '/config/fastdds.xml in the shells of node and cameras')


class State(IntEnum):
    """How a check ended; the exit code of the command is the worst, unknown ones aside."""

    UNKNOWN = -1
    OK = 0
    WARNING = 1
    PROBLEM = 2


class Line(NamedTuple):
    """One check; the remedy is '' where nothing is to be done."""

    check: str
    state: State
    found: str
    remedy: str = ''


def check(machine: Machine) -> list[Line]:
    """Judge all facts."""
    lines = [_ros(machine), _rmw(machine), _profile(machine), _shared_memory(machine),
             _socket_buffers(machine), _open_files(machine), _gpu(machine), _runtimes(machine),
             _engine(machine), _models(machine)]
    if machine.ros_error:
        return [*lines, Line('cameras', State.UNKNOWN, 'not looked at without ROS')]
    for name, camera in machine.cameras.items():
        worst = sorted(_faults(camera, machine), key=lambda line: -line[0])
        state, found, remedy = worst[0] if worst else (State.OK, '', '')
        lines.append(Line(f'{name} camera', state,
                          '; '.join(filter(None, (found, _description(camera)))), remedy))
    return lines


def exit_code(lines: list[Line]) -> int:
    """Return 0 if all is well, 1 if there are warnings alone, 2 if there is a problem."""
    return max(0, *(line.state for line in lines))


def _ros(machine: Machine) -> Line:
    if machine.ros_error:
        return Line('ROS', State.PROBLEM, machine.ros_error,
                    'unset RMW_IMPLEMENTATION, or install that RMW' if machine.rmw_asked else
                    'source /opt/ros/<distribution>/setup.bash; `uaafusion fuse` and `replay` '
                    'work without ROS')
    found = f'{machine.distro or "rclpy without a distribution"}, domain {machine.domain}'
    if machine.distro and machine.distro not in _DISTROS:
        return Line('ROS', State.WARNING, found, f'tested are {", ".join(_DISTROS)}')
    if not machine.vision_msgs:
        return Line('ROS', State.OK, f'{found}, without vision_msgs',
                    f'sudo apt install ros-{machine.distro or "$ROS_DISTRO"}-vision-msgs: '
                    'label_info and detections as messages, beside JSON')
    return Line('ROS', State.OK, found)


def _rmw(machine: Machine) -> Line:
    if machine.ros_error:
        return Line('RMW', State.UNKNOWN, f'asked for is {machine.rmw_asked or "the default"}')
    if machine.rmw.startswith(_RMW):
        return Line('RMW', State.OK, machine.rmw)
    return Line('RMW', State.WARNING, f'{machine.rmw}, which does not read the DDS profile',
                'export RMW_IMPLEMENTATION=rmw_fastrtps_cpp for node and cameras, or give this '
                'RMW buffers for whole images')


def _profile(machine: Machine) -> Line:
    segment = machine.profile_segment
    if not machine.profile:
        return Line('DDS profile', State.WARNING, 'none is set in this shell: cameras started '
                    'from it lose images', _EXPORT)
    if segment is None:
        return Line('DDS profile', State.PROBLEM, f'{machine.profile} cannot be read, and Fast '
                    'DDS goes on without it', _EXPORT)
    if segment < _SEGMENT_BYTES:
        return Line('DDS profile', State.WARNING, f'{machine.profile} sets {segment / 1e6:.1f} MB '
                    'of shared memory', 'set segment_size to 33554432, as config/fastdds.xml does')
    return Line('DDS profile', State.OK, f'{machine.profile}, {segment / 1e6:.0f} MB')


def _shared_memory(machine: Machine) -> Line:
    free = machine.shm_free
    if free is None:
        return Line('shared memory', State.PROBLEM, 'there is no /dev/shm',
                    transport.more_shared_memory(free))
    found, needed = f'{free / 1e6:.0f} MB free in /dev/shm', transport.FREE_BYTES
    if free < needed:
        return Line('shared memory', State.PROBLEM, f'{found}, one process takes '
                    f'{needed / 1e6:.0f} MB', transport.more_shared_memory(free))
    if free < _PROCESSES * needed:
        return Line('shared memory', State.WARNING, f'{found}, the node and two cameras take '
                    f'{_PROCESSES * needed / 1e6:.0f} MB', transport.more_shared_memory(free))
    return Line('shared memory', State.OK, found)


def _socket_buffers(machine: Machine) -> Line:
    if machine.rmem_max is None:
        return Line('socket buffers', State.UNKNOWN, 'net.core.rmem_max cannot be read')
    found = f'net.core.rmem_max is {machine.rmem_max / 1e6:.1f} MB'
    if machine.rmem_max < _RMEM_BYTES:
        return Line('socket buffers', State.WARNING, f'{found}: images from other machines '
                    'are lost', f'sudo sysctl -w net.core.rmem_max={_RMEM_BYTES} (to keep it, a '
                    'line in /etc/sysctl.d)')
    return Line('socket buffers', State.OK, found)


def _open_files(machine: Machine) -> Line:
    limit = machine.open_files
    if limit is None or not 0 <= limit < _OPEN_FILES:
        return Line('open files', State.OK, f'limit {limit}')
    return Line('open files', State.WARNING, f'limit {limit}', 'ulimit -n 4096')


def _gpu(machine: Machine) -> Line:
    if machine.gpu and not machine.runtimes.get('tensorrt'):
        return Line('GPU', State.WARNING, f'{machine.gpu}, not used: TensorRT is not installed',
                    AUTOMATIC[0].install)
    if machine.gpu:
        return Line('GPU', State.OK, machine.gpu)
    if machine.driver:
        return Line('GPU', State.WARNING, machine.gpu_error, 'look at nvidia-smi and at the '
                    'container\'s --gpus; until then the processor is used')
    return Line('GPU', State.OK, 'none; the processor is used')


def _runtimes(machine: Machine) -> Line:
    there = machine.runtimes
    found = ', '.join(f'{name} {version}' for name, version in there.items() if version)
    wanted = [row.install for row in AUTOMATIC
              if not there.get(row.name) and row.runs_on == 'processor']
    if not there.get('onnxruntime'):
        return Line('runtimes', State.PROBLEM, f'{found or "none"}; onnxruntime reads the models',
                    pip_install('onnxruntime'))
    return Line('runtimes', State.OK, found, f'{wanted[0]}: faster on a processor' if wanted
                and not machine.gpu else '')


def _engine(machine: Machine) -> Line:
    if machine.engine_error:
        return Line('engine', State.PROBLEM, machine.engine_error,
                    'mend the runtimes or models named here')
    return Line('engine', State.OK, machine.engine)


def _models(machine: Machine) -> Line:
    if machine.model_errors:
        return Line('models', State.PROBLEM, '; '.join(machine.model_errors),
                    'install the package again')
    return Line('models', State.OK, f'{", ".join(machine.models)}: sha256 as pinned')


def _description(camera: Camera) -> str:
    """Return what is published, in words."""
    if not camera.senders:
        return ''
    words = [camera.topic]
    if camera.images:
        words.append(f'{camera.rate_hz:.1f} Hz')
    words += [camera.encoding, camera.frame_id and f'frame {camera.frame_id}']
    for sender, depth in zip(camera.senders, camera.depths):
        words.append(f'{sender.node} {"reliable" if sender.reliable else "best effort"}'
                     + (f' depth {depth}' if depth else ''))
    return ', '.join(filter(None, words))


def _faults(camera: Camera, machine: Machine) -> Iterator[tuple[State, str, str]]:
    """Yield state, what was found, and remedy of each fault of a camera."""
    if not camera.senders:
        others = ', '.join(camera.elsewhere[:6])
        yield (State.PROBLEM, f'nobody publishes {camera.topic}', (
            f'images are on {others}: name them by --thermal-topic and --rgb-topic, and to the '
            'launch file by thermal_topic:= and rgb_topic:=' if others else
            f'start the camera; compare ROS_DOMAIN_ID (here {machine.domain})'))
        return
    if not camera.kind.endswith(('/Image', '/CompressedImage')):
        yield (State.PROBLEM, f'{camera.topic} is a {camera.kind}',
               'name a topic of sensor_msgs/Image or CompressedImage')
        return
    size = camera.image_bytes or _USUAL_BYTES  # until an image tells
    cause = transport.cause_of_loss(
        camera.senders, size, rmw=machine.rmw, depth=5, reliable=True,
        free_bytes=machine.shm_free)
    if not camera.images:
        yield State.PROBLEM, 'it publishes, and no image arrives', cause
    if camera.error:
        yield State.PROBLEM, camera.error, 'change the driver\'s settings'
    if camera.images and camera.rate_hz < _SLOW_HZ:
        yield State.PROBLEM, 'less than one image a second arrives', cause
    elif camera.images and camera.lost > _LOST:
        yield (State.PROBLEM if camera.lost > _LOST_MANY else State.WARNING,
               f'{camera.lost:.0%} of the images are lost', cause)
    for sender in camera.senders:
        evidence = transport.without_profile(sender, size)
        if evidence and machine.rmw.startswith(_RMW):
            yield (State.WARNING, f'{evidence}: no DDS profile', transport.PROFILE)
    if len(camera.senders) > 1:
        yield (State.WARNING, f'{len(camera.senders)} publishers',
               'let one camera alone publish on a topic')
    if not camera.images:
        return
    if not camera.error and not camera.stamp_ns:
        yield State.PROBLEM, 'stamps are zero', 'let the driver stamp its images'
    elif not camera.error and abs(camera.age_s) > _OLD_S:
        side = 'behind' if camera.age_s > 0 else 'ahead of'
        yield (State.WARNING, f'stamps lie {abs(camera.age_s):.1f} s {side} the clock',
               'synchronise the clocks (chrony, PTP); for a bag, set use_sim_time')
    if not camera.error and not camera.frame_id:
        yield State.WARNING, 'frame_id is empty', 'set frame_id in the driver'
