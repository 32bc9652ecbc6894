"""`python -m train fit|evaluate|export|check --config FILE [section.key=value ...]`."""

from __future__ import annotations

import argparse
from pathlib import Path
import sys

import torch

from train import check
from train import config as settings
from train import fabric
from train import schedule
from train.config import Config
from train.deploy import deploy
from train.evaluate import evaluate
from train.exact_phase import ExactPhase
from train.fusion_phase import FusionPhase
from train.joint_phase import JointPhase
from train.loop import fit
from train.loop import Phase
from train.segmentation_phase import SegmentationPhase
from uaafusion_ros.errors import ParameterError
from uaafusion_ros.errors import UaafusionError
from uaafusion_ros.network.presets import preset

PHASES = {'segmentation': SegmentationPhase, 'fusion': FusionPhase, 'joint': JointPhase,
          'exact': ExactPhase}


def run_fit(config: Config) -> None:
    """Train the phase; continues where a stopped run was."""
    fit(begun(config), config)


def run_evaluate(config: Config) -> None:
    """Measure the best checkpoint of the phase on its validation pairs."""
    evaluate(phase_of(config), config)


def run_export(config: Config) -> None:
    """Write the network into models/: ONNX where it can be deployed, and weights."""
    print('\n'.join(f'wrote {path}' for path in deploy(config, Path('models'))))


VERBS = {'fit': run_fit, 'evaluate': run_evaluate, 'export': run_export}


def phase_of(config: Config) -> Phase:
    """Return the phase that the settings name; raises ParameterError for an unknown one."""
    if config.phase not in PHASES:
        raise ParameterError(
            f"'phase': '{config.phase}' is unknown; known: {', '.join(PHASES)}")
    return PHASES[config.phase](config)


def begun(config: Config) -> Phase:
    """
    Return the phase, ready for its first step.

    Raises ParameterError for settings that no step can be made with, and what the phase raises for
    its data and the weights it begins with.
    """
    schedule.check(config.optim)
    fabric.check(config)
    side = 32 if preset(config.preset).segmenter == 'lite' else 16
    if config.data.crop < 32 or config.data.crop % side:
        raise ParameterError(f"'data.crop': {config.data.crop}; expected a multiple of {side} "
                             'from 32 on')
    return phase_of(config)


def main(argv: list[str] | None = None) -> int:
    """Run a verb and return the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ['check']:  # it has arguments of its own
        return check.main(argv[1:], begun)
    parser = argparse.ArgumentParser(
        prog='python -m train', formatter_class=argparse.RawDescriptionHelpFormatter,
        description='\n'.join(f'{name:10} {verb.__doc__}' for name, verb in VERBS.items())
        + '\ncheck      Read every pair and name what is missing; see `check --help`.')
    parser.add_argument('verb', choices=VERBS)
    parser.add_argument('--config', type=Path, required=True)
    parser.add_argument('overrides', nargs='*', help='section.key=value')
    args = parser.parse_intermixed_args(argv)
    try:
        config = settings.load(args.config, args.overrides)
        torch.manual_seed(config.seed)
        torch.set_num_threads(config.threads)
        VERBS[args.verb](config)
    except KeyboardInterrupt:
        print('error: interrupted', file=sys.stderr)
        return 2
    except (UaafusionError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main())
