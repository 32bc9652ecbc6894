"""What `uaafusion doctor` says of machines and cameras that are made up."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from uaafusion_ros import share
from uaafusion_ros.cli.machine import Machine
from uaafusion_ros.cli.machine import segment_of_profile
from uaafusion_ros.cli.machine_checks import check
from uaafusion_ros.cli.machine_checks import exit_code
from uaafusion_ros.cli.machine_checks import State
from uaafusion_ros.nodes.transport import Sender

PROFILE = str(share.path('config', 'fastdds.xml'))
OK, WARNING, PROBLEM, UNKNOWN = State.OK, State.WARNING, State.PROBLEM, State.UNKNOWN


def camera(name='thermal', segment=35_000_000, reliable=True, **given):
    return SimpleNamespace(**{
        'topic': f'/{name}/image_raw', 'kind': 'sensor_msgs/msg/Image', 'elsewhere': (),
        'senders': (Sender(f'/{name}_driver', reliable, segment),), 'depths': (5,), 'images': 90,
        'rate_hz': 30.0, 'lost': 0.0, 'image_bytes': 921_600, 'encoding': 'mono16',
        'frame_id': f'{name}_optical', 'stamp_ns': 1, 'age_s': 0.01, 'error': '', **given})


def machine(cameras=None, **given):
    """Return a machine on which all is well, but for what is given."""
    return Machine(**{
        'distro': 'jazzy', 'rmw': 'rmw_fastrtps_cpp', 'profile': PROFILE,
        'profile_segment': segment_of_profile(PROFILE), 'shm_free': 10 ** 9,
        'rmem_max': 4_194_304, 'open_files': 4096,
        'gpu_error': 'no NVIDIA driver is installed', 'engine': 'openvino 2026.4',
        'runtimes': {'tensorrt': '', 'openvino': '2026.4', 'onnxruntime': '1.32'},
        'models': ('uaafusion_fast.onnx',),
        'cameras': cameras or {name: camera(name) for name in ('thermal', 'rgb')}, **given})


def judged(facts):
    """Return the lines by their name, and the exit code."""
    lines = check(facts)
    assert all(line.remedy for line in lines if line.state > OK), 'a fault without a remedy'
    return {line.check: line for line in lines}, exit_code(lines)


def test_all_is_well():
    lines, code = judged(machine())
    assert code == 0 and {line.state for line in lines.values()} == {OK}
    assert '30.0 Hz' in lines['rgb camera'].found and 'mono16' in lines['rgb camera'].found
    assert 'reliable depth 5' in lines['thermal camera'].found


def test_without_vision_msgs_its_package_is_named():
    lines, code = judged(machine(vision_msgs=False))
    assert code == 0 and 'without vision_msgs' in lines['ROS'].found
    assert 'ros-jazzy-vision-msgs' in lines['ROS'].remedy


def test_a_bare_machine_is_checked_as_far_as_it_goes():
    lines, code = judged(Machine(ros_error="No module named 'rclpy'", model_errors=('no list',),
                                 engine_error='no backend can run here'))
    assert code == 2
    assert lines['ROS'].state == PROBLEM and '/opt/ros/' in lines['ROS'].remedy
    assert lines['cameras'].state == lines['RMW'].state == UNKNOWN
    assert lines['runtimes'].state == PROBLEM
    assert lines['runtimes'].remedy.endswith(' -m pip install onnxruntime')
    assert lines['models'].state == lines['engine'].state == PROBLEM


@pytest.mark.parametrize('given, name, state, words', [
    ({'shm_free': 10 ** 6}, 'shared memory', PROBLEM, '--shm-size=1g'),
    ({'shm_free': 8 * 10 ** 7}, 'shared memory', WARNING, 'fastdds shm clean'),
    ({'shm_free': None}, 'shared memory', PROBLEM, 'mount a tmpfs'),
    ({'rmw': 'rmw_cyclonedds_cpp'}, 'RMW', WARNING, 'RMW_IMPLEMENTATION=rmw_fastrtps_cpp'),
    ({'ros_error': 'librmw_x.so: no such file', 'rmw_asked': 'rmw_x'}, 'ROS', PROBLEM,
     'unset RMW_IMPLEMENTATION'),
    ({'distro': 'foxy'}, 'ROS', WARNING, 'humble, jazzy, kilted'),
    ({'profile': ''}, 'DDS profile', WARNING, 'export FASTDDS_DEFAULT_PROFILES_FILE'),
    ({'profile': '/no/file.xml', 'profile_segment': None}, 'DDS profile', PROBLEM, 'export'),
    ({'profile_segment': 500_000}, 'DDS profile', WARNING, 'segment_size'),
    ({'rmem_max': 212_992}, 'socket buffers', WARNING, 'sysctl -w net.core.rmem_max=4194304'),
    ({'open_files': 256}, 'open files', WARNING, 'ulimit -n'),
    ({'gpu': 'Orin, SM87'}, 'GPU', WARNING, 'JetPack'),
    ({'driver': True, 'gpu_error': 'the driver sees no GPU'}, 'GPU', WARNING, 'nvidia-smi'),
    ({'runtimes': {'onnxruntime': '1.32'}}, 'runtimes', OK, 'pip install openvino'),
    ({'model_errors': ('sha256 differs',)}, 'models', PROBLEM, 'install the package again'),
])
def test_a_fault_of_the_machine_has_its_line(given, name, state, words):
    lines, code = judged(machine(**given))
    assert (lines[name].state, code) == (state, max(0, state))
    assert words in lines[name].remedy
    others = {line.check for line in lines.values() if line.state > OK} - {name}
    assert not others


@pytest.mark.parametrize('facts, state, found, remedy', [
    (camera(senders=(), kind=''), PROBLEM, 'nobody publishes /thermal/image_raw', 'ROS_DOMAIN_ID'),
    (camera(senders=(), kind='', elsewhere=('/boson/image_raw',)), PROBLEM, 'nobody publishes',
     '/boson/image_raw: name them by --thermal-topic'),
    (camera(reliable=False), OK, 'best effort', ''),
    (camera(reliable=False, segment=549_408), WARNING, '0.5 MB of shared memory', 'fastdds.xml'),
    (camera(reliable=False, segment=549_408, lost=0.5), PROBLEM, '50% of the images are lost',
     'runs without the DDS profile'),
    (camera(lost=0.08), WARNING, '8% of the images are lost', 'look at its log'),
    (camera(rate_hz=0.4), PROBLEM, 'less than one image a second', 'look at its log'),
    (camera(images=0), PROBLEM, 'no image arrives', 'look at its log'),
    (camera(kind='std_msgs/msg/String'), PROBLEM, 'is a std_msgs/msg/String', 'sensor_msgs/Image'),
    (camera(error="encoding 'jpeg2000' is not supported"), PROBLEM, 'jpeg2000', 'driver'),
    (camera(stamp_ns=0), PROBLEM, 'stamps are zero', 'stamp its images'),
    (camera(age_s=90.0), WARNING, '90.0 s behind', 'chrony'),
    (camera(frame_id=''), WARNING, 'frame_id is empty', 'frame_id'),
    (camera(senders=(Sender('/a', True, 10 ** 8), Sender('/b', True, 10 ** 8)), depths=(0, 0)),
     WARNING, '2 publishers', 'one camera alone'),
])
def test_a_fault_of_a_camera_has_its_line(facts, state, found, remedy):
    lines, code = judged(machine({'thermal': facts, 'rgb': camera('rgb')}))
    line = lines['thermal camera']
    assert (line.state, code) == (state, state)
    assert found in line.found and remedy in line.remedy
    assert lines['rgb camera'].state == OK
