"""
Laying the thermal image over the RGB image.

    registration = load(RegistrationSettings(mode='homography', file='registration.yaml'))
    registered = registration.apply(thermal, rgb.shape[:2])
    fused = network(rgb, registered.image)
    if registered.valid is not None:
        fused = pass_through(fused, rgb, registered.valid)

Loading reads files and computes maps, so it belongs in configuration; `apply` is quick.
"""

from uaafusion_ros.imaging.registration.blend import EDGE_PIXELS
from uaafusion_ros.imaging.registration.blend import pass_through
from uaafusion_ros.imaging.registration.camera import Camera
from uaafusion_ros.imaging.registration.contract import Registered
from uaafusion_ros.imaging.registration.contract import Registration
from uaafusion_ros.imaging.registration.contract import Roi
from uaafusion_ros.imaging.registration.loading import load
from uaafusion_ros.imaging.registration.scaling import register

__all__ = [
    'Camera', 'EDGE_PIXELS', 'Registered', 'Registration', 'Roi', 'load', 'pass_through',
    'register']
