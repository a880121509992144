"""The weights of Whisper tiny.en, converted for CTranslate2."""

from pathlib import Path

DIRECTORY = Path(__file__).parent / "model"
