"""Subtitles: whatever the words and their times, the files are valid and nothing said is lost."""

import re
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.protocols.farsava.messages import WireResult, WireWord
from stream.recordings.subtitles import LONGEST_SECONDS, Cue, cues, srt, vtt
from stream.words import LINE_CHARACTERS
from tests.support.tiers import examples


def said(text: str, *, at: float = 0.0, each: float = 0.3, pauses: dict[int, float] | None = None) -> WireResult:
    """An utterance whose words take `each` seconds; `pauses` are the silences before words, by position."""
    words, clock = [], at
    for position, word in enumerate(text.split()):
        clock += (pauses or {}).get(position, 0.0)
        words.append(WireWord(clock, clock + each, word, 0.9))
        clock += each
    return WireResult(text, 0.9, words)


def untimed(text: str) -> WireResult:
    return WireResult(text, 0.0, [WireWord(0.0, 0.0, word, 0.0) for word in text.split()])


def texts(results: list[WireResult]) -> list[str]:
    return ["\n".join(cue.lines) for cue in cues(results)]


def test_a_short_utterance_is_one_line() -> None:
    assert (
        srt([said("The quick brown fox.", at=1.25, each=0.5)])
        == "1\n00:00:01,250 --> 00:00:03,250\nThe quick brown fox.\n"
    )


def test_vtt_has_its_header_and_its_decimal_point() -> None:
    result = said("The quick brown fox.", at=3661.5, each=0.5)
    assert vtt([result]) == "WEBVTT\n\n01:01:01.500 --> 01:01:03.500\nThe quick brown fox.\n"


def test_nothing_said_is_an_empty_file() -> None:
    assert srt([WireResult("", 0.0, [])]) == ""
    assert vtt([]) == "WEBVTT\n"


def test_vtt_escapes_what_would_be_markup_and_srt_leaves_it() -> None:
    result = said("AT&T <b> --> &lt;")
    assert vtt([result]).splitlines()[-1] == "AT&amp;T &lt;b&gt; --&gt; &amp;lt;"
    assert srt([result]).splitlines()[-1] == "AT&T <b> --> &lt;"


def test_two_lines_are_alike_in_length() -> None:
    assert texts([said("The library closes at nine and the garden stays open all night", each=0.2)]) == [
        "The library closes at nine and\nthe garden stays open all night"
    ]


def test_a_line_ends_at_punctuation_rather_than_in_the_very_middle() -> None:
    assert texts([said("The library closes at nine, but the garden stays open all night.", each=0.2)]) == [
        "The library closes at nine,\nbut the garden stays open all night."
    ]


def test_a_caption_ends_with_the_sentence() -> None:
    first = "Fishing boats left the harbour early in the morning."
    second = "Tomorrow will be cloudy and then sunny again in the afternoon."
    shown = texts([said(f"{first} {second}", each=0.25)])
    assert [" ".join(text.split()) for text in shown] == [first, second]


def test_a_caption_ends_at_a_pause_where_there_is_no_punctuation() -> None:
    first, second = "fishing boats left the harbour early in the morning", "tomorrow will be cloudy and then sunny"
    shown = texts([said(f"{first} {second}", each=0.25, pauses={9: 0.8})])
    assert [" ".join(text.split()) for text in shown] == [first, second]


def test_a_long_pause_always_ends_a_caption() -> None:
    assert texts([said("Well then.", pauses={1: 1.5})]) == ["Well", "then."]


def test_two_utterances_never_share_a_caption() -> None:
    assert texts([said("Yes."), said("No.", at=0.3)]) == ["Yes.", "No."]


def test_slow_speech_is_cut_by_its_time() -> None:
    shown = cues([said("one two three four five six", each=3.0)])
    assert [cue.lines for cue in shown] == [("one two",), ("three four",), ("five six",)]


