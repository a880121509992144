"""Write subtitles: break words with times into readable captions, as SRT or WebVTT."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from heapq import merge
from itertools import chain, groupby, pairwise

from stream.direction import direction_of, marked
from stream.protocols.farsava.messages import WireResult
from stream.words import CUE_CHARACTERS, LINE_CHARACTERS

SHORTEST_SECONDS = 1.0
LONGEST_SECONDS = 7.0
PAUSE_SECONDS = 1.0  # no caption spans so long a pause: its end would be shown before it is spoken
UNTIMED_WORD_SECONDS = 0.4  # 150 words a minute, ordinary speech

CHARACTER_MS = 40  # reading time, for which a caption stays beside that of another speaker
TOGETHER_MS = 300  # captions with starts so close to each other start together

SENTENCE_ENDS = (".", "?", "!", "…", "؟", "۔", "。")
CLAUSE_ENDS = (",", ";", ":", "،", "؛", "、")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """One caption of one or two lines, shown from `start_ms` up to `end_ms`.

    `speaker` is the number of one of several, from 1: of a channel, of a voice, or of both as `2.1`.
    """

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    speaker: str | None = None


def srt(results: Iterable[WireResult], channels: Sequence[int] = ()) -> str:
    """Write the utterances as a SubRip file; empty without words.

    `channels` has the channel of each utterance if there are several; speakers are told apart by channel, and where the
    recognizer tags their words. Each begins with a dash and a name. Few players show two captions at once: a caption
    ends where that of another speaker begins, or is repeated in it until there was time to read it.
    """
    return "".join(srt_pieces(results, channels))


def srt_pieces(results: Iterable[WireResult], channels: Sequence[int] = ()) -> Iterator[str]:
    """Yield what `srt` writes, one caption at a time; the work for each is that of its utterance."""
    for number, cue in enumerate(_alone(_cues(results, channels)), start=1):
        gap = "\n" if number > 1 else ""
        yield f"{gap}{number}\n{_span(cue, ',')}\n" + "\n".join(cue.lines) + "\n"


def vtt(results: Iterable[WireResult], channels: Sequence[int] = ()) -> str:
    """Write the utterances as a WebVTT file; only its header without words. Captions of speakers may overlap."""
    return "".join(vtt_pieces(results, channels))


def vtt_pieces(results: Iterable[WireResult], channels: Sequence[int] = ()) -> Iterator[str]:
    """Yield what `vtt` writes, one caption at a time, as `srt_pieces` does."""
    yield "WEBVTT\n"
    for cue in _cues(results, channels):
        text = "\n".join(_marked(cue, *cue.lines)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        voice = "" if cue.speaker is None else f"<v Speaker {cue.speaker}>"
        yield f"\n{_span(cue, '.')}\n{voice}{text}\n"


def cues(results: Iterable[WireResult], channels: Sequence[int] = ()) -> list[Cue]:
    """Break utterances into captions in order, with all words; those of one channel never overlap.

    `results` are consecutive utterances, not alternatives of one. Words without times (0.0, or in the transcript only)
    are spread over the gap between their neighbours.
    """
    return list(_cues(results, channels))


def _cues(results: Iterable[WireResult], channels: Sequence[int]) -> Iterator[Cue]:
    utterances = list(results)
    tags = {word.speaker for one in utterances for word in one.words if isinstance(word.speaker, int)}
    has_channels, has_tags = len(set(channels)) > 1, len(tags) > 1
    if not (has_channels or has_tags):
        return _cues_of_one(utterances)
    turns: dict[str, list[WireResult]] = {}
    for one, channel in zip(utterances, channels or [0] * len(utterances), strict=True):
        for tag, turn in _turns(one) if has_tags else ((0, one),):
            name = ".".join([str(channel + 1)] * has_channels + [str(tag)] * bool(tag))
            turns.setdefault(name, []).append(turn)
    each = (_cues_of_speaker(name, said) for name, said in sorted(turns.items()))
    return merge(*each, key=lambda cue: (cue.start_ms, cue.speaker))


def _turns(utterance: WireResult) -> Iterator[tuple[int, WireResult]]:
    """Split an utterance where another speaker begins; words without a speaker are those of the one before."""
    tags: list[int] = []
    for word in utterance.words:
        tags.append(word.speaker if isinstance(word.speaker, int) else tags[-1] if tags else 0)
    if not tags:
        yield 0, utterance
    for tag, run in groupby(zip(tags, utterance.words, strict=True), key=lambda one: one[0]):
        words = [word for _, word in run]
        yield tag, WireResult(" ".join(word.word for word in words), utterance.confidence, words)


def _cues_of_speaker(name: str, turns: Iterable[WireResult]) -> Iterator[Cue]:
    for cue in _cues_of_one(turns):
        yield replace(cue, speaker=name)


def _cues_of_one(results: Iterable[WireResult]) -> Iterator[Cue]:
    phrases = _phrases(_timed(_spoken(results)))
    return _placed(chain.from_iterable(map(_captions, phrases)))


def _alone(overlapping: Iterable[Cue]) -> Iterator[Cue]:
    """Make captions of several speakers consecutive, each with its speaker's name and shown from its own time on."""
    block: tuple[Cue, ...] = ()
    start_ms = end_ms = 0
    for cue in overlapping:
        if cue.start_ms >= end_ms:
            yield from _together(block, start_ms, end_ms)
            block, start_ms, end_ms = (cue,), cue.start_ms, cue.end_ms
        elif cue.start_ms - start_ms < TOGETHER_MS:
            block, end_ms = (*block, cue), max(end_ms, cue.end_ms)
        else:
            yield from _together(block, start_ms, cue.start_ms)
            before = block[-1]
            reading_ms = CHARACTER_MS * len(" ".join(before.lines))
            read_ms = before.start_ms + min(before.end_ms - before.start_ms, reading_ms)
            block = (before, cue) if cue.start_ms < read_ms else (cue,)
            start_ms, end_ms = cue.start_ms, max(cue.end_ms, read_ms)
    yield from _together(block, start_ms, end_ms)


