"""Owns the command line; what a command needs is imported when it runs, so that each starts fast."""

import asyncio
import gc
import logging
import os
import shlex
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from web.rest.response.formats import OutputFormat

if TYPE_CHECKING:
    from stream.engine.server.server import EngineOptions
    from web.process.serve import RunningServer
    from web.process.stopping import StopSignals
    from web.process.tls import ServerTls
    from web.settings.settings import Settings

app = typer.Typer(name="niyosha", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

# A server for one command: on loopback, for everybody there, doing the work itself.
_OCCASION: dict[str, object] = {
    "host": "127.0.0.1",
    "port": 0,
    "token_secret": None,
    "token_jwks": None,
    "tls_cert": None,
    "tls_key": None,
    "tls_self_signed": False,
    "job_streams": 2,
}
# There in a checkout, where `make serve` is typed.
_SAMPLE = Path("tests/clips/quick.wav")
_Model = Annotated[
    list[str] | None,
    typer.Option(help="A CTranslate2 Whisper directory, a hub id or `bundled`; several are tried in order."),
]
_Workers = Annotated[int | None, typer.Option(help="Decodings at once; by default one a core.", min=1, max=64)]
_Sessions = Annotated[int | None, typer.Option(help="Talkers at once; by default ten a worker.", min=1, max=1000)]


@app.callback()
def niyosha() -> None:
    """Real-time speech recognition behind a WebSocket."""


@app.command()
def serve(  # noqa: PLR0917
    host: Annotated[str | None, typer.Option(help="Address to listen on; all but loopback need tokens.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 for any.", min=0, max=65535)] = None,
    riva_uri: Annotated[str | None, typer.Option(help="Riva servers; by default the embedded engine.")] = None,
    model: _Model = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Serve TLS with this certificate, a PEM file.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="The certificate's key, a PEM file.")] = None,
    tls_self_signed: Annotated[
        bool | None, typer.Option("--tls-self-signed", help="Serve TLS with a certificate that is made here.")
    ] = None,
    quiet: Annotated[bool, typer.Option(help="Log warnings and errors only.")] = False,
) -> None:
    """Start the server."""
    from web.observability.logs import configure_logs  # noqa: PLC0415
    from web.process.stopping import StopSignals  # noqa: PLC0415

    configure_logs(logging.WARNING if quiet else logging.INFO)
    overrides = {
        "host": host,
        "port": port,
        "riva_uri": riva_uri,
        "model": ",".join(model or ()) or None,
        "tls_cert": tls_cert,
        "tls_key": tls_key,
        "tls_self_signed": tls_self_signed,
    }
    with StopSignals.taken() as signals:
        _run(_serve({name: value for name, value in overrides.items() if value is not None}, signals))


@app.command()
def engine(  # noqa: PLR0917
    listen: Annotated[str, typer.Option(help="host:port or unix:/path.")] = "127.0.0.1:50051",
    model: _Model = None,
    workers: _Workers = None,
    sessions: _Sessions = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Serve TLS with this certificate, a PEM file.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="The certificate's key, a PEM file.")] = None,
    tls_client_ca: Annotated[Path | None, typer.Option(help="Serve only callers with a certificate from it.")] = None,
    beats: Annotated[bool, typer.Option("--beats", hidden=True)] = False,
    exit_with_stdin: Annotated[bool, typer.Option("--exit-with-stdin", hidden=True)] = False,
) -> None:
    """Start the embedded engine alone: a server of Riva's protocol."""
    from web.process.lifeline import die_with_parent  # noqa: PLC0415
    from web.process.stopping import StopSignals  # noqa: PLC0415

    if exit_with_stdin:
        die_with_parent()
    with StopSignals.taken() as signals:
        from stream.engine.model.whisper import ModelError  # noqa: PLC0415
        from stream.engine.server.server import EngineOptions  # noqa: PLC0415
        from stream.engine.server.tls import TlsError, TlsOptions  # noqa: PLC0415
        from web.observability.logs import configure_logs  # noqa: PLC0415
        from web.process.exit_codes import CANNOT_START  # noqa: PLC0415

        configure_logs(logging.WARNING)
        tls = TlsOptions(tls_cert, tls_key, tls_client_ca)
        models = tuple(name.strip() for names in model or () for name in names.split(",") if name.strip())
        options = EngineOptions(listen=listen, models=models, workers=workers, sessions=sessions, tls=tls)
        try:
            _run(_recognize(options, signals, beats=beats, exit_with_stdin=exit_with_stdin))
        except (ModelError, TlsError, RuntimeError) as error:
            typer.echo(f"niyosha engine: {error}", err=True)
            raise typer.Exit(CANNOT_START) from None


