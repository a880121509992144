import pytest

from stream.paths import is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "[::1]", "localhost", "LOCALHOST"])
def test_this_machine_is_recognized_by_its_names(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "192.168.1.1", "example.org", "localhost.example.org"])
def test_other_names_are_not_this_machine(host: str) -> None:
    assert not is_loopback(host)
