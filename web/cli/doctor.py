"""Owns the command `niyosha doctor`: what stands between this machine and live recognition, and what to do about it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

from rich.console import Console
from rich.text import Text

from stream.recognition.recognizer import LanguageNotServedError, Recognizer, RecognizerError
from stream.riva import RivaOptions, RivaRecognizer
from stream.riva.diagnostics.checks import check_server
from stream.riva.diagnostics.report import CheckResult, CheckResults, Verdict, failed, noted, passed
from web.cli.probe import CLIP_LANGUAGE, CLIP_TEXT, Heard, hear_clip
from web.cli.progress import printable
from web.clock import Clock, wall_clock
from web.process.engine_process import READY_SECONDS, engine_child
from web.settings.settings import Settings

_ENGINE_POLL_SECONDS = 0.1
_RECOGNITION_SECONDS = 20.0
_STYLES = {Verdict.OK: "green", Verdict.NOTE: "yellow", Verdict.FAULT: "bold red"}


async def examine_everything(
    settings: Settings, language: str | None, console: Console, *, clock: Clock = wall_clock
) -> bool:
    """Print what is found about each server, or about the embedded engine; return whether all of them work.

    `clock` tells the time of day. Raises SettingsError.
    """
    if settings.riva_uri is None:
        examinations = {
            "The embedded engine, as NIYOSHA_RIVA_URI names no Riva server": _engine(settings, language, clock)
        }
    else:
        options = settings.riva_options
        examinations = {f"Riva at {uri}": _server(options, uri, language, clock) for uri in options.uris}
    working = 0
    for title, results in examinations.items():
        _say(console, title)
        async with aclosing(results):
            working += await _tell(results, console)
    _say(console, _summary(working, len(examinations)))
    return working == len(examinations)


def _summary(working: int, total: int) -> str:
    if working == total:
        return "Live recognition works."
    return f"Live recognition works at {working} of {total} servers." if working else "Live recognition does not work."


async def _tell(results: CheckResults, console: Console) -> bool:
    """Print findings as they come; return whether none was a fault."""
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


def _say(console: Console, sentence: str) -> None:
    console.print(Text(printable(sentence), style="bold"), soft_wrap=True)


async def _engine(settings: Settings, language: str | None, clock: Clock) -> CheckResults:
    began = asyncio.get_running_loop().time()
    async with engine_child(settings) as child:
        options = RivaOptions(uris=(child.address,))
        if not await _is_up_within(READY_SECONDS, options, child.gave_up):
            advice = "it says why above; NIYOSHA_MODEL names the model that it loads"
            yield failed("engine", "it does not start", advice)
            return
        yield passed("engine", f"ready {asyncio.get_running_loop().time() - began:.1f} s after its start")
        async with aclosing(_server(options, child.address, language, clock)) as results:
            async for result in results:
                yield result


async def _is_up_within(seconds: float, options: RivaOptions, gave_up: asyncio.Event) -> bool:
    deadline = asyncio.get_running_loop().time() + seconds
    async with _recognizer(options) as recognizer:
        while not recognizer.is_ready:
            if gave_up.is_set() or asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(_ENGINE_POLL_SECONDS)
            await asyncio.gather(recognizer.refresh(), return_exceptions=True)
    return True


async def _server(options: RivaOptions, uri: str, language: str | None, clock: Clock) -> CheckResults:
    is_fault = False
    async with aclosing(check_server(options, uri, clock())) as results:
        async for result in results:
            yield result
            is_fault = result.verdict is Verdict.FAULT
    if is_fault:
        return
    async with _recognizer(replace(options, uris=(uri,))) as recognizer:
        try:
            await recognizer.refresh()
        except RecognizerError as error:
            yield failed("health", f"the server is gone again: {error}", "look into its log")
            return
        async with aclosing(_recognition(recognizer, language)) as results:
            async for result in results:
                yield result


@asynccontextmanager
async def _recognizer(options: RivaOptions) -> AsyncIterator[RivaRecognizer]:
    recognizer = RivaRecognizer(options)
    try:
        yield recognizer
    finally:
        await recognizer.close()


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
            heard = await hear_clip(recognizer, tag)
    except TimeoutError:
        sentence = f"no final text within {_RECOGNITION_SECONDS:g} s"
        yield failed("recognition", sentence, "look whether the server is overloaded")
    except RecognizerError as error:
        advice = "look into the server's log; it may list a model that it has not loaded"
        yield failed("recognition", f"failed: {error}", advice)
    else:
        yield _heard(heard, tag)


def _language_advice(error: LanguageNotServedError, language: str | None) -> str:
    if language is not None:
        return "deploy a streaming model for it, or ask for a language that is served"
    return (
        "clients that ask for no language are refused: they want en; "
        f'set NIYOSHA_STREAM_DEFAULTS=\'{{"languageCode": "{error.served[0]}"}}\' to give them another one'
    )


def _heard(heard: Heard, tag: str) -> CheckResult:
    times = f"final {heard.final_seconds:.2f} s after the end"
    if heard.first_seconds is not None:
        times = f"first text {heard.first_seconds:.2f} s after the beginning, {times}"
    if heard.text:
        return passed("recognition", f'"{CLIP_TEXT}" was heard as "{heard.text}"; {times}')
    if tag.split("-", maxsplit=1)[0] != CLIP_LANGUAGE:
        return passed("recognition", f"an English sentence was heard as nothing, in {tag}; {times}")
    advice = "try another model: this one does not understand a clear English sentence"
    return failed("recognition", f'"{CLIP_TEXT}" was heard as nothing; {times}', advice)
