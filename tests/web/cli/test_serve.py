import pytest

from tests.web.support.tokens import SECRET
from web.cli.serve import _ONE_COMMAND
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
