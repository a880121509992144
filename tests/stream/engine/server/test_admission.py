import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.engine.server.admission import Admission, AdmissionRequest, FullError, Occupancy, Place, default_places
from stream.recognition.places import Refusal, WorkClass
from tests.support.tiers import examples


def admitted(admission: Admission, session: str, now: float, *, is_file: bool = False) -> bool:
    """Whether a short call got in."""
    try:
        place = admission.enter(AdmissionRequest(session=session), now, is_file=is_file)
    except FullError:
        return False
    admission.leave(place, now)
    return True


def talk_once(admission: Admission, sessions: list[str], now: float) -> None:
    for session in sessions:
        admission.leave(admission.enter(AdmissionRequest(session=session), now), now)


def held(admission: Admission, now: float, most: int = 100, **request: object) -> list[Place]:
    """Hold places for new sessions of a kind until one is refused."""
    places: list[Place] = []
    for number in range(most):
        try:
            places.append(admission.hold(AdmissionRequest(session=f"{request}-{number}", **request), now))  # type: ignore[arg-type]
        except FullError:
            break
    return places


def talk(admission: Admission, place: Place, *, spent: float, speech: float, now: float) -> None:
    """Settle an utterance of a session."""
    place.usage.spend(spent, now)
    place.usage.settle(speech)


def test_a_new_session_is_refused_while_all_places_are_taken() -> None:
    admission = Admission(2, workers=1)
    admission.enter(AdmissionRequest(session="a"), 0.0)
    admission.enter(AdmissionRequest(session="b"), 0.0)
    with pytest.raises(FullError) as caught:
        admission.enter(AdmissionRequest(session="c"), 100.0)
    assert str(caught.value) == "2 sessions are talking, which is as many as this engine has room for"
    assert (caught.value.reason, caught.value.retry_after_seconds) == (Refusal.FULL, 5.0)


def test_several_calls_of_a_session_take_one_place() -> None:
    admission = Admission(2, workers=1)
    for _ in range(5):
        admission.enter(AdmissionRequest(session="a"), 0.0)
    assert admission.capacity(0.0) == Occupancy(2, 1, 1)
    assert admitted(admission, "b", 0.0)


@pytest.mark.parametrize(("pause", "is_free"), [(0.0, False), (9.9, False), (10.0, True)])
def test_one_that_nobody_holds_leaves_its_place_after_ten_seconds(pause: float, is_free: bool) -> None:
    admission = Admission(1, workers=1)
    first, second = (
        admission.enter(AdmissionRequest(session="a"), 0.0),
        admission.enter(AdmissionRequest(session="a"), 3.0),
    )
    admission.leave(first, 5.0)
    admission.leave(second, 7.0)
    assert admitted(admission, "b", 7.0 + pause) is is_free


@pytest.mark.parametrize(("pause", "gets_in"), [(0.0, True), (60.0, True), (299.9, True), (300.0, False)])
def test_who_was_admitted_gets_in_again_where_all_places_are_taken(pause: float, gets_in: bool) -> None:
    admission = Admission(1, workers=1)
    talk_once(admission, ["a"], 0.0)
    if pause >= 10:
        admission.enter(AdmissionRequest(session="b"), 10.0)
    assert admitted(admission, "a", pause) is gets_in


def test_a_session_with_an_open_call_is_never_forgotten() -> None:
    admission = Admission(1, workers=1)
    admission.enter(AdmissionRequest(session="a"), 0.0)
    assert admitted(admission, "a", 100_000.0)
    assert not admitted(admission, "b", 100_000.0)


def test_of_too_many_known_ones_the_quietest_is_forgotten() -> None:
    admission = Admission(2, workers=1)
    talk_once(admission, ["a", "b"], 0.0)
    talk_once(admission, ["c", "d"], 20.0)
    talk_once(admission, ["a"], 21.0)  # not the longest quiet one any more
    talk_once(admission, ["e"], 40.0)
    assert admission.n_known == 4
    admission.enter(AdmissionRequest(session="e"), 41.0)
    admission.enter(AdmissionRequest(session="c"), 41.0)
    assert not admitted(admission, "b", 41.0)
    assert all(admitted(admission, session, 41.0) for session in "acde")


def test_calls_without_a_session_count_while_they_last() -> None:
    admission = Admission(2, workers=1)
    places = [admission.enter(AdmissionRequest(), 0.0) for _ in range(2)]
    assert not admitted(admission, "", 0.0)
    admission.leave(places[0], 1.0)
    assert admission.capacity(1.0).taken == 1
    assert admitted(admission, "", 1.0)
    assert admission.n_known == 1


