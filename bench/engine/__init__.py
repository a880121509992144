"""Benches of the embedded engine: accuracy, load, phrases, levels of sound."""
