"""What `niyosha serve` prints on a terminal once it serves: addresses that work, and what to try."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass

# Documentation only, RFC 5737: nothing is sent there, the system only chooses the address that it would send from.
_ELSEWHERE = ("192.0.2.1", 9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """The facts of a greeting: `outer_url` is where other machines reach the server, None if they do not.

    `command` is how the program is called; `is_usual` if its commands find this server by themselves.
    """

    version: str
    url: str
    outer_url: str | None
    command: str
    is_usual: bool
    is_keyed: bool
    is_encrypted: bool

    def lines(self) -> Iterator[str]:
        """Yield the lines."""
        options = "" if self.is_usual else f" --server {self.url}"
        options += " --token TOKEN" if self.is_keyed else ""
        yield f"Niyosha {self.version} serves at {self.url}"
        yield ""
        yield f"  dictate     open {self.url} in a browser"
        yield f"  microphone  {self.command} mic{options}"
        yield f"  recording   {self.command} transcribe{options} FILE"
        if self.outer_url is not None:
            yield f"  from afar   open {self.outer_url} on another machine{self._microphone_note}"
        yield ""
        yield f"{self._audience} Ctrl-C stops the server."

    @property
    def _microphone_note(self) -> str:
        return "" if self.is_encrypted else " (browsers give the microphone to https only: --tls-self-signed)"

    @property
    def _audience(self) -> str:
        if self.is_keyed:
            return f"Everybody needs a token (`{self.command} token --sub NAME` makes one)."
        return "Without a key only this machine is served."


def outer_address() -> str | None:
    """Return this machine's address in its network, None if it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
        except OSError:
            return None
        address: str = probe.getsockname()[0]
        return address
