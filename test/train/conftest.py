"""A small made-up MSRS folder: warm blobs that only the thermal camera sees well."""

from dataset_trees import write_pairs
import pytest


@pytest.fixture
def pairs(tmp_path):
    """Folder with four made-up pairs."""
    return write_pairs(tmp_path / 'pairs')
