import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from stream.channels.lines import Line, Lines
from tests.support.tiers import examples


def said(text: str, number: int = 0, *, settled: bool = True, hidden: bool = False, start_ms: int = 0) -> Line:
    return Line(text=text, start_ms=start_ms, end_ms=start_ms, number=number, is_settled=settled, is_hidden=hidden)


def empty(most: int = 100) -> Lines:
    return Lines(now_ms=lambda: 0, most=most)


def texts(lines: list[Line]) -> list[str]:
    return [line.text for line in lines]


def test_lines_are_numbered_and_every_change_has_an_id() -> None:
    lines = empty()
    first = lines.put(said("a", settled=False))
    second = lines.put(said("b"))
    again = lines.put(said("a!", first.number))
    assert [(line.number, line.change_id) for line in (first, second, again)] == [(1, 1), (2, 2), (1, 3)]


def test_a_reader_resumes_with_what_changed_since() -> None:
    lines = empty()
    for text in ("a", "b", "c"):
        lines.put(said(text))
    seen = lines.last_change_id
    lines.put(said("d"))
    lines.corrected(1, text="A")
    assert texts(lines.after(seen)) == ["d", "A"]
    assert lines.after(lines.last_change_id) == []
    assert texts(lines.after(0)) == ["b", "c", "d", "A"]


def test_ids_follow_the_clock_and_never_go_back() -> None:
    times = iter([5000, 5000, 4000, 9000])
    lines = Lines([said("old", 3)], now_ms=lambda: next(times))
    assert [lines.put(said("x")).change_id for _ in range(4)] == [5000, 5001, 5002, 9000]


def test_a_new_process_goes_on_after_the_stored_lines() -> None:
    before = empty()
    stored = [before.put(said(text)) for text in ("a", "b")]
    after = Lines(reversed(stored), now_ms=lambda: 0)
    line = after.put(said("c"))
    assert (line.number, line.change_id) == (3, 3)
    assert texts(after.after(1)) == ["b", "c"]


def test_the_oldest_lines_go_first() -> None:
    lines = empty(most=2)
    for text in ("a", "b"):
        lines.put(said(text))
    lines.corrected(1, text="A")
    lines.put(said("c"))
    assert texts(lines.after(0)) == ["b", "c"]


def test_a_corrected_line_keeps_what_was_recognized() -> None:
    lines = empty()
    lines.put(said("wreck a nice beach"))
    lines.corrected(1, text="recognize speech")
    line = lines.corrected(1, text="recognise speech")
    assert line is not None
    assert (line.text, line.recognized) == ("recognise speech", "wreck a nice beach")


def test_only_settled_lines_are_corrected() -> None:
    lines = empty()
    lines.put(said("a", settled=False))
    assert lines.corrected(1, text="b") is None
    assert lines.corrected(2, is_hidden=True) is None


def test_a_hidden_line_is_shown_again() -> None:
    lines = empty()
    lines.put(said("a"))
    lines.corrected(1, is_hidden=True)
    assert list(lines.spoken()) == []
    lines.corrected(1, is_hidden=False)
    assert texts(list(lines.spoken())) == ["a"]


def test_lines_are_shown_in_the_order_of_speech() -> None:
    lines = empty()
    lines.put(said("second", start_ms=200))
    lines.put(said("unsettled", settled=False))
    lines.put(said("first", start_ms=100))
    assert texts(list(lines.spoken())) == ["first", "second"]


def test_lines_of_a_span_are_those_that_were_spoken_in_it() -> None:
    lines = empty()
    for number, start_ms in enumerate((0, 1000, 2000, 3000), start=1):
        lines.put(replace(said(str(number), start_ms=start_ms), end_ms=start_ms + 900))
    assert texts(list(lines.spoken(after_ms=1000, before_ms=3000))) == ["2", "3"]
    assert texts(list(lines.spoken(after_ms=900, before_ms=1000))) == ["1"]


def test_the_first_open_line_is_known() -> None:
    lines = empty()
    lines.put(said("settled", start_ms=10))
    assert lines.open_from_ms() is None
    lines.put(said("open", start_ms=30, settled=False))
    earlier = lines.put(said("open", start_ms=20, settled=False))
    assert lines.open_from_ms() == 20
    lines.put(said("done", earlier.number, start_ms=20))
    assert lines.open_from_ms() == 30


