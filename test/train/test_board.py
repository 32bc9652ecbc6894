"""What TensorBoard is given can be read back."""

import struct

import cv2
import numpy as np
import pytest

pytest.importorskip('tensorboardX')

from tensorboardX.proto.event_pb2 import Event  # noqa: E402

from train.board import Board  # noqa: E402


def events(folder):
    """Read the records of the only event file: length, checksum, event, checksum."""
    path, = folder.iterdir()
    data, found = path.read_bytes(), []
    while data:
        size, = struct.unpack('<Q', data[:8])
        found.append(Event.FromString(data[12:12 + size]))
        data = data[16 + size:]
    return found


def test_scalars_and_strips_come_back(tmp_path):
    board = Board(tmp_path / 'board', 20, print)
    board.scalars(20, {'loss': 0.5, 'val_miou': 0.25})
    thermal = np.full((48, 64), 200, np.uint8)
    mask = np.zeros((48, 64, 3), np.uint8)
    mask[..., 0] = 250
    board.pictures(20, 'validation/0', {'thermal': thermal, 'mask': mask})
    board.close()
    found = events(tmp_path / 'board')
    assert [event.step for event in found if event.HasField('session_log')] == [20]
    values = {value.tag: (event.step, value)
              for event in found for value in event.summary.value}
    assert values['loss'][0] == 20
    assert values['loss'][1].simple_value == 0.5
    assert values['val_miou'][1].simple_value == 0.25
    step, value = values['validation/0']
    strip = cv2.imdecode(np.frombuffer(value.image.encoded_image_string, np.uint8),
                         cv2.IMREAD_COLOR)[..., ::-1]
    assert step == 20
    assert strip.shape[:2] == (value.image.height, value.image.width)
    assert (strip[-20, 20] == 200).all()
    assert (strip[-20, -20] == (250, 0, 0)).all()
