"""HTML pages that hold everything they show: the report on a bag and the summary of a fleet."""

from uaafusion_ros.evaluation.page.fleet_page import BagResult
from uaafusion_ros.evaluation.page.fleet_page import write_fleet_page
from uaafusion_ros.evaluation.page.page import Sample
from uaafusion_ros.evaluation.page.page import write_page

__all__ = ['BagResult', 'Sample', 'write_fleet_page', 'write_page']
