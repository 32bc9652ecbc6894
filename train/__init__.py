"""Training of the networks, offline: `python -m train fit|export --config FILE`."""
