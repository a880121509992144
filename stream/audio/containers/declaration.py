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


class MismatchError(ClientError):
    """The audio is not what was declared: the value of `key` is `declared`, but a file of kind or header `found` came.

    `from_header` if the kind of file is right, and its header contradicts.
    """

    def __init__(self, detail: str, *, key: str, declared: str, found: str, from_header: bool) -> None:
        super().__init__(Problem.INVALID_AUDIO, detail)
        self.key = key
        self.declared = declared
        self.found = found
        self.from_header = from_header


def check_kind(kind: FileKind, head: bytes, declared: AudioFormat) -> None:
    """Raise ClientError unless the declaration allows a file of this kind, which begins with `head`."""
    if kind is (streamed_kind(declared.encoding) or WAV):
        return
    if kind.handling is Handling.NONE:
        raise _without_sound(kind, head, is_recording=declared.is_recording)
    if declared.is_recording and not declared.encoding_is_explicit:
        return
    if declared.needs_header and kind.encoding is not None:
        return
    encoding = declared.encoding.value
    if kind.encoding is None and not declared.is_recording:
        detail = f"the audio is {kind.name}, which is not streamed; send {streamed_formats()}, or upload the file"
    else:
        detail = f"the audio is {kind.name}, but audioEncoding is {encoding}; declare what is sent"
    raise MismatchError(detail, key="audioEncoding", declared=encoding, found=kind.name, from_header=False)


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


def contradiction(key: str, declared: str, found: str) -> MismatchError:
    """Make the error for a header that contradicts the declaration."""
    return MismatchError(
        f"the header of the audio says {found}, but {key} is {declared}; leave {key} out or make them agree",
        key=key,
        declared=declared,
        found=found,
        from_header=True,
    )


def no_header(declared: AudioFormat) -> ClientError:
    """Make the error for audio that has to be a file and does not begin like one."""
    known = "a recording" if declared.is_recording else streamed_formats()
    return ClientError(
        Problem.INVALID_AUDIO,
        "the audio does not begin like a file that is known, and its encoding was not declared; "
        f"send {known}, and declare the encoding of what has no header",
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
