"""Owns the choice among served languages; the gateway and the engine choose alike."""

from collections.abc import Sequence


def matching_language(requested: str, served: Sequence[str]) -> str | None:
    """Choose the exact tag, else the first with the same primary subtag: `en` finds `en-US`."""
    exact = [tag for tag in served if tag.lower() == requested.lower()]
    related = [tag for tag in served if _primary(tag) == _primary(requested)]
    return next(iter(exact + related), None)


def _primary(tag: str) -> str:
    return tag.split("-", maxsplit=1)[0].lower()
