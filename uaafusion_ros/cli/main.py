"""The `uaafusion` command: finds the verb, runs it, and turns errors into one line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import signal
import sys
import threading

from uaafusion_ros import __version__
from uaafusion_ros.cli import build_engine
from uaafusion_ros.cli import calibrate
from uaafusion_ros.cli import check_alignment
from uaafusion_ros.cli import compare
from uaafusion_ros.cli import demo
from uaafusion_ros.cli import doctor
from uaafusion_ros.cli import explain
from uaafusion_ros.cli import fleet
from uaafusion_ros.cli import fuse
from uaafusion_ros.cli import make_bag
from uaafusion_ros.cli import parameters
from uaafusion_ros.cli import replay
from uaafusion_ros.errors import UaafusionError
from uaafusion_ros.packages import describe_missing

VERBS = {'fuse': fuse, 'explain': explain, 'demo': demo, 'replay': replay, 'fleet': fleet,
         'compare': compare, 'make-bag': make_bag, 'build-engine': build_engine,
         'calibrate': calibrate, 'check-alignment': check_alignment, 'doctor': doctor,
         'parameters': parameters}


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run one verb and return the exit code.

    0: done; 1: done, but not all of it; 2: could not be done, one line on stderr says why;
    130: interrupted, by Ctrl-C or SIGTERM, with nothing half made left behind.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    parser = argparse.ArgumentParser(
        prog='uaafusion', description='Thermal and RGB fusion and segmentation.')
    parser.add_argument('--version', action='version', version=f'uaafusion {__version__}')
    verbs = parser.add_subparsers(dest='verb', metavar='verb', required=True)
    for name, verb in VERBS.items():
        summary = verb.__doc__.strip().splitlines()[0]
        verb.add_arguments(verbs.add_parser(
            name, help=summary, description=verb.__doc__.strip(),
            formatter_class=argparse.RawDescriptionHelpFormatter))
    options = parser.parse_args(arguments)
    if hasattr(sys.stdout, 'reconfigure'):  # names of files may hold what is no UTF-8
        sys.stdout.reconfigure(errors='backslashreplace')
    try:
        return VERBS[options.verb].run(options)
    except (UaafusionError, OSError) as error:
        print(f'uaafusion {options.verb}: {error}', file=sys.stderr)
        return 2
    except ImportError as error:
        said = describe_missing(error)
        if not said:
            raise
        print(f'uaafusion {options.verb}: {said}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f'uaafusion {options.verb}: interrupted', file=sys.stderr)
        return 130


if __name__ == '__main__':
    sys.exit(main())
