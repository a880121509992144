import pytest
from pydantic import ValidationError

from web.backends.embedded.settings import EngineSettings
from web.backends.riva.settings import RivaSettings
from web.settings.settings import Settings, SettingsError, read_settings


def test_the_environment_is_read_and_the_command_line_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIYOSHA_PORT", "9000")
    monkeypatch.setenv("NIYOSHA_IDLE_MS", "500")
    monkeypatch.setenv("NIYOSHA_STREAM_DEFAULTS", '{"hangoverMs": 400}')
    settings = read_settings({"port": 9001})
    assert (settings.server.port, settings.session.runner_limits.pause_seconds) == (9001, 0.5)
    assert settings.session.config.hangover_ms == 400


def test_what_a_server_sets_does_not_count_as_set_by_the_client() -> None:
    settings = Settings(stream_defaults={"sampleRateHertz": 8000})
    assert not settings.session.config.audio_format.rate_is_explicit


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("NIYOSHA_PORT", "70000", "NIYOSHA_PORT is '70000': Input should be less than or equal to 65535"),
        (
            "NIYOSHA_MODEL",
            "bundled,",
            "NIYOSHA_MODEL is 'bundled,': between and around commas must be the names of models",
        ),
        (
            "NIYOSHA_ENGINE_SESSIONS",
            "0",
            "NIYOSHA_ENGINE_SESSIONS is '0': Input should be greater than or equal to 1",
        ),
        (
            "NIYOSHA_HOST",
            "0.0.0.0",
            "NIYOSHA_HOST is '0.0.0.0', which other machines can reach, and nobody would be asked for a key. Set "
            "NIYOSHA_TOKEN_SECRET to at least 32 random bytes (`niyosha token --new-secret` makes some), or keep to "
            "127.0.0.1 and put a proxy that authenticates in front",
        ),
        (
            "NIYOSHA_STREAM_DEFAULTS",
            '{"hangoverMs": 1}',
            "NIYOSHA_STREAM_DEFAULTS is {'hangoverMs': 1}: hangoverMs is 1; it must be between 100 and 5000",
        ),
    ],
)
def test_a_wrong_setting_is_refused_with_its_value_and_what_is_allowed(
    name: str, value: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        read_settings({})
    assert str(caught.value) == sentence


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_wyoming_is_served_beside_a_key_on_loopback(host: str) -> None:
    assert read_settings({"token_secret": "s" * 32, "wyoming_port": 10_300, "wyoming_host": host}).wyoming.host == host


def test_wyoming_passes_a_key_by_only_for_a_named_owner() -> None:
    overrides = {"token_secret": "s" * 32, "wyoming_port": 10_300, "wyoming_host": "0.0.0.0"}
    with pytest.raises(SettingsError) as caught:
        read_settings(overrides)
    assert str(caught.value) == (
        "NIYOSHA_WYOMING_HOST is '0.0.0.0', which other machines can reach, and Wyoming has no keys. Set "
        "NIYOSHA_WYOMING_OWNER to the owner (`sub`) of whatever is said there, or keep to 127.0.0.1"
    )
    assert read_settings(overrides | {"wyoming_owner": "home"}).wyoming.owner == "home"


def test_without_a_key_wyoming_may_have_any_address() -> None:
    assert read_settings({"wyoming_port": 10_300, "wyoming_host": "0.0.0.0"}).wyoming.port == 10_300


def test_wyoming_settings_without_a_port_are_refused() -> None:
    with pytest.raises(SettingsError, match="have no effect without NIYOSHA_WYOMING_PORT: set it too"):
        read_settings({"wyoming_owner": "home"})


def test_defaults_that_are_no_json_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIYOSHA_STREAM_DEFAULTS", "{")
    with pytest.raises(SettingsError, match="stream_defaults"):
        read_settings({})


def test_each_setting_is_found_in_its_section_under_its_own_name() -> None:
    settings = Settings(port=9000, riva_uri="a:1", engine_workers=3, model="bundled", job_streams=5)
    assert (settings.server.port, settings.store.job_streams) == (9000, 5)
    assert settings.backends == {
        "riva": RivaSettings(uri="a:1"),
        "engine": EngineSettings(workers=3, model="bundled"),
    }


def test_a_name_that_is_no_setting_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"^NIYOSHA_PROT is 1: Extra inputs are not permitted$"):
        read_settings({"prot": 1})


def test_settings_never_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().server.port = 1


def test_several_wrong_settings_are_all_named() -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({"port": -1, "idle_ms": 1, "riva_most_speakers": 65})
    assert str(caught.value) == (
        "NIYOSHA_RIVA_MOST_SPEAKERS is 65: Input should be less than or equal to 64; "
        "NIYOSHA_PORT is -1: Input should be greater than or equal to 0; "
        "NIYOSHA_IDLE_MS is 1: Input should be greater than or equal to 100"
    )


def test_a_wrong_secret_is_refused_and_not_repeated() -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({"token_secret": "canary", "limits_url": "canary://"})
    assert str(caught.value) == (
        "NIYOSHA_TOKEN_SECRET: it has 6 bytes; at least 32 random ones are needed; "
        "NIYOSHA_LIMITS_URL: must be memory://, redis://host:port or rediss://host:port"
    )


def test_former_secrets_are_secrets_too() -> None:
    secrets = {"token_secret": "new" * 16, "token_old_secrets": ["old" * 16]}
    assert {"new" * 16, "old" * 16} <= read_settings(secrets).secrets
    with pytest.raises(SettingsError) as caught:
        read_settings(secrets | {"token_old_secrets": ["canary"]})
    assert str(caught.value) == "NIYOSHA_TOKEN_OLD_SECRETS: it has 6 bytes; at least 32 random ones are needed"
    with pytest.raises(SettingsError, match="is set without NIYOSHA_TOKEN_SECRET"):
        read_settings({"token_old_secrets": ["old" * 16]})


def test_workers_are_a_number_or_one_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.settings.server.usable_cores", lambda: 6)
    assert read_settings({}).server.workers == 1
    assert read_settings({"workers": "3"}).server.workers == 3
    monkeypatch.setenv("NIYOSHA_WORKERS", "auto")
    assert read_settings({}).server.workers == 6


@pytest.mark.parametrize("workers", ["0", "257", "-1", "1.5", "all", ""])
def test_another_number_of_workers_is_refused(workers: str) -> None:
    with pytest.raises(SettingsError, match=r"^NIYOSHA_WORKERS is '?[^ ]*: .*(auto|greater|less)"):
        read_settings({"workers": workers})
