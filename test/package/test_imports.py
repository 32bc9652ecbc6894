"""What starts quickly stays so: a heavy package is loaded by who uses it, when it is used."""

import subprocess
import sys

import pytest

ROS = {'rclpy', 'sensor_msgs', 'message_filters', 'cv_bridge'}
RUNTIMES = {'onnxruntime', 'openvino', 'tensorrt', 'tensorrt_rtx', 'torch', 'onnx', 'cuda'}
BAGS = {'rosbags', 'mcap', 'ray'}

# Module: what must not be loaded by importing it. The linters know who may import whom at all, but
# not when an import inside a function runs.
UNLOADED = {
    'uaafusion_ros': ROS | RUNTIMES | BAGS | {'numpy', 'cv2'},
    'uaafusion_ros.settings': ROS | RUNTIMES | BAGS | {'numpy', 'cv2', 'yaml'},
    'uaafusion_ros.engine.loading': ROS | RUNTIMES | BAGS | {'numpy', 'cv2', 'yaml'},
    'uaafusion_ros.harness.processes': ROS | RUNTIMES | BAGS | {'numpy', 'cv2'},
    'uaafusion_ros.cli.main': ROS | RUNTIMES | BAGS | {'cv2'},
    'uaafusion_ros.pipeline': ROS | RUNTIMES | BAGS,
    'uaafusion_ros.engine.tensorrt.backend': ROS | RUNTIMES | BAGS,
    'uaafusion_ros.nodes.parameters': RUNTIMES | BAGS,
    'uaafusion_ros.network.model': ROS | BAGS | {'onnx', 'onnxruntime', 'openvino', 'cv2'},
    'uaafusion_ros.harness.live_replay': RUNTIMES,
}


@pytest.mark.slow
@pytest.mark.parametrize('module', UNLOADED)
def test_a_module_loads_nothing_heavy_before_it_is_used(module):
    """A start that becomes slow, or needs a package that may be missing, fails here by name."""
    if module.startswith('uaafusion_ros.network'):
        pytest.importorskip('torch')
    if module.startswith('uaafusion_ros.nodes'):
        pytest.importorskip('rclpy')
    probe = (f'import sys, importlib; importlib.import_module({module!r}); '
             f'print(" ".join(sorted(set({sorted(UNLOADED[module])!r}) & set(sys.modules))))')
    done = subprocess.run([sys.executable, '-c', probe], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
