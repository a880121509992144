"""The two tiers of tests: `make test`, and `make test-long` with more examples."""

import os
from typing import TypeVar

import hypothesis

T = TypeVar("T")
IS_LONG = os.environ.get("TEST_TIER") == "long"


def tiered(short: T, long: T) -> T:
    """Choose a value by tier: `short` catches ordinary bugs, `long` searches for rare ones."""
    return long if IS_LONG else short


def examples(short: int, long: int | None = None) -> hypothesis.settings:
    """Return the settings of a property test: so many examples, by default ten times as many in the long tier."""
    return hypothesis.settings(max_examples=tiered(short, 10 * short if long is None else long))


def register() -> None:
    """Load the profile of the tier: `make test` uses the same examples every time, `make test-long` new ones."""
    hypothesis.settings.register_profile("short", deadline=None, max_examples=50, derandomize=True, database=None)
    hypothesis.settings.register_profile("long", deadline=None, max_examples=500)
    hypothesis.settings.load_profile(tiered("short", "long"))
