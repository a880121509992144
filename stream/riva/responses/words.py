"""Read the words of a transcript, and match them to the times that Riva gives for words; pure."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from riva.client.proto import riva_asr_pb2 as pb

from stream.riva.responses.confidence import Scale
from stream.session.events import Word
from stream.session.utterance import spread
from vad import SAMPLE_RATE

_SAMPLES_PER_MS = SAMPLE_RATE // 1000
# Marks that end a word or a sentence: Latin, Persian and Arabic, Indic, Chinese and Japanese.
_CLOSING = ".,?!;:…،؛؟۔।॥。，、？！；：．"
# The same where they stand in front of a word without a space; ".NET" and ".5" are words.
_NEVER_FIRST = _CLOSING.translate({ord(mark): None for mark in ".…．"})
# Punctuation that is said aloud: "rock & roll", "5 %".
_SPOKEN_MARKS = "&%@#*§°"
_SPOKEN_CATEGORIES = ("Sm", "Sc")
# Comparing more pairs of words than these would hold up everybody: a minute of speech has some 200 words.
_MOST_PAIRS = 1_000_000


@dataclass(slots=True)
class _Group:
    """Tokens of the transcript and the words that they share their time with."""

    tokens: list[str]
    infos: list[pb.WordInfo]


def words_in(transcript: str) -> list[str]:
    """Split a transcript at white space; each word has a letter, a digit or a symbol that is said aloud.

    Marks at the beginning belong to an utterance before and are dropped. A mark that stands alone behind a word ends
    that word, other marks that stand alone are dropped.
    """
    words: list[str] = []
    for token in transcript.split():
        if _is_spoken(token):
            words.append(token if words else token.lstrip(_NEVER_FIRST))
        elif words and not token.strip(_CLOSING) and words[-1][-1] not in _CLOSING:
            words[-1] += token
    return words


def timed_words(alternative: pb.SpeechRecognitionAlternative, confidence: Scale) -> tuple[Word, ...]:
    """Return the words of the transcript, in its spelling, with times, confidences and speakers of Riva's words.

    Where both do not have the same number of words, equal ones are matched; those between them share the time that is
    between them. Without any time the words have none.
    """
    tokens = words_in(alternative.transcript)
    spoken = [info for info in alternative.words if _is_spoken(info.word)]
    infos = [info for info in spoken if info.end_time > 0] or spoken
    if not infos:
        return tuple(Word(token) for token in tokens)
    return tuple(word for group in _groups(tokens, infos) for word in _placed(group, confidence))


def _is_spoken(token: str) -> bool:
    return any(
        letter.isalnum() or letter in _SPOKEN_MARKS or unicodedata.category(letter) in _SPOKEN_CATEGORIES
        for letter in token
    )


def _groups(tokens: list[str], infos: list[pb.WordInfo]) -> list[_Group]:
    if len(tokens) == len(infos):
        return [_Group([token], [info]) for token, info in zip(tokens, infos, strict=True)]
    if len(tokens) * len(infos) > _MOST_PAIRS:
        return [_Group(tokens, infos)]
    groups: list[_Group] = []
    early: list[str] = []
    for one in _matched(tokens, infos):
        if one.infos and one.tokens:
            groups.append(_Group(early + one.tokens, one.infos))
            early = []
        elif groups:  # no time of their own: they share that of the words before, or behind where there are none
            groups[-1].tokens += one.tokens
        else:
            early += one.tokens
    return groups or [_Group(tokens, infos)]


def _matched(tokens: list[str], infos: list[pb.WordInfo]) -> list[_Group]:
    """Pair what is equal but for case and punctuation; what differs in between is a group of several."""
    matcher = SequenceMatcher(
        None, [Word(token).key for token in tokens], [Word(info.word).key for info in infos], False
    )
    groups: list[_Group] = []
    for tag, first, last, first_info, last_info in matcher.get_opcodes():
        if tag == "equal":
            pairs = zip(tokens[first:last], infos[first_info:last_info], strict=True)
            groups += [_Group([token], [info]) for token, info in pairs]
        else:
            groups.append(_Group(tokens[first:last], infos[first_info:last_info]))
    return groups


def _placed(group: _Group, confidence: Scale) -> tuple[Word, ...]:
    start, end = (max(0, ms) * _SAMPLES_PER_MS for ms in (group.infos[0].start_time, group.infos[-1].end_time))
    mean = _mean([confidence(info.confidence) for info in group.infos])
    speaker = next((info.speaker_tag for info in group.infos if info.speaker_tag > 0), 0)
    words = tuple(Word(token, confidence=mean, speaker=speaker) for token in group.tokens)
    return spread(words, start, max(0, end - start)) if end else words


def _mean(confidences: Sequence[float]) -> float:
    """The mean of those that are set."""
    known = [confidence for confidence in confidences if confidence]
    return sum(known) / len(known) if known else 0.0
