"""The command line. A command imports what it needs when it runs, so that each starts fast."""

import errno
import io
import logging
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.configuration.config import MOST_CHANNELS, SAMPLE_RATES_HERTZ
from stream.extras import ENGINE
from stream.lazy_import import lazy_import
from web.cli import options
from web.rest.response.formats import OutputFormat

if TYPE_CHECKING:
    from importlib import metadata

    from bench.load import command as load_command
    from web.auth import token_issuer
    from web.cli import bench as bench_command
    from web.cli import doctor as doctor_command
    from web.cli import engine as engine_command
    from web.cli import models as models_command
    from web.cli import serve as serve_command
    from web.cli import servers
    from web.cli import token as token_command
    from web.cli import worker as worker_command
    from web.cli.caption import command as caption_command
    from web.cli.files import jobs
    from web.cli.files import live as live_files
    from web.cli.files import remote as remote_files
    from web.cli.mic import listen as mic_listen
    from web.observability import logs
    from web.process import event_loop, stopping
    from web.process.workers import job as worker_job
    from web.supervision import parent_process
else:
    metadata = lazy_import("importlib.metadata")
    load_command = lazy_import("bench.load.command")
    bench_command = lazy_import("web.cli.bench")
    token_issuer = lazy_import("web.auth.token_issuer")
    parent_process = lazy_import("web.supervision.parent_process")
    event_loop = lazy_import("web.process.event_loop")
    jobs = lazy_import("web.cli.files.jobs")
    live_files = lazy_import("web.cli.files.live")
    remote_files = lazy_import("web.cli.files.remote")
    caption_command = lazy_import("web.cli.caption.command")
    mic_listen = lazy_import("web.cli.mic.listen")
    servers = lazy_import("web.cli.servers")
    doctor_command = lazy_import("web.cli.doctor")
    engine_command = lazy_import("web.cli.engine")
    models_command = lazy_import("web.cli.models")
    serve_command = lazy_import("web.cli.serve")
    token_command = lazy_import("web.cli.token")
    worker_command = lazy_import("web.cli.worker")
    logs = lazy_import("web.observability.logs")
    stopping = lazy_import("web.process.stopping")
    worker_job = lazy_import("web.process.workers.job")

app = typer.Typer(name="niyosha", no_args_is_help=True, pretty_exceptions_enable=False)
models_app = typer.Typer(invoke_without_command=True, no_args_is_help=False)
app.add_typer(models_app, name="models")

_Workers = Annotated[int | None, typer.Option(help="Decodings at once; by default one a core.", min=1, max=64)]
_Sessions = Annotated[int | None, typer.Option(help="Talkers at once; by default ten a worker.", min=1, max=1000)]

# A full disk, a quota, a limit of file sizes, a device that fails.
_UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


class LoadMethod(StrEnum):
    """How a server is measured."""

    OPEN = "open"
    RIVA = "riva"


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"niyosha {metadata.version('niyosha')}")
        raise typer.Exit


@app.callback()
def niyosha(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version, and nothing else.", callback=_print_version)
    ] = False,
) -> None:
    """Real-time speech recognition behind a WebSocket."""


@app.command()
def serve(  # noqa: PLR0917
    host: Annotated[str | None, typer.Option(help="Address to listen on; all but loopback need tokens.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 for any.", min=0, max=65535)] = None,
    riva_uri: Annotated[str | None, typer.Option(help="Riva servers; by default the embedded engine.")] = None,
    model: options.Model = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Serve TLS with this certificate, a PEM file.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="The certificate's key, a PEM file.")] = None,
    tls_self_signed: Annotated[
        bool | None, typer.Option("--tls-self-signed", help="Serve TLS with a certificate that is made here.")
    ] = None,
    workers: Annotated[
        str | None, typer.Option(help="Processes that share the port; `auto` for one a core.", metavar="N|auto")
    ] = None,
    quiet: Annotated[bool, typer.Option(help="Log warnings and errors only.")] = False,
) -> None:
    """Start the server."""
    logs.configure_logs(logging.WARNING if quiet else logging.INFO)
    overrides = {
        "host": host,
        "port": port,
        "riva_uri": riva_uri,
        "model": ",".join(model or ()) or None,
        "tls_cert": tls_cert,
        "tls_key": tls_key,
        "tls_self_signed": tls_self_signed,
        "workers": workers,
    }
    with stopping.StopSignals.taken() as signals:
        event_loop.run(serve_command.serve(_given(overrides), signals))