def test_a_caption_too_short_to_read_stays_for_a_second_or_until_the_next() -> None:
    assert cues([said("Yes.", at=1.0), said("No.", at=1.7), said("Maybe.", at=9.0)]) == [
        Cue(start_ms=1000, end_ms=1700, lines=("Yes.",)),
        Cue(start_ms=1700, end_ms=2700, lines=("No.",)),
        Cue(start_ms=9000, end_ms=10000, lines=("Maybe.",)),
    ]


def test_an_utterance_whose_times_go_back_waits_for_the_one_before() -> None:
    assert cues([said("Before.", each=5.0), said("After.", at=0.5, each=5.0)]) == [
        Cue(start_ms=0, end_ms=5000, lines=("Before.",)),
        Cue(start_ms=5000, end_ms=6000, lines=("After.",)),
    ]


def test_a_word_longer_than_a_line_stands_alone() -> None:
    long = "x" * (LINE_CHARACTERS + 1)
    assert texts([said(f"a {long} b", each=1.0)]) == ["a", long, "b"]


def test_words_without_times_are_spread_over_the_gap_they_were_said_in() -> None:
    assert cues([said("Before.", each=2.0), untimed("in between"), said("After.", at=2.6)]) == [
        Cue(start_ms=0, end_ms=2000, lines=("Before.",)),
        Cue(start_ms=2000, end_ms=2600, lines=("in between",)),
        Cue(start_ms=2600, end_ms=3600, lines=("After.",)),
    ]


def test_a_transcript_whose_words_were_left_out_is_shown_at_the_speed_of_speech() -> None:
    assert cues([WireResult("the quick brown fox", 0.9, [])]) == [
        Cue(start_ms=0, end_ms=1600, lines=("the quick brown fox",))
    ]


def test_a_word_with_white_space_inside_is_laid_out_as_words() -> None:
    assert texts([WireResult("I am", 0.0, [WireWord(0.0, 1.0, " I\n\nam ", 0.0)])]) == ["I am"]


def test_persian_is_broken_at_its_own_punctuation() -> None:
    first, second = (
        "قایق‌های ماهیگیری پیش از طلوع آفتاب بندر را ترک کردند؟",
        "فردا هوا صبح ابری و بعد از ظهر آفتابی خواهد بود.",
    )
    shown = texts([said(f"{first} {second}", each=0.25)])
    assert [" ".join(text.split()) for text in shown] == [first, second]


seconds = st.one_of(st.just(0.0), st.floats(0.0, 40.0), st.floats(0.0, 1e5))
words = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=60)
wire_words = st.builds(WireWord, seconds, seconds, words, st.just(0.5))
plausible = st.lists(words, max_size=60).flatmap(
    lambda texts: st.builds(
        lambda at, each, pauses: said(" ".join(texts), at=at, each=each, pauses=pauses),
        st.floats(0.0, 1e5),
        st.floats(0.01, 1.5),
        st.dictionaries(st.integers(0, 60), st.floats(0.0, 3.0)),
    )
)
senseless = st.lists(wire_words, max_size=30).map(lambda ws: WireResult(" ".join(w.word for w in ws), 0.5, ws))
wordless = st.lists(words, max_size=10).map(lambda ws: WireResult(" ".join(ws), 0.5, []))
any_results = st.lists(st.one_of(plausible, senseless, wordless), max_size=5)


def spoken(results: list[WireResult]) -> list[str]:
    return " ".join(result.transcript for result in results).split()


@examples(25)
@given(any_results)
def test_no_word_is_lost_and_their_order_is_kept(results: list[WireResult]) -> None:
    assert " ".join(line for cue in cues(results) for line in cue.lines).split() == spoken(results)


@examples(25)
@given(any_results)
def test_lines_are_short_and_at_most_two(results: list[WireResult]) -> None:
    for cue in cues(results):
        assert 1 <= len(cue.lines) <= 2
        for line in cue.lines:
            assert len(line) <= LINE_CHARACTERS or (cue.lines == (line,) and " " not in line)


