"""Pictures side by side, with titles and captions, for people."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

PAPER = (24, 26, 31)
_INK = (236, 238, 242)
_FAINT = (158, 164, 176)
_MARGIN = 24
_GAP = 10
_FONT = cv2.FONT_HERSHEY_DUPLEX


@dataclass(frozen=True)
class Row:
    """A line of the sheet: images uint8 HxW or HxWx3 RGB of one size, and a caption below."""

    images: tuple[np.ndarray, ...]
    caption: str


@dataclass(frozen=True)
class Key:
    """A colour (RGB) of the legend and what it stands for."""

    colour: tuple[int, int, int]
    name: str


def contact_sheet(title: str, columns: Sequence[tuple[str, str]], rows: Sequence[Row],
                  legend: Sequence[Key] = (), footer: Sequence[str] = ()) -> np.ndarray:
    """
    Compose rows of images under a title and columns of (heading, explanation).

    Texts are ASCII. All rows must have as many images as there are columns, all of the first
    image's size. Returns uint8 HxWx3 RGB.
    """
    width = rows[0].images[0].shape[1] * len(columns) + _GAP * (len(columns) - 1)
    parts = [_text(width, 44, [(0, title, 0.95, _INK)]), _headings(columns, rows[0])]
    for row in rows:
        parts += [
            _joined([_colour(image) for image in row.images]),
            _text(width, 32, [(0, row.caption, 0.5, _FAINT)])]
    if legend:
        parts.append(_legend(width, legend))
    parts += [_text(width, 24, [(0, line, 0.5, _FAINT)]) for line in footer]
    return cv2.copyMakeBorder(
        np.vstack(parts), _MARGIN, _MARGIN, _MARGIN, _MARGIN, cv2.BORDER_CONSTANT, value=PAPER)


def strip(images: Sequence[np.ndarray], titles: Sequence[str]) -> np.ndarray:
    """
    Put one frame's images (uint8, HxW or HxWx3 RGB, one size) side by side under their titles.

    Returns uint8 RGB of even height and width, as video encoders want it.
    """
    body = _joined([_colour(image) for image in images])
    pitch = images[0].shape[1] + _GAP
    head = _text(
        body.shape[1], 32, [(n * pitch + 8, title, 0.6, _INK) for n, title in enumerate(titles)])
    frame = np.vstack([head, body])
    return cv2.copyMakeBorder(
        frame, 0, frame.shape[0] % 2, 0, frame.shape[1] % 2, cv2.BORDER_REPLICATE)


def write_film(path: Path, frames: Iterable[np.ndarray], rate: float) -> bool:
    """
    Write uint8 RGB frames of one size as MPEG-4, `rate` per second.

    Returns False, with nothing written, where OpenCV was built without the encoder.
    """
    writer = None
    for frame in frames:
        if writer is None:
            writer = cv2.VideoWriter(
                str(path), cv2.VideoWriter.fourcc(*'mp4v'), rate, frame.shape[1::-1])
            if not writer.isOpened():
                return False
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    if writer is not None:
        writer.release()
    return writer is not None


def _headings(columns: Sequence[tuple[str, str]], row: Row) -> np.ndarray:
    pitch = row.images[0].shape[1] + _GAP
    width = pitch * len(columns) - _GAP
    names = [(n * pitch, name, 0.7, _INK) for n, (name, _) in enumerate(columns)]
    texts = [(n * pitch, text, 0.45, _FAINT) for n, (_, text) in enumerate(columns)]
    return np.vstack([_text(width, 30, names), _text(width, 28, texts)])


def _legend(width: int, keys: Sequence[Key]) -> np.ndarray:
    band = _text(width, 32, [])
    x = 1
    for key in keys:
        cv2.rectangle(band, (x, 9), (x + 16, 25), key.colour, cv2.FILLED)
        cv2.rectangle(band, (x - 1, 8), (x + 17, 26), _FAINT, 1)  # dark colours, dark paper
        _put(band, x + 24, 22, key.name, 0.5, _INK)
        x += 24 + _text_width(key.name, 0.5) + 24
    return band


def _joined(images: Sequence[np.ndarray]) -> np.ndarray:
    gap = np.full((images[0].shape[0], _GAP, 3), PAPER, np.uint8)
    parts = [images[0]]
    for image in images[1:]:
        parts += [gap, image]
    return np.hstack(parts)


def _text(width: int, height: int,
          texts: Sequence[tuple[int, str, float, tuple[int, int, int]]]) -> np.ndarray:
    band = np.full((height, width, 3), PAPER, np.uint8)
    for x, text, size, colour in texts:
        _put(band, x, height - 10, text, size, colour)
    return band


def _put(band: np.ndarray, x: int, y: int, text: str, size: float, colour) -> None:
    # Shrunk rather than cut where a text is too long for the sheet.
    size *= min(1.0, (band.shape[1] - x) / max(1, _text_width(text, size)))
    cv2.putText(band, text, (x, y), _FONT, size, colour, 1, cv2.LINE_AA)


def _text_width(text: str, size: float) -> int:
    return cv2.getTextSize(text, _FONT, size, 1)[0][0]


def _colour(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB) if image.ndim == 2 else image
