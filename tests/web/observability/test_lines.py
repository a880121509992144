import json

import structlog
from hypothesis import given
from hypothesis import strategies as st

from tests.support.tiers import examples
from web.observability.lines import in_words

LOGGER = structlog.get_logger()
AT = {"timestamp": "2026-11-30T19:33:17.476811Z"}


def line(**event: object) -> str:
    return in_words(LOGGER, "info", AT | event).partition(" ")[2]


def test_an_event_is_words_and_fields() -> None:
    assert line(event="engine_started", level="info", pid=17) == "engine started pid=17"


def test_warnings_name_their_level() -> None:
    assert line(event="loop_stalled", level="warning", place=["a b"]) == 'warning: loop stalled place=["a b"]'


def test_sentences_of_libraries_stay_sentences() -> None:
    assert line(event="Task was destroyed: x_y", logger="asyncio") == "Task was destroyed: x_y logger=asyncio"


@given(st.text(), st.one_of(st.text(), st.lists(st.text()), st.dictionaries(st.text(), st.text())))
@examples(100)
def test_no_text_commands_the_terminal(event: str, value: object) -> None:
    shown = line(event=event, field=value)
    assert all(letter.isprintable() for letter in shown if letter.isascii())
    assert not any("\x7f" <= letter <= "\x9f" for letter in shown)
    assert json.dumps(value) in shown or str(value) in shown
