"""The HTTP paths that client and server agree on, and the test for a loopback host."""

from ipaddress import ip_address

LIVE_PATH = "/v1/speech/asrlive"
REALTIME_PATH = "/v1/realtime"
NIM_PATH = "/nim/v1/realtime"
HEALTH_PATH = "/v1/speech/healthcheck"
LOCAL_URL = "http://127.0.0.1:8000"
"""Where a server is without settings."""


def is_loopback(host: str) -> bool:
    """Whether a host name or address is always this machine."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
