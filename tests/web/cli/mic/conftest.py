import sys
from collections.abc import Iterator

import pytest

from tests.support.places import CLIPS, FAKES


@pytest.fixture
def fake_microphone(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Put a microphone that hears quick.wav in place of PortAudio; yield the variables that do so for a process."""
    variables = {"FAKE_MICROPHONE": str(CLIPS / "quick.wav"), "PYTHONPATH": str(FAKES)}
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.syspath_prepend(FAKES)
    monkeypatch.setenv("FAKE_MICROPHONE", variables["FAKE_MICROPHONE"])
    yield variables
    sys.modules.pop("sounddevice", None)
