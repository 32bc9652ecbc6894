"""Time: pairing of two camera streams, hand-over to a worker, rates and percentiles; no ROS."""
