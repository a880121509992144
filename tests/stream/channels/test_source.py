from stream.channels.lines import Line, Lines
from stream.channels.source import Source
from stream.session.events import Alternative, Hypothesis, Reason, Settled, SpeechStarted, Unsettled, Word

SECOND = 16_000


def source(**options: object) -> Source:
    return Source(lines=Lines(now_ms=lambda: 0), transcription_id="t", **options)  # type: ignore[arg-type]


def words(*spoken: tuple[str, int]) -> Hypothesis:
    """Words with their speakers, each a second long."""
    timed = (Word(text, n * SECOND, (n + 1) * SECOND, 0.9, tag) for n, (text, tag) in enumerate(spoken))
    return Hypothesis((Alternative(tuple(timed), 0.9),))


def untimed(text: str) -> Hypothesis:
    return Hypothesis((Alternative(tuple(Word(one) for one in text.split())),))


def unsettled(text: str, utterance_id: int = 1, channel: int = 0) -> Unsettled:
    return Unsettled(utterance_id, untimed(text), 2 * SECOND, 0.0, channel=channel)


def settled(hypothesis: Hypothesis, utterance_id: int = 1, channel: int = 0) -> Settled:
    return Settled(
        utterance_id,
        hypothesis,
        Reason.ENDPOINT,
        4 * SECOND,
        0.0,
        was_shown=True,
        start=SECOND,
        endpoint=SECOND,
        channel=channel,
    )


def brief(line: Line) -> tuple[int, str, int, int, bool]:
    return line.number, line.text, line.start_ms, line.end_ms, line.is_settled


def test_unsettled_text_becomes_the_settled_line() -> None:
    one = source(offset_ms=10_000)
    one.receive(SpeechStarted(1, SECOND))
    (first,) = one.receive(unsettled("hello"))
    assert brief(first) == (1, "hello", 11_000, 12_000, False)
    (second,) = one.receive(settled(words(("Hello,", 0), ("world.", 0))))
    assert brief(second) == (1, "Hello, world.", 10_000, 12_000, True)
    assert second.utterance == ("t", 1)


def test_text_without_times_has_those_of_its_utterance() -> None:
    (line,) = source().receive(settled(untimed("hello")))
    assert brief(line) == (1, "hello", 1000, 3000, True)


def test_the_same_text_is_no_change() -> None:
    one = source()
    assert len(one.receive(unsettled("hello"))) == 1
    assert one.receive(unsettled("hello")) == ()
    assert one.receive(unsettled("", utterance_id=2)) == ()


def test_an_utterance_without_words_takes_its_text_back() -> None:
    one = source()
    one.receive(unsettled("hm"))
    (line,) = one.receive(settled(Hypothesis()))
    assert (line.number, line.text, line.is_hidden) == (1, "", True)
    assert one.receive(settled(Hypothesis(), utterance_id=2)) == ()


def test_the_end_of_a_session_takes_unsettled_text_back() -> None:
    one = source()
    one.receive(unsettled("hm"))
    one.receive(settled(words(("yes", 0)), utterance_id=2))
    assert [(line.number, line.is_hidden) for line in one.close()] == [(1, True)]
    assert one.close() == ()


def test_each_turn_of_a_speaker_is_a_line() -> None:
    one = source()
    one.receive(unsettled("how are you fine"))
    lines = one.receive(settled(words(("How", 1), ("are you?", 1), ("Fine.", 2), ("Good.", 1))))
    assert [(line.number, line.speaker, line.text) for line in lines] == [
        (1, "Speaker 1", "How are you?"),
        (2, "Speaker 2", "Fine."),
        (3, "Speaker 1", "Good."),
    ]
    assert [(line.start_ms, line.end_ms) for line in lines] == [(0, 2000), (2000, 3000), (3000, 4000)]