def _together(block: tuple[Cue, ...], start_ms: int, end_ms: int) -> Iterator[Cue]:
    """Yield the captions of a block as one; nothing for an empty block."""
    if block:
        yield Cue(start_ms=start_ms, end_ms=end_ms, lines=tuple(line for cue in block for line in _named(cue)))


def _named(cue: Cue) -> tuple[str, ...]:
    if cue.speaker is None:
        return _marked(cue, *cue.lines)
    first, *more = cue.lines
    return _marked(cue, f"- Speaker {cue.speaker}: {first}", *more)


def _marked(cue: Cue, *lines: str) -> tuple[str, ...]:
    """Mark the lines that a player would show in another direction than their caption has."""
    direction = direction_of(" ".join(cue.lines))
    return tuple(marked(line, direction) for line in lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Word:
    """A word with times in seconds, `end` 0.0 if they are unknown; `is_last` of its utterance."""

    text: str
    start: float
    end: float
    is_last: bool


def _spoken(results: Iterable[WireResult]) -> Iterator[_Word]:
    for result in results:
        pieces = [(text, word.start_time, word.end_time) for word in result.words for text in word.word.split()]
        if not pieces:
            pieces = [(text, 0.0, 0.0) for text in result.transcript.split()]
        for left, (text, start, end) in enumerate(pieces, start=1 - len(pieces)):
            yield _Word(text=text, start=start, end=end, is_last=left == 0)


def _timed(words: Iterable[_Word]) -> Iterator[_Word]:
    """Give every word times, none before the end of the word before it."""
    clock = 0.0
    untimed: list[_Word] = []
    for word in words:
        if word.end > 0:
            for one in _spread(untimed, clock, max(word.start - clock, 0.0)):
                clock = one.end
                yield one
            untimed = []
            start = max(word.start, clock)
            clock = max(word.end, start)
            yield _Word(text=word.text, start=start, end=clock, is_last=word.is_last)
        else:
            untimed.append(word)
    yield from _spread(untimed, clock, float("inf"))


def _spread(words: Sequence[_Word], clock: float, room: float) -> Iterator[_Word]:
    """Give words without times consecutive ones from `clock` on, within `room` seconds."""
    for word in words:
        end = clock + min(UNTIMED_WORD_SECONDS, room / len(words))
        yield _Word(text=word.text, start=clock, end=end, is_last=word.is_last)
        clock = end


def _phrases(words: Iterable[_Word]) -> Iterator[Sequence[_Word]]:
    """Split where a caption has to end: after an utterance and at a long pause."""
    phrase: list[_Word] = []
    for word in words:
        if phrase and (phrase[-1].is_last or word.start - phrase[-1].end >= PAUSE_SECONDS):
            yield phrase
            phrase = []
        phrase.append(word)
    if phrase:
        yield phrase


def _captions(phrase: Sequence[_Word]) -> list[Sequence[_Word]]:
    """Split a phrase into captions that fit, with the least total cost (see `_cost`)."""
    reach = _reach(phrase)
    cheapest = [0.0] + [float("inf")] * len(phrase)
    cut_before = [0] * (len(phrase) + 1)
    for first in range(len(phrase)):
        for last in range(first, reach[first]):
            if last > first and phrase[last].end - phrase[first].start > LONGEST_SECONDS:
                break
            cost = cheapest[first] + _cost(phrase, first, last)
            if cost < cheapest[last + 1]:
                cheapest[last + 1], cut_before[last + 1] = cost, first
    captions = []
    end = len(phrase)
    while end:
        captions.append(phrase[cut_before[end] : end])
        end = cut_before[end]
    return captions[::-1]


def _reach(phrase: Sequence[_Word]) -> list[int]:
    """Return for each word the latest end of a caption that begins with it and fits two lines."""
    line_ends = []
    end, width = 0, -1
    for first, word in enumerate(phrase):
        while end < len(phrase) and width + 1 + len(phrase[end].text) <= LINE_CHARACTERS:
            width += 1 + len(phrase[end].text)
            end += 1
        line_ends.append(max(end, first + 1))
        if end == first:  # a word longer than a line is a caption of its own
            end = first + 1
        else:
            width -= 1 + len(word.text)
    too_long = [len(word.text) > LINE_CHARACTERS for word in phrase]
    return [
        end if alone or end == len(phrase) or too_long[end] else line_ends[end]
        for end, alone in zip(line_ends, too_long, strict=True)
    ]


def _cost(phrase: Sequence[_Word], first: int, last: int) -> float:
    """Return the cost of the words from `first` to `last` as one caption.

    It is 1 for any caption, up to 1 more for an end without punctuation or pause, up to 1 for a duration too short to
    read, and up to 1/2 for a caption that is far from full, so that captions have similar lengths.
    """
    text = phrase[last].text
    ending = 0.0
    if last + 1 < len(phrase) and not text.endswith(SENTENCE_ENDS):
        pause = phrase[last + 1].start - phrase[last].end
        ending = max((0.4 if text.endswith(CLAUSE_ENDS) else 1.0) - pause, 0.0)
    seconds = phrase[last].end - phrase[first].start
    shortness = max(1.0 - seconds / SHORTEST_SECONDS, 0.0)
    characters = sum(len(word.text) + 1 for word in phrase[first : last + 1]) - 1
    emptiness = max(1.0 - characters / CUE_CHARACTERS, 0.0)
    return 1.0 + ending + shortness + 0.5 * emptiness**2


def _lines(words: Sequence[_Word]) -> tuple[str, ...]:
    """Lay out a caption in one line, or in two of similar length, preferably split at punctuation."""
    texts = [word.text for word in words]
    whole = " ".join(texts)
    if len(texts) == 1 or len(whole) <= LINE_CHARACTERS:
        return (whole,)
    splits = [(" ".join(texts[:cut]), " ".join(texts[cut:])) for cut in range(1, len(texts))]
    fitting = [pair for pair in splits if max(map(len, pair)) <= LINE_CHARACTERS]
    bonus = LINE_CHARACTERS // 3
    return min(
        fitting,
        key=lambda pair: abs(len(pair[0]) - len(pair[1])) - bonus * pair[0].endswith(SENTENCE_ENDS + CLAUSE_ENDS),
    )


def _placed(captions: Iterable[Sequence[_Word]]) -> Iterator[Cue]:
    """Give captions their times: a short one is shown until it can be read, or the next one begins."""
    earliest_ms = 0
    empty: Sequence[_Word] = ()
    for caption, following in pairwise(chain(captions, (empty,))):
        start, next_start = caption[0].start, following[0].start if following else float("inf")
        end = max(caption[-1].end, min(start + SHORTEST_SECONDS, next_start))
        start_ms = max(round(start * 1000), earliest_ms)
        # Wrong times still make a valid file: every cue has a duration, and the next one follows it.
        end_ms = max(round(min(end, start + LONGEST_SECONDS) * 1000), start_ms + 1)
        yield Cue(start_ms=start_ms, end_ms=end_ms, lines=_lines(caption))
        earliest_ms = end_ms


def _span(cue: Cue, mark: str) -> str:
    return f"{_clock(cue.start_ms, mark)} --> {_clock(cue.end_ms, mark)}"


def _clock(ms: int, mark: str) -> str:
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}{mark}{ms % 1000:03}"
