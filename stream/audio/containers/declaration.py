"""Check a recording against the declared audio format."""

from stream.audio.containers.signatures import TEXT, WAV, FileKind, Handling, excerpt, streamed_formats, streamed_kind
from stream.audio.format import AudioFormat
from stream.audio.layout import MAXIMUM_HERTZ, MINIMUM_HERTZ, Shape
from stream.errors import ClientError, Problem


class TextError(ClientError):
    """The audio is text; `excerpt` is its beginning."""

    def __init__(self, problem: Problem, detail: str, excerpt: str) -> None:
        super().__init__(problem, detail)
        self.excerpt = excerpt


def check_kind(kind: FileKind, head: bytes, declared: AudioFormat) -> None:
    """Raise ClientError unless the declaration allows a file of this kind, which begins with `head`."""
    if kind is (streamed_kind(declared.encoding) or WAV):
        return
    if kind.handling is Handling.NONE:
        raise _without_sound(kind, head, is_recording=declared.is_recording)
    if declared.is_recording and not declared.encoding_is_explicit:
        return
    if kind.encoding is None and not declared.is_recording:
        raise ClientError(
            Problem.INVALID_AUDIO,
            f"the audio is {kind.name}, which is not streamed; send {streamed_formats()}, or upload the file",
        )
    raise ClientError(
        Problem.INVALID_AUDIO,
        f"the audio is {kind.name}, but audioEncoding is {declared.encoding.value}; declare what is sent",
    )


def check_shape(shape: Shape, kind: FileKind | None, declared: AudioFormat) -> None:
    """Raise ClientError for a rate that is not served, or a header that contradicts the declaration."""
    rate = shape.sample_rate_hertz
    if not MINIMUM_HERTZ <= rate <= MAXIMUM_HERTZ:
        detail = f"the sample rate of the audio is {rate}; it must be between {MINIMUM_HERTZ} and {MAXIMUM_HERTZ}"
        raise ClientError(Problem.INVALID_AUDIO, detail)
    if declared.rate_is_explicit and kind is not None and kind.compares_rate and rate != declared.sample_rate_hertz:
        raise contradiction("sampleRateHertz", str(declared.sample_rate_hertz), f"{rate} Hz")
    if shape.channels < declared.channels:
        raise contradiction("channels", str(declared.channels), f"{shape.channels} channel")


def contradiction(key: str, declared: str, found: str) -> ClientError:
    """Make the error for a header that contradicts the declaration."""
    return ClientError(
        Problem.INVALID_AUDIO,
        f"the header of the audio says {found}, but {key} is {declared}; leave {key} out or make them agree",
    )


def _without_sound(kind: FileKind, head: bytes, *, is_recording: bool) -> ClientError:
    problem = Problem.UNSUPPORTED_MEDIA if is_recording else Problem.INVALID_AUDIO
    if kind is not TEXT:
        return ClientError(problem, f"the audio is {kind.name}; send a recording with sound, or bare samples")
    beginning = excerpt(head)
    return TextError(
        problem,
        f"the audio is a text: {beginning}; if it is bare samples all the same, name their kind in audioEncoding",
        beginning,
    )
