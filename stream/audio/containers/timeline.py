"""Keep decoded sound on the clock of its container: gaps in the timestamps become silence."""

# Rounded timestamps and encoders that count inaccurately differ by less. A lost packet of 20 ms may, too; the next one
# makes up for it.
_TOLERANCE_SECONDS = 0.04
# A timestamp further back than this begins another recording with a clock of its own.
_RESTART_SECONDS = 1.0
# A first timestamp above this is no late start, but that of a live stream that was joined while it ran.
MOST_START_SECONDS = 600.0
# As much as the longest accepted recording; timestamps may be wrong.
MOST_SILENCE_SECONDS = 4 * 3600.0


class Timeline:
    """Computes the silence that keeps the sound of one stream on the clock of its container.

    `origin_seconds` is the timestamp at which the recording begins.
    """

    def __init__(self, origin_seconds: float) -> None:
        self._origin_seconds = origin_seconds
        self._silence_seconds = 0.0

    def silence_before(self, timestamp_seconds: float, position_seconds: float) -> float:
        """Return the seconds of silence between the sound so far, up to `position_seconds`, and the next timestamp.

        Never negative: sound that overlaps earlier sound follows it without a gap.
        """
        gap = timestamp_seconds - self._origin_seconds - position_seconds
        if gap < -_RESTART_SECONDS or self._silence_seconds + gap > MOST_SILENCE_SECONDS:
            self._origin_seconds += gap
            return 0.0
        if gap < _TOLERANCE_SECONDS:
            return 0.0
        self._silence_seconds += gap
        return gap