@app.command()
def worker(
    riva_uri: Annotated[str | None, typer.Option(help="Riva servers; by default the embedded engine.")] = None,
    model: _Model = None,
    streams: Annotated[int | None, typer.Option(help="Segments at once; by default two.", min=1, max=256)] = None,
    quiet: Annotated[bool, typer.Option(help="Log warnings and errors only.")] = False,
) -> None:
    """Recognize the long recordings of servers with the same PostgreSQL, here or on another machine."""
    from web.observability.logs import configure_logs  # noqa: PLC0415
    from web.process.stopping import StopSignals  # noqa: PLC0415

    configure_logs(logging.WARNING if quiet else logging.INFO)
    overrides = {"riva_uri": riva_uri, "model": ",".join(model or ()) or None, "job_streams": streams}
    with StopSignals.taken() as signals:
        _run(_work({name: value for name, value in overrides.items() if value is not None}, signals))


@app.command()
def transcribe(  # noqa: PLR0917
    files: Annotated[list[str], typer.Argument(help="WAV, FLAC, MP3 or anything else that FFmpeg reads.")],
    server: Annotated[str | None, typer.Option(help="A running server; by default the local one or a new one.")] = None,
    language: Annotated[str | None, typer.Option(help="Language tag such as en or en-US.")] = None,
    output_format: Annotated[OutputFormat, typer.Option("--format", help="What to print.")] = OutputFormat.TEXT,
    realtime: Annotated[bool, typer.Option(help="Send at the speed of speech.")] = False,
    token: Annotated[str | None, typer.Option(help="A token, where the server asks for one.")] = None,
    remote: Annotated[
        bool, typer.Option("--remote", help="Leave long recordings to the server: files, or addresses it fetches.")
    ] = False,
) -> None:
    """Transcribe audio files with a server."""
    from web.cli.transcribe import TranscribeOptions, transcribe_files  # noqa: PLC0415

    options = TranscribeOptions(server=server, language=language, format=output_format, realtime=realtime, token=token)
    if remote:
        from web.cli.remote import transcribe_remote  # noqa: PLC0415

        if realtime:
            raise typer.BadParameter("it is for live recognition; leave it out with --remote", param_hint="--realtime")
        raise typer.Exit(transcribe_remote(files, options, _server_for_the_occasion))
    raise typer.Exit(transcribe_files(files, options, _server_for_the_occasion))


@app.command()
def doctor(
    riva_uri: Annotated[str | None, typer.Option(help="Riva servers; by default the embedded engine.")] = None,
    language: Annotated[str | None, typer.Option(help="A language that has to be served, such as en-US.")] = None,
) -> None:
    """Find out whether live recognition works, and what to do if it does not."""
    from web.observability.logs import configure_logs  # noqa: PLC0415

    # What gRPC says on its own of every failed connection, the examination says in plain words.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    configure_logs(logging.CRITICAL)
    _run(_doctor({} if riva_uri is None else {"riva_uri": riva_uri}, language))


