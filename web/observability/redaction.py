"""Redact tokens and the secrets of the settings in everything that is logged."""

import re
from collections.abc import Mapping
from urllib.parse import quote

HIDDEN = "***"
# The names of fields whose whole value is secret.
_SECRET_FIELDS = re.compile(r"authorization|cookie|password|secret|token|jwt|api[_-]?key", re.IGNORECASE)
# The text before a token is kept, the token is replaced.
_TOKENS = re.compile(
    r"""
      (?P<parameter>jwt(?:=|%3d))[^&\s"'\#<>]*            # in a query string, escaped or not
    | (?P<header>authorization["']?\s*[:=,]\s*(?:b(?=["']))?["']?)[^"'\r\n,;}\])]+
    | (?P<scheme>\bbearer(?:\s+|%20))[^\s"',;]+
    | (?P<subprotocol>\bjwt\.)[\w.~+/=-]+
    | eyJ[\w-]+(?:\.[\w-]*)*                                # every JWT begins with {" in base64
    """,
    re.IGNORECASE | re.VERBOSE,
)
# A shorter one would also match ordinary words.
_LEAST_SECRET = 6
_DEEPEST = 6
_LONGEST = 16_000


class Redactor:
    """Redacts tokens in any position, and the given secrets."""

    def __init__(self, secrets: frozenset[str] = frozenset()) -> None:
        forms = {form for secret in secrets if len(secret) >= _LEAST_SECRET for form in (secret, quote(secret, ""))}
        # Longest first: one may be a part of another.
        ordered = sorted(forms, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def text(self, text: str) -> str:
        """Redact a text, and cut it at 16,000 characters."""
        shown = text if self._secrets is None else self._secrets.sub(HIDDEN, text)
        shown = _TOKENS.sub(_hidden, shown)
        return shown if len(shown) <= _LONGEST else shown[:_LONGEST] + "..."

    def value(self, value: object, depth: int = 0) -> object:
        """Redact any value, and convert it to a JSON type."""
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
        """Redact the value of a field; the names of some fields make all of it secret."""
        if isinstance(value, str | bytes) and _SECRET_FIELDS.search(name):
            return HIDDEN
        return self.value(value, depth)


def _hidden(match: re.Match[str]) -> str:
    return (match[match.lastgroup] if match.lastgroup else "") + HIDDEN


def _shown(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # the object may be half initialized; logging it must not fail
        return f"<{type(value).__name__}>"
