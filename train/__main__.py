"""`python -m train fit|export --config FILE [section.key=value ...]`."""

from __future__ import annotations

import argparse
from pathlib import Path
import sys

import torch

from train import config as settings
from train.deploy import deploy
from train.fusion_phase import FusionPhase
from train.joint_phase import JointPhase
from train.loop import fit
from train.segmentation_phase import SegmentationPhase
from uaafusion_ros.errors import UaafusionError

PHASES = {'segmentation': SegmentationPhase, 'fusion': FusionPhase, 'joint': JointPhase}


def main(argv: list[str] | None = None) -> int:
    """Run a verb and return the exit code."""
    parser = argparse.ArgumentParser(prog='python -m train', description=__doc__)
    parser.add_argument('verb', choices=('fit', 'export'))
    parser.add_argument('--config', type=Path, required=True)
    parser.add_argument('overrides', nargs='*', help='section.key=value')
    args = parser.parse_intermixed_args(argv)
    try:
        config = settings.load(args.config, args.overrides)
        torch.manual_seed(config.seed)
        torch.set_num_threads(config.threads)
        if args.verb == 'fit':
            print(f'best: {fit(PHASES[config.phase](config), config)}')
        else:
            print(f'wrote {deploy(config, Path("models"))}')
    except UaafusionError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main())
