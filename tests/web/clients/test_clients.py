"""Every kind of published client, against the real server with the embedded engine on real speech."""

import json
from itertools import cycle
from typing import Any

import pytest

from tests.support.places import CLIPS
from tests.support.sounds import clip_texts, words_of
from tests.web.support.clients import (
    CLIENTS,
    Client,
    ParseError,
    parse_strictly,
    parse_whole_seconds,
    read_strictly,
    read_whole_seconds,
    send_single_bytes,
)
from tests.web.support.sockets import Conversation
from web.process.serve import running
from web.settings.settings import Settings

LONG_CLIPS = [name for name in sorted(clip_texts()) if name != "yes.wav"]
PROMPT = [client for client in CLIENTS if not client.pause_seconds]
PAUSING = [client for client in CLIENTS if client.pause_seconds]


def spoken(clients: list[Client]) -> list[Any]:
    """Each client with a clip; one that sends single bytes gets the short one."""
    return [
        pytest.param(client, "yes.wav" if client.talk is send_single_bytes else name, id=client.kind)
        for client, name in zip(clients, cycle(LONG_CLIPS), strict=False)
    ]


def check(conversation: Conversation, name: str) -> None:
    """Everything that a client of the reference relies on."""
    assert words_of(conversation.transcript) == words_of(clip_texts()[name])
    *partials, done = conversation.messages
    assert [message["status"] for message in partials] == ["partial"] * len(partials)
    assert done["status"] == "done"
    assert [message["partial"] for message in partials] == list(range(1, len(partials) + 1))
    assert conversation.settled == [result["transcript"] for result in done["results"]]
    assert conversation.close_code == 1000


@pytest.mark.parametrize(("client", "name"), spoken(PROMPT))
async def test_a_client_gets_every_word(server: str, client: Client, name: str) -> None:
    check(await client.talk(server, CLIPS / name), name)


@pytest.mark.parametrize(("client", "name"), spoken(PAUSING))
async def test_a_client_that_pauses_between_messages_is_not_cut_off(client: Client, name: str) -> None:
    async with running(Settings(port=0)) as server:
        check(await client.talk(server.url, CLIPS / name), name)


# --- the parsers notice what the clients would stumble over ---


async def test_a_strict_parser_stumbles_over_extended_mode(server: str) -> None:
    with pytest.raises(ParseError):
        await read_strictly(server, CLIPS / "yes.wav", query="extended=true")


async def test_an_integer_parser_stumbles_over_fractions_of_seconds(server: str) -> None:
    with pytest.raises(ParseError, match=r"^message\.(duration|inferenceTime) is .+; an integer is due$"):
        await read_whole_seconds(server, CLIPS / "quick.wav", query="")


def message(**changes: object) -> str:
    word = {"startTime": 0.0, "endTime": 1.27, "word": "hello", "confidence": 0.49}
    fields: dict[str, object] = {
        "transcriptionId": "0c0e",
        "duration": 6,
        "inferenceTime": 0,
        "status": "partial",
        "partial": 9,
        "results": [{"transcript": "hello", "confidence": 0.74, "words": [word]}],
    }
    return json.dumps({name: value for name, value in (fields | changes).items() if value is not None})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"partial": 9.0}, "message.partial is 9.0; an integer is due"),
        ({"partial": True}, "message.partial is True; an integer is due"),
        ({"partial": None}, "message lacks field partial"),
        ({"status": "done"}, "message has an unknown field partial"),
        ({"status": "final"}, "the message has status 'final'; partial or done is due"),
        ({"duration": "6.02"}, "message.duration is '6.02'; a number is due"),
        ({"transcriptionId": 7}, "message.transcriptionId is 7; a string is due"),
        ({"type": "partial"}, "message has an unknown field type"),
        ({"results": {}}, "message.results is {}; an array is due"),
        ({"results": ["hello"]}, "message.results[0] is 'hello'; an object is due"),
        ({"results": [{"transcript": "", "words": []}]}, "message.results[0] lacks field confidence"),
    ],
)
def test_a_strict_parser_refuses_what_is_not_in_the_reference(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_strictly(message(**changes))
    assert str(caught.value) == sentence


def test_a_strict_parser_refuses_a_field_that_comes_twice() -> None:
    with pytest.raises(ParseError, match=r"^a field comes twice among status, status$"):
        parse_strictly('{"status":"done","status":"done"}')


def test_an_integer_parser_passes_over_what_it_does_not_know_but_takes_no_float() -> None:
    assert "type" not in parse_whole_seconds(message(type="partial"))
    with pytest.raises(ParseError, match=r"^message\.duration is 6\.0; an integer is due$"):
        parse_whole_seconds(message(duration=6.0))
