"""The directories of the project that tests read."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
CLIPS = ROOT / "tests" / "clips"
DOCS = ROOT / "docs"
EXAMPLES = ROOT / "examples"
# Modules in place of libraries that need a device.
FAKES = ROOT / "tests" / "support" / "fakes"