@examples(25)
@given(any_results)
def test_captions_last_at_most_seven_seconds_and_never_overlap(results: list[WireResult]) -> None:
    clock = 0
    for cue in cues(results):
        assert clock <= cue.start_ms < cue.end_ms <= cue.start_ms + LONGEST_SECONDS * 1000 + 1
        clock = cue.end_ms


@examples(25)
@given(st.lists(plausible, max_size=1))
def test_a_caption_is_on_screen_while_its_words_are_said(results: list[WireResult]) -> None:
    timed = [word for result in results for word in result.words]
    for cue in cues(results):
        shown, timed = timed[: len(" ".join(cue.lines).split())], timed[len(" ".join(cue.lines).split()) :]
        assert cue.start_ms == round(shown[0].start_time * 1000)
        assert cue.end_ms >= round(shown[-1].end_time * 1000)


CLOCK = r"(\d\d+):([0-5]\d):([0-5]\d)[,.](\d{3})"


def parsed(blocks: list[list[str]]) -> list[Cue]:
    found = []
    for timing, *lines in blocks:
        times = re.fullmatch(f"{CLOCK} --> {CLOCK}", timing)
        assert times
        h1, m1, s1, ms1, h2, m2, s2, ms2 = map(int, times.groups())
        found.append(
            Cue(
                start_ms=((h1 * 60 + m1) * 60 + s1) * 1000 + ms1,
                end_ms=((h2 * 60 + m2) * 60 + s2) * 1000 + ms2,
                lines=tuple(lines),
            )
        )
    return found


@examples(25)
@given(any_results)
def test_srt_parses_back(results: list[WireResult]) -> None:
    blocks = [block.removesuffix("\n").split("\n") for block in srt(results).split("\n\n") if block]
    assert [block[0] for block in blocks] == [str(number) for number in range(1, len(blocks) + 1)]
    assert parsed([block[1:] for block in blocks]) == cues(results)


