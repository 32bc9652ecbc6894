"""The `uaafusion` command, one verb per file."""
