"""Training of the networks, offline: `python -m train VERB --config FILE`."""
