"""The files that a replay leaves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from uaafusion_ros.evaluation.files import finite
from uaafusion_ros.evaluation.files import to_json
from uaafusion_ros.evaluation.files import write_text
from uaafusion_ros.evaluation.page import Sample
from uaafusion_ros.evaluation.page import write_page
from uaafusion_ros.evaluation.replay import junit
from uaafusion_ros.evaluation.replay import report


def write_outputs(folder: Path, metrics: dict[str, Any], timing: dict[str, Any],
                  samples: Sequence[Sample]) -> dict[str, Any]:
    """
    Write timing.json, report.md, junit.xml, report.html and, last of all, metrics.json.

    Returns the metrics as they were written: NaN and infinite values are null. Raises OSError.
    """
    metrics, timing = finite(metrics), finite(timing)
    write_text(folder / 'timing.json', to_json(timing))
    write_text(folder / 'report.md', report.markdown(metrics, timing))
    write_text(folder / 'junit.xml', junit.xml(metrics))
    write_page(folder / 'report.html', metrics, timing, samples)
    write_text(folder / 'metrics.json', to_json(metrics))
    return metrics
