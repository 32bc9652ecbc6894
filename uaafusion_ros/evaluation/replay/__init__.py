"""Bags through the pipeline without ROS: one, many, and two results compared."""
