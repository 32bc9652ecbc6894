"""The demonstration: real pairs, real node, real topics."""
