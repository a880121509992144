import pytest

from web.cli.greeting import Greeting


def greeting(**facts: object) -> Greeting:
    usual = {
        "version": "1.2",
        "url": "http://127.0.0.1:8000",
        "outer_url": None,
        "command": "niyosha",
        "is_usual": True,
        "is_keyed": False,
        "is_encrypted": False,
    }
    return Greeting(**(usual | facts))  # type: ignore[arg-type]


def test_a_server_without_settings_needs_no_options() -> None:
    assert list(greeting().lines()) == [
        "Niyosha 1.2 serves at http://127.0.0.1:8000",
        "",
        "  dictate     open http://127.0.0.1:8000 in a browser",
        "  microphone  niyosha mic",
        "  recording   niyosha transcribe FILE",
        "",
        "Without a key only this machine is served. Ctrl-C stops the server.",
    ]


def test_commands_name_the_server_and_the_token_where_they_must() -> None:
    text = "\n".join(greeting(url="http://[::1]:81", is_usual=False, is_keyed=True).lines())
    assert "niyosha mic --server http://[::1]:81 --token TOKEN\n" in text
    assert "niyosha transcribe --server http://[::1]:81 --token TOKEN FILE\n" in text
    assert text.endswith("Everybody needs a token (`niyosha token --sub NAME` makes one). Ctrl-C stops the server.")


@pytest.mark.parametrize(
    ("is_encrypted", "note"),
    [(False, " (browsers give the microphone to https only: --tls-self-signed)"), (True, "")],
)
def test_other_machines_have_an_address_of_their_own(is_encrypted: bool, note: str) -> None:
    lines = list(greeting(outer_url="https://10.0.0.2:8000", is_encrypted=is_encrypted).lines())
    assert lines[5] == f"  from afar   open https://10.0.0.2:8000 on another machine{note}"
