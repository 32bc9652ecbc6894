"""Runtimes of the deployed graph behind one protocol."""
