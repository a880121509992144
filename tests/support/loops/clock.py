"""A clock that stands still until a test moves it."""

import time
from dataclasses import dataclass, field


@dataclass
class MovableClock:
    """Returns `now`, which a test may move; usable as a `Clock`."""

    now: float = field(default_factory=time.time)

    def __call__(self) -> float:
        return self.now
