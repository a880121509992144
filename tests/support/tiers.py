"""How much the tests try: once for `make test`, more of the same for `make test-long`."""

import os
from typing import TypeVar

import hypothesis

T = TypeVar("T")
IS_LONG = os.environ.get("TEST_TIER") == "long"


def tiered(short: T, long: T) -> T:
    """Choose by tier: `short` is enough to catch a fault of a normal day, `long` seeks what nobody has thought of."""
    return long if IS_LONG else short


def examples(short: int, long: int | None = None) -> hypothesis.settings:
    """Settings of a property: so many examples, ten times as many in the long tier unless given."""
    return hypothesis.settings(max_examples=tiered(short, 10 * short if long is None else long))


def register() -> None:
    """Load the profile of the tier: `make test` tries the same examples every time, `make test-long` new ones."""
    hypothesis.settings.register_profile("short", deadline=None, max_examples=50, derandomize=True, database=None)
    hypothesis.settings.register_profile("long", deadline=None, max_examples=500)
    hypothesis.settings.load_profile(tiered("short", "long"))
