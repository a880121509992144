"""The subtitles of the page are those of the server, to the last character."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stream.protocols.farsava.messages import WireResult, WireWord
from stream.recordings.subtitles import srt, vtt
from tests.support.tiers import examples

RUNNER = Path(__file__).with_name("subtitles.js")
WAIT_SECONDS = 30.0


class Page:
    """The page's code in one Node process: a line of utterances in, a line with their subtitles out."""

    def __init__(self, process: "subprocess.Popen[bytes]", reader: ThreadPoolExecutor) -> None:
        self._process = process
        self._reader = reader

    def subtitles(self, results: list[WireResult]) -> dict[str, str]:
        assert self._process.stdin
        assert self._process.stdout
        # Escaped, because Node takes the separators of Unicode for ends of a line.
        line = json.dumps(msgspec.to_builtins(results), ensure_ascii=True)
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()
        answer = self._reader.submit(self._process.stdout.readline).result(timeout=WAIT_SECONDS)
        return msgspec.json.decode(answer, type=dict[str, str])


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    node = shutil.which("node", path=str(Path(sys.executable).parent)) or shutil.which("node")
    assert node, "there is no Node; `make test` installs it"
    with (
        subprocess.Popen([node, str(RUNNER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process,
        ThreadPoolExecutor(max_workers=1) as reader,
    ):
        try:
            yield Page(process, reader)
        finally:
            # It has nothing to finish, and whatever state it is in, the reader gets the end of its output.
            process.kill()
            process.wait(WAIT_SECONDS)


def timed(texts: list[str], at: float, each: float, pause: float = 0.0) -> WireResult:
    """An utterance whose words take `each` seconds; the pause comes before every seventh of them."""
    starts = [at + i * each + i // 7 * pause for i in range(len(texts))]
    words = [WireWord(start, start + each, text, 0.9) for start, text in zip(starts, texts, strict=True)]
    return WireResult(" ".join(texts), 0.9, words)


def wordless(texts: list[str]) -> WireResult:
    return WireResult(" ".join(texts), 0.0, [])


# Halves of a millisecond, which Python rounds to even; quarters of a second, whose sums meet every limit exactly;
# times nobody could mean; none.
halves = st.integers(0, 120_000).map(lambda n: n / 2000)
quarters = st.integers(0, 6).map(lambda n: n / 4)
seconds = st.one_of(halves, halves, st.floats(0.0, 1e5), st.floats(-1.0, 1e9), st.just(0.0))
characters = st.one_of(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    st.sampled_from(" \t\n\v\f\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u180e\u2003\u2028\u2029\u200b\u202f\u205f\u3000\ufeff"),
    st.sampled_from("𝄞🎙👩\u200d🔬é\u0301پ‌ی&<>.,؟،۔"),
)
spoken = st.sampled_from(
    ["the", "boats", "harbour", "nine,", "night.", "قایق‌های", "ماهیگیری", "کردند؟", "🎙🎙🎙", "so…", "۲۵"]
)
odd = st.text(characters, max_size=12)
long = st.builds(lambda text, n: text * n, st.sampled_from("xپ🎙"), st.integers(15, 100))
texts = st.lists(st.one_of(spoken, spoken, spoken, odd, long), max_size=50)
# Where a caption is best cut is a close question only at ordinary lengths, speeds and marks.
marks = st.sampled_from(["", "", "", "", ",", "،", "."])
prose = st.lists(st.builds(lambda size, mark: "n" * size + mark, st.integers(1, 9), marks), min_size=15, max_size=60)
# Words of the same length and times make captions and lines that are equally good.
alike = st.builds(lambda text, n: [text] * n, spoken, st.one_of(st.integers(1, 16), st.integers(1, 60)))

regular = st.builds(timed, st.one_of(texts, alike), halves, st.one_of(halves, st.floats(0.01, 1.5)), quarters)
ordinary = st.builds(timed, prose, halves, st.floats(0.1, 0.5))
metrical = st.builds(timed, st.one_of(texts, alike), quarters, quarters, quarters)
unruly = st.lists(st.builds(WireWord, seconds, seconds, st.one_of(spoken, odd, long), st.just(0.5)), max_size=30).map(
    lambda words: WireResult(" ".join(word.word for word in words), 0.5, words)
)
any_results = st.lists(st.one_of(regular, metrical, ordinary, ordinary, unruly, st.builds(wordless, texts)), max_size=5)

MIXED = [
    timed(["فردا", "هوا", "ابری", "است،", "اما", "قایق‌های", "ماهیگیری", "باز", "هم", "می‌روند."], 0.0005, 0.5),
    wordless(["in", "between"]),
    timed(["🎙" * 21, "🎧" * 20], 6.0, 1.0),
    timed(["a" * 20, "bbb", "c" * 20], 3661.5, 0.5),
]
MIXED_SRT = """\
1
00:00:00,000 --> 00:00:05,000
فردا هوا ابری است،
اما قایق‌های ماهیگیری باز هم می‌روند.

2
00:00:05,000 --> 00:00:06,000
in between

3
00:00:06,000 --> 00:00:08,000
🎙🎙🎙🎙🎙🎙🎙🎙🎙🎙🎙🎙🎙🎙🎙🎙🎙🎙🎙🎙🎙 🎧🎧🎧🎧🎧🎧🎧🎧🎧🎧🎧🎧🎧🎧🎧🎧🎧🎧🎧🎧

4
01:01:01,500 --> 01:01:03,000
aaaaaaaaaaaaaaaaaaaa
bbb cccccccccccccccccccc
"""


def test_a_file_is_what_it_should_be_on_both_sides(page: Page) -> None:
    assert srt(MIXED) == MIXED_SRT
    assert page.subtitles(MIXED)["srt"] == MIXED_SRT


def test_nothing_said_is_the_same_nothing(page: Page) -> None:
    assert page.subtitles([]) == {"srt": "", "vtt": "WEBVTT\n"}


@given(any_results)
@example([timed(["Yes."], 0.0005, 1.0)])
@example([timed(["harbour"] * 7, 0.0, 0.5)])
@examples(150, 6_000)
def test_the_page_writes_what_the_server_writes(page: Page, results: list[WireResult]) -> None:
    assert page.subtitles(results) == {"srt": srt(results), "vtt": vtt(results)}
