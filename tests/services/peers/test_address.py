"""Are addresses read as people write them, and told to peers only if they are public?"""

import pytest

from lnpd.crypto import secp
from lnpd.errors import PeerAddressMalformed
from lnpd.services.peers.address import Address, network_of, parse_address, parse_peer, remote_addr
from tests.peer.ends import ALICE

NODE_ID = secp.public_key(ALICE)


@pytest.mark.parametrize(
    ("text", "host", "port", "again"),
    [
        ("127.0.0.1:9736", "127.0.0.1", 9736, "127.0.0.1:9736"),
        ("localhost", "localhost", 9735, "localhost:9735"),
        ("ln.example.com:0", "ln.example.com", 0, "ln.example.com:0"),
        ("[::1]:9735", "::1", 9735, "[::1]:9735"),
        ("[2001:db8::1]", "2001:db8::1", 9735, "[2001:db8::1]:9735"),
    ],
)
def test_an_address_is_read_and_written(text: str, host: str, port: int, again: str) -> None:
    address = parse_address(text)
    assert address == Address(host, port) and str(address) == again and parse_address(again) == address
    assert parse_peer(f" {NODE_ID.hex().upper()}@{text}\n") == (NODE_ID, address)


@pytest.mark.parametrize(
    "text", ["", ":9735", "::1", "a b:1", "host:65536", "host:-1", "host:1:2", "[::1", "x@y:1", "é"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(PeerAddressMalformed):
        parse_address(text)


@pytest.mark.parametrize("text", ["", "@", "host:1", NODE_ID.hex()[:-1], "04" + NODE_ID.hex()[2:], "02" + "ff" * 32])
def test_what_is_no_node_id_is_refused(text: str) -> None:
    with pytest.raises(PeerAddressMalformed):
        parse_peer(f"{text}@127.0.0.1:1")
    assert parse_peer(NODE_ID.hex()) == (NODE_ID, None)


@pytest.mark.parametrize(
    ("host", "port", "descriptor"),
    [
        ("1.2.3.4", 9735, "01" "01020304" "2607"),
        ("2606:4700::1", 1, "02" "26064700000000000000000000000001" "0001"),
        ("127.0.0.1", 9735, ""),
        ("10.0.0.1", 9735, ""),
        ("192.168.1.1", 9735, ""),
        ("fe80::1", 9735, ""),
        ("::1", 9735, ""),
        ("name.example", 9735, ""),
        ("", 0, ""),
    ],
)  # fmt: skip
def test_only_a_public_address_is_told(host: str, port: int, descriptor: str) -> None:
    assert remote_addr(host, port).hex() == descriptor


def test_what_one_stranger_can_have_much_of_counts_as_one_network() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8:0:0:ffff::2") != network_of("2001:db8:0:1::1")
    assert network_of("fe80::1%eth0") == network_of("fe80::2%eth0")
    assert network_of("1.2.3.4") == network_of("::ffff:1.2.3.4") != network_of("1.2.3.5")
    assert network_of("") == ""