def test_speakers_are_named_by_label_channel_and_tag() -> None:
    def speaker(tag: int, channel: int, **options: object) -> str:
        (line,) = source(**options).receive(settled(words(("yes", tag)), channel=channel))
        return line.speaker

    assert speaker(0, 0) == ""
    assert speaker(0, 0, label="Ann") == "Ann"
    assert speaker(2, 0, label="Ann") == "Ann 2"
    assert speaker(0, 1, has_channels=True) == "Speaker 2"
    assert speaker(0, 1, has_channels=True, label="Desk") == "Desk 2"
    assert speaker(3, 1, has_channels=True) == "Speaker 2.3"


def test_several_sources_share_the_numbers_of_a_channel() -> None:
    lines = Lines(now_ms=lambda: 0)
    ann, bob = (Source(lines=lines, transcription_id=name, label=name) for name in ("ann", "bob"))
    ann.receive(unsettled("a"))
    bob.receive(unsettled("b"))
    ann.receive(settled(words(("A.", 0))))
    bob.receive(settled(words(("B.", 0))))
    assert [(line.number, line.speaker, line.text) for line in lines.after(0)] == [(1, "ann", "A."), (2, "bob", "B.")]


def resumed(one: Source, from_ms: int) -> Source:
    """Return the source of the session that goes on with the transcription of another one."""
    other = Source(lines=one.lines, transcription_id="t", offset_ms=one.offset_ms)
    other.go_on(from_ms)
    return other


def test_a_resumed_session_takes_its_lines_over() -> None:
    one = source()
    one.receive(settled(words(("hello", 0), ("wor", 0))))
    one.receive(SpeechStarted(2, 5 * SECOND))
    one.receive(unsettled("how", 2))
    other = resumed(one, 1000)
    (again,) = other.receive(unsettled("hello"))
    assert brief(again) == (1, "hello", 0, 2000, False)
    (line,) = other.receive(settled(words(("hello", 0), ("world", 0))))
    assert brief(line)[:2] == (1, "hello world")
    (line,) = other.receive(settled(words(("how", 0)), 2))
    assert brief(line)[:2] == (2, "how")
    assert other.close() == ()


def test_a_resumed_session_leaves_what_was_settled_before() -> None:
    one = source()
    one.receive(settled(words(("hello", 0), ("world", 0))))
    other = resumed(one, 2000)
    (line,) = other.receive(settled(words(("again", 0)), 2))
    assert brief(line)[:2] == (2, "again")
    assert [text.text for text in one.lines.spoken()] == ["hello world", "again"]


def test_lines_whose_audio_is_in_another_utterance_now_are_hidden() -> None:
    one = source()
    one.receive(settled(words(("hello", 0))))
    one.receive(settled(words(("world", 0)), 2))
    other = resumed(one, 0)
    both = other.receive(settled(words(("hello", 0), ("world", 0))))
    assert [(line.number, line.text, line.is_hidden) for line in both] == [
        (1, "hello world", False),
        (2, "", True),
    ]


def test_unsettled_text_that_a_resumed_session_never_settles_is_hidden() -> None:
    one = source()
    one.receive(unsettled("hello"))
    (line,) = resumed(one, 0).close()
    assert (line.number, line.is_hidden) == (1, True)


def test_a_pause_takes_open_text_back_and_leaves_its_utterance_out() -> None:
    one = source()
    one.receive(SpeechStarted(1, 0))
    (shown,) = one.receive(unsettled("private"))
    (hidden,) = one.pause()
    assert (hidden.number, hidden.is_hidden, hidden.text) == (shown.number, True, "")
    one.is_paused = False
    assert one.receive(unsettled("private word")) == ()
    assert one.receive(settled(words(("private", 0)))) == ()
    assert [line.text for line in one.receive(settled(words(("Public.", 0)), 2))] == ["Public."]


def test_what_begins_in_a_pause_is_left_out_to_its_end() -> None:
    one = source()
    assert one.pause() == ()
    one.receive(SpeechStarted(1, 0))
    assert one.receive(settled(words(("gone", 0)), 7)) == ()
    one.is_paused = False
    assert one.receive(unsettled("begun in the pause")) == ()
    assert one.receive(settled(words(("begun", 0)))) == ()
    one.receive(SpeechStarted(2, 0))
    assert [line.text for line in one.receive(unsettled("after it", 2))] == ["after it"]
