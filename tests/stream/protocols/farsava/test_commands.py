import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import ClientError, Problem
from stream.protocols.farsava.commands import parse_command
from stream.session.commands import Close, Configure, Finalize, KeepAlive


@pytest.mark.parametrize(
    "text",
    ["close", " CLOSE \n", "Close", '{"type":"close"}', ' {"type": "close"} ', "close\0\0", '{"type":"close"} \0'],
)
def test_close_is_understood_in_every_spelling(text: str) -> None:
    assert parse_command(text) == Close()


def test_finalize_and_keep_alive_are_understood() -> None:
    assert parse_command('{"type":"finalize"}') == Finalize()
    assert parse_command('{"type":"keepAlive"}') == KeepAlive()


def test_a_config_message_carries_its_values_unchecked() -> None:
    assert parse_command('{"config": {"hangoverMs": 300, "x": [1]}}') == Configure({"hangoverMs": 300, "x": [1]})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "stop",
        "{",
        "[]",
        "null",
        '{"type":"open"}',
        '{"type":"close","x":1}',
        '{"config":1}',
        '{"config":{"a":NaN}}',
    ],
)
def test_anything_else_is_quoted_back(text: str) -> None:
    with pytest.raises(ClientError) as caught:
        parse_command(text)
    assert caught.value.problem is Problem.INVALID_MESSAGE
    assert caught.value.detail == (
        f'"{text}" is not understood; allowed are close, {{"type": ...}} with close, finalize or keepAlive, '
        'and {"config": {...}}'
    )


@pytest.mark.fault(18)
def test_a_duplicate_key_is_refused_by_name() -> None:
    with pytest.raises(ClientError) as caught:
        parse_command('{"config": {"hangoverMs": 300, "hangoverMs": 400}}')
    assert caught.value.detail == 'the key "hangoverMs" is given more than once'


@pytest.mark.fault(18)
def test_nesting_without_end_is_no_crash() -> None:
    with pytest.raises(ClientError, match="is not understood"):
        parse_command('{"config":' * 100_000)


@pytest.mark.fault(18)
@given(st.text(max_size=200))
def test_no_text_does_worse_than_a_clear_error(text: str) -> None:
    try:
        parse_command(text)
    except ClientError as error:
        assert error.problem is Problem.INVALID_MESSAGE
        assert len(error.detail) < 1200