@app.command()
def token(  # noqa: PLR0917
    sub: Annotated[str | None, typer.Option(help="Who the token is for: they see their own things only.")] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="What it is for: live, recordings, models, tokens, metrics; by default the first three."),
    ] = None,
    days: Annotated[float, typer.Option(help="How many days it is good.", min=0, max=36_500)] = 1,
    minutes_valid: Annotated[
        float | None, typer.Option(help="How many minutes it is good, instead of days.", min=0.1)
    ] = None,
    streams: Annotated[int | None, typer.Option(help="Live connections at once.", min=1)] = None,
    minutes: Annotated[float | None, typer.Option(help="Minutes of audio a day.", min=0)] = None,
    config: Annotated[str | None, typer.Option(help="Keys of the configuration, as a JSON object.")] = None,
    for_published_samples: Annotated[
        bool,
        typer.Option("--for-published-samples", help="For programs published elsewhere: whole seconds, 200 of asr."),
    ] = False,
    new_secret: Annotated[bool, typer.Option("--new-secret", help="Print a new secret, and nothing else.")] = False,
) -> None:
    """Make a token for the servers with this NIYOSHA_TOKEN_SECRET, or a new secret."""
    from web.auth.mint import new_secret as fresh_secret  # noqa: PLC0415

    if new_secret:
        typer.echo(fresh_secret())
        return
    from web.cli.token import TokenError, TokenRequest, make_token  # noqa: PLC0415
    from web.clock import wall_clock  # noqa: PLC0415
    from web.settings.settings import SettingsError  # noqa: PLC0415

    seconds = days * 86_400 if minutes_valid is None else minutes_valid * 60
    request = TokenRequest(
        subject=sub,
        scopes=scope or (),
        seconds=seconds,
        streams=streams,
        minutes=minutes,
        config=config,
        for_published_samples=for_published_samples,
    )
    try:
        # Where the server listens does not matter here.
        typer.echo(make_token(_settings({"host": "127.0.0.1"}), request, wall_clock()))
    except (SettingsError, TokenError) as error:
        sys.exit(f"niyosha token: {error}")


async def _doctor(overrides: dict[str, object], language: str | None) -> None:
    from rich.console import Console  # noqa: PLC0415

    from web.cli.doctor import examine_everything  # noqa: PLC0415
    from web.settings.settings import SettingsError  # noqa: PLC0415

    try:
        works = await examine_everything(_settings(overrides), language, Console(highlight=False))
    except SettingsError as error:
        sys.exit(f"niyosha: {error}")
    if not works:
        sys.exit(1)


async def _recognize(options: "EngineOptions", signals: "StopSignals", *, beats: bool, exit_with_stdin: bool) -> None:
    from stream.engine.server.server import STOP_SECONDS, Beats, run  # noqa: PLC0415
    from web.process.heartbeat import BEAT_SECONDS  # noqa: PLC0415
    from web.process.lifeline import READY, beat  # noqa: PLC0415

    ended = asyncio.Event()
    signals.listen(STOP_SECONDS, ended.set, ended.set)
    await run(
        options,
        exit_with_stdin=exit_with_stdin,
        ready=lambda address: typer.echo(f"{READY} {address}"),
        beats=Beats(BEAT_SECONDS, beat) if beats else None,
        ended=ended,
    )


async def _serve(overrides: dict[str, object], signals: "StopSignals") -> None:
    from web.process.serve import StartError, running, stop_seconds  # noqa: PLC0415
    from web.settings.settings import SettingsError  # noqa: PLC0415

    starting = asyncio.current_task()
    server: RunningServer | None = None

    def finish() -> None:
        # One that is not there yet has nothing to finish.
        if server is not None:
            server.drain()
        elif starting is not None:
            starting.cancel()

    def drop() -> None:
        if server is not None:
            server.force()

    try:
        settings = _settings(overrides)
        signals.listen(stop_seconds(settings), finish, drop)
        async with running(settings, watches_loop=True) as server:
            # What is loaded by now stays. To look through it again and again for rubbish would stop every stream for
            # some 70 ms each time.
            gc.collect()
            gc.freeze()
            _announce(server.url, server.tls, is_ready=server.is_ready, is_keyed=settings.is_keyed)
            is_delivered = await server.stopped
    except (SettingsError, StartError) as error:
        sys.exit(f"niyosha: {error}")
    except asyncio.CancelledError:
        if not signals.count:
            raise
        return
    if not is_delivered:
        sys.exit(1)


