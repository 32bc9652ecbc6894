"""What is kept comes back bit for bit, is not computed twice, and is not taken for another's."""

import numpy as np
import pytest

pytest.importorskip('torch')

from benchmarks.results import store as module  # noqa: E402
from benchmarks.results.store import key_of  # noqa: E402
from benchmarks.results.store import Store  # noqa: E402

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (48, 64, 3), np.uint8)
FINE = RNG.integers(0, 65536, (48, 64), np.uint16)


def test_images_come_back_bit_for_bit_and_are_computed_once(tmp_path):
    store, asked = Store(tmp_path), []

    def compute():
        asked.append(1)
        return COLOUR, FINE

    for _ in range(2):
        colour, fine = store.images('key', 'pair', ('fused', 'luma'), compute)
        np.testing.assert_array_equal(colour, COLOUR)
        np.testing.assert_array_equal(fine, FINE)
        assert fine.dtype == np.uint16
    assert len(asked) == 1
    store.images('other', 'pair', ('fused', 'luma'), compute)
    (tmp_path / 'key' / 'luma' / 'pair.png').unlink()
    store.images('key', 'pair', ('fused', 'luma'), compute)
    assert len(asked) == 3


def test_as_many_images_as_parts(tmp_path):
    with pytest.raises(ValueError):
        Store(tmp_path).images('key', 'pair', ('fused', 'mask'), lambda: [COLOUR])


def test_a_key_changes_with_the_weights_and_the_variant(tmp_path):
    first, second = tmp_path / 'a', tmp_path / 'b'
    first.write_bytes(b'1')
    second.write_bytes(b'2')
    keys = {key_of(first, 'x'), key_of(second, 'x'), key_of(first, 'y')}
    assert len(keys) == 3
    second.write_bytes(b'1')
    assert key_of(second, 'x') in keys


def test_metrics_are_kept_by_content(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(module, 'evaluate', lambda *images: asked.append(1) or {'EN': 1.5})
    store, gray = Store(tmp_path), COLOUR[..., 0]
    for fused in (gray, gray.copy(), gray, 255 - gray):
        assert store.metrics(gray, gray, fused) == {'EN': 1.5}
    assert len(asked) == 2
