"""Where the project and the things that tests read lie."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
CLIPS = ROOT / "tests" / "clips"
DOCS = ROOT / "docs"
