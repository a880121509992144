"""A time of day that stands still until a test moves it."""

import time
from dataclasses import dataclass, field


@dataclass
class MovableClock:
    """Tells the time at which it was made, and later ones as `now` is moved; give it to whatever takes a `Clock`."""

    now: float = field(default_factory=time.time)

    def __call__(self) -> float:
        return self.now
