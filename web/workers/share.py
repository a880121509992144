"""The share of one process in what a server may use as a whole."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Share:
    """The share of worker `number` (from 1) of `count` workers."""

    number: int = 1
    count: int = 1

    def of(self, amount: int) -> int:
        """Return this worker's part of an amount; the parts of all workers add up to it."""
        return amount // self.count + (self.number <= amount % self.count)

    def limit(self, amount: int) -> int:
        """Return this worker's part of a limit, at least one: a worker that admits nothing would be none."""
        return max(1, self.of(amount))


WHOLE = Share()
"""The share of a server that is one process."""
