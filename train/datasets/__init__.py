"""Where data sets keep their pairs and classes, and how these are read from disk."""
