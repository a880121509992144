"""Owns what an examination finds, in words for people."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """Whether something is as it has to be; a NOTE is worth knowing, a FAULT keeps recognition from working."""

    OK = "ok"
    NOTE = "note"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about `subject`; `advice` says what to do where something is not as it has to be."""

    subject: str
    verdict: Verdict
    sentence: str
    advice: str = ""


Findings = AsyncGenerator[Finding, None]


def listed(items: tuple[str, ...], most: int) -> str:
    """The first `most` of them, and how many more there are."""
    more = len(items) - most
    return ", ".join(items[:most]) + (f" and {more} more" if more > 0 else "")
