"""The benchmarks and the training are programs of the source tree, no packages."""

from pathlib import Path
import sys

sys.path.append(str(Path(__file__).resolve().parents[3]))
