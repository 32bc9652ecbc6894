"""Node processes, simulated cameras, a player and a recorder, for demo, replay, benchmarks, tests."""
