"""Each part imports only what the design lets it, and no two files import each other."""

import ast
from graphlib import CycleError
from graphlib import TopologicalSorter
from pathlib import Path
import subprocess
import sys

import pytest

ROOT = Path(__file__).parents[2]

ROS = {'rclpy', 'sensor_msgs', 'message_filters', 'cv_bridge'}
RUNTIMES = {'onnxruntime', 'openvino', 'tensorrt', 'tensorrt_rtx'}
OURS = {f'uaafusion_ros.{room}' for room in (
    'imaging', 'stream', 'engine', 'network', 'evaluation', 'nodes', 'cli', 'demo', 'harness',
    'pipeline')}

# Part: what must not be loaded after it was imported.
FORBIDDEN = {
    'uaafusion_ros': OURS | ROS | RUNTIMES | {'numpy', 'torch', 'cv2', 'train'},
    'uaafusion_ros.stream.pairing': OURS - {'uaafusion_ros.stream'} | ROS | RUNTIMES | {
        'torch', 'cv2', 'train'},
    'uaafusion_ros.stream.frame_router': OURS - {'uaafusion_ros.stream'} | ROS | RUNTIMES | {
        'torch', 'cv2', 'train'},
    'uaafusion_ros.settings': OURS | ROS | RUNTIMES | {
        'numpy', 'torch', 'cv2', 'train', 'yaml'},
    'uaafusion_ros.engine.loading': OURS - {'uaafusion_ros.engine'} | ROS | RUNTIMES | {
        'numpy', 'torch', 'cv2', 'cuda', 'yaml'},
    'uaafusion_ros.imaging.encodings': OURS - {'uaafusion_ros.imaging'} | ROS | RUNTIMES | {
        'torch', 'train'},
    'uaafusion_ros.imaging.thermal': ROS | RUNTIMES | {'torch', 'train'},
    'uaafusion_ros.imaging.color': ROS | RUNTIMES | {'torch', 'train'},
    'uaafusion_ros.imaging.registration': ROS | RUNTIMES | {'torch', 'train'},
    'uaafusion_ros.engine.contract': OURS - {'uaafusion_ros.engine'} | ROS | RUNTIMES | {
        'torch', 'train'},
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


def imports(path, files):
    """Return the files that one imports, at its top and inside functions, but not for types."""
    found = set()

    def visit(node):
        if isinstance(node, ast.If) and ast.unparse(node.test) == 'TYPE_CHECKING':
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f'{path} imports by a relative name'
            names = {f'{node.module}.{alias.name}' for alias in node.names}
            found.update(names & set(files) or {node.module})
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith('import_module'):
            start = ast.unparse(node.args[0]).lstrip('f').strip('\'"').partition('{')
            found.update(name for name in files
                         if name == start[0] or start[1] and name.startswith(start[0]))
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text()))
    return found & set(files)


def test_no_files_import_each_other():
    """Not even inside functions: a ring cannot be read, tested or moved file by file."""
    files = {'.'.join(path.relative_to(ROOT).with_suffix('').parts).removesuffix('.__init__'): path
             for package in ('uaafusion_ros', 'train') for path in (ROOT / package).rglob('*.py')}
    assert len(files) > 100
    order = TopologicalSorter({name: imports(path, files) for name, path in files.items()})
    try:
        order.prepare()
    except CycleError as error:
        pytest.fail(f'these import each other: {" <- ".join(error.args[1])}')
