"""A container's limit is kept: no more threads than cores that it pays for."""

import os

import pytest

from uaafusion_ros.engine import cores
from uaafusion_ros.engine import loading
from uaafusion_ros.engine.loading import load_backend


@pytest.fixture
def container(monkeypatch, tmp_path):
    """Take eight cores and the limits of each folder of groups, as cpu.max has them."""
    def limited(path='/', **limits):
        for folder, text in limits.items():
            group = tmp_path / 'cgroup' / folder.strip('_').replace('_', '/')
            group.mkdir(parents=True, exist_ok=True)
            (group / 'cpu.max').write_text(text)
        (tmp_path / 'own').write_text(f'1:name=systemd:/x\n0::{path}\n')
        return cores.core_limit()
    monkeypatch.setattr(os, 'sched_getaffinity', lambda pid: set(range(8)))
    monkeypatch.setattr(cores, 'ROOT', tmp_path / 'cgroup')
    monkeypatch.setattr(cores, 'OWN', tmp_path / 'own')
    return limited


@pytest.mark.parametrize('text,expected', [
    ('200000 100000\n', 2), ('150000 100000\n', 2), ('50000 100000\n', 1), ('max 100000\n', 0),
    ('800000 100000\n', 0), ('1600000 100000\n', 0), ('nonsense', 0), ('', 0)])
def test_the_quota_counts_where_it_is_below_the_affinity(container, text, expected):
    assert container(_=text) == expected


def test_the_least_limit_on_the_way_to_the_root_counts(container):
    assert container('/a/b', a='300000 100000', a_b='max 100000') == 3
    assert container('/a/b', a_b='100000 100000') == 1


def test_a_path_of_the_host_leaves_the_limit_of_what_the_container_sees(container):
    assert container('/docker/4711', _='400000 100000') == 4


def test_without_control_groups_there_is_no_limit(container, monkeypatch, tmp_path):
    monkeypatch.setattr(cores, 'OWN', tmp_path / 'missing')
    assert cores.core_limit() == 0


@pytest.mark.parametrize('asked,given', [(0, 3), (2, 2)])
def test_runtimes_get_the_limit_unless_told_otherwise(container, monkeypatch, asked, given):
    container(_='300000 100000')
    monkeypatch.setattr(loading, '_first', lambda rows, request: request)
    assert load_backend(threads=asked).threads == given
