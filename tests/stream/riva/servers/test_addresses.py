import pytest

from stream.riva.servers.addresses import Address, parse_address, parse_addresses

HOW = "write host:port, [IPv6 address]:port, dns:///name:port or unix:/path"


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("riva:50051", Address(uri="riva:50051", host="riva", port=50051)),
        ("10.0.0.1:443", Address(uri="10.0.0.1:443", host="10.0.0.1", port=443)),
        ("[::1]:50051", Address(uri="[::1]:50051", host="::1", port=50051)),
        ("dns:///riva.example:50051", Address(uri="dns:///riva.example:50051", host="riva.example", port=50051)),
        ("unix:/run/riva.sock", Address(uri="unix:/run/riva.sock", path="/run/riva.sock")),
        ("unix:///run/riva.sock", Address(uri="unix:///run/riva.sock", path="/run/riva.sock")),
    ],
)
def test_addresses_are_read(uri: str, address: Address) -> None:
    assert parse_address(uri) == address


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("", f"an address is empty; {HOW}"),
        ("riva", f"riva has no port, which for Riva is mostly 50051; {HOW}"),
        (":50051", f":50051 has no port, which for Riva is mostly 50051; {HOW}"),
        ("riva:", f"the port of riva: is no number from 1 to 65535; {HOW}"),
        ("riva:0", f"the port of riva:0 is no number from 1 to 65535; {HOW}"),
        ("riva:65536", f"the port of riva:65536 is no number from 1 to 65535; {HOW}"),
        ("riva:port", f"the port of riva:port is no number from 1 to 65535; {HOW}"),
        ("::1:50051", f"::1:50051 has no valid host; {HOW}"),
        ("[::1:50051", f"[::1:50051 has no valid host; {HOW}"),
        ("[riva]:50051", f"[riva]:50051 has no valid host; {HOW}"),
        ("ri va:50051", f"ri va:50051 has no valid host; {HOW}"),
        ("-riva:50051", f"-riva:50051 has no valid host; {HOW}"),
        ("unix:riva.sock", "unix:riva.sock has no absolute path; write unix:/path"),
        (
            "https://riva:443",
            "https://riva:443 begins with a scheme; write host:port, and for an encrypted connection set "
            "NIYOSHA_RIVA_TLS=1",
        ),
    ],
)
def test_what_is_no_address_is_refused_with_what_is_one(uri: str, sentence: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        parse_address(uri)
    assert str(caught.value) == sentence


def test_several_addresses_are_separated_by_commas() -> None:
    assert [address.uri for address in parse_addresses("a:1, b:2,unix:/c")] == ["a:1", "b:2", "unix:/c"]


def test_an_address_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^a:1 is there twice$"):
        parse_addresses("a:1,b:2,a:1")


@pytest.mark.parametrize(
    ("uri", "is_local"),
    [("unix:/r", True), ("127.0.0.1:1", True), ("[::1]:1", True), ("dns:///localhost:1", True), ("riva:1", False)],
)
def test_what_stays_on_this_machine_is_known(uri: str, is_local: bool) -> None:
    assert parse_address(uri).is_local is is_local
