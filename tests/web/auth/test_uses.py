import pytest

from stream.errors import ClientError, Problem
from web.auth.uses import USED, Uses


def test_a_token_is_used_once() -> None:
    uses = Uses()
    uses.check("a")
    uses.use("a", 60, 0)
    with pytest.raises(ClientError, match=USED):
        uses.check("a")
    with pytest.raises(ClientError, match=USED) as refused:
        uses.use("a", 60, 1)
    assert refused.value.problem is Problem.UNAUTHENTICATED
    uses.use("b", 60, 1)


def test_uses_are_forgotten_when_the_token_is_good_for_nothing_any_more() -> None:
    uses = Uses()
    for number in range(1000):
        uses.use(str(number), number + 60, number)
    assert len(uses) == 60
    uses.use("the last", 5000, 2000)
    assert len(uses) == 1


def test_no_more_are_kept_in_mind_than_there_is_room_for() -> None:
    uses = Uses(most=2)
    uses.use("a", 60, 0)
    uses.use("b", 30, 0)
    with pytest.raises(ClientError) as refused:
        uses.use("c", 60, 1)
    assert refused.value.problem is Problem.OVERLOADED
    uses.use("c", 90, 30)
    with pytest.raises(ClientError, match=USED):
        uses.check("a")
