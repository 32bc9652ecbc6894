"""Node processes with simulated cameras, player and recorder: for demo, replay and tests."""
