"""Thermal images that are not thermal: told by their pixels, and mended where they can be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uaafusion_ros.imaging import encodings

# Gray images, after lossy compression, stay below these: mean difference between the channels of
# 255, and share of pixels whose channels differ clearly (a coloured isotherm covers more).
_GRAY_SPREAD = 4.0
_CLEAR_SPREAD = 48.0
_CLEAR_SHARE = 0.002
# High and low byte exchanged make a smooth image rough; noise is as rough either way.
_ROUGHER = 8.0
_ROUGH = 1000.0
_MOST_TELEMETRY = 4  # rows; FLIR's cores send 1 to 4
_LEAST_SIDE = 16
SCALED_BY_JPEG = ('16 bits were sent as 8-bit JPEG, which left few of their steps; set the '
                  "camera's compressed transport to png, which keeps them")


@dataclass(frozen=True)
class Finding:
    """
    One thing that was recognised: its `kind` is the same for all images, `text` a sentence.

    `mended` says what `examine` has done about it, or nothing.
    """

    kind: str
    text: str
    mended: str = ''


def is_coloured(image: np.ndarray) -> bool:
    """
    Return whether HxWx3 pixels (uint8 or uint16) are false colours and not gray thrice.

    Colours hide the temperatures, as two of them may be equally bright.
    """
    scale = 257.0 if image.dtype == np.uint16 else 1.0
    spread = image.max(axis=2).astype(np.float32) - image.min(axis=2)
    return bool(spread.mean() > _GRAY_SPREAD * scale
                or np.mean(spread > _CLEAR_SPREAD * scale) > _CLEAR_SHARE)


def camera_of(array: np.ndarray, encoding: str) -> str:
    """
    Return which camera an image (in its encoding, see `encodings`) can only be from, or ''.

    'thermal' for one channel of 16 bits or float, 'rgb' for colours; 8-bit gray may be either.
    """
    row = encodings.lookup(encoding)
    if row.name.startswith('bayer'):
        return 'rgb'
    if row.channels == 1 and row.rows == (1, 1):
        return 'thermal' if row.dtype in ('u2', 'f4') else ''
    return 'rgb' if is_coloured(encodings.to_rgb8(array, encoding)) else ''


def examine(thermal: np.ndarray) -> tuple[np.ndarray, tuple[Finding, ...]]:
    """
    Return a thermal image (HxW), mended where it can be, and what was found.

    Of uint16: exchanged bytes are put right, telemetry rows replaced by the image row beside
    them; 8 bits stretched to 16 and 12 or 14 bits in the upper bits are named only. Images of
    another dtype, or smaller than 16 x 16, are returned as they are. The input is not altered.
    """
    if thermal.dtype != np.uint16 or min(thermal.shape) < _LEAST_SIDE:
        return thermal, ()
    findings = []
    if _bytes_exchanged(thermal):
        thermal = thermal.byteswap()
        findings.append(Finding('exchanged bytes', (
            'the high and low bytes of the 16-bit thermal pixels are exchanged; correct the byte '
            "order in what writes them (is_bigendian, the file's byte order)"), 'put right here'))
    top, bottom = telemetry_rows(thermal)
    if top or bottom:
        thermal = thermal.copy()
        thermal[:top] = thermal[top]
        thermal[len(thermal) - bottom:] = thermal[len(thermal) - bottom - 1]
        findings.append(Finding('telemetry', (
            f'{top + bottom} rows at the {"top" if top else "bottom"} of the thermal image carry '
            "numbers instead of heat; switch the camera's telemetry off or cut these rows"),
            'replaced here by the row beside them'))
    findings += _depth_findings(thermal)
    return thermal, tuple(findings)


def telemetry_rows(thermal: np.ndarray) -> tuple[int, int]:
    """
    Return how many rows at the top and at the bottom of a uint16 image are telemetry.

    Such a row is no dead line: its values differ, and most of them lie beyond all that the image
    holds by more than the image's own span.
    """
    inner = thermal[_MOST_TELEMETRY:-_MOST_TELEMETRY]
    low, high = (float(v) for v in np.percentile(inner[::3, ::3], (0.5, 99.5)))
    span = max(high - low, 1.0)

    def strange(row: np.ndarray) -> bool:
        beyond = (row < low - span) | (row > high + span)
        return bool(np.mean(beyond) >= 0.5 and np.unique(row).size > 2)

    def count(rows: np.ndarray) -> int:
        found = [strange(row) for row in rows]
        return found.index(False) if False in found else 0

    return (count(thermal[:_MOST_TELEMETRY + 1]), count(thermal[::-1][:_MOST_TELEMETRY + 1]))


def _bytes_exchanged(thermal: np.ndarray) -> bool:
    sample = thermal[::max(1, len(thermal) // 64)]
    if not (sample & 0xFF).any():  # 8 bits in the upper byte
        return False
    rough, other = _roughness(sample), _roughness(sample.byteswap())
    return rough > _ROUGH and rough > _ROUGHER * other


def _roughness(rows: np.ndarray) -> float:
    return float(np.abs(np.diff(rows.astype(np.int32), axis=1)).mean())


def _depth_findings(thermal: np.ndarray) -> list[Finding]:
    if thermal.min() == thermal.max():
        return []
    used = int(np.bitwise_or.reduce(thermal, axis=None))
    if thermal.max() < 256 or not used & 0xFF or not (thermal % 257).any():
        return [Finding('8 bits in 16', (
            'the 16-bit thermal image holds 8 bits: the camera or a converter has scaled it (AGC) '
            'already, so its values are no temperatures; send or export the raw counts'))]
    unused = (used & -used).bit_length() - 1
    if unused in (2, 4) and used >> 15:
        return [Finding('shifted bits', (
            f'the thermal image has {16 - unused} bits in the upper bits of 16: its values are '
            f'{1 << unused} times the counts; mind it in thermal.gain and thermal.range'))]
    return []
