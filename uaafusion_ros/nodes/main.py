"""The process fusion_node, from its first moment."""

from __future__ import annotations

import signal
import sys


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; return the exit code, 2 for wrong arguments."""
    # Ctrl-C while Python imports, for half a second, ends the process as the system does it and
    # not with a traceback; process.run sets handlers of its own. scripts/fusion_node, which
    # is what gets installed, has done so from its first moment.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from uaafusion_ros.nodes import process
    from uaafusion_ros.nodes.fusion_node import FusionNode
    return process.run(FusionNode, args)


if __name__ == '__main__':
    sys.exit(main())
