"""The extras of the package: they are declared as the code knows them, and each is asked for in one sentence."""

import tomllib
from pathlib import Path

import pytest

from stream.extras import ENGINE, EXTRAS, MIC, OTEL, POSTGRES, REDIS, SILERO, Extra
from tests.support.missing_modules import run_without

PROJECT = tomllib.loads(Path("pyproject.toml").read_text())["project"]


def test_the_package_declares_the_extras_of_the_code() -> None:
    declared = PROJECT["optional-dependencies"]
    names = [extra.name for extra in EXTRAS]
    assert list(declared) == [*names, "all"]
    assert declared["all"] == [f"niyosha[{','.join(names)}]"]


def test_nothing_is_missing_where_everything_is_installed() -> None:
    assert [extra.missing for extra in EXTRAS] == [None] * len(EXTRAS)


def test_a_missing_package_or_a_missing_part_of_it_is_named_with_its_extra() -> None:
    for module in ("no_such_package", "no_such_package.part", "email.no_such_part"):
        extra = Extra(name="some", feature="something", modules=("email", module))
        assert extra.missing == (
            "something needs the extra 'some', which is not installed; install it with: pip install 'niyosha[some]'"
        )


def sentence(extra: Extra) -> str:
    return (
        f"{extra.feature} needs the extra {extra.name!r}, which is not installed; "
        f"install it with: pip install 'niyosha[{extra.name}]'"
    )


NO_RIVA = f"NIYOSHA_RIVA_URI names no Riva server, and {sentence(ENGINE)}"
EVERY_MODULE = tuple(module for extra in EXTRAS for module in extra.modules)
# Refuse settings and a configuration one after the other, and print why.
REFUSALS = """
from stream.configuration.config import SessionConfig
from stream.errors import ClientError
from web.settings.settings import SettingsError, read_settings

for name, value in (
    ("database_url", "postgresql://name:secret@127.0.0.1/db"),
    ("limits_url", "redis://127.0.0.1"),
    ("limits_url", "rediss://127.0.0.1"),
    ("tracing_endpoint", "http://127.0.0.1:4317"),
    ("stream_defaults", {"vad": "silero"}),
):
    try:
        read_settings({name: value})
    except SettingsError as error:
        print(error)
for vad in "webrtc", "silero":
    try:
        print(SessionConfig().with_query([("vad", vad)]).vad)
    except ClientError as error:
        print(error.problem.name, error.detail)
"""


def test_settings_and_configurations_that_need_a_missing_extra_are_refused_with_its_name(tmp_path: Path) -> None:
    ended = run_without(EVERY_MODULE, tmp_path, ["-c", REFUSALS])
    assert ended.stdout.splitlines() == [
        f"NIYOSHA_DATABASE_URL: {sentence(POSTGRES)}",
        f"NIYOSHA_LIMITS_URL: {sentence(REDIS)}",
        f"NIYOSHA_LIMITS_URL: {sentence(REDIS)}",
        f"NIYOSHA_TRACING_ENDPOINT is 'http://127.0.0.1:4317': {sentence(OTEL)}",
        f"NIYOSHA_STREAM_DEFAULTS is {{'vad': 'silero'}}: vad is silero, and on this server {sentence(SILERO)}",
        "webrtc",
        f"INVALID_CONFIG vad is silero, and on this server {sentence(SILERO)}",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["serve", "--port", "0"], f"niyosha: {NO_RIVA}\n"),
        (["engine"], f"niyosha engine: {sentence(ENGINE)}\n"),
        (["worker"], "niyosha worker: NIYOSHA_DATABASE_URL names a SQLite file"),
        (["transcribe", "tests/clips/yes.wav"], NO_RIVA),
        (["mic"], sentence(MIC)),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_commands_without_the_engine_name_what_is_missing(arguments: list[str], message: str, tmp_path: Path) -> None:
    database = {"NIYOSHA_DATABASE_URL": f"sqlite:///{tmp_path / 'niyosha.db'}"}
    ended = run_without(EVERY_MODULE, tmp_path, ["-m", "web.cli.main", *arguments], database)
    assert ended.returncode == 1
    assert message in ended.stderr


def test_the_gateway_and_the_client_load_without_any_extra(tmp_path: Path) -> None:
    modules = (
        "web.cli.serve, web.cli.files.live, web.cli.files.remote, web.cli.doctor, web.cli.token, stream.client, web.app"
    )
    ended = run_without(EVERY_MODULE, tmp_path, ["-c", f"import {modules}; print('loaded')"])
    assert (ended.stdout, ended.stderr) == ("loaded\n", "")
