import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.protocols.deepgram.commands import Finalizing, parse_message
from stream.protocols.deepgram.errors import ErrorMessage
from stream.protocols.deepgram.messages import ConfigureFailure, ConfigureSuccess
from stream.session.commands import ClientInput, Close, Configure, Finalize, KeepAlive, Reply
from tests.support.tiers import examples


@pytest.mark.parametrize(
    ("text", "inputs"),
    [
        ('{"type":"KeepAlive"}', (KeepAlive(),)),
        ('{"type": "Finalize"}', (Reply(Finalizing()), Finalize())),
        ('{"type": "Finalize", "channel": null}', (Reply(Finalizing()), Finalize())),
        ('{"type": "Finalize", "channel": 0}', (Reply(Finalizing(0)), Finalize(0))),
        ('{"type":"CloseStream"}\n', (Close(),)),
    ],
)
def test_each_message_is_a_command(text: str, inputs: tuple[ClientInput, ...]) -> None:
    assert parse_message(text, "id") == inputs


@pytest.mark.parametrize(
    "text",
    [
        "",
        "close",
        "{",
        "[]",
        "null",
        '{"type":"keepalive"}',
        '{"type":1}',
        '{"Type":"Finalize"}',
        '{"type":"Finalize","channel":1}',
        '{"type":"Results"}',
    ],
)
def test_any_other_text_is_answered_with_an_error(text: str) -> None:
    (reply,) = parse_message(text, "id")
    assert isinstance(reply, Reply)
    assert isinstance(reply.content, ErrorMessage)
    assert (reply.content.variant, reply.content.message) == ("SchemaError", text)


def test_an_error_repeats_only_the_beginning_of_a_long_text() -> None:
    (reply,) = parse_message("x" * 100_000, "id")
    assert isinstance(reply, Reply)
    assert isinstance(reply.content, ErrorMessage)
    assert reply.content.message == "x" * 200


@pytest.mark.parametrize("keyterms", [[], ["Niyosha", "two words"]])
def test_key_terms_are_replaced(keyterms: list[str]) -> None:
    inputs = parse_message(json.dumps({"type": "Configure", "keyterms": keyterms}), "id")
    assert inputs == (Configure({"phrases": keyterms}, goes_on=True, label=keyterms),)


@pytest.mark.parametrize("fields", [{}, {"keyterms": None}, {"features": {"numerals": True}}, {"features": {}}])
def test_a_configuration_that_changes_nothing_is_accepted(fields: dict[str, object]) -> None:
    inputs = parse_message(json.dumps({"type": "Configure", **fields}), "id")
    assert inputs == (Reply(ConfigureSuccess("id")),)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"keyterms": ["x"] * 501}, "CONFIGURE_KEYTERM_LIMIT_EXCEEDED"),
        ({"keyterms": ["x" * 101]}, "CONFIGURE_KEYTERM_LIMIT_EXCEEDED"),
        ({"keyterms": [" "]}, "CONFIGURE_KEYTERM_LIMIT_EXCEEDED"),
        ({"keyterms": ["a"], "features": {"punctuate": True}}, "CONFIGURE_FEATURE_NOT_SUPPORTED"),
    ],
)
def test_a_configuration_that_cannot_be_applied_changes_nothing(fields: dict[str, object], code: str) -> None:
    (reply,) = parse_message(json.dumps({"type": "Configure", **fields}), "id")
    assert isinstance(reply, Reply)
    assert isinstance(reply.content, ConfigureFailure)
    assert reply.content.code == code


@pytest.mark.parametrize(
    "fields", [{"keyterms": "a"}, {"keyterms": [1]}, {"features": []}, {"features": {"numerals": 1}}]
)
def test_a_configuration_of_a_wrong_shape_is_an_error(fields: dict[str, object]) -> None:
    (reply,) = parse_message(json.dumps({"type": "Configure", **fields}), "id")
    assert isinstance(reply, Reply)
    assert isinstance(reply.content, ErrorMessage)


@pytest.mark.parametrize("text", ['{"type":"Configure","keyterms":["\\ud800"]}', "[" * 90_000, '{"a":1,"a":2}'])
def test_what_cannot_be_written_again_is_an_error(text: str) -> None:
    (reply,) = parse_message(text, "id")
    assert isinstance(reply, Reply)
    assert isinstance(reply.content, ErrorMessage)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KINDS = st.sampled_from(["KeepAlive", "Finalize", "CloseStream", "Configure", "Metadata", ""])
MESSAGES = st.fixed_dictionaries({"type": KINDS}, optional={"keyterms": JSON, "features": JSON, "channel": JSON})


@pytest.mark.fault(18)
@examples(200)
@given(st.text(max_size=40) | MESSAGES.map(json.dumps) | JSON.map(json.dumps))
def test_any_text_brings_a_command_or_an_answer(text: str) -> None:
    assert parse_message(text, "id")
