from stream.protocols.registry import PROTOCOLS


def test_every_protocol_has_a_name_and_a_path_of_its_own() -> None:
    assert (
        len({protocol.name for protocol in PROTOCOLS})
        == len({protocol.path for protocol in PROTOCOLS})
        == len(PROTOCOLS)
    )
    assert all(protocol.name and protocol.path.startswith("/") for protocol in PROTOCOLS)
