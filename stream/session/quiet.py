"""Detection of stretches of sound in which nothing is recognized: a muted or distant microphone, or nobody speaking."""

from collections.abc import Sequence

from vad import SAMPLE_RATE

QUIET_SECONDS = 10
_QUIET_SAMPLES = QUIET_SECONDS * SAMPLE_RATE


class QuietWatch:
    """Decides when to warn that no speech is found in the audio, once for each stretch without words."""

    def __init__(self, position: int = 0) -> None:
        """Begin at a position of the session's clock."""
        self._since = position
        self._has_sound = False
        self._is_told = False

    def missing_samples(self, decided: int) -> int | None:
        """After how many more decided samples a warning may be due; None until words are recognized."""
        return None if self._is_told else self._since + _QUIET_SAMPLES - decided

    def find(self, position: int) -> None:
        """Words were recognized, when `position` samples were received: a new stretch begins."""
        self._since = position
        self._has_sound = self._is_told = False

    def receive(self, pcm: Sequence[bytes], decided: int) -> str | None:
        """Take the next samples of each channel, no more than are missing; return the warning that is due, if any.

        `decided` is the sample before which it is known where words are.
        """
        if self._is_told:
            return None
        self._has_sound = self._has_sound or any(samples.count(0) < len(samples) for samples in pcm)
        if decided - self._since < _QUIET_SAMPLES:
            return None
        self._is_told = True
        if self._has_sound:
            return (
                f"no speech was found in {QUIET_SECONDS} seconds of sound: the microphone may be too quiet or too far, "
                "or nobody speaks"
            )
        return f"{QUIET_SECONDS} seconds of sound were silence to the last sample: the microphone may be muted"
