"""Map what a Riva result says of its confidence to one scale from 0 to 1; pure.

Some models report probabilities, others scores: logarithms, or numbers on both sides of zero. One result has been seen
with a sentence of -0.9994 and words of -1.5961, -0.6129, -2.5625, -0.5912 and +0.36569.
"""

import math
from collections.abc import Callable, Iterable

# A mean of single-precision probabilities may come out a little above 1.
_ROUNDING = 1e-5
# Beyond this exp() overflows or a confidence becomes 0, which means that there is none.
_FURTHEST = 700.0

Scale = Callable[[float], float]


def scale(reported: Iterable[float]) -> Scale:
    """Return the function that maps each of the values that one result reported to its confidence, 0.0 for unset.

    It keeps their order. Where one value is negative or above 1, all of them are scores and go through the logistic
    function; else they are probabilities and stay as they are.
    """
    is_score = any(value < 0 or value > 1 + _ROUNDING for value in reported)
    return _of_score if is_score else _of_probability


def _of_score(value: float) -> float:
    if not value or math.isnan(value):
        return 0.0
    return 1 / (1 + math.exp(-max(-_FURTHEST, min(value, _FURTHEST))))


def _of_probability(value: float) -> float:
    return 0.0 if math.isnan(value) else min(value, 1.0)
