"""
Thermal + RGB fusion and segmentation for ROS 2.

`load` and `FusionPipeline` are imported when they are first asked for, so that to import this
package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uaafusion_ros.pipeline import FusionPipeline
    from uaafusion_ros.pipeline import load

__all__ = ['FusionPipeline', '__version__', 'load']


def __getattr__(name: str) -> object:
    """Return what the Python API offers; raises AttributeError for anything else."""
    if name == '__version__':
        from uaafusion_ros import share

        return share.version()
    if name in ('FusionPipeline', 'load'):
        from uaafusion_ros import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f'{__name__} has no {name}; it offers {", ".join(__all__)}')
