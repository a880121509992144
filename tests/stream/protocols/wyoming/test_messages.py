import pytest
from wyoming.asr import Transcribe
from wyoming.audio import AudioStart
from wyoming.info import Info

from stream.audio.decoder import AudioDecoder
from stream.audio.format import AudioFormat
from stream.errors import ClientError
from stream.protocols.wyoming.framing import Event
from stream.protocols.wyoming.messages import PcmFormat, info, pcm_format, transcription
from tests.support.sounds import clip_pcm


def event_of(sent: Transcribe | AudioStart) -> Event:
    """Return an event of Wyoming's reference as one of ours."""
    return Event(sent.event().type, sent.event().data)


def test_the_description_is_read_by_the_reference() -> None:
    described = info(["en-US", "de"], "1.2")
    (program,) = Info.from_event(described).asr  # type: ignore[arg-type]
    (model,) = program.models
    assert (model.languages, model.installed, model.version) == (["en-US", "de"], True, "1.2")
    assert (program.supports_transcript_streaming, program.requires_external_vad) == (True, True)


def test_without_languages_no_model_is_installed() -> None:
    (program,) = Info.from_event(info([], "1.2")).asr  # type: ignore[arg-type]
    assert [model.installed for model in program.models] == [False]


def test_a_transcription_has_language_and_names_before_terms() -> None:
    asked = Transcribe(
        name="large",
        language="de",
        transcript_names=["Küchen  Licht", "x" * 101, ""],
        transcript_terms=["Küchen Licht", "Grad", "Prozent"],
    )
    assert transcription(event_of(asked), 2).values == {"languageCode": "de", "phrases": ["Küchen Licht", "Grad"]}
    assert transcription(event_of(Transcribe()), 2).values == {}


def test_names_that_are_no_texts_are_refused() -> None:
    with pytest.raises(ClientError, match=r'transcript_names is "a"; it must be a list of texts'):
        transcription(Event("transcribe", {"transcript_names": "a"}), 500)


def test_the_format_of_audio_is_read() -> None:
    audio = pcm_format(event_of(AudioStart(rate=44_100, width=3, channels=2)))
    assert audio == PcmFormat(rate=44_100, width=3, channels=2)


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        ({"rate": 16_000, "width": 1, "channels": 1}, "width is 1; it must be one of 2, 3, 4 bytes of signed samples"),
        ({"rate": 16_000, "width": 2, "channels": 3}, "channels is 3; it must be between 1 and 2"),
        ({"rate": "16000", "width": 2, "channels": 1}, 'rate is "16000"; it must be an integer'),
        ({"rate": True, "width": 2, "channels": 1}, "rate is True; it must be an integer"),
        ({}, "rate is None; it must be an integer"),
    ],
)
def test_formats_that_are_not_taken_are_refused(data: dict[str, object], detail: str) -> None:
    with pytest.raises(ClientError) as refused:
        pcm_format(Event("audio-start", data))
    assert refused.value.detail == detail


@pytest.mark.parametrize(("width", "channels"), [(2, 2), (3, 1), (4, 2)])
def test_samples_of_other_formats_are_decoded_behind_a_header(width: int, channels: int) -> None:
    plain = clip_pcm("yes.wav")
    samples = (plain[n : n + 2] for n in range(0, len(plain), 2))
    pcm = b"".join((bytes(width - 2) + sample) * channels for sample in samples)
    decoder = AudioDecoder(AudioFormat())
    header = PcmFormat(width=width, channels=channels).wav_header
    pieces = [*decoder.push(header + pcm[:1001]), *decoder.push(pcm[1001:]), *decoder.flush()]
    decoded = b"".join(piece for (piece,) in pieces)
    assert len(decoded) == len(plain)
    if channels == 1:
        assert decoded == plain
