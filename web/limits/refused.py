"""Owns the memory of who was refused, until when."""

# Beyond so many the oldest is forgotten, and refused anew by counting.
_MOST = 4096


class Refused:
    """Sources that are refused until a time; none of them has to be counted again."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def add(self, source: str, until: float) -> None:
        """Refuse it until then."""
        self._until.pop(source, None)
        if len(self._until) >= _MOST:
            del self._until[next(iter(self._until))]
        self._until[source] = until

    def holds(self, source: str, now: float) -> bool:
        """Whether it is refused now."""
        until = self._until.get(source)
        if until is not None and until <= now:
            del self._until[source]
        return until is not None and now < until
