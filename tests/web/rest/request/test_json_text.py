"""Row 36: JSON bodies, taken in pieces of bounded work."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import ClientError, Problem
from tests.support.tiers import examples
from web.rest.request.json_text import LONG_BYTES, STEP_BYTES, JsonText

VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=4), inner, max_size=4)),
    max_leaves=10,
)


def taken(body: bytes, cuts: list[int], long: bytearray | None = None) -> tuple[bytes, str]:
    """What is kept of a body that is cut at these places, and what stands for its long text."""
    text = JsonText(None if long is None else long.extend)
    edges = [0, *sorted(place % (len(body) + 1) for place in cuts), len(body)]
    for start, end in pairwise(edges):
        for first in range(start, end, STEP_BYTES):
            text.push(body[first : min(first + STEP_BYTES, end)])
    return text.end(), text.placeholder


@examples(100)
@given(VALUES, st.lists(st.integers(0, 1000), max_size=5), st.booleans())
def test_a_body_is_kept_as_it_is_however_it_is_cut(value: Any, cuts: list[int], is_ascii: bool) -> None:
    body = json.dumps(value, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")
    assert taken(body, cuts, bytearray())[0] == body


@examples(100)
@given(
    st.text(st.characters(max_codepoint=127), min_size=1, max_size=12), st.lists(st.integers(0, 1 << 20), max_size=5)
)
def test_a_long_text_is_taken_out_however_it_is_cut(part: str, cuts: list[int]) -> None:
    long = part * (LONG_BYTES // len(part) + 1)
    body = json.dumps({"before": "x", "long": long, "after": [1]})
    out = bytearray()
    kept, placeholder = taken(body.encode(), cuts, out)
    assert json.loads(kept) == {"before": "x", "long": placeholder, "after": [1]}
    assert out.decode() == long


@pytest.mark.parametrize("broken", ["\n", "\\q", "\\u12_", "\\uZZZZ", "\x00"])
def test_a_broken_long_text_is_no_json(broken: str) -> None:
    with pytest.raises(ValueError, match=r"escape|control"):
        taken(('{"long":"' + "A" * LONG_BYTES + broken + "A" * 100 + '"}').encode(), [], bytearray())


@pytest.mark.fault(36)
@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"[" + b"[]," * 50_000, Problem.INVALID_MESSAGE),
        (b'{"":' * 50_000, Problem.INVALID_MESSAGE),
        (b'""' * 50_000, Problem.INVALID_MESSAGE),
        (b" " * (5 << 20), Problem.TOO_LARGE),
        ((b'["' + b"x" * 2 * LONG_BYTES + b'"]') * 2, Problem.TOO_LARGE),
    ],
)
def test_what_would_take_long_is_refused(body: bytes, problem: Problem) -> None:
    with pytest.raises(ClientError) as refused:
        taken(body, [], bytearray())
    assert refused.value.problem is problem
