import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.engine.admission import Admission, FullError, Place, default_places


def admitted(admission: Admission, session: str, now: float, **kind: bool) -> bool:
    """Whether a short call got in."""
    try:
        place = admission.enter(session, now, **kind)
    except FullError:
        return False
    admission.leave(place, now)
    return True


def talk_once(admission: Admission, sessions: list[str], now: float) -> None:
    for session in sessions:
        admission.leave(admission.enter(session, now), now)


def test_a_new_session_is_refused_while_all_places_are_taken() -> None:
    admission = Admission(2)
    admission.enter("a", 0.0)
    admission.enter("b", 0.0)
    with pytest.raises(FullError) as caught:
        admission.enter("c", 100.0)
    assert str(caught.value) == "2 sessions are talking, and this engine takes no new one above 2"
    assert caught.value.retry_seconds == 1.0


def test_several_calls_of_a_session_take_one_place() -> None:
    admission = Admission(2)
    for _ in range(5):
        admission.enter("a", 0.0)
    assert admission.n_talking(0.0) == 1
    assert admitted(admission, "b", 0.0)


@pytest.mark.parametrize(("pause", "is_free"), [(0.0, False), (9.9, False), (10.0, True)])
def test_a_place_is_free_ten_seconds_after_the_last_call(pause: float, is_free: bool) -> None:
    admission = Admission(1)
    first, second = admission.enter("a", 0.0), admission.enter("a", 3.0)
    admission.leave(first, 5.0)
    admission.leave(second, 7.0)
    assert admitted(admission, "b", 7.0 + pause) is is_free


@pytest.mark.parametrize(("pause", "gets_in"), [(0.0, True), (60.0, True), (299.9, True), (300.0, False)])
def test_who_was_admitted_gets_in_again_where_all_places_are_taken(pause: float, gets_in: bool) -> None:
    admission = Admission(1)
    talk_once(admission, ["a"], 0.0)
    if pause >= 10:
        admission.enter("b", 10.0)
    assert admitted(admission, "a", pause) is gets_in


def test_a_session_with_an_open_call_is_never_forgotten() -> None:
    admission = Admission(1)
    admission.enter("a", 0.0)
    assert admitted(admission, "a", 100_000.0)
    assert not admitted(admission, "b", 100_000.0)


def test_of_too_many_known_ones_the_quietest_is_forgotten() -> None:
    admission = Admission(2)
    talk_once(admission, ["a", "b"], 0.0)
    talk_once(admission, ["c", "d"], 20.0)
    talk_once(admission, ["a"], 21.0)  # not the longest quiet one any more
    talk_once(admission, ["e"], 40.0)
    assert admission.n_known == 4
    admission.enter("e", 41.0)
    admission.enter("c", 41.0)
    assert not admitted(admission, "b", 41.0)
    assert all(admitted(admission, session, 41.0) for session in "acde")


def test_calls_without_a_session_count_while_they_last() -> None:
    admission = Admission(2)
    places = [admission.enter("", 0.0) for _ in range(2)]
    assert not admitted(admission, "", 0.0)
    admission.leave(places[0], 1.0)
    assert admission.n_talking(1.0) == 1
    assert admitted(admission, "", 1.0)
    assert admission.n_known == 0


def test_files_have_places_of_their_own_half_as_many() -> None:
    admission = Admission(4)
    files = [admission.enter(session, 0.0, is_file=True) for session in ("", "f")]
    with pytest.raises(FullError) as caught:
        admission.enter("", 0.0, is_file=True)
    assert str(caught.value) == "2 files are recognized, and this engine takes no new one above 2"
    assert admission.n_talking(0.0) == 0
    for file in files:
        admission.leave(file, 0.0)
    assert admitted(admission, "", 0.0, is_file=True)
    assert admission.enter("", 0.0, is_file=True)
    assert not admitted(admission, "", 9.0, is_file=True)
    assert admitted(admission, "", 10.0, is_file=True)


def test_talkers_and_files_take_nothing_from_each_other() -> None:
    admission = Admission(2)
    for session in ("a", "b"):
        admission.enter(session, 0.0)
    assert not admitted(admission, "c", 0.0)
    admission.enter("f", 0.0, is_file=True)
    assert not admitted(admission, "g", 0.0, is_file=True)


def test_where_there_is_one_place_a_file_gets_it() -> None:
    assert admitted(Admission(1), "", 0.0, is_file=True)


def test_no_place_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="places is 0; at least 1 is needed"):
        Admission(0)


def test_ten_talk_to_each_worker() -> None:
    assert default_places(2) == 20


Moves = st.lists(st.tuples(st.sampled_from(["", *"abcdefgh"]), st.booleans(), st.integers(0, 60)), max_size=80)


@given(Moves)
def test_the_known_are_bounded_and_who_talks_is_never_refused(moves: list[tuple[str, bool, int]]) -> None:
    admission, now = Admission(2), 0.0
    calls: list[Place] = []
    for session, leaves, seconds in moves:
        now += seconds
        if leaves and calls:
            admission.leave(calls.pop(0), now)
            continue
        was_talking = admission.n_talking(now)
        is_talking = any(place.session == session for place in calls) and session
        try:
            calls.append(admission.enter(session, now))
        except FullError:
            assert was_talking >= 2
            assert not is_talking
        assert admission.n_known <= 4
        assert admission.n_talking(now) >= len({place.session for place in calls if place.session})
    for place in calls:
        admission.leave(place, now)
    assert admission.n_talking(now + 10) == 0
