import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import ClientError, Problem
from stream.protocols.vosk.messages import Config, Eof, Reset, ResultStyle, parse, partial, result
from stream.session.events import Alternative, Hypothesis, Word
from tests.support.tiers import examples

HELLO = Word("Hello,", 16_000, 20_000, 0.91)
WORLD = Word("World!", 20_000, 24_000, 0.5)


def settled(*alternatives: Alternative) -> Hypothesis:
    return Hypothesis(alternatives, is_final=True)


def test_commands_are_known_in_any_spacing() -> None:
    assert [parse(text) for text in ('{"eof" : 1}', '{"eof":1}', '{"reset" : 1}')] == [Eof(), Eof(), Reset()]


def test_a_configuration_sets_what_it_has() -> None:
    sent = {
        "sample_rate": "16000",
        "words": 0,
        "max_alternatives": 20,
        "phrase_list": ["turn  on", "", "[unk]", "turn on"],
        "model": "/a/path",
    }
    assert parse(json.dumps({"config": sent})) == Config(
        values={"sampleRateHertz": 16_000, "phrases": ["turn on"], "maxAlternatives": 5},
        words=False,
        max_alternatives=5,
    )
    assert parse('{"config" : {}}') == Config(values={})
    assert parse('{"config" : {"sample_rate" : 8000.0}}') == Config(values={"sampleRateHertz": 8000})


@pytest.mark.parametrize(
    ("config", "detail"),
    [
        ({"sample_rate": "fast"}, 'sample_rate is "fast"; it must be a whole number of hertz'),
        ({"sample_rate": True}, "sample_rate is True; it must be a whole number of hertz"),
        ({"sample_rate": "inf"}, 'sample_rate is "inf"; it must be a whole number of hertz'),
        ({"phrase_list": "yes"}, 'phrase_list is "yes"; it must be a list of phrases'),
        ({"phrase_list": [1]}, "phrase_list is [1]; it must be a list of phrases"),
        ({"max_alternatives": -1}, "max_alternatives is -1; it must be 0 or a count of alternatives"),
        ({"words": "no"}, 'words is "no"; it must be true or false'),
    ],
)
def test_wrong_values_are_refused_by_name(config: dict[str, object], detail: str) -> None:
    with pytest.raises(ClientError) as refused:
        parse(json.dumps({"config": config}))
    assert (refused.value.problem, refused.value.detail) == (Problem.INVALID_CONFIG, detail)


@pytest.mark.parametrize("text", ["", "eof", '{"eof": 2}', "[]", '{"speak": 1}', "[" * 100_000, '{"eof": NaN}'])
def test_other_messages_are_refused(text: str) -> None:
    with pytest.raises(ClientError) as refused:
        parse(text)
    assert refused.value.problem is Problem.INVALID_MESSAGE
    assert refused.value.detail.endswith('allowed are {"config": {...}}, {"reset": 1} and {"eof": 1}')


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
CONFIGS = st.dictionaries(st.sampled_from(["sample_rate", "words", "max_alternatives", "phrase_list", "x"]), JSON)


@given(st.text() | JSON.map(json.dumps) | CONFIGS.map(lambda config: json.dumps({"config": config})))
@examples(80)
def test_any_text_is_a_message_or_refused(text: str) -> None:
    try:
        assert isinstance(parse(text), Eof | Reset | Config)
    except ClientError as error:
        assert error.problem in (Problem.INVALID_MESSAGE, Problem.INVALID_CONFIG)


def test_results_have_words_with_times_in_seconds() -> None:
    assert json.loads(result([settled(Alternative((HELLO, WORLD), 0.8))], ResultStyle())) == {
        "result": [
            {"conf": 0.91, "end": 1.25, "start": 1.0, "word": "hello"},
            {"conf": 0.5, "end": 1.5, "start": 1.25, "word": "world"},
        ],
        "text": "hello world",
    }


def test_a_confidence_that_is_not_known_is_full() -> None:
    message = json.loads(result([settled(Alternative((Word("yes", 0, 160),)))], ResultStyle()))
    assert message["result"][0]["conf"] == 1.0


def test_without_words_results_are_their_text() -> None:
    written = ResultStyle(with_words=False, is_written=True)
    assert json.loads(result([settled(Alternative((HELLO, WORLD)))], written)) == {"text": "Hello, World!"}
    assert json.loads(result([], ResultStyle())) == {"text": ""}


def test_alternatives_are_joined_by_rank() -> None:
    style = ResultStyle(max_alternatives=2)
    one, two = Alternative((HELLO,), 0.9), Alternative((Word("Yellow", 16_000, 20_000),), 0.4)
    message = json.loads(result([settled(one, two, two), settled(Alternative((WORLD,), 0.7))], style))
    assert [(each["text"], each["confidence"]) for each in message["alternatives"]] == [
        ("hello world", 0.7),
        ("yellow world", 0.4),
    ]
    assert message["alternatives"][0]["result"][0] == {"end": 1.25, "start": 1.0, "word": "hello"}
    assert json.loads(result([], style)) == {"alternatives": [{"confidence": 0.0, "text": ""}]}


def test_partial_text_joins_open_utterances() -> None:
    assert partial([settled(Alternative((HELLO,))), settled(Alternative((WORLD,)))], ResultStyle()) == (
        '{"partial":"hello world"}'
    )
    assert partial([], ResultStyle()) == '{"partial":""}'


def test_words_are_bare_and_punctuation_alone_is_none() -> None:
    words = tuple(map(Word, ("Don't", "-", "f***,", "Go!")))
    assert json.loads(result([settled(Alternative(words))], ResultStyle()))["text"] == "don't f*** go"
