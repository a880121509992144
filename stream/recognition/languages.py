"""Match a requested language with those that are served; the gateway and the engine use the same rule."""

from collections.abc import Sequence

# What the reference's own two tags mean where several would do.
_USUAL = {"en": "en-us", "fa": "fa-ir"}


def matching_language(requested: str, served: Sequence[str]) -> str | None:
    """Choose the exact tag, else one with the same primary subtag: `en` finds `en-US`, and `en-GB` without that."""
    exact = [tag for tag in served if tag.lower() == requested.lower()]
    usual = [tag for tag in served if tag.lower() == _USUAL.get(requested.lower())]
    related = [tag for tag in served if _primary(tag) == _primary(requested)]
    return next(iter(exact + usual + related), None)


def _primary(tag: str) -> str:
    return tag.split("-", maxsplit=1)[0].lower()
