"""Moonshine tiny.en, the real one, as its wheel has it."""

from importlib.resources import files
from pathlib import Path


def moonshine_directory() -> Path:
    """Return the directory of the model: `.ort` files, and its own list of tokens."""
    return Path(str(files("moonshine_voice"))) / "assets" / "tiny-en"
