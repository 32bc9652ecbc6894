#!/bin/bash
# Arguments of the launch file start it; anything else is run as a command.
set -e
source "/opt/ros/$ROS_DISTRO/setup.bash"
source /ws/install/setup.bash
if [[ $# -eq 0 || $1 == *:=* || $1 == --show-args ]]; then
    exec ros2 launch uaafusion_ros fusion.launch.py "$@"
fi
exec "$@"