# --- sessions that are held ---


def test_a_held_place_is_free_at_once_when_it_is_given_back() -> None:
    admission = Admission(1, workers=1)
    place = admission.hold(AdmissionRequest(session="a"), 0.0)
    admission.leave(admission.enter(AdmissionRequest(session="a"), 0.5), 0.9)
    assert not held(admission, 0.9)
    admission.release(place, 1.0)
    assert admission.capacity(1.0) == Occupancy(1, 0, 1)
    assert admission.n_known == 0
    assert held(admission, 1.0)


def test_a_place_is_taken_until_the_last_call_of_its_session_has_ended() -> None:
    admission = Admission(1, workers=1)
    place = admission.hold(AdmissionRequest(session="a"), 0.0)
    call = admission.enter(AdmissionRequest(session="a"), 0.5)
    admission.release(place, 1.0)
    assert not held(admission, 1.0)
    admission.leave(call, 2.0)
    assert held(admission, 2.0)


def test_a_session_that_is_held_twice_stays_until_both_let_go() -> None:
    admission = Admission(1, workers=1)
    places = [admission.hold(AdmissionRequest(session="a"), 0.0) for _ in range(2)]
    admission.release(places[0], 1.0)
    assert not held(admission, 1.0)
    admission.release(places[1], 2.0)
    assert held(admission, 2.0)


def test_an_utterance_of_a_held_session_gets_in_however_full_and_late_it_is() -> None:
    admission = Admission(1, workers=1)
    admission.hold(AdmissionRequest(session="a"), 0.0)
    admission.enter(AdmissionRequest(session="from another engine", was_admitted=True), 1.0)
    assert admission.enter(AdmissionRequest(session="a", is_late=True), 1000.0)


def test_a_held_session_that_is_quiet_counts_half() -> None:
    admission = Admission(4, workers=1)
    assert len(held(admission, 0.0)) == 4
    assert not held(admission, 9.9, work=WorkClass.PLAIN)
    assert len(held(admission, 10.0, owner="")) == 2
    assert admission.capacity(10.0) == Occupancy(4, 4, 0)


def test_who_was_admitted_elsewhere_gets_in_up_to_twice_what_there_is() -> None:
    admission = Admission(4, workers=1)
    assert len(held(admission, 0.0)) == 4
    assert len(held(admission, 0.0, was_admitted=True)) == 4


def test_nobody_new_gets_in_while_finals_come_late() -> None:
    admission = Admission(4, workers=1)
    assert len(held(admission, 0.0, most=2)) == 2
    with pytest.raises(FullError, match="the engine is behind with those who talk") as caught:
        admission.hold(AdmissionRequest(session="a", is_late=True), 0.0)
    assert caught.value.reason is Refusal.LATE
    assert admission.hold(AdmissionRequest(session="b", is_late=True, was_admitted=True), 0.0)
    assert admission.capacity(0.0, is_late=True).free == 0


def test_one_talker_whose_decodes_are_slow_keeps_nobody_out() -> None:
    admission = Admission(4, workers=1)
    admission.hold(AdmissionRequest(session="a"), 0.0)
    assert admission.capacity(0.0, is_late=True).free == 3
    assert admission.hold(AdmissionRequest(session="b", is_late=True), 0.0)


# --- what sessions cost ---


@pytest.mark.parametrize(("work", "sessions"), [(WorkClass.PLAIN, 20), (WorkClass.PHRASES, 16), (WorkClass.CLOSED, 5)])
def test_dearer_work_has_fewer_places(work: WorkClass, sessions: int) -> None:
    assert len(held(Admission(20, workers=2), 0.0, work=work)) == sessions


def test_what_calls_cost_is_learned_and_never_opens_more_places_than_there_are() -> None:
    for spent, sessions in ((0.001, 20), (0.6, 10), (6.0, 2)):
        admission = Admission(20, workers=2)
        for number in range(200):
            session = AdmissionRequest(session=f"s{number}")
            place = admission.hold(session, number * 20.0)
            talk(admission, place, spent=spent, speech=4.0, now=number * 20.0)
            admission.release(place, number * 20.0)
        assert len(held(admission, 10_000.0)) == pytest.approx(sessions, abs=1)


def test_one_who_takes_more_than_others_of_its_kind_counts_more() -> None:
    admission = Admission(20, workers=2)
    greedy = admission.enter(AdmissionRequest(session="greedy"), 0.0)
    for tenths in range(300):
        greedy.usage.spend(0.1, tenths / 10)
    # It takes a whole worker, as ten others would.
    assert admission.capacity(30.0) == Occupancy(20, 10, 10)
    assert len(held(admission, 30.0)) == 10


