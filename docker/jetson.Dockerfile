# The node on a Jetson with JetPack 6, on TensorRT:
#   docker build -f docker/jetson.Dockerfile -t uaafusion_ros:jetson .
#   docker run --rm --runtime nvidia --net=host --ipc=host -v uaafusion:/cache \
#       uaafusion_ros:jetson thermal_topic:=/boson/image_raw rgb_topic:=/camera/image_raw
# The volume keeps the engine that the first start builds.
FROM nvcr.io/nvidia/l4t-jetpack:r36.4.0
SHELL ["/bin/bash", "-c"]
ENV DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8 ROS_DISTRO=humble XDG_CACHE_HOME=/cache

# NVIDIA's OpenCV and that of Ubuntu, which ROS needs, hold the same files.
RUN apt-get purge -y '*opencv*' \
    && apt-get update \
    && apt-get install -y --no-install-recommends curl gnupg \
    && curl -sSL https://raw.githubusercontent.com/ros/rosdistro/master/ros.key \
        -o /usr/share/keyrings/ros-archive-keyring.gpg \
    && echo "deb [signed-by=/usr/share/keyrings/ros-archive-keyring.gpg] \
http://packages.ros.org/ros2/ubuntu jammy main" > /etc/apt/sources.list.d/ros2.list \
    && apt-get update \
    && apt-get install -y --no-install-recommends ros-humble-ros-base \
        python3-colcon-common-extensions python3-rosdep \
    && rosdep init \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /ws
COPY package.xml requirements-ros.txt src/uaafusion_ros/
RUN apt-get update \
    && rosdep update \
    && rosdep install --from-paths src --ignore-src -y \
    && rm -rf /var/lib/apt/lists/*
# JetPack 6 has CUDA 12; TensorRT's Python package is in the image.
RUN python3 -m pip install --no-cache-dir \
    -r src/uaafusion_ros/requirements-ros.txt 'cuda-bindings<13' onnx
COPY . src/uaafusion_ros/
RUN source /opt/ros/humble/setup.bash \
    && colcon build --packages-select uaafusion_ros
COPY docker/entrypoint.sh /
ENTRYPOINT ["/entrypoint.sh"]
