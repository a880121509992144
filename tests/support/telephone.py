"""The signal tones of telephone networks, after ITU-T E.180 Supplement 2: dialling, ringing and busy tones."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from tests.support.nonspeech import Sound

_LEVEL = 0.2  # -17 dBFS for one frequency
_FADE_SECONDS = 0.003  # networks switch tones within a few milliseconds
_DIAL = (1.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalTone:
    """A tone: its frequencies, and the seconds for which it sounds and pauses, by turns."""

    name: str
    hertz: tuple[float, ...]
    cadence: tuple[float, ...]
    modulation_hertz: float = 0.0

    def sound(self, seconds: float, rate: int) -> Sound:
        """Return the tone as `float32[seconds * rate]`, at a rate in Hz."""
        time = np.arange(int(seconds * rate)) / rate
        wave = sum((np.sin(2 * np.pi * hz * time) for hz in self.hertz), np.zeros_like(time)) / len(self.hertz)
        if self.modulation_hertz:
            wave *= (1 + np.cos(2 * np.pi * self.modulation_hertz * time)) / 2
        edges = list(accumulate(self.cadence))
        phase = np.searchsorted(edges, time % edges[-1], side="right")
        is_on = (phase % 2 == 0).astype(np.float64)
        fade = np.hanning(max(3, int(2 * _FADE_SECONDS * rate)))
        gate = np.convolve(is_on, fade / fade.sum(), "same")
        return np.asarray(_LEVEL * wave * gate, dtype=np.float32)


def _tones() -> Iterator[SignalTone]:
    for country, dial, ring, ring_cadence, busy, busy_cadence in (
        ("United States", (350, 440), (440, 480), (2, 4), (480, 620), (0.5, 0.5)),
        ("United Kingdom", (350, 450), (400, 450), (0.4, 0.2, 0.4, 2), (400,), (0.375, 0.375)),
        ("Germany", (425,), (425,), (1, 4), (425,), (0.48, 0.48)),
        ("France", (440,), (440,), (1.5, 3.5), (440,), (0.5, 0.5)),
        ("Italy", (425,), (425,), (1, 4), (425,), (0.2, 0.2)),
        ("Spain", (425,), (425,), (1.5, 3), (425,), (0.2, 0.2, 0.2, 0.6)),
        ("China", (450,), (450,), (1, 4), (450,), (0.35, 0.35)),
        ("Australia", (425, 400, 450), (400, 425, 450), (0.4, 0.2, 0.4, 2), (425,), (0.375, 0.375)),
        ("Brazil", (425,), (425,), (1, 4), (425,), (0.25, 0.25)),
        ("Russia", (425,), (425,), (0.8, 3.2), (425,), (0.4, 0.4)),
    ):
        yield SignalTone(name=f"{country}, dialling", hertz=dial, cadence=_DIAL)
        yield SignalTone(name=f"{country}, ringing", hertz=ring, cadence=ring_cadence)
        yield SignalTone(name=f"{country}, busy", hertz=busy, cadence=busy_cadence)
    yield SignalTone(name="Japan, ringing", hertz=(400,), cadence=(1, 2), modulation_hertz=16)
    yield SignalTone(name="India, ringing", hertz=(400,), cadence=(0.4, 0.2, 0.4, 2), modulation_hertz=25)
    for hz in (*range(350, 621, 30), 425, 480):
        yield SignalTone(name=f"{hz} Hz", hertz=(hz,), cadence=_DIAL)
    for low, high in ((350, 400), (350, 620), (400, 480), (425, 480), (500, 550), (530, 620)):
        yield SignalTone(name=f"{low} and {high} Hz", hertz=(low, high), cadence=_DIAL)
        yield SignalTone(name=f"{low} and {high} Hz, in bursts", hertz=(low, high), cadence=(0.7, 0.3))


SIGNAL_TONES = tuple(_tones())
