"""Owns what is taken out of everything that is logged: tokens and the secrets of the settings."""

import re
from collections.abc import Mapping
from urllib.parse import quote

HIDDEN = "***"
# Fields that hold nothing else.
_SECRET_FIELDS = re.compile(r"authorization|cookie|password|secret|token|jwt|api[_-]?key", re.IGNORECASE)
# What introduces a token stays, the token goes.
_TOKENS = re.compile(
    r"""
      (?P<parameter>jwt(?:=|%3d))[^&\s"'\#<>]*            # in an address, escaped or not
    | (?P<header>authorization["']?\s*[:=,]\s*(?:b(?=["']))?["']?)[^"'\r\n,;}\])]+
    | (?P<scheme>\bbearer(?:\s+|%20))[^\s"',;]+
    | (?P<subprotocol>\bjwt\.)[\w.~+/=-]+
    | eyJ[\w-]+(?:\.[\w-]*)*                                # the beginning of every JWT: {"
    """,
    re.IGNORECASE | re.VERBOSE,
)
# A shorter one would take ordinary words out of the log with it.
_LEAST_SECRET = 6
_DEEPEST = 6
_LONGEST = 16_000


class Redactor:
    """Hides tokens, wherever they stand, and the given secrets."""

    def __init__(self, secrets: frozenset[str] = frozenset()) -> None:
        forms = {form for secret in secrets if len(secret) >= _LEAST_SECRET for form in (secret, quote(secret, ""))}
        # The longest first: one may be a part of another.
        ordered = sorted(forms, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def text(self, text: str) -> str:
        """The text without tokens and secrets, shortened where nobody would read it."""
        shown = text if self._secrets is None else self._secrets.sub(HIDDEN, text)
        shown = _TOKENS.sub(_hidden, shown)
        return shown if len(shown) <= _LONGEST else shown[:_LONGEST] + "..."

    def value(self, value: object, depth: int = 0) -> object:
        """The same for whatever a field of an event holds, as something that JSON knows."""
        match value:
            case None | bool() | int():
                return value
            case float():
                return value if abs(value) < float("inf") else repr(value)
            case str():
                return self.text(value)
            case Mapping() if depth < _DEEPEST:
                return {self.text(str(key)): self.field(str(key), inner, depth + 1) for key, inner in value.items()}
            case list() | tuple() | set() | frozenset() if depth < _DEEPEST:
                return [self.value(inner, depth + 1) for inner in value]
            case _:
                return self.text(_shown(value))

    def field(self, name: str, value: object, depth: int = 0) -> object:
        """The same for a named field; some names say that all of it is secret."""
        if isinstance(value, str | bytes) and _SECRET_FIELDS.search(name):
            return HIDDEN
        return self.value(value, depth)


def _hidden(match: re.Match[str]) -> str:
    return (match[match.lastgroup] if match.lastgroup else "") + HIDDEN


def _shown(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # what is logged may be half built, and must not break what logs it
        return f"<{type(value).__name__}>"
