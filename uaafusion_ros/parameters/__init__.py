"""What can be set: one table for the node, the replay and the documentation."""
