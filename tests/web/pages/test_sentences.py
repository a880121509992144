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
        {
            "kind": "refused",
            "type": "invalid_config",
            "code": 400,
            "detail": "languageCode is de, which no model of this server recognizes; served: en-US, fa. To serve",
        },
        "Nobody here recognizes German. Choose another spoken language; this server knows American English and "
        "Persian.",
    ),
    (
        {
            "kind": "refused",
            "type": "invalid_config",
            "code": 400,
            "detail": "languageCode is fa, which no model of this server recognizes; served: en-US; "
            "`niyosha models get fa` on the server downloads a model for it",
        },
        "Nobody here recognizes Persian. Choose another spoken language; this server knows American English. "
        "To add it, run this on the server: \u2068niyosha models get fa\u2069",
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


FILE_CASES = [
    ("unsupported_media", "the audio is PDF; send a recording", "This is no recording. Choose a sound or a video."),
    (
        "invalid_audio",
        "the audio cannot be decoded as FLAC: it does not begin as it must",
        "This file is damaged, or its sound cannot be read. See whether it plays; if it does, save it as MP3, M4A or "
        "WAV and choose that.",
    ),
    (
        "invalid_audio",
        "the audio cannot be decoded as MP4, M4A, MOV or 3GP: it has no audio stream",
        "This video has no sound. Choose one in which somebody speaks.",
    ),
    ("invalid_audio", "the audio is empty", "This file is empty. Choose another one."),
    (
        "too_large",
        "the body is too large; at most 5 bytes are taken",
        "This file is too large for the server. Cut it into parts, or save only its sound, as MP3 or M4A.",
    ),
    ("recognizer_failed", "", "The recognizer failed. What you see is kept; press the button to go on."),
]


async def test_a_file_that_is_refused_is_told_with_what_to_do(page: Page) -> None:
    script = SAY.replace("{ sentence }", "{ fileSentence }").replace("return sentence", "return fileSentence")
    facts = [{"kind": "refused", "type": kind, "detail": detail} for kind, detail, _ in FILE_CASES]
    assert [await page.evaluate(script, one) for one in facts] == [sentence for *_, sentence in FILE_CASES]


async def test_whatever_is_told_in_english_is_told_in_persian(page: Page) -> None:
    english, persian = await page.evaluate("""async () => {
      const { ENGLISH, PERSIAN } = await import("/static/page/texts.js");
      return [ENGLISH, PERSIAN];
    }""")
    assert set(english) - set(persian) == set()
    assert {key for key in set(persian) - set(english) if not key.startswith("fault.")} == set()
    for key in set(english) & set(persian):
        holes = [{part.split("}")[0] for part in text[key].split("{")[1:]} for text in (english, persian)]
        assert holes[0] == holes[1], key
