"""Measure adaptive endpoints against fixed ones: how soon text is settled, and how often a clip is cut in two.

    python -m bench.engine.endpointing [--clips DIRECTORY] [--decode-ms 100] [--show]

Each clip, and silence after it, goes through the core of a session and the utterances and decoder of the engine, all on
the clock of the audio: a decode takes `--decode-ms` of audio, whatever it takes here, so that the figures do not depend
on the machine. A cut is an endpoint before the end of a clip; with `--show` the text before it tells whether it is
inside a sentence.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean, median

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.common.clips import Clip, load_clips
from bench.common.figures import error_rate, percentile
from stream.configuration.config import ADAPTIVE, FIXED, SessionConfig
from stream.engine.decoder import Decoder
from stream.engine.model.hypotheses import Decoding
from stream.engine.model.whisper import Whisper
from stream.engine.options import read_config
from stream.engine.recognition import Final
from stream.engine.scheduling.load_control import LoadControl
from stream.engine.scheduling.work import DecodeRequest, Work
from stream.engine.server.responses import ResponseBuilder
from stream.engine.server.text_style import TextStyle
from stream.engine.utterance import Partial, Utterance
from stream.riva.requests import RequestOptions, opening_request
from stream.riva.responses.reader import ResponseReader
from stream.session.events import (
    AudioEnded,
    AudioReceived,
    Configured,
    EndCause,
    FinishStream,
    HypothesisReceived,
    OpenStream,
    RecognitionOptions,
    SendAudio,
    Settled,
    TurnEnded,
    TurnResumed,
)
from stream.session.session import Session
from stream.session.turns import first_pass_ms
from vad import FRAME_BYTES, SAMPLE_BYTES, SAMPLE_RATE, STRICTEST, WebRtcClassifier, split_frames

_CHUNK_BYTES = 2 * FRAME_BYTES
_TAIL_SECONDS = 3.0
LEAD_SECONDS = 0.5
_LOUDEST_NOISE = 30.0  # RMS of the noise around a clip, in steps of PCM16
_SAMPLES_PER_MS = SAMPLE_RATE // 1000
_BESIDE_SPEECH_MS = 150  # an endpoint so long before the end of the speech is behind it for the detector


class Stream:
    """One stream of the engine: its utterance, and the decode in progress with the sample at which it is done."""

    def __init__(self, whisper: Whisper, options: RecognitionOptions) -> None:
        request = opening_request(options, RequestOptions(), promises_stable_words=True)
        self.options = read_config(request.streaming_config.config)
        self.decoder = Decoder(whisper, self.options, "")
        self.classifier = WebRtcClassifier(STRICTEST)
        self.utterance = Utterance(0, self.options.first_pass_samples)
        style = TextStyle(punctuation=self.options.punctuation)
        self.builder = ResponseBuilder(word_times=True, style=style, separates_stable_words=True)
        self.reader = ResponseReader(options, promises_stable_words=True)
        self.decoding: tuple[DecodeRequest, Decoding, int] | None = None
        self.early: Decoding | None = None
        self.in_pause: Partial | None = None


@dataclass(slots=True)
class Run:
    """What became of one clip; `ends` are the endpoints and `settled` the time of each final, in samples."""

    reference: str
    speech_end_samples: int
    ends: list[int] = field(default_factory=list)
    settled_samples: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    turns: list[TurnEnded | TurnResumed] = field(default_factory=list)
    decodes: dict[Work, int] = field(default_factory=lambda: dict.fromkeys(Work, 0))

    @property
    def wait_ms(self) -> float:
        """From the end of the speech to the last final."""
        return (self.settled_samples[-1] - self.speech_end_samples) / _SAMPLES_PER_MS

    @property
    def cuts(self) -> list[str]:
        """The texts before endpoints at which the clip was not over."""
        last = self.speech_end_samples - _BESIDE_SPEECH_MS * _SAMPLES_PER_MS
        return [text for end, text in zip(self.ends, self.texts, strict=True) if end < last]


class Simulation:
    """A session and an engine for one clip; one decode at a time, each as long as the others."""

    def __init__(self, whisper: Whisper, config: SessionConfig, decode_ms: int) -> None:
        self._whisper = whisper
        self._decode_samples = decode_ms * _SAMPLES_PER_MS
        early_ms = first_pass_ms(config.hangover_ms) if config.is_adaptive else None
        self._options = RecognitionOptions("en-US", first_pass_ms=early_ms)
        self._session = Session(Configured(config, self._options))
        self._intervals = LoadControl(workers=1).intervals(1)
        self._streams: dict[int, Stream] = {}
        self._position = 0

    def run(self, clip: Clip) -> Run:
        """Send a clip with quiet noise around it, 20 ms at a time."""
        sound = surrounded(clip)
        run = Run(clip.reference, round((LEAD_SECONDS + clip.speech_span()[1]) * SAMPLE_RATE))
        for start in range(0, len(sound), _CHUNK_BYTES):
            chunk = sound[start : start + _CHUNK_BYTES]
            self._position += len(chunk) // SAMPLE_BYTES
            self._receive(AudioReceived((chunk,)), run)
            for stream_id in list(self._streams):
                self._follow(stream_id, run)
        self._receive(AudioEnded(EndCause.CLOSE), run)
        return run

    def _receive(self, event: AudioReceived | AudioEnded | HypothesisReceived, run: Run) -> None:
        self._session.receive(event)
        for order in self._session.take_orders():
            match order:
                case OpenStream(stream_id):
                    self._streams[stream_id] = Stream(self._whisper, self._options)
                case SendAudio(stream_id, pcm):
                    stream = self._streams[stream_id]
                    speech = stream.classifier.classify(pcm)
                    for frame, is_speech in zip(split_frames(pcm), speech, strict=True):
                        stream.utterance.append(frame, bytes([is_speech]))
                case FinishStream(stream_id):
                    self._finish(stream_id, run)
        for emitted in self._session.take_events():
            match emitted:
                case Settled() if emitted.hypothesis.best.words:
                    run.ends.append(emitted.processed)
                    run.texts.append(emitted.hypothesis.best.transcript)
                case TurnEnded() | TurnResumed():
                    run.turns.append(emitted)

    def _follow(self, stream_id: int, run: Run) -> None:
        """Do for an open utterance what the engine does as it grows."""
        stream = self._streams[stream_id]
        if stream.decoding is not None and self._position >= stream.decoding[2]:
            request, decoding, _ = stream.decoding
            stream.decoding = None
            partial = stream.utterance.update(request, decoding)
            if request.work is Work.EARLY_FINAL:
                stream.early, stream.in_pause = decoding, partial
            stream.utterance.note_sent()
            self._send(stream_id, partial, run)
        is_first_pass_due = stream.decoding is None and stream.utterance.wants_first_pass
        if stream_id in self._streams and stream.in_pause is not None and is_first_pass_due:
            stream.utterance.note_first_pass()
            self._send(stream_id, replace(stream.in_pause, is_first_pass=True), run)
        if stream_id in self._streams and stream.decoding is None:
            work = stream.utterance.wants(self._intervals)
            if work is not None:
                request = stream.utterance.begin(work, stream.options.decoded_alternatives)
                stream.decoding = request, self._decode(stream, request, run), self._position + self._decode_samples

    def _decode(self, stream: Stream, request: DecodeRequest, run: Run) -> Decoding:
        run.decodes[request.work] += 1
        return stream.decoder.decode(request)

    def _send(self, stream_id: int, partial: Partial, run: Run) -> None:
        stream = self._streams[stream_id]
        for hypothesis in stream.reader.read(stream.builder.partial(partial, 0, None)):
            self._receive(HypothesisReceived(stream_id, hypothesis), run)

    def _finish(self, stream_id: int, run: Run) -> None:
        """Settle an utterance: with its early final if that holds, or after another decode."""
        stream = self._streams.pop(stream_id)
        utterance, settled_at = stream.utterance, self._position
        utterance.complete()
        early = stream.early
        if stream.decoding is not None and stream.decoding[0].work is Work.EARLY_FINAL:
            early, settled_at = stream.decoding[1], stream.decoding[2]
        if early is None or not utterance.early_final_holds or not utterance.keeps_settled_words(early):
            request = utterance.begin(Work.FINAL, stream.options.decoded_alternatives)
            early, settled_at = self._decode(stream, request, run), self._position + self._decode_samples
        final = Final(utterance.settle(early), 0, utterance.n_samples)
        (hypothesis,) = stream.reader.read(stream.builder.final(final, None))
        if hypothesis.best.words:
            run.settled_samples.append(settled_at)
        self._receive(HypothesisReceived(stream_id, hypothesis), run)


def surrounded(clip: Clip) -> bytes:
    """Return a clip with silence around it, as loud as the quietest of its own."""
    samples = np.frombuffer(clip.pcm, dtype="<i2")
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160).astype(np.float64)
    level = min(_LOUDEST_NOISE, max(1.0, float(np.percentile(np.sqrt(np.mean(frames**2, axis=1)), 3))))
    noise = np.random.default_rng(1).standard_normal(round((LEAD_SECONDS + _TAIL_SECONDS) * SAMPLE_RATE)) * level
    lead, tail = np.split(np.rint(noise).astype("<i2"), [round(LEAD_SECONDS * SAMPLE_RATE)])
    sound = lead.tobytes() + clip.pcm + tail.tobytes()
    return sound[: len(sound) // _CHUNK_BYTES * _CHUNK_BYTES]


def row(name: str, runs: Sequence[Run]) -> Iterator[str]:
    """Yield the figures of one way to endpoint."""
    heard = [run for run in runs if run.settled_samples]
    waits = [run.wait_ms for run in heard]
    eager = [turn for run in runs for turn in run.turns if isinstance(turn, TurnEnded) and turn.is_eager]
    resumed = sum(isinstance(turn, TurnResumed) for run in runs for turn in run.turns)
    yield name
    yield f"{median(waits):.0f} / {fmean(waits):.0f} / {percentile(waits, 90):.0f}"
    yield str(sum(len(run.cuts) for run in heard))
    yield f"{error_rate([(run.reference, ' '.join(run.texts)) for run in runs]):.2f}"
    yield " / ".join(
        str(sum(run.decodes[work] for run in runs)) for work in (Work.FINAL, Work.EARLY_FINAL, Work.PARTIAL)
    )
    yield f"{len(eager)} / {resumed}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine.endpointing", description=__doc__)
    parser.add_argument("--clips", type=Path, default=Path("tests/clips"), help="a directory with a manifest.tsv")
    parser.add_argument("--decode-ms", type=int, default=100, help="how long a decode takes, on the audio's clock")
    parser.add_argument("--show", action="store_true", help="print each clip: its wait, and the texts before its cuts")
    options = parser.parse_args()
    clips, whisper = load_clips(options.clips), Whisper(None, workers=1)
    table = Table(
        title=f"{len(clips)} clips, {sum(clip.seconds for clip in clips):.0f} s; {options.decode_ms} ms a decode"
    )
    columns = ("endpoints", "settled ms, p50 / mean / p90", "cuts", "WER %", "decodes: final / early / partial")
    for column in (*columns, "eager / taken back"):
        table.add_column(column)
    console = Console(width=130)
    for endpointing in (FIXED, ADAPTIVE):
        config = SessionConfig(endpointing=endpointing)
        runs = [Simulation(whisper, config, options.decode_ms).run(clip) for clip in clips]
        table.add_row(*row(f"{endpointing}, hangoverMs {config.hangover_ms}", runs))
        for clip, run in zip(clips, runs, strict=True):
            if options.show:
                wait = f"{run.wait_ms:.0f} ms" if run.settled_samples else "no text"
                console.print(f"{endpointing} {clip.name}: {wait}; cut after {run.cuts}", highlight=False)
    console.print(table)


if __name__ == "__main__":
    main()
