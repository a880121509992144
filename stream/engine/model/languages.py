"""Choose the language of a call among those of one model."""

from collections.abc import Sequence

from stream.recognition.languages import matching_language


def served_language(language_code: str, languages: Sequence[str]) -> str | None:
    """Return the model's tag for a requested one, the same or with the same primary subtag; None if there is none.

    For "" it is the only language, or "" for a model of several, which detects the language.
    """
    if not language_code:
        return languages[0] if len(languages) == 1 else ""
    return matching_language(language_code.replace("_", "-"), languages)
