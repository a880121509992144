"""What the page says of errors: in plain words, in both languages."""

import pytest
from playwright.async_api import Page

pytestmark = pytest.mark.asyncio(loop_scope="session")

SAY = """async (facts) => {
  const { sentence } = await import("/static/page/sentences.js");
  const { LiveError } = await import("/static/client/live.js");
  return sentence(new LiveError(facts.kind, "The server said so.", facts));
}"""
CASES = [
    ({"kind": "unreachable"}, "The server cannot be reached. Is it running?"),
    ({"kind": "unreachable", "code": 426}, "The server said so."),
    (
        {"kind": "refused", "type": "rate_limited", "code": 429},
        "The server is full. Press the button again in a minute.",
    ),
    ({"kind": "refused", "type": "overloaded", "code": 503}, "The server is full. Press the button again in a minute."),
    (
        {"kind": "refused", "type": "overloaded", "code": 503, "detail": "the recognizer is not ready"},
        "The recognizer is not ready. Press the button again in a few seconds.",
    ),
    (
        {"kind": "refused", "type": "unauthenticated", "code": 401},
        "The server did not accept the token. Press the button to give another one.",
    ),
    (
        {"kind": "refused", "type": "forbidden", "code": 403, "detail": 'Origin is "http://a.example"'},
        'The server refused this page: Origin is "http://a.example". Open the page at the server’s own address.',
    ),
    (
        {"kind": "failed", "type": "invalid_config", "detail": "languageCode is “xx”"},
        "The server does not take these settings: languageCode is “xx”.",
    ),
    (
        {"kind": "failed", "type": "recognizer_failed"},
        "The recognizer failed. What you see is kept; press the button to go on.",
    ),
    (
        {"kind": "lost"},
        "The connection to the server was lost and not found again. What you see is kept; press the button to go on.",
    ),
    ({"kind": "failed", "type": "internal"}, "The server said so."),
]


async def test_an_error_is_told_with_what_to_do(page: Page) -> None:
    assert [await page.evaluate(SAY, facts) for facts, _ in CASES] == [sentence for _, sentence in CASES]


async def test_whatever_is_told_in_english_is_told_in_persian(page: Page) -> None:
    english, persian = await page.evaluate("""async () => {
      const { ENGLISH, PERSIAN } = await import("/static/page/texts.js");
      return [ENGLISH, PERSIAN];
    }""")
    # Of some errors the server's own sentence is all there is.
    assert set(english) - set(persian) == {"error.other"}
    assert {key for key in set(persian) - set(english) if not key.startswith("fault.")} == set()
    for key in set(english) & set(persian):
        holes = [{part.split("}")[0] for part in text[key].split("{")[1:]} for text in (english, persian)]
        assert holes[0] == holes[1], key