@app.command(hidden=True)
def serve_worker(job: Annotated[str, typer.Argument(help="What to do, as its parent writes it.")]) -> None:
    """Serve as one of several workers; `niyosha serve --workers` starts them."""
    parent_process.die_with_parent()
    work = worker_job.Job.read(job)
    logs.configure_logs(work.log_level, worker=work.number)
    with stopping.StopSignals.taken() as signals:
        event_loop.run(serve_command.serve_worker(work, signals))


@app.command()
def engine(  # noqa: PLR0917
    listen: Annotated[str, typer.Option(help="host:port or unix:/path.")] = "127.0.0.1:50051",
    model: options.Model = None,
    workers: _Workers = None,
    sessions: _Sessions = None,
    device: options.Device = "auto",
    tls_cert: Annotated[Path | None, typer.Option(help="Serve TLS with this certificate, a PEM file.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="The certificate's key, a PEM file.")] = None,
    tls_client_ca: Annotated[Path | None, typer.Option(help="Serve only callers with a certificate from it.")] = None,
    beats: Annotated[bool, typer.Option("--beats", hidden=True)] = False,
    exit_with_stdin: Annotated[bool, typer.Option("--exit-with-stdin", hidden=True)] = False,
) -> None:
    """Start the embedded engine alone: a server of Riva's protocol."""
    if ENGINE.missing:
        sys.exit(f"niyosha engine: {ENGINE.missing}")
    if exit_with_stdin:
        parent_process.die_with_parent()
    with stopping.StopSignals.taken() as signals:
        logs.configure_logs(logging.WARNING)
        options = engine_command.engine_options(
            listen=listen,
            models=model or (),
            workers=workers,
            sessions=sessions,
            device=device,
            tls_cert=tls_cert,
            tls_key=tls_key,
            tls_client_ca=tls_client_ca,
        )
        engine_command.run_engine(options, signals, beats=beats, exit_with_stdin=exit_with_stdin)


@app.command()
def worker(
    riva_uri: Annotated[str | None, typer.Option(help="Riva servers; by default the embedded engine.")] = None,
    model: options.Model = None,
    streams: Annotated[int | None, typer.Option(help="Segments at once; by default two.", min=1, max=256)] = None,
    quiet: Annotated[bool, typer.Option(help="Log warnings and errors only.")] = False,
) -> None:
    """Recognize the long recordings of servers with the same PostgreSQL, here or on another machine."""
    logs.configure_logs(logging.WARNING if quiet else logging.INFO)
    overrides = {"riva_uri": riva_uri, "model": ",".join(model or ()) or None, "job_streams": streams}
    with stopping.StopSignals.taken() as signals:
        event_loop.run(worker_command.work(_given(overrides), signals))


@app.command()
def transcribe(  # noqa: PLR0917
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="Recordings of any format, directories, or - for standard input."),
    ],
    server: options.Server = None,
    language: options.Language = None,
    output_format: Annotated[OutputFormat, typer.Option("--format", help="What to write.")] = OutputFormat.TEXT,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Write a file for each recording there.")
    ] = None,
    phrases: options.Phrases = None,
    channels: Annotated[
        int, typer.Option(help="2 recognizes each of two channels on its own.", min=1, max=MOST_CHANNELS)
    ] = 1,
    asr_model: options.AsrModel = None,
    model: options.Model = None,
    rate: Annotated[
        int | None,
        typer.Option(
            metavar="HERTZ",
            help="The rate of samples without a header, 16 bits each.",
            min=SAMPLE_RATES_HERTZ.start,
            max=SAMPLE_RATES_HERTZ.stop - 1,
        ),
    ] = None,
    realtime: Annotated[bool, typer.Option("--realtime", help="Send at the speed of speech.")] = False,
    token: options.Token = None,
    at_server: Annotated[
        bool, typer.Option("--remote", help="Leave long recordings to the server: files, or addresses it fetches.")
    ] = False,
) -> None:
    """Transcribe recordings with a server."""
    if at_server and realtime:
        raise typer.BadParameter("it is for live recognition; leave it out with --remote", param_hint="--realtime")
    chosen = jobs.TranscribeOptions(
        **_server_options(server, token, model, phrases),
        language=language,
        asr_model=asr_model,
        format=output_format,
        realtime=realtime,
        rate_hertz=rate,
        channels=channels,
        output=output,
    )
    run = remote_files.transcribe_remote if at_server else live_files.transcribe_files
    raise typer.Exit(run(files, chosen, _start_server(model)))


