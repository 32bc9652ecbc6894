"""The benchmarks are programs of the source tree, no package."""

from pathlib import Path
import sys

sys.path.append(str(Path(__file__).resolve().parents[2] / 'benchmarks'))
