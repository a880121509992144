"""The command `niyosha doctor`: what stands between this machine and live recognition, and what to do about it."""

import asyncio
import sys
from collections.abc import Mapping
from contextlib import aclosing

from rich.console import Console
from rich.text import Text

from stream.recognition.check_results import CheckResult, CheckResults, Verdict, failed, noted, passed
from stream.recognition.recognizer import LanguageNotServedError, Recognizer, RecognizerError
from web.backends.backend import Backend
from web.backends.registry import chosen_backend
from web.cli.console import printable
from web.cli.probe import CLIP_LANGUAGE, CLIP_TEXT, ProbeResult, recognize_clip
from web.cli.settings import settings_for
from web.clock import Clock, wall_clock
from web.settings.settings import Settings, SettingsError

_RECOGNITION_SECONDS = 20.0
_STYLES = {Verdict.OK: "green", Verdict.NOTE: "yellow", Verdict.FAULT: "bold red"}


async def doctor(overrides: Mapping[str, object], language: str | None) -> None:
    """Print what is found; exit with 1 unless live recognition works."""
    try:
        works = await examine_everything(settings_for(overrides), language, Console(highlight=False))
    except SettingsError as error:
        sys.exit(f"niyosha: {error}")
    if not works:
        sys.exit(1)


async def examine_everything(
    settings: Settings, language: str | None, console: Console, *, clock: Clock = wall_clock
) -> bool:
    """Print what is found about each part of the backend; return whether all of them work.

    `clock` tells the time of day. Raises SettingsError.
    """
    parts = chosen_backend(settings.backends).parts()
    working = 0
    for title, part in parts.items():
        async with part.running(watches=False) as backend:
            _print_title(console, title)
            async with aclosing(_examine(backend, language, clock)) as results:
                working += await _print(results, console)
    _print_title(console, _summary(working, len(parts)))
    return working == len(parts)


def _summary(working: int, total: int) -> str:
    if working == total:
        return "Live recognition works."
    return f"Live recognition works at {working} of {total} servers." if working else "Live recognition does not work."


async def _print(results: CheckResults, console: Console) -> bool:
    """Print results as they come; return whether none is a fault."""
    works = True
    async for result in results:
        line = Text("  ")
        line.append(f"{result.verdict.value:<5}", _STYLES[result.verdict])
        line.append(f"  {result.subject:<11}  {printable(result.sentence)}")
        if result.advice:
            line.append(f"\n{'':22}-> {result.advice}")
        console.print(line, soft_wrap=True)
        works &= result.verdict is not Verdict.FAULT
    return works


def _print_title(console: Console, sentence: str) -> None:
    console.print(Text(printable(sentence), style="bold"), soft_wrap=True)


async def _examine(backend: Backend, language: str | None, clock: Clock) -> CheckResults:
    async with aclosing(backend.check(clock())) as results:
        async for result in results:
            yield result
            if result.verdict is Verdict.FAULT:
                return
    if not await backend.is_ready_within(backend.ready_seconds):
        sentence = f"the recognizer is not ready within {backend.ready_seconds:g} s"
        yield failed("health", sentence, "look into its log")
        return
    async with aclosing(_recognition(backend.recognizer, language)) as results:
        async for result in results:
            yield result


async def _recognition(recognizer: Recognizer, language: str | None) -> CheckResults:
    wanted = language or CLIP_LANGUAGE
    try:
        tag = recognizer.match_language(wanted)
    except LanguageNotServedError as error:
        served = ", ".join(error.served)
        report = noted if language is None else failed
        yield report("language", f"{wanted} is not served; served: {served}", _language_advice(error, language))
        tag = error.served[0]
    else:
        yield passed("language", f"{wanted} is recognized as {tag}")
    try:
        async with asyncio.timeout(_RECOGNITION_SECONDS):
            result = await recognize_clip(recognizer, tag)
    except TimeoutError:
        sentence = f"no final text within {_RECOGNITION_SECONDS:g} s"
        yield failed("recognition", sentence, "look whether the server is overloaded")
    except RecognizerError as error:
        advice = "look into the server's log; it may list a model that it has not loaded"
        yield failed("recognition", f"failed: {error}", advice)
    else:
        yield _recognized(result, tag)


def _language_advice(error: LanguageNotServedError, language: str | None) -> str:
    if language is not None:
        return "deploy a streaming model for it, or ask for a language that is served"
    return (
        "clients that ask for no language are refused: they want en; "
        f'set NIYOSHA_STREAM_DEFAULTS=\'{{"languageCode": "{error.served[0]}"}}\' to give them another one'
    )


def _recognized(result: ProbeResult, tag: str) -> CheckResult:
    times = f"final {result.final_seconds:.2f} s after the end"
    if result.first_seconds is not None:
        times = f"first text {result.first_seconds:.2f} s after the beginning, {times}"
    if result.text:
        return passed("recognition", f'"{CLIP_TEXT}" was heard as "{result.text}"; {times}')
    if tag.split("-", maxsplit=1)[0] != CLIP_LANGUAGE:
        return passed("recognition", f"an English sentence was heard as nothing, in {tag}; {times}")
    advice = "try another model: this one does not understand a clear English sentence"
    return failed("recognition", f'"{CLIP_TEXT}" was heard as nothing; {times}', advice)
