"""Where decoded sound lies on the clock of its container; gaps in the timestamps become silence."""

# Timestamps in milliseconds, and encoders that count a little wrong, differ by less; a lost packet of 20 ms may too,
# which the next one makes up for.
_TOLERANCE_SECONDS = 0.04
# Further back than this, another recording begins, with a clock of its own.
_RESTART_SECONDS = 1.0
# More than this in front is no late beginning, but the clock of a stream that was joined while it ran.
MOST_START_SECONDS = 600.0
# As much as the longest recording that is taken; a timestamp may lie.
MOST_SILENCE_SECONDS = 4 * 3600.0


class Timeline:
    """Tells how much silence keeps the sound of one stream on its container's clock.

    `origin_seconds` is the timestamp of the recording's first sample, heard or not.
    """

    def __init__(self, origin_seconds: float) -> None:
        self._origin_seconds = origin_seconds
        self._silence_seconds = 0.0

    def silence_before(self, timestamp_seconds: float, position_seconds: float) -> float:
        """Return the seconds of silence between what there is, up to `position_seconds`, and what begins then.

        Never negative: sound that overlaps what came before it follows it without a gap.
        """
        gap = timestamp_seconds - self._origin_seconds - position_seconds
        if gap < -_RESTART_SECONDS or self._silence_seconds + gap > MOST_SILENCE_SECONDS:
            self._origin_seconds += gap
            return 0.0
        if gap < _TOLERANCE_SECONDS:
            return 0.0
        self._silence_seconds += gap
        return gap
