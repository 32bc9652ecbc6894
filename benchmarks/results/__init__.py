"""What docs/results.md says, measured: `python -m benchmarks.results` from the source tree."""
