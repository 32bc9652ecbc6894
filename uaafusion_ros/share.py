"""Where the files that ship with the package lie."""

from __future__ import annotations

from pathlib import Path
import sys
from xml.etree import ElementTree

PACKAGE = 'uaafusion_ros'


def roots() -> list[Path]:
    """Return where shipped files may lie: a source checkout, then the ROS and pip prefixes."""
    found = []
    checkout = Path(__file__).resolve().parents[1]
    if (checkout / 'package.xml').is_file():
        found.append(checkout)
    try:
        from ament_index_python.packages import get_package_share_directory
        found.append(Path(get_package_share_directory(PACKAGE)))
    except Exception:  # no ament, or a package that pip installed outside its index
        pass
    found.append(Path(sys.prefix) / 'share' / PACKAGE)
    return found


def path(*parts: str) -> Path:
    """
    Return the path of a shipped file or folder by its parts, such as 'config', 'fastdds.xml'.

    Raises FileNotFoundError naming every place that was looked at.
    """
    places = [root.joinpath(*parts) for root in roots()]
    for place in places:
        if place.exists():
            return place
    raise FileNotFoundError(
        f'{"/".join(parts)} is not installed; looked at {", ".join(map(str, places))}')


def version() -> str:
    """Return the version of this package, which package.xml holds."""
    return str(ElementTree.parse(path('package.xml')).findtext('version'))
