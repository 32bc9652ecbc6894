"""What several tests of this folder need."""

from __future__ import annotations

import pytest
import toy_bags


@pytest.fixture
def bag(tmp_path):
    """Return a whole bag of six pairs."""
    return toy_bags.write(tmp_path / 'drive')
