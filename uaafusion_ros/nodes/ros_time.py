"""The time that cameras stamp with, in nanoseconds."""

from __future__ import annotations

import time

from rclpy.clock import ROSClock


def ros_time_ns(clock: ROSClock) -> int:
    """
    Return ROS time: /clock while use_sim_time is set (0 before it begins), else the system's.

    rclpy's own `now` makes two objects on the way, at three times the cost of asking.
    """
    return clock.now().nanoseconds if clock.ros_time_is_active else time.time_ns()