@app.command()
def caption(  # noqa: PLR0917
    source: Annotated[
        str, typer.Argument(help="`mic`, a file, `-` for a pipe, or the address of a live stream.", metavar="SOURCE")
    ],
    channel: Annotated[str, typer.Option(metavar="NAME", help="The channel to publish to.")],
    speaker: Annotated[str | None, typer.Option(metavar="LABEL", help="The name of the speaker.")] = None,
    server: options.Server = None,
    language: options.Language = None,
    phrases: options.Phrases = None,
    asr_model: options.AsrModel = None,
    device: Annotated[str | None, typer.Option(metavar="NAME", help="A microphone by a part of its name.")] = None,
    token: options.Token = None,
) -> None:
    """Caption a microphone, a file or a live stream for the audience of a channel."""
    chosen = servers.ServerOptions(
        **_server_options(server, token, None, phrases), language=language, asr_model=asr_model
    )
    named = {"channel": channel, "speaker": speaker}
    config: dict[str, object] = {key: value for key, value in named.items() if value is not None}
    raise typer.Exit(caption_command.caption(source, config, chosen, device))


@app.command()
def mic(  # noqa: PLR0917
    server: options.Server = None,
    language: options.Language = None,
    phrases: options.Phrases = None,
    asr_model: options.AsrModel = None,
    model: options.Model = None,
    device: Annotated[str | None, typer.Option(metavar="NAME", help="A microphone by a part of its name.")] = None,
    devices: Annotated[bool, typer.Option("--devices", help="Print the names of all microphones.")] = False,
    token: options.Token = None,
) -> None:
    """Show live captions of a microphone in the terminal."""
    if devices:
        raise typer.Exit(mic_listen.list_devices())
    chosen = servers.ServerOptions(
        **_server_options(server, token, model, phrases), language=language, asr_model=asr_model
    )
    raise typer.Exit(mic_listen.listen(chosen, device, _start_server(model)))


@app.command()
def doctor(
    riva_uri: Annotated[str | None, typer.Option(help="Riva servers; by default the embedded engine.")] = None,
    language: Annotated[str | None, typer.Option(help="A language that has to be served, such as en-US.")] = None,
) -> None:
    """Find out whether live recognition works, and what to do if it does not."""
    # gRPC would log every failed connection; the command says it in plain words.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    logs.configure_logs(logging.CRITICAL)
    event_loop.run(doctor_command.doctor(_given({"riva_uri": riva_uri}), language))


