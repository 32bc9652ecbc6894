"""Each part imports only what the design lets it, checked in a fresh process."""

import subprocess
import sys

import pytest

ROS = {'rclpy', 'sensor_msgs', 'message_filters', 'cv_bridge'}
RUNTIMES = {'onnxruntime', 'openvino', 'tensorrt', 'tensorrt_rtx'}
OURS = {f'uaafusion_ros.{room}' for room in (
    'imaging', 'stream', 'engine', 'network', 'evaluation', 'nodes', 'cli', 'demo', 'harness', 'pipeline')}

# Part: what must not be loaded after it was imported.
FORBIDDEN = {
    'uaafusion_ros': OURS | ROS | RUNTIMES | {'numpy', 'torch', 'cv2', 'train'},
    'uaafusion_ros.stream.pairing': OURS - {'uaafusion_ros.stream'} | ROS | RUNTIMES | {
        'torch', 'cv2', 'train'},
    'uaafusion_ros.stream.flow': OURS - {'uaafusion_ros.stream'} | ROS | RUNTIMES | {
        'torch', 'cv2', 'train'},
    'uaafusion_ros.parameters.text': OURS | ROS | RUNTIMES | {
        'numpy', 'torch', 'cv2', 'train', 'yaml'},
    'uaafusion_ros.stream.slot': ROS | RUNTIMES | {'torch', 'cv2', 'train'},
    'uaafusion_ros.stream.timing': ROS | RUNTIMES | {'torch', 'cv2', 'train'},
    'uaafusion_ros.imaging.encodings': OURS - {'uaafusion_ros.imaging'} | ROS | RUNTIMES | {
        'torch', 'train'},
    'uaafusion_ros.imaging.thermal': ROS | RUNTIMES | {'torch', 'train'},
    'uaafusion_ros.imaging.color': ROS | RUNTIMES | {'torch', 'train'},
    'uaafusion_ros.imaging.registration': ROS | RUNTIMES | {'torch', 'train'},
    'uaafusion_ros.engine.backend': OURS - {'uaafusion_ros.engine'} | ROS | RUNTIMES | {
        'torch', 'train'},
    'uaafusion_ros.engine.probe': OURS - {'uaafusion_ros.engine'} | ROS | RUNTIMES | {
        'numpy', 'torch', 'cv2'},
    'uaafusion_ros.engine.tensorrt.backend': ROS | RUNTIMES | {
        'torch', 'onnx', 'cuda', 'train'},
    'uaafusion_ros.pipeline': OURS - {
        'uaafusion_ros.pipeline', 'uaafusion_ros.imaging', 'uaafusion_ros.engine',
        'uaafusion_ros.stream'} | ROS | RUNTIMES | {'torch', 'train'},
    'uaafusion_ros.network.model': OURS - {'uaafusion_ros.network'} | ROS | RUNTIMES | {
        'cv2', 'train', 'onnx'},
    'uaafusion_ros.harness.processes': OURS - {'uaafusion_ros.harness'} | ROS | RUNTIMES | {
        'numpy', 'torch', 'cv2', 'train'},
    'uaafusion_ros.harness.live_replay': {'uaafusion_ros.demo', 'torch', 'train'},
    'uaafusion_ros.nodes.parameters': RUNTIMES | {'torch', 'train'},
    'uaafusion_ros.cli.main': ROS | RUNTIMES | {'torch', 'cv2', 'rosbags', 'ray', 'train'},
    'train.__main__': ROS | {'tensorrt', 'uaafusion_ros.nodes'},
}


@pytest.mark.slow
@pytest.mark.parametrize('part', FORBIDDEN)
def test_part_loads_nothing_that_it_must_not(part):
    """A part that starts to import another room or a heavy package fails here by name."""
    if part.startswith(('train', 'uaafusion_ros.network')):
        pytest.importorskip('torch')
    if part == 'uaafusion_ros.nodes.parameters':
        pytest.importorskip('rclpy')
    probe = (f'import sys, importlib; importlib.import_module({part!r}); '
             f'print(" ".join(sorted(set({sorted(FORBIDDEN[part])!r}) & set(sys.modules))))')
    done = subprocess.run([sys.executable, '-c', probe], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