async def _work(overrides: dict[str, object], signals: "StopSignals") -> None:
    from web.process.serve import stop_seconds  # noqa: PLC0415
    from web.process.worker import WorkerError, work  # noqa: PLC0415
    from web.settings.settings import SettingsError  # noqa: PLC0415

    def nothing() -> None:
        """The worker looks at the count of the signals."""

    try:
        settings = _settings(overrides)
        signals.listen(stop_seconds(settings), nothing, nothing)
        is_finished = await work(settings, typer.echo, lambda sentence: typer.echo(sentence, err=True), signals)
    except (SettingsError, WorkerError) as error:
        sys.exit(f"niyosha worker: {error}")
    if not is_finished:
        sys.exit(1)


@asynccontextmanager
async def _server_for_the_occasion() -> AsyncIterator[str]:
    from stream.scratch import scratch_directory  # noqa: PLC0415
    from web.cli.transcribe import ServerStartError  # noqa: PLC0415
    from web.observability.logs import configure_logs  # noqa: PLC0415
    from web.process.serve import StartError, running  # noqa: PLC0415
    from web.settings.settings import SettingsError  # noqa: PLC0415

    configure_logs(logging.ERROR)
    # Not the user's database: what is transcribed for this command alone is not kept, nor is anything else worked on.
    with scratch_directory() as directory:
        database = f"sqlite:///{directory / 'niyosha.db'}"
        try:
            async with running(_settings(_OCCASION | {"database_url": database})) as server:
                if not server.is_ready:
                    raise ServerStartError("the recognizer did not start; `niyosha serve` shows why")
                yield server.url
        except (SettingsError, StartError) as error:
            raise ServerStartError(str(error)) from error


def _settings(overrides: dict[str, object]) -> "Settings":
    """Read the settings, and keep their secrets out of what is logged from now on; raises SettingsError."""
    from web.observability.logs import hide  # noqa: PLC0415
    from web.settings.settings import read_settings  # noqa: PLC0415

    settings = read_settings(overrides)
    hide(settings.secrets)
    return settings


def _announce(url: str, tls: "ServerTls | None", *, is_ready: bool, is_keyed: bool) -> None:
    if not is_ready:
        sentence = "The recognizer does not answer yet; clients are refused until it does."
        typer.echo(f"{sentence} `niyosha doctor` finds out why.", err=True)
    command = "niyosha" if shutil.which("niyosha") else sys.argv[0]
    if tls is not None and tls.self_signed is not None:
        sentence = f"The certificate in {tls.self_signed} is self-signed, which browsers warn of once."
        typer.echo(f"{sentence} Its SHA-256 fingerprint is {tls.fingerprint}", err=True)
        command = f"SSL_CERT_FILE={shlex.quote(str(tls.self_signed))} {command}"
    sample = _SAMPLE if _SAMPLE.exists() else "FILE"
    audience = "" if is_keyed else " (without a key only this machine is served)"
    token_option = " --token TOKEN" if is_keyed else ""
    command += f" transcribe --server {url}{token_option} {sample}"
    typer.echo(f"Open {url} in a browser and talk{audience}, or try:  {command}")


def _run(main: Coroutine[None, None, None]) -> None:
    """Run on uvloop where there is one; Ctrl-C ends quietly."""
    from web.process.stopping import within_limit  # noqa: PLC0415

    runner, code = asyncio.Runner(loop_factory=_loop_factory()), 1
    try:
        runner.run(main)
        code = 0
    except KeyboardInterrupt:
        code = 130
        sys.exit(code)
    finally:
        with within_limit(code):
            runner.close()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        from uvloop import new_event_loop  # noqa: PLC0415
    except ImportError:
        return None
    return new_event_loop


def main() -> None:
    """Run the command `niyosha`."""
    from web.process.stopping import end_within_limit  # noqa: PLC0415

    code: object = 1
    try:
        app()
    except SystemExit as ended:
        code = ended.code or 0
        raise
    finally:
        end_within_limit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    main()
