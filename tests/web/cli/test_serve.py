import re

import httpx
import pytest

from tests.support.terminal import CTRL_C, on_terminal
from tests.web.support.tokens import SECRET
from web.cli.serve import _ONE_COMMAND, _outer_url
from web.cli.settings import settings_for


def test_a_server_for_one_command_opens_no_other_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may run beside the server whose settings are in the environment."""
    for name, value in {
        "TOKEN_SECRET": SECRET,
        "METRICS_PORT": "9100",
        "GRPC_PORT": "50051",
        "WYOMING_PORT": "10300",
        "WYOMING_HOST": "0.0.0.0",
        "WYOMING_OWNER": "home",
    }.items():
        monkeypatch.setenv(f"NIYOSHA_{name}", value)
    settings = settings_for(_ONE_COMMAND)
    ports = settings.observability.metrics_port, settings.server.grpc_port, settings.wyoming.port
    assert ports == (None, None, None)


def test_on_a_terminal_the_server_greets_and_logs_in_words() -> None:
    settings = {"NIYOSHA_RIVA_URI": "127.0.0.1:1", "NIYOSHA_TOKEN_SECRET": SECRET}
    with on_terminal("serve", "--port", "0", "--host", "0.0.0.0", **settings) as terminal:
        terminal.wait_for("Ctrl-C stops the server.")
        found = re.search(r"serves at (http://127\.0\.0\.1:\d+)", terminal.shown)
        assert found is not None
        assert httpx.get(f"{found[1]}/v1/speech/languages", trust_env=False).status_code == 401
        terminal.wait_for("request ")
        terminal.press(CTRL_C)
        assert terminal.wait() == 0
    assert f" transcribe --server {found[1]} --token TOKEN FILE" in terminal.shown
    assert "Stopping when everything is delivered; Ctrl-C again stops at once." in terminal.shown
    assert '{"' not in terminal.shown


@pytest.mark.parametrize(
    ("host", "address", "outer_url"),
    [
        ("0.0.0.0", "10.0.0.2", "http://10.0.0.2:81"),
        ("::", "10.0.0.2", "http://10.0.0.2:81"),
        ("0.0.0.0", None, None),
        ("127.0.0.1", "10.0.0.2", None),
    ],
)
def test_other_machines_reach_a_server_on_all_addresses(
    host: str, address: str | None, outer_url: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.cli.serve.outer_address", lambda: address)
    assert _outer_url("http://127.0.0.1:81", host) == outer_url