@examples(25)
@given(any_results)
def test_vtt_parses_back(results: list[WireResult]) -> None:
    header, *rest = vtt(results).split("\n\n")
    assert header.strip() == "WEBVTT"
    blocks = [block.removesuffix("\n").split("\n") for block in rest]
    plain = [
        [line.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") for line in text] for _, *text in blocks
    ]
    assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", "".join(line for _, *text in blocks for line in text))
    assert parsed([[timing, *text] for (timing, *_), text in zip(blocks, plain, strict=True)]) == cues(results)


@pytest.mark.parametrize("hours", [0, 99, 100])
def test_hours_have_at_least_two_digits(hours: int) -> None:
    assert srt([said("Yes.", at=hours * 3600.0)]).splitlines()[1].startswith(f"{hours:02}:00:00,000")


CALL = [
    said("Good morning, this is the harbour office.", at=0.2, each=0.6),
    said("Hello, I am calling about the boat.", at=3.49, each=0.3),
    said("Which boat?", at=9.0, each=0.5),
    said("The red one.", at=9.2, each=0.5),
]
CHANNELS = [0, 1, 0, 1]


def test_speakers_have_captions_at_their_own_times_in_vtt() -> None:
    text = vtt(CALL, CHANNELS)
    assert "00:00:00.200 --> 00:00:04.400\n<v Speaker 1>Good morning, this is the harbour office.\n" in text
    assert "00:00:03.490 --> 00:00:05.590\n<v Speaker 2>Hello, I am calling about the boat.\n" in text
    assert "00:00:09.000 --> 00:00:10.000\n<v Speaker 1>Which boat?" in text
    assert "00:00:09.200 --> 00:00:10.700\n<v Speaker 2>The red one." in text


def test_speakers_follow_each_other_in_srt() -> None:
    assert srt(CALL, CHANNELS) == (
        "1\n00:00:00,200 --> 00:00:03,490\n- Speaker 1: Good morning, this is the harbour office.\n\n"
        "2\n00:00:03,490 --> 00:00:05,590\n- Speaker 2: Hello, I am calling about the boat.\n\n"
        "3\n00:00:09,000 --> 00:00:10,700\n- Speaker 1: Which boat?\n- Speaker 2: The red one.\n"
    )


def test_a_caption_that_is_cut_short_stays_until_it_is_read() -> None:
    talk = [
        said("May justly be considered as the invention.", at=13.0, each=0.5),
        said("What is that?", at=14, each=0.9),
    ]
    assert srt(talk, [0, 1]) == (
        "1\n00:00:13,000 --> 00:00:14,000\n- Speaker 1: May justly be considered as the invention.\n\n"
        "2\n00:00:14,000 --> 00:00:16,700\n- Speaker 1: May justly be considered as the invention.\n"
        "- Speaker 2: What is that?\n"
    )


def test_one_channel_has_no_names() -> None:
    assert srt(CALL[:1], [0]) == srt(CALL[:1])
    assert vtt(CALL[:1], [1]) == vtt(CALL[:1])


def tagged(text: str, *speakers: int, at: float = 0.0) -> WireResult:
    """An utterance with the speaker of each word, 0 for none."""
    result = said(text, at=at)
    words = [
        msgspec.structs.replace(word, speaker=speaker) if speaker else word
        for word, speaker in zip(result.words, speakers, strict=True)
    ]
    return WireResult(text, 0.9, words)


def test_voices_that_the_recognizer_tells_apart_have_captions_of_their_own() -> None:
    talk = [tagged("Is it red? It is.", 1, 1, 1, 2, 2), tagged("Well then.", 1, 0, at=5.0)]
    assert vtt(talk) == (
        "WEBVTT\n"
        "\n00:00:00.000 --> 00:00:01.000\n<v Speaker 1>Is it red?\n"
        "\n00:00:00.900 --> 00:00:01.900\n<v Speaker 2>It is.\n"
        "\n00:00:05.000 --> 00:00:06.000\n<v Speaker 1>Well then.\n"
    )
    assert srt(talk).splitlines()[2:4] == ["- Speaker 1: Is it red?", ""]
    assert "- Speaker 2: It is." in srt(talk)


def test_one_voice_has_no_name() -> None:
    assert vtt([tagged("Is it red?", 1, 1, 1)]) == vtt([said("Is it red?")])


def test_voices_of_two_channels_are_told_apart() -> None:
    talk = [tagged("Yes. No.", 1, 2), tagged("Maybe.", 1, at=3.0)]
    assert [cue.speaker for cue in cues(talk, [0, 1])] == ["1.1", "1.2", "2.1"]


@given(st.lists(st.tuples(st.floats(0, 60), st.integers(1, 9), st.integers(0, 1)), max_size=12))
def test_captions_of_two_speakers_have_every_word_and_in_srt_one_at_a_time(
    talk: list[tuple[float, int, int]],
) -> None:
    talk = sorted(talk)
    results = [said(" ".join(["word"] * count), at=at, each=0.4) for at, count, _ in talk]
    channels = [channel for _, _, channel in talk]
    assert srt(results, channels).count("word") >= vtt(results, channels).count("word") == sum(c for _, c, _ in talk)
    spans = [line.split(" --> ") for line in srt(results, channels).splitlines() if " --> " in line]
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))


def test_lines_that_begin_with_another_script_keep_the_direction_of_their_caption() -> None:
    results = [
        said("Windows را می\u200cخواهیم."),
        said("بیست و پنج نسخه از برنامهٔ جدید را برای ما Microsoft می\u200cفرستد."),
    ]
    for written in (srt(results), vtt(results)):
        lines = [line for line in written.splitlines() if any("\u0600" <= letter <= "\u06ff" for letter in line)]
        assert lines[0] == "\u200fWindows را می\u200cخواهیم."
        assert [line.startswith("\u200f") for line in lines[1:]] == [
            not "\u0600" <= line[0] <= "\u06ff" for line in lines[1:]
        ]
    several = srt(results, [0, 1])
    assert "\u200f- Speaker 1: Windows را" in several
    assert "\u200f- Speaker 2: بیست" in several
    assert "\u200f" not in srt([said("Windows is here.")])
