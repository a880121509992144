"""The results of checking a recognizer and the way to it, in words for people."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """OK, a NOTE that is worth knowing, or a FAULT that prevents recognition."""

    OK = "ok"
    NOTE = "note"
    FAULT = "fault"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The result of a check of `subject`; `advice` says what to do about a note or a fault."""

    subject: str
    verdict: Verdict
    sentence: str
    advice: str = ""


CheckResults = AsyncGenerator[CheckResult, None]


def passed(subject: str, sentence: str) -> CheckResult:
    """Report that a subject is in order."""
    return CheckResult(subject=subject, verdict=Verdict.OK, sentence=sentence)


def noted(subject: str, sentence: str, advice: str) -> CheckResult:
    """Report something that is worth knowing."""
    return CheckResult(subject=subject, verdict=Verdict.NOTE, sentence=sentence, advice=advice)


def failed(subject: str, sentence: str, advice: str) -> CheckResult:
    """Report a fault that prevents recognition."""
    return CheckResult(subject=subject, verdict=Verdict.FAULT, sentence=sentence, advice=advice)


def listed(items: tuple[str, ...], most: int) -> str:
    """List the first `most` items, and how many more there are."""
    more = len(items) - most
    return ", ".join(items[:most]) + (f" and {more} more" if more > 0 else "")
