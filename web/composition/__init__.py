"""Everything that a process works with, built from the settings in one place."""