def test_lines_are_forgotten_by_their_last_change() -> None:
    times = iter([1000, 2000, 3000])
    lines = Lines(now_ms=lambda: next(times))
    lines.put(said("a"))
    lines.put(said("b"))
    lines.corrected(1, text="A")
    lines.forget(before_ms=2500)
    assert texts(lines.after(0)) == ["A"]


CHANGES = st.lists(st.tuples(st.integers(1, 5), st.text("ab", max_size=2), st.booleans()), max_size=30)


@examples(100)
@given(changes=CHANGES, breaks=st.sets(st.integers(0, 30)))
def test_a_reader_that_resumes_anywhere_has_what_one_that_stayed_has(
    changes: list[tuple[int, str, bool]], breaks: set[int]
) -> None:
    lines = empty()
    stayed: dict[int, str] = {}
    resumed: dict[int, str] = {}
    place = 0
    for step, (number, text, settled) in enumerate(changes):
        known = number if lines.get(number) else 0
        line = lines.put(said(text, known, settled=settled))
        stayed[line.number] = line.text
        if step not in breaks:
            resumed |= {one.number: one.text for one in lines.after(place)}
            place = lines.last_change_id
    resumed |= {one.number: one.text for one in lines.after(place)}
    assert resumed == stayed


def test_a_line_of_another_process_keeps_its_id_and_comes_last() -> None:
    here, there = Lines(now_ms=lambda: 1000), Lines(now_ms=lambda: 500)
    there.number_from(100)
    late = there.put(said("late"))
    here.put(said("a"))
    place = here.last_change_id
    merged = here.merge(late)
    assert merged is not None
    assert (merged.number, merged.change_id) == (100, 500)
    assert texts(here.after(place)) == ["late"]
    assert here.merge(late) is None


def test_the_later_change_of_a_line_wins() -> None:
    here, there = Lines(now_ms=lambda: 1000), Lines(now_ms=lambda: 2000)
    first = here.put(said("a"))
    there.merge(first)
    newer = there.corrected(1, text="A")
    older = here.corrected(1, text="B")
    assert newer is not None
    assert older is not None
    assert here.merge(newer) is not None
    assert there.merge(older) is None
    assert texts(here.after(0)) == texts(there.after(0)) == ["A"]


def test_a_prepared_line_is_nowhere_until_it_is_merged() -> None:
    lines = empty()
    prepared = lines.prepared(said("a"))
    other = lines.put(said("b"))
    assert texts(lines.after(0)) == ["b"]
    place = lines.last_change_id
    shown = lines.merge(prepared)
    assert shown is not None
    assert (shown.number, shown.change_id) == (1, prepared.change_id)
    assert (other.number, texts(lines.after(place))) == (2, ["a"])
    assert lines.merge(prepared) is None


@examples(100)
@given(
    changes=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.booleans()), max_size=40),
    order=st.randoms(use_true_random=False),
)
def test_processes_that_have_all_changes_show_the_same(
    changes: list[tuple[int, int, bool]], order: random.Random
) -> None:
    processes = [empty() for _ in range(3)]
    for place, lines in enumerate(processes):
        lines.number_from(1 + 100 * place)
    sent: list[Line] = []
    for step, (place, known, settled) in enumerate(changes):
        lines = processes[place]
        number = 1 + 100 * place + known
        sent.append(lines.put(said(str(step), number if lines.get(number) else 0, settled=settled)))
    for lines in processes:
        cursor = lines.last_change_id
        before = {one.number: one.text for one in lines.after(0)}
        for line in order.sample(sent, len(sent)):
            lines.merge(line)
        before |= {one.number: one.text for one in lines.after(cursor)}
        assert before == {one.number: one.text for one in lines.after(0)}
    assert len({frozenset((one.number, one.change_id, one.text) for one in lines.after(0)) for lines in processes}) == 1


def test_a_reader_gets_a_line_that_was_prepared_before_it_came() -> None:
    lines = empty()
    lines.put(said("a"))
    prepared = lines.prepared(said("b"))
    place = lines.last_change_id
    lines.merge(prepared)
    assert texts(lines.after(place)) == ["b"]