@app.command(name="bench")
def measure(  # noqa: PLR0917
    server: Annotated[
        str | None,
        typer.Option(
            help="Address of a running server; without one a gateway is started before a Riva server that recognizes "
            "nothing, and both are measured.",
            callback=options.server_address,
        ),
    ] = None,
    riva: Annotated[str | None, typer.Option(help="A Riva server to measure directly, HOST:PORT.")] = None,
    streams: Annotated[list[int], typer.Option(help="Streams at once; may be repeated.", min=1, max=10_000)] = [  # noqa: B006
        10,
        50,
        100,
    ],
    seconds: Annotated[float, typer.Option(help="How long each number of streams is measured.", min=1)] = 10.0,
    rounds: Annotated[int, typer.Option(help="How often all is measured, by turns.", min=1, max=100)] = 1,
    clips: Annotated[
        Path | None,
        typer.Option(help="A directory of WAV files (16 kHz, mono), with a manifest.tsv where texts are known."),
    ] = None,
    half_silent: Annotated[bool, typer.Option(help="As much silence as speech.")] = False,
    method: Annotated[
        LoadMethod, typer.Option(help="`riva`: every stream sends the same file three times, as NVIDIA measures.")
    ] = LoadMethod.OPEN,
    floors: Annotated[bool, typer.Option(help="Measure what WebSocket, detector and gRPC cost alone, too.")] = False,
    pid: Annotated[list[int] | None, typer.Option(help="A process of the server on this machine.")] = None,
    token: Annotated[str | None, typer.Option(help="For a server with a key.", envvar=options.TOKEN_VARIABLE)] = None,
    json: Annotated[Path | None, typer.Option(help="Write the result to this file, too.")] = None,
    svg: Annotated[Path | None, typer.Option(help="Write a plot to this file.")] = None,
) -> None:
    """Measure how many streams a server holds, how soon text comes, and what it costs."""
    logs.configure_logs(logging.WARNING)
    load = load_command.Load(
        server=server,
        riva=riva,
        token=token,
        streams=streams,
        seconds=seconds,
        rounds=rounds,
        clips=clips,
        is_half_silent=half_silent,
        is_rivas_method=method is LoadMethod.RIVA,
        has_floors=floors,
        pids={f"process {number}": number for number in pid or ()},
    )
    event_loop.run(bench_command.bench(load, json, svg))


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
    if new_secret:
        typer.echo(token_issuer.new_secret())
        return
    seconds = days * 86_400 if minutes_valid is None else minutes_valid * 60
    request = token_command.TokenRequest(
        subject=sub,
        scopes=scope or (),
        seconds=seconds,
        streams=streams,
        minutes=minutes,
        config=config,
        for_published_samples=for_published_samples,
    )
    typer.echo(token_command.token_or_exit(request))


@models_app.callback()
def models(context: typer.Context) -> None:
    """List the models that can be downloaded; `niyosha models get fa` downloads the one for Persian."""
    if context.invoked_subcommand is None:
        models_command.list_models()


@models_app.command("get")
def get_model(
    name: Annotated[str, typer.Argument(help="A model of the catalogue, or a language such as fa.")],
) -> None:
    """Download a model of the catalogue, and print what to set."""
    models_command.get_model_or_exit(name)


def _given(options: Mapping[str, object]) -> dict[str, object]:
    """Return the options that were given on the command line, as overrides of the settings."""
    return {name: value for name, value in options.items() if value is not None}


def _server_options(
    server: str | None, token: str | None, model: list[str] | None, phrases: Path | None
) -> dict[str, Any]:
    """Return the options of every command that uses a server; exit with a sentence where they cannot be used."""
    if model and server is not None:
        raise typer.BadParameter(
            f"it is for a server that this command starts, and {server} is to be used; leave out one of them",
            param_hint="--model",
        )
    try:
        expected = servers.phrases_in(phrases)
    except servers.OptionError as error:
        typer.echo(f"niyosha: {error}", err=True)
        raise typer.Exit(2) from None
    return {"server": server, "token": token, "phrases": expected, "needs_own_server": bool(model)}


def _start_server(model: list[str] | None) -> Callable[[], AbstractAsyncContextManager[str]]:
    overrides = _given({"model": ",".join(model or ()) or None})
    return lambda: serve_command.server_for_one_command(overrides)


def main() -> None:
    """Run the command `niyosha`."""
    code: object = 1
    # A terminal may not know the letters of a transcript or of a file's name.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except SystemExit as ended:
        code = ended.code or 0
        raise
    except OSError as failed:
        if failed.errno not in _UNWRITABLE:
            raise
        sys.exit(f"niyosha: the output cannot be written: {failed.strerror}")
    finally:
        _drop_unwritten()
        stopping.end_within_limit(code if isinstance(code, int) else 1)


def _drop_unwritten() -> None:
    """Drop what standard output did not take, for which the interpreter would print a traceback at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
