"""Owns where things are found: the paths that client and server agree on, and which hosts are this machine."""

from ipaddress import ip_address

LIVE_PATH = "/v1/speech/asrlive"
HEALTH_PATH = "/v1/speech/healthcheck"


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only be this machine."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
