"""The settings, read once from the environment and the command line."""
