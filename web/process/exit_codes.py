"""Owns the exit codes by which the processes of this program tell each other what happened."""

CANNOT_START = 2
"""Of the engine, for a model or an address that cannot be: to start it again would change nothing."""
