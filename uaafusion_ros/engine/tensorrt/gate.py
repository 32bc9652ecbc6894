"""
Whether an engine computes what the model computes.

float16 that overflows, a wrong kernel or a stale buffer gives a picture, not an error. So an
engine is compared with ONNX Runtime on images that provoke this before it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from uaafusion_ros import share
from uaafusion_ros.engine.contract import BuildCancelled
from uaafusion_ros.engine.contract import EngineOutput
from uaafusion_ros.engine.contract import Progress
from uaafusion_ros.errors import EngineError

# In steps of 1/255.
FUSED_TOLERANCE = 2
LABELS_EQUAL = 0.995
# A NaN turns into confidence 0, whichever label it leaves; rounding moves it by a few steps.
CONFIDENCE_TOLERANCE = 16

# Infers rgb uint8 HxWx3 and thermal uint8 HxW; see contract.Backend.infer.
Infer = Callable[[np.ndarray, np.ndarray], EngineOutput]


@dataclass(frozen=True)
class Sample:
    """A pair to compare on: rgb uint8 HxWx3, thermal uint8 HxW."""

    name: str
    rgb: np.ndarray
    thermal: np.ndarray


@dataclass(frozen=True)
class Comparison:
    """
    One sample's outcome.

    fused_off: largest difference in steps of 1/255. labels_equal: share of pixels. fault: what
    is wrong, in words, or empty.
    """

    sample: str
    fused_off: int
    labels_equal: float
    confidence_off: float
    fault: str


@dataclass(frozen=True)
class GateReport:
    """Every sample's outcome."""

    comparisons: tuple[Comparison, ...]

    @property
    def passed(self) -> bool:
        """Whether no sample shows a fault."""
        return not any(comparison.fault for comparison in self.comparisons)

    def line(self) -> str:
        """Return the outcome in one sentence."""
        if not self.passed:
            worst = [f'{one.sample}: {one.fault}' for one in self.comparisons if one.fault]
            return f'{len(worst)} of {len(self.comparisons)} samples differ; {"; ".join(worst)}'
        return (f'{len(self.comparisons)} samples agree: fused within '
                f'{max(one.fused_off for one in self.comparisons)}/255, '
                f'{min(one.labels_equal for one in self.comparisons):.2%} of the labels equal')


def samples(height: int, width: int) -> list[Sample]:
    """
    Return what to compare on, in an engine's size: real scenes, black, white, gray and noise.

    The scenes are the package's own (TNO Image Fusion Dataset). Raises EngineError when they
    are not installed.
    """
    folder = Path(share.__file__).parent / 'data' / 'tno'
    found = []
    for path in sorted((folder / 'rgb').glob('*.png')):
        rgb = cv2.imread(str(path), cv2.IMREAD_COLOR)
        thermal = cv2.imread(str(folder / 'thermal' / path.name), cv2.IMREAD_GRAYSCALE)
        if rgb is not None and thermal is not None:
            rgb, thermal = (cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
                            for image in (cv2.cvtColor(rgb, cv2.COLOR_BGR2RGB), thermal))
            found.append(Sample(f'scene {path.stem}', rgb, thermal))
    if not found:
        raise EngineError(f'{folder} holds no scenes to check an engine on; install the package '
                          'again')
    for name, value in (('black', 0), ('white', 255), ('gray', 128)):
        found.append(Sample(name, np.full((height, width, 3), value, np.uint8),
                            np.full((height, width), value, np.uint8)))
    random = np.random.default_rng(0)
    found.append(Sample('noise', random.integers(0, 256, (height, width, 3), np.uint8),
                        random.integers(0, 256, (height, width), np.uint8)))
    return found


def check(candidate: Infer, reference: Infer, pairs: Sequence[Sample],
          progress: Progress = lambda phase, share: True) -> GateReport:
    """
    Compare a candidate's outputs with a reference's on every sample.

    Raises BuildCancelled when `progress` returned False, and EngineError.
    """
    comparisons = []
    for index, pair in enumerate(pairs):
        if not progress(f'checking on {pair.name}', index / len(pairs)):
            raise BuildCancelled('the check of an engine was stopped on request')
        comparisons.append(_compare(pair.name, candidate(pair.rgb, pair.thermal),
                                    reference(pair.rgb, pair.thermal)))
    return GateReport(tuple(comparisons))


def _compare(name: str, got: EngineOutput, expected: EngineOutput) -> Comparison:
    for output in ('fused', 'mask', 'confidence'):
        ours, theirs = getattr(got, output), getattr(expected, output)
        if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
            return Comparison(name, 255, 0.0, 255.0, f'{output} is {ours.dtype} {ours.shape}, '
                              f'expected {theirs.dtype} {theirs.shape}')
    fused_off = int(_difference(got.fused, expected.fused).max())
    labels_equal = float((got.mask == expected.mask).mean())
    # The share of the labels that may differ may differ in confidence, too.
    confidence_off = float(np.quantile(
        _difference(got.confidence, expected.confidence), LABELS_EQUAL))
    faults = []
    if fused_off > FUSED_TOLERANCE:
        faults.append(
            f'fused is {got.fused.flat[0]} everywhere' if np.ptp(got.fused) == 0
            else f'fused is off by up to {fused_off}/255 (allowed {FUSED_TOLERANCE})')
    if labels_equal < LABELS_EQUAL:
        faults.append(f'only {labels_equal:.2%} of the labels are equal (needed '
                      f'{LABELS_EQUAL:.1%})')
    if confidence_off > CONFIDENCE_TOLERANCE:
        faults.append(f'confidence is off by {confidence_off:.0f}/255 (allowed '
                      f'{CONFIDENCE_TOLERANCE})')
    return Comparison(name, fused_off, labels_equal, confidence_off, ' and '.join(faults))


def _difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.abs(first.astype(np.int16) - second)
