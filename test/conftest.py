"""What every test needs: a process that can be interrupted."""

import signal

# A shell script starts its background jobs with SIGINT ignored, and children inherit that: the
# processes that tests start could then not be ended as a user ends them.
signal.signal(signal.SIGINT, signal.default_int_handler)