def test_a_model_that_is_too_slow_for_anybody_takes_one() -> None:
    admission = Admission(10, workers=1)
    place = admission.hold(AdmissionRequest(session="a"), 0.0)
    for _ in range(100):
        talk(admission, place, spent=20.0, speech=4.0, now=0.0)
    admission.release(place, 0.0)
    assert admission.capacity(0.0) == Occupancy(1, 0, 1)
    assert len(held(admission, 0.0)) == 1


# --- owners ---


def test_one_owner_leaves_a_quarter_of_the_places_to_others() -> None:
    admission = Admission(20, workers=2)
    assert len(held(admission, 0.0, owner="first")) == 15
    with pytest.raises(FullError) as caught:
        admission.hold(AdmissionRequest(session="a", owner="first"), 0.0)
    assert caught.value.reason is Refusal.OWNER
    assert len(held(admission, 0.0, owner="second")) == 5


def test_up_to_an_even_share_an_owner_gets_any_free_place() -> None:
    admission = Admission(20, workers=2)
    for owner in ("first", "second", "third"):
        held(admission, 0.0, most=5, owner=owner)
    assert len(held(admission, 0.0, owner="fourth")) == 4
    assert len(held(admission, 0.0, owner="fifth")) == 1


def test_where_there_is_one_owner_only_it_gets_all() -> None:
    assert len(held(Admission(20, workers=2), 0.0, owner="")) == 20


# --- files ---


def test_files_have_places_of_their_own_half_as_many() -> None:
    admission = Admission(4, workers=1)
    files = [admission.enter(AdmissionRequest(session=session), 0.0, is_file=True) for session in ("", "f")]
    with pytest.raises(FullError) as caught:
        admission.enter(AdmissionRequest(), 0.0, is_file=True)
    assert str(caught.value) == "2 files are recognized, and this engine takes no new one above 2"
    assert caught.value.retry_after_seconds == 1.0
    assert admission.capacity(0.0).taken == 0
    for file in files:
        admission.leave(file, 0.0)
    assert admitted(admission, "", 0.0, is_file=True)


def test_talkers_and_files_take_nothing_from_each_other() -> None:
    admission = Admission(2, workers=1)
    assert len(held(admission, 0.0)) == 2
    admission.enter(AdmissionRequest(session="f"), 0.0, is_file=True)
    assert not admitted(admission, "g", 0.0, is_file=True)
    assert not admitted(admission, "c", 0.0)


def test_where_there_is_one_place_a_file_gets_it() -> None:
    assert admitted(Admission(1, workers=1), "", 0.0, is_file=True)


def test_no_place_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="places is 0; at least 1 is needed"):
        Admission(0, workers=1)


def test_streaming_models_have_twenty_places_for_each_worker() -> None:
    admission = Admission(default_places(2, are_streaming=True), 2, has_partials=False)
    for number in range(40):
        admission.hold(AdmissionRequest(session=str(number)), 0.0)
    with pytest.raises(FullError):
        admission.hold(AdmissionRequest(session="one more"), 0.0)


def test_ten_talk_to_each_worker() -> None:
    assert default_places(2) == 20


Moves = st.lists(
    st.tuples(st.sampled_from(["", *"abcdefgh"]), st.sampled_from(["call", "hold", "end"]), st.integers(0, 60)),
    max_size=80,
)


@examples(50)
@given(Moves)
def test_who_is_in_is_never_refused_and_nothing_is_left_behind(moves: list[tuple[str, str, int]]) -> None:
    admission, now = Admission(2, workers=1), 0.0
    calls: list[Place] = []
    holds: list[Place] = []
    for session, move, seconds in moves:
        now += seconds
        if move == "end":
            if calls:
                admission.leave(calls.pop(0), now)
            elif holds:
                admission.release(holds.pop(0), now)
            continue
        is_in = session and any(place.session == session for place in calls + holds)
        free = admission.capacity(now).free
        try:
            if move == "call":
                calls.append(admission.enter(AdmissionRequest(session=session), now))
            else:
                holds.append(admission.hold(AdmissionRequest(session=session or "held"), now))
        except FullError:
            assert not free
            assert not is_in
        assert admission.n_known <= 4 + len(holds) + len(calls)
    for place in calls:
        admission.leave(place, now)
    for place in holds:
        admission.release(place, now)
    assert admission.capacity(now + 10) == Occupancy(2, 0, 2)
    admission.capacity(now + 300)
    assert admission.n_known == 0
