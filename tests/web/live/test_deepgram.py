"""Deepgram's listen API over a socket: results, events and ends as its clients expect them."""

import asyncio
import hashlib
import json
import random
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from tests.stream.audio.encoders import encoded
from tests.stream.session.test_chunk_invariance import speech
from tests.support.recognizers import CountingStream, FailingStream
from tests.support.sounds import clip_pcm, clip_texts, cut, wav, words_of
from tests.support.tiers import tiered
from tests.web.live.test_cuts import random_cuts
from tests.web.support.gateway import Gateway, ScriptBook, running_gateway, shared
from tests.web.support.sockets import converse, http_client, talking
from tests.web.support.tokens import SECRET, token
from web.settings.settings import Settings

LISTEN = "/v1/listen"
LINEAR = "encoding=linear16&sample_rate=16000"
KEEP_ALIVE, FINALIZE, CLOSE = ('{"type":"KeepAlive"}', '{"type":"Finalize"}', '{"type":"CloseStream"}')
SILENCE = bytes(32_000)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(module_database: str) -> AsyncIterator[Gateway]:
    book = ScriptBook()
    settings = Settings(port=0, database_url=module_database, handshakes_per_second=10_000)
    async with running_gateway(book, settings) as base:
        yield Gateway(base, book)


@dataclass
class Call:
    """The messages that a client of Deepgram received, and how the connection ended."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    close_code: int | None = None
    close_reason: str | None = None

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == kind]

    @property
    def finals(self) -> list[dict[str, Any]]:
        return [message for message in self.of("Results") if message["is_final"]]

    @property
    def texts(self) -> list[str]:
        return [text_of(message) for message in self.finals if text_of(message)]

    @property
    def words(self) -> list[dict[str, Any]]:
        return [word for message in self.finals for word in message["channel"]["alternatives"][0]["words"]]


def text_of(message: dict[str, Any]) -> str:
    text: str = message["channel"]["alternatives"][0]["transcript"]
    return text


async def call(base: str, *sent: bytes | str | float, query: str = LINEAR, **options: Any) -> Call:
    """Send messages, with pauses of so many seconds, then listen until the server closes."""
    made = Call()
    async with asyncio.timeout(120), talking(base, query, path=LISTEN, compression=None, **options) as socket:

        async def send() -> None:
            with suppress(ConnectionClosed):
                for message in sent:
                    await (asyncio.sleep(message) if isinstance(message, float) else socket.send(message))

        sending = asyncio.create_task(send())
        with suppress(ConnectionClosed):
            while True:
                made.messages.append(json.loads(await socket.recv()))
        await sending
        made.close_code, made.close_reason = socket.close_code, socket.close_reason
    return made


# --- results ---


@shared
async def test_each_utterance_has_one_final_result_and_the_end_has_metadata(gateway: Gateway) -> None:
    sound = speech(16_000)
    made = await call(gateway.base, *cut(sound, 3200), CLOSE)
    assert [message["type"] for message in made.messages] == ["Results", "Results", "Metadata"]
    assert [message["speech_final"] for message in made.finals] == [True, True]
    assert made.finals[0]["start"] + made.finals[0]["duration"] <= made.finals[1]["start"]
    metadata = made.messages[-1]
    assert metadata["sha256"] == hashlib.sha256(sound).hexdigest()
    assert (metadata["duration"], metadata["channels"]) == (round(len(sound) / 32_000, 3), 1)
    assert (made.close_code, made.close_reason) == (1000, "")


@shared
async def test_every_result_has_what_frameworks_read(gateway: Gateway) -> None:
    query = f"{LINEAR}&interim_results=true&punctuate=true&model=nova-3"
    made = await call(gateway.base, *cut(speech(16_000), 3200), CLOSE, query=query)
    assert len(made.of("Results")) > len(made.finals) == 2
    for message in made.of("Results"):
        assert set(message) == {
            *("type", "channel_index", "duration", "start", "is_final", "speech_final", "from_finalize", "channel"),
            "metadata",
        }
        assert message["channel_index"] == [0, 1]
        assert set(message["metadata"]) == {"request_id", "model_info", "model_uuid"}
        assert message["metadata"]["request_id"] == made.messages[-1]["request_id"]
        assert message["metadata"]["model_info"]["name"] == "nova-3"
        (best,) = message["channel"]["alternatives"]
        assert set(best) == {"transcript", "confidence", "words"}
        assert best["transcript"] == " ".join(word["punctuated_word"] for word in best["words"])
        for word in best["words"]:
            assert set(word) == {"word", "start", "end", "confidence", "punctuated_word"}
            assert message["start"] <= word["start"] <= word["end"] <= message["start"] + message["duration"] + 0.001
    assert not any(message["speech_final"] for message in made.of("Results") if not message["is_final"])


@shared
async def test_without_interim_results_there_are_finals_only(gateway: Gateway) -> None:
    made = await call(gateway.base, *cut(speech(16_000), 3200), CLOSE)
    assert made.of("Results") == made.finals
    assert all("punctuated_word" not in word for word in made.words)


@pytest.mark.fault(9)
@shared
async def test_results_and_events_are_the_same_under_any_cut(gateway: Gateway) -> None:
    query = f"{LINEAR}&vad_events=true&utterance_end_ms=700"
    sound = speech(16_000) + SILENCE
    whole = await call(gateway.base, sound, CLOSE, query=query)
    assert [len(whole.of(kind)) for kind in ("Results", "UtteranceEnd", "SpeechStarted", "Metadata")] == [2, 2, 2, 1]
    for seed in range(tiered(5, 50)):
        made = await call(gateway.base, *random_cuts(sound, seed), CLOSE, query=query)
        for kind in ("Results", "UtteranceEnd", "SpeechStarted"):
            assert [one | {"metadata": None} for one in made.of(kind)] == [
                one | {"metadata": None} for one in whole.of(kind)
            ]
        assert made.messages[-1]["sha256"] == whole.messages[-1]["sha256"]


@shared
async def test_speech_start_and_utterance_end_come_in_their_order(gateway: Gateway) -> None:
    query = f"{LINEAR}&vad_events=true&utterance_end_ms=1000"
    sound = SILENCE + clip_pcm("yes.wav") + SILENCE * 2 + clip_pcm("yes.wav") + SILENCE * 2
    made = await call(gateway.base, *cut(sound, 640), CLOSE, query=query)
    kinds = ["SpeechStarted", "Results", "UtteranceEnd"]
    assert [message["type"] for message in made.messages] == [*kinds, *kinds, "Metadata"]
    assert made.of("SpeechStarted")[0]["channel"] == [0, 1]
    assert made.of("SpeechStarted")[0]["timestamp"] > 0.9
    for end, final in zip(made.of("UtteranceEnd"), made.finals, strict=True):
        last = final["channel"]["alternatives"][0]["words"][-1]
        assert (end["channel"], end["last_word_end"]) == ([0, 1], last["end"])


@shared
async def test_a_pause_shorter_than_the_one_that_was_asked_for_ends_no_utterance(gateway: Gateway) -> None:
    query = f"{LINEAR}&utterance_end_ms=3000"
    made = await call(gateway.base, *cut(speech(16_000), 3200), CLOSE, query=query)
    assert made.of("UtteranceEnd") == []
    assert len(made.finals) == 2


@shared
async def test_without_endpointing_no_result_says_where_speech_ends(gateway: Gateway) -> None:
    query = f"{LINEAR}&endpointing=false"
    made = await call(gateway.base, *cut(speech(16_000), 3200), FINALIZE, CLOSE, query=query)
    assert len(made.texts) == 2
    assert not any(message["speech_final"] for message in made.finals)


@shared
async def test_endpointing_is_the_pause_that_ends_an_utterance(gateway: Gateway) -> None:
    sound = clip_pcm("yes.wav") + SILENCE * 2 + clip_pcm("yes.wav")
    for milliseconds, finals in ((300, 2), (4000, 1)):
        made = await call(gateway.base, *cut(sound, 3200), CLOSE, query=f"{LINEAR}&endpointing={milliseconds}")
        assert len(made.finals) == finals


@shared
async def test_each_channel_has_results_of_its_own(gateway: Gateway) -> None:
    mono, silent = clip_pcm("quick.wav"), bytes(2)
    stereo = b"".join(silent + mono[at : at + 2] for at in range(0, len(mono), 2))
    query = f"{LINEAR}&channels=2&multichannel=true&vad_events=true"
    made = await call(gateway.base, *cut(stereo, 6400), FINALIZE, CLOSE, query=query)
    assert [message["channel_index"] for message in made.finals] == [[1, 2], [0, 2]]
    assert [bool(text_of(message)) for message in made.finals] == [True, False]
    assert all(message["from_finalize"] for message in made.finals)
    assert made.of("SpeechStarted")[0]["channel"] == [1, 2]
    assert made.messages[-1]["channels"] == 2


@shared
async def test_several_channels_are_mixed_to_one_unless_they_are_wanted_each(gateway: Gateway) -> None:
    mono = clip_pcm("quick.wav")
    stereo = b"".join(mono[at : at + 2] * 2 for at in range(0, len(mono), 2))
    made = await call(gateway.base, *cut(stereo, 6400), CLOSE, query=f"{LINEAR}&channels=2")
    plain = await call(gateway.base, *cut(mono, 3200), CLOSE)
    assert made.texts == plain.texts
    assert made.messages[-1]["duration"] == plain.messages[-1]["duration"]


# --- commands ---


@shared
async def test_finalize_is_answered_with_the_text_of_the_open_utterance(gateway: Gateway) -> None:
    made = await call(gateway.base, *cut(clip_pcm("quick.wav")[:48_000], 3200), FINALIZE, 0.5, SILENCE, CLOSE)
    (final,) = made.finals
    assert (final["from_finalize"], final["speech_final"], bool(text_of(final))) == (True, True, True)


@shared
async def test_finalize_is_answered_even_when_nothing_is_open(gateway: Gateway) -> None:
    made = await call(gateway.base, FINALIZE, 0.1, SILENCE, FINALIZE, 0.1, CLOSE)
    assert [(one["is_final"], one["from_finalize"], text_of(one)) for one in made.finals] == [(True, True, "")] * 2
    assert made.finals[0]["metadata"]["request_id"]


@shared
async def test_finalize_right_behind_an_endpoint_is_answered_by_its_result(gateway: Gateway) -> None:
    made = await call(gateway.base, clip_pcm("yes.wav") + SILENCE, FINALIZE, CLOSE)
    assert [(bool(text_of(one)), one["from_finalize"]) for one in made.finals] in (
        [(True, True)],
        # The result was sent before the command came.
        [(True, False), (False, True)],
    )


@shared
async def test_finalize_of_one_channel_leaves_the_other_alone(gateway: Gateway) -> None:
    mono = clip_pcm("quick.wav")[:48_000]
    stereo = b"".join(mono[at : at + 2] * 2 for at in range(0, len(mono), 2))
    query = f"{LINEAR}&channels=2&multichannel=true"
    finalize = '{"type":"Finalize","channel":1}'
    made = await call(gateway.base, *cut(stereo, 6400), finalize, 0.5, stereo, CLOSE, query=query)
    answers = [message["channel_index"] for message in made.finals if message["from_finalize"]]
    assert answers == [[1, 2]]
    assert [message["channel_index"][0] for message in made.finals].count(0) == 1


@shared
async def test_an_empty_binary_message_ends_the_stream_as_well(gateway: Gateway) -> None:
    made = await call(gateway.base, clip_pcm("quick.wav"), b"")
    assert (len(made.texts), made.messages[-1]["type"], made.close_code) == (1, "Metadata", 1000)


@shared
@pytest.mark.parametrize("text", ["hello", "{", '{"type":"Stop"}', '{"type":"Configure","keyterms":7}', "[" * 9000])
async def test_an_unknown_message_is_answered_and_the_stream_goes_on(gateway: Gateway, text: str) -> None:
    made = await call(gateway.base, text, clip_pcm("quick.wav"), CLOSE)
    (error,) = made.of("Error")
    assert (error["variant"], error["message"]) == ("SchemaError", text[:200])
    assert (len(made.texts), made.close_code) == (1, 1000)


@shared
async def test_key_terms_reach_the_recognizer_and_may_be_replaced(gateway: Gateway) -> None:
    script = gateway.book.add()
    configure = json.dumps({"type": "Configure", "keyterms": [script.name, "Niyosha"]})
    query = f"{LINEAR}&keyterm={script.name}&keywords=Pune:2"
    sound = clip_pcm("yes.wav") + SILENCE
    made = await call(gateway.base, sound, FINALIZE, 1.0, configure, 0.1, sound, CLOSE, query=query)
    (success,) = made.of("ConfigureSuccess")
    assert success["keyterms"] == [script.name, "Niyosha"]
    assert [stream.options.phrases for stream in script.streams] == [
        (script.name, "Pune"),
        (script.name, "Niyosha"),
    ]
    assert script.streams[0].options.boost == 40


@shared
async def test_key_terms_that_are_too_many_change_nothing(gateway: Gateway) -> None:
    configure = json.dumps({"type": "Configure", "keyterms": [f"term {n}" for n in range(501)]})
    made = await call(gateway.base, configure, clip_pcm("quick.wav"), CLOSE)
    assert made.of("ConfigureFailure")[0]["code"] == "CONFIGURE_KEYTERM_LIMIT_EXCEEDED"
    assert (len(made.texts), made.close_code) == (1, 1000)


# --- ends ---


@shared
async def test_ten_seconds_of_nothing_end_the_connection(gateway: Gateway) -> None:
    loop = asyncio.get_running_loop()
    for sent in ((), (*cut(clip_pcm("quick.wav"), 3200),)):
        began = loop.time()
        made = await call(gateway.base, *sent)
        assert loop.time() - began == pytest.approx(10, abs=0.5)
        assert made.close_code == 1011
        assert made.close_reason is not None
        assert made.close_reason.startswith("NET-0001: ")
        assert made.messages[-1]["variant"] == "NET-0001"
        assert len(made.texts) == bool(sent)


@shared
async def test_keep_alive_holds_the_connection_and_has_no_reply(gateway: Gateway) -> None:
    pauses: list[str | float] = [KEEP_ALIVE, 6.0] * 4
    made = await call(gateway.base, *pauses, clip_pcm("quick.wav"), CLOSE)
    assert [message["type"] for message in made.messages] == ["Results", "Metadata"]
    assert made.close_code == 1000


@shared
@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ("", speech(16_000)),
        ("", b"<html>not found</html>" * 9),
        ("encoding=flac", speech(16_000)),
        ("encoding=opus", bytes(range(256)) * 40),
        (LINEAR, encoded(speech(16_000), 16_000, "flac")),
        (LINEAR, wav(speech(8000), 8000)),
    ],
    ids=["bare samples", "a page", "no flac", "bare opus packets", "undeclared flac", "another rate"],
)
async def test_audio_that_cannot_be_decoded_has_the_code_of_deepgram(gateway: Gateway, query: str, sent: bytes) -> None:
    made = await call(gateway.base, *cut(sent, 5000), CLOSE, query=query)
    (error,) = made.of("Error")
    assert error["variant"] == "DATA-0000"
    assert "audioEncoding" not in error["description"]
    assert "sampleRateHertz" not in error["description"]
    assert made.close_code == 1008
    assert made.close_reason is not None
    assert made.close_reason.startswith("DATA-0000: ")
    assert made.messages[-1] == error


@shared
@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "webm", "mp3"])
async def test_without_an_encoding_a_file_tells_what_it_is(gateway: Gateway, kind: str) -> None:
    pcm = speech(48_000)
    sent = wav(pcm, 48_000) if kind == "wav" else encoded(pcm, 48_000, kind)
    made = await call(gateway.base, *cut(sent, 4000), CLOSE, query="")
    assert (len(made.texts), made.close_code) == (2, 1000)


@shared
@pytest.mark.parametrize(("encoding", "kind", "rate"), [("flac", "flac", 16_000), ("opus", "ogg", 48_000)])
async def test_a_declared_encoding_is_decoded(gateway: Gateway, encoding: str, kind: str, rate: int) -> None:
    sent = encoded(speech(rate), rate, kind)
    made = await call(gateway.base, *cut(sent, 4000), CLOSE, query=f"encoding={encoding}&sample_rate={rate}")
    assert (len(made.texts), made.close_code) == (2, 1000)


@shared
async def test_a_recognizer_that_keeps_failing_is_an_error_that_may_be_tried_again(gateway: Gateway) -> None:
    script = gateway.book.add(FailingStream)
    made = await call(gateway.base, speech(16_000) * 2, CLOSE, query=f"{LINEAR}&keyterm={script.name}")
    assert made.messages[-1]["variant"] == "NET-0000"
    assert made.close_code == 1011


@shared
async def test_a_failed_utterance_still_has_its_one_final(gateway: Gateway) -> None:
    script = gateway.book.add(FailingStream, CountingStream)
    made = await call(gateway.base, *cut(speech(16_000), 3200), CLOSE, query=f"{LINEAR}&keyterm={script.name}")
    assert made.texts[0] == "w0 w1"
    assert (len(made.finals), made.close_code) == (2, 1000)


# --- handshakes ---


async def refused(base: str, query: str, **options: Any) -> tuple[int, dict[str, Any], str | None]:
    with pytest.raises(InvalidStatus) as caught:
        async with talking(base, query, path=LISTEN, **options):
            raise AssertionError("the handshake was accepted")
    response = caught.value.response
    return response.status_code, json.loads(response.body or b""), response.headers.get("dg-error")


@shared
async def test_a_refused_handshake_has_deepgrams_body_and_header(gateway: Gateway) -> None:
    status, body, header = await refused(gateway.base, f"{LINEAR}&language=tlh")
    assert (status, body["err_code"]) == (400, "INVALID_QUERY_PARAMETER")
    assert body["err_msg"].startswith("language is tlh, which no model of this server recognizes; served: en-US.")
    assert header == body["err_msg"]
    assert body["request_id"]
    status, body, header = await refused(gateway.base, "redact=%D9%81")
    assert header == body["err_msg"].encode("ascii", "backslashreplace").decode()


@shared
async def test_diarization_is_refused_where_the_recognizer_gives_none(gateway: Gateway) -> None:
    status, body, _ = await refused(gateway.base, f"{LINEAR}&diarize=true")
    assert (status, body["err_code"]) == (400, "INVALID_QUERY_PARAMETER")
    assert "leave diarization out" in body["err_msg"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def keyed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    database = f"sqlite:///{tmp_path_factory.mktemp('keyed') / 'keyed.db'}"
    settings = Settings(port=0, database_url=database, token_secret=SecretStr(SECRET), handshakes_per_second=10_000)
    async with running_gateway(settings=settings) as base:
        yield base


def token_ways() -> dict[str, Callable[[str], dict[str, Any]]]:
    """The options of a client for each place in which it may have its token."""
    return {
        "Token": lambda key: {"additional_headers": {"Authorization": f"Token {key}"}},
        "token": lambda key: {"additional_headers": {"Authorization": f"token  {key}"}},
        "Bearer": lambda key: {"additional_headers": {"Authorization": f"Bearer {key}"}},
        "subprotocol token": lambda key: {"subprotocols": protocols("token", key)},
        "subprotocol bearer": lambda key: {"subprotocols": protocols("bearer", key, "x-deepgram-session-id", "1")},
    }


def protocols(*names: str) -> list[Subprotocol]:
    return list(map(Subprotocol, names))


@shared
@pytest.mark.parametrize("way", token_ways())
async def test_a_token_is_read_where_deepgrams_clients_have_their_key(keyed: str, way: str) -> None:
    options = token_ways()[way]
    made = await call(keyed, clip_pcm("quick.wav"), CLOSE, **options(token()))
    assert (len(made.texts), made.close_code) == (1, 1000)
    status, body, _ = await refused(keyed, LINEAR, **options("wrong"))
    assert (status, body["err_code"]) == (401, "INVALID_AUTH")


@shared
async def test_the_accepted_subprotocol_is_the_scheme_and_never_the_key(keyed: str) -> None:
    async with talking(keyed, LINEAR, path=LISTEN, subprotocols=protocols("token", token())) as socket:
        assert socket.subprotocol == "token"
        await socket.send(CLOSE)


@shared
async def test_what_was_said_is_stored_under_the_id_of_the_request(keyed: str) -> None:
    made = await call(keyed, clip_pcm("quick.wav"), CLOSE, **token_ways()["Token"](token()))
    async with http_client(keyed, headers={"Authorization": f"Bearer {token()}"}) as client:
        stored = await client.get(f"/v1/speech/transcriptions/{made.messages[-1]['request_id']}")
    assert [result["transcript"] for result in stored.json()["results"]] == made.texts


# --- hostile clients ---

KINDS = ["noise", "sound", KEEP_ALIVE, FINALIZE, CLOSE, '{"type":"Configure","keyterms":["a"]}', "{", "\0", "", "text"]


@pytest.mark.fault(18)
@shared
@pytest.mark.parametrize("seed", range(tiered(25, 500)))
async def test_hostile_messages_end_the_connection_with_a_code(gateway: Gateway, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311
    chosen = dice.choices(KINDS, [6, 4, 2, 4, 1, 2, 1, 1, 1, 1], k=dice.randint(0, 14))
    sounds = {"noise": lambda: dice.randbytes(dice.choice([1, 999, 4000])), "sound": lambda: clip_pcm("yes.wav")}
    messages = [sounds[one]() if one in sounds else one for one in chosen]
    query = dice.choice([LINEAR, "", "encoding=mulaw", f"{LINEAR}&channels=2&multichannel=true&vad_events=true"])
    made = await call(gateway.base, *messages, CLOSE, query=query)
    assert made.close_code in {1000, 1008}
    assert made.messages[-1]["type"] == ("Metadata" if made.close_code == 1000 else "Error")


# --- with the embedded engine ---


async def test_words_and_times_are_those_of_the_live_protocol(server: str) -> None:
    sentences = SILENCE + clip_pcm("quick.wav") + SILENCE + clip_pcm("harbour.wav") + SILENCE
    made = await call(server, *cut(sentences, 3200), CLOSE, query=f"{LINEAR}&smart_format=true&interim_results=true")
    usual = await converse(server, *cut(sentences, 3200), "close")
    results = usual.messages[-1]["results"]
    assert made.texts == [one["transcript"] for one in results]
    assert [words_of(text) for text in made.texts] == [words_of(clip_texts()[n]) for n in ("quick.wav", "harbour.wav")]
    expected = [(word["startTime"], word["endTime"]) for one in results for word in one["words"]]
    assert times(made.words) == [pytest.approx(pair, abs=0.025) for pair in expected]  # the step of the engine is 20 ms
    assert all(0 < one["channel"]["alternatives"][0]["confidence"] <= 1 for one in made.finals)


def times(words: Iterable[dict[str, Any]]) -> list[tuple[float, float]]:
    return [(word["start"], word["end"]) for word in words]
