from hypothesis import given
from hypothesis import strategies as st

from stream.recognition.replay import Placement, Replay
from tests.support.tiers import examples
from vad import SAMPLE_BYTES


def pcm(first: int, count: int) -> bytes:
    """Samples that tell their own position."""
    return b"".join(n.to_bytes(2, "little") for n in range(first, first + count))


def test_what_is_settled_is_forgotten_and_the_rest_stays_where_it_was() -> None:
    replay = Replay()
    replay.append(pcm(0, 100))
    replay.settle(40)
    replay.append(pcm(100, 20))
    assert (replay.start, replay.end) == (40, 120)
    assert replay.read(40, 2 * SAMPLE_BYTES) == pcm(40, 2)
    assert replay.read(100, 1000) == pcm(100, 20)


def test_settling_twice_or_past_the_end_forgets_nothing_more() -> None:
    replay = Replay()
    replay.append(pcm(0, 100))
    replay.settle(60)
    replay.settle(40)
    assert (replay.start, replay.end) == (60, 100)
    replay.settle(500)
    assert (replay.start, replay.end) == (100, 100)


@examples(25)
@given(st.lists(st.one_of(st.integers(1, 50), st.integers(-100, -1)), max_size=30))
def test_every_unsettled_sample_can_be_read_whatever_was_settled_before(steps: list[int]) -> None:
    replay = Replay()
    for step in steps:
        if step > 0:
            replay.append(pcm(replay.end, step))
        else:
            replay.settle(-step)
        assert replay.read(replay.start, 10**6) == pcm(replay.start, replay.end - replay.start)


def test_a_position_counts_from_the_first_sample_that_was_sent() -> None:
    placement = Placement(1000)
    placement.send(500)
    assert placement.stream_position(0) == 1000
    assert placement.stream_position(200) == 1200


def test_no_position_lies_past_what_was_sent() -> None:
    placement = Placement(1000)
    placement.send(500)
    assert placement.stream_position(9999) == 1500


def test_inserted_silence_takes_no_time_on_the_clock_of_the_stream() -> None:
    placement = Placement(1000)
    placement.send(100)
    placement.insert_silence(50)
    placement.send(100)
    placement.insert_silence(50)
    placement.send(100)
    at = {99: 1099, 100: 1100, 125: 1100, 150: 1100, 160: 1110, 249: 1199, 250: 1200, 300: 1200, 301: 1201, 400: 1300}
    assert {position: placement.stream_position(position) for position in at} == at


@examples(25)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 30)), max_size=20))
def test_positions_never_go_back_and_every_sample_has_one(steps: list[tuple[bool, int]]) -> None:
    placement = Placement(7)
    expected = []
    for is_silence, samples in steps:
        expected += [placement.sent + (0 if is_silence else n) for n in range(samples)]
        (placement.insert_silence if is_silence else placement.send)(samples)
    assert [placement.stream_position(n) for n in range(len(expected))] == expected
