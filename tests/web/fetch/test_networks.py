"""Public addresses: internal ones are refused in every notation and encoding."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.fetch.networks import NotPublicError, check_addresses, literal_address

INSIDE = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "168.63.129.16",
    "198.18.0.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
]
V6_INSIDE = [
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b:1:7f00:0:100::",
    "64:ff9b:1:a00:0:100:808:808",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "2606:4700::1111%lo",
]
WRAPPED = ["::ffff:{}", "64:ff9b::{}", "64:ff9b:1::{}"]


def sixtofour(address: str) -> str:
    return f"2002:{int(ip_address(address)) >> 16:x}:{int(ip_address(address)) & 0xFFFF:x}::1"


def teredo(address: str) -> str:
    hidden = int(ip_address(address)) ^ 0xFFFF_FFFF
    return f"2001:0:808:808:0:1:{hidden >> 16:x}:{hidden & 0xFFFF:x}"


def is_allowed(address: str, *networks: str) -> bool:
    try:
        check_addresses([ip_address(address)], [ip_network(network) for network in networks])
    except NotPublicError:
        return False
    return True


@pytest.mark.parametrize("address", INSIDE)
def test_no_address_inside_is_public_however_it_is_wrapped(address: str) -> None:
    spellings = [address, sixtofour(address), teredo(address), *(wrapper.format(address) for wrapper in WRAPPED)]
    assert [spelling for spelling in spellings if is_allowed(spelling)] == []


@pytest.mark.parametrize("address", V6_INSIDE)
def test_no_address_of_ipv6_inside_is_public(address: str) -> None:
    assert not is_allowed(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "168.63.129.15", "223.255.255.254"])
def test_a_public_address_stays_public_when_embedded(address: str) -> None:
    spellings = [address, sixtofour(address), *(wrapper.format(address) for wrapper in WRAPPED)]
    assert [spelling for spelling in spellings if not is_allowed(spelling)] == []


@pytest.mark.parametrize("address", ["2606:4700::1111", "2a00:1450::1", "2001:4860:4860::8888"])
def test_an_address_of_ipv6_outside_is_public(address: str) -> None:
    assert is_allowed(address)


def test_an_allowed_network_is_reached_also_when_it_is_wrapped() -> None:
    assert is_allowed("10.1.2.3", "192.168.0.0/16", "10.0.0.0/8")
    assert is_allowed("::ffff:10.1.2.3", "10.0.0.0/8")
    assert is_allowed("fd00::1", "10.0.0.0/8", "fd00::/8")
    assert not is_allowed("10.1.2.3", "10.1.2.4/32", "fd00::/8")
    assert not is_allowed("fe80::1%lo", "fe80::/10")


def test_one_address_inside_spoils_all() -> None:
    check_addresses([ip_address("8.8.8.8"), ip_address("1.1.1.1")], ())
    with pytest.raises(NotPublicError):
        check_addresses([ip_address("8.8.8.8"), ip_address("10.0.0.1")], ())


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0X7F.1", "127.0.0.1"),
        ("017700000001", "127.0.0.1"),
        ("0177.0.1", "127.0.0.1"),
        ("0", "0.0.0.0"),
        ("134744072", "8.8.8.8"),
        ("::1", "::1"),
    ],
)
def test_an_address_is_recognized_in_every_spelling(host: str, address: str) -> None:
    assert literal_address(host) == ip_address(address)


@pytest.mark.parametrize("host", ["", "localhost", "1.example.", "0x7f.example", "a1", "cafe", "7f"])
def test_a_name_is_no_address(host: str) -> None:
    assert literal_address(host) is None


@pytest.mark.parametrize("host", ["1.2.3.4.5", "256.0.0.1", "4294967296", "08", "0x", "0xg", "example.1", "1..1"])
def test_what_only_looks_like_an_address_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="is no address"):
        literal_address(host)


@given(st.ip_addresses())
def test_whatever_is_allowed_is_global_or_leads_to_what_is(address: object) -> None:
    if is_allowed(str(address)):
        given_address = ip_address(str(address))
        assert given_address.is_global or str(given_address).startswith(("::ffff:", "64:ff9b:", "2002:"))
        assert not given_address.is_loopback
        assert not given_address.is_link_local
