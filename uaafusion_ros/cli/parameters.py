"""Print the fusion node's parameters as Markdown."""

from __future__ import annotations

from argparse import ArgumentParser
from argparse import Namespace

from uaafusion_ros.parameters.text import parameters_markdown


def add_arguments(parser: ArgumentParser) -> None:
    """Add nothing: the table is the only answer."""


def run(options: Namespace) -> int:
    """Print the table."""
    print(parameters_markdown(), end='')
    return 0
