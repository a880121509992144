"""Make lines of a caption channel from the events of one session."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from stream.channels.lines import Line, Lines
from stream.session.events import ClientEvent, Settled, SpeechStarted, Unsettled, Word

SAMPLES_PER_MS = 16
# A session has four open utterances at most; what is older was left behind.
_MOST_OPEN = 64


@dataclass(slots=True, kw_only=True)
class Source:
    """One session that publishes to a channel.

    `transcription_id` names it, `label` its speaker, empty where it has none. Its first sample was received at
    `offset_ms` on the clock of the channel. Speakers are told apart where there are `has_channels`, or where the
    recognizer tags its words.
    """

    lines: Lines
    transcription_id: str
    label: str = ""
    offset_ms: int = 0
    has_channels: bool = False
    is_paused: bool = field(default=False, init=False)
    """While this is set, utterances that are open or begin are left out, each to its end."""
    _open: dict[int, Line] = field(default_factory=dict, init=False)
    _replaced: list[Line] = field(default_factory=list, init=False)
    _onsets: dict[int, int] = field(default_factory=dict, init=False)
    _left_out: set[int] = field(default_factory=set, init=False)

    def go_on(self, from_ms: int) -> None:
        """Take over the lines of the same transcription that end after `from_ms`: that audio is recognized again."""
        mine = self.lines.of(self.transcription_id)
        self._replaced = [line for line in mine if line.end_ms > from_ms and not line.is_hidden]

    def receive(self, event: ClientEvent) -> tuple[Line, ...]:
        """Return the lines that an event changes; those that are settled or hidden change no more by this session."""
        match event:
            case SpeechStarted() | Unsettled() if self._is_left_out(event):
                return ()
            case SpeechStarted(utterance_id, onset):
                self._onsets[utterance_id] = onset
                while len(self._onsets) > _MOST_OPEN:
                    del self._onsets[min(self._onsets)]
                return ()
            case Unsettled():
                return self._unsettled(event)
            case Settled():
                return self.shown(self.settled(event))
            case _:
                return ()

    def settled(self, event: Settled) -> tuple[Line, ...]:
        """Return the lines that a settled utterance changes, to be shown when they are stored."""
        if self._is_left_out(event):
            return ()
        shown = self._taken(event.utterance_id)
        self._onsets.pop(event.utterance_id, None)
        changed = []
        for line in self._lines(event):
            number = shown.pop(0).number if shown else 0
            changed.append(self.lines.prepared(replace(line, number=number)))
        replaced = self._passed(self._ms(event.processed))
        changed += [self.lines.prepared(_hidden(line)) for line in (*shown, *replaced)]
        return tuple(changed)

    def shown(self, prepared: Iterable[Line]) -> tuple[Line, ...]:
        """Show lines that were prepared; return those that no later change has overtaken."""
        shown = (self.lines.merge(line) for line in prepared)
        return tuple(line for line in shown if line is not None)

    def pause(self) -> tuple[Line, ...]:
        """Begin to leave everything out; return the lines that change by that."""
        self.is_paused = True
        self._left_out.update(self._open, self._onsets)
        return self.close()

    def close(self) -> tuple[Line, ...]:
        """Hide text that will never be settled, at the end of the session; return the lines that changed."""
        left = [*self._open.values(), *(line for line in self._replaced if not line.is_settled)]
        self._open, self._replaced = {}, []
        return tuple(self.lines.put(_hidden(line)) for line in left)

    def _taken(self, utterance_id: int) -> list[Line]:
        """Return the lines of an utterance that readers have, which are its own from now on."""
        shown = self._open.pop(utterance_id, None)
        mine = [line for line in self._replaced if line.utterance[1] == utterance_id]
        self._replaced = [line for line in self._replaced if line.utterance[1] != utterance_id]
        return sorted(([] if shown is None else [shown]) + mine, key=lambda line: line.number)

    def _passed(self, end_ms: int) -> list[Line]:
        """Return the lines of a lost connection whose audio is now in another utterance."""
        passed = [line for line in self._replaced if line.start_ms < end_ms]
        self._replaced = [line for line in self._replaced if line.start_ms >= end_ms]
        return passed

    def _is_left_out(self, event: ClientEvent) -> bool:
        """Whether an event is of an utterance of which some was spoken in a pause."""
        match event:
            case SpeechStarted(utterance_id) if self.is_paused:
                self._left_out.add(utterance_id)
            case Unsettled(utterance_id) if self.is_paused:
                self._left_out.add(utterance_id)
            case Settled(utterance_id) if self.is_paused or utterance_id in self._left_out:
                self._left_out.discard(utterance_id)
                self._onsets.pop(utterance_id, None)
                return True
            case SpeechStarted(utterance_id) | Unsettled(utterance_id):
                pass
            case _:
                return False
        return utterance_id in self._left_out

    def _unsettled(self, event: Unsettled) -> tuple[Line, ...]:
        best = event.hypothesis.best
        shown = self._open.get(event.utterance_id)
        text = best.transcript
        if shown is None and (taken := self._taken(event.utterance_id)):
            shown, self._replaced = taken[0], taken[1:] + self._replaced
        if (not text and shown is None) or (shown is not None and shown.text == text):
            return ()
        onset = self._onsets.get(event.utterance_id, event.progress.settled)
        tag = best.words[0].speaker if best.words else 0
        line = Line(
            text=text,
            start_ms=self._ms(onset),
            end_ms=max(self._ms(event.processed), self._ms(onset)),
            speaker=self._speaker(event.channel, tag),
            utterance=(self.transcription_id, event.utterance_id),
            number=0 if shown is None else shown.number,
        )
        self._open[event.utterance_id] = changed = self.lines.put(line)
        return (changed,)

    def _lines(self, event: Settled) -> Iterator[Line]:
        """Yield a line for each turn of a speaker; words without times have those of the utterance."""
        start, end = event.start, max(event.processed - event.endpoint, event.start)
        turns = [list(words) for _, words in groupby(event.hypothesis.best.words, key=lambda word: word.speaker)]
        for turn in turns:
            first, last = _span(turn, start, end)
            yield Line(
                text=" ".join(word.text for word in turn),
                start_ms=self._ms(first),
                end_ms=self._ms(last),
                speaker=self._speaker(event.channel, turn[0].speaker),
                is_settled=True,
                utterance=(self.transcription_id, event.utterance_id),
            )
            start = last

    def _ms(self, samples: int) -> int:
        return self.offset_ms + samples // SAMPLES_PER_MS

    def _speaker(self, channel: int, tag: int) -> str:
        """Name a speaker by the label, and by the channel and the recognizer's tag where there are several."""
        parts = ([str(channel + 1)] if self.has_channels else []) + ([str(tag)] if tag else [])
        if not parts:
            return self.label
        return f"{self.label or 'Speaker'} {'.'.join(parts)}"


def _hidden(line: Line) -> Line:
    """Return a line whose text is taken back; readers that have it drop it."""
    return replace(line, text="", is_hidden=True)


def _span(turn: Sequence[Word], start: int, end: int) -> tuple[int, int]:
    """Return the first and the last sample of words, between those of their utterance where times are unknown."""
    timed = [word for word in turn if word.end > 0]
    if not timed:
        return start, max(end, start)
    return timed[0].start, max(timed[-1].end, timed[0].start)
