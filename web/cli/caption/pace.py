"""The pace of a live source: how much sound there should be by now, on the clock on which it is spoken."""

from vad import SAMPLE_RATE

# Networks deliver sound in lumps; so much may come early, and so much late before silence takes its place.
LEAD_SECONDS = 0.5
LATE_SECONDS = 1.0


class Pace:
    """Compares the sound of a source with the time since it began, so that its captions stay on the clock.

    What comes faster waits: a file, or what a server of streams has in store. Where nothing comes, there is silence.
    """

    def __init__(self, began_at: float) -> None:
        """The source began at `began_at`, in seconds of any clock."""
        self._began_at = began_at
        self._samples = 0

    def take(self, samples: int) -> None:
        """Count samples of 16 kHz."""
        self._samples += samples

    def wait_seconds(self, now: float) -> float:
        """Return how long the next sound has to wait."""
        return max(0.0, -self._behind_seconds(now) - LEAD_SECONDS)

    def patience_seconds(self, now: float) -> float:
        """Return how long to wait for the next sound before there is silence."""
        return max(0.0, LATE_SECONDS - self._behind_seconds(now))

    def missing_samples(self, now: float) -> int:
        """Return how many samples of silence there have to be."""
        return max(0, round((self._behind_seconds(now) - LATE_SECONDS) * SAMPLE_RATE))

    def _behind_seconds(self, now: float) -> float:
        return now - self._began_at - self._samples / SAMPLE_RATE
