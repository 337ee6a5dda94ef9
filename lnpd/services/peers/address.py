"""Where is a peer, as people write it, as BOLT 7 does, and as limits count it?"""

import ipaddress
import re
from typing import Final

import msgspec

from lnpd.crypto import secp
from lnpd.errors import PeerAddressMalformed

DEFAULT_PORT: Final = 9735
_ADDRESS: Final = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]{2,45})\]|(?P<host>[A-Za-z0-9._-]{1,253}))(?::(?P<port>\d{1,5}))?"
)
_NODE_ID: Final = re.compile(r"0[23][0-9a-fA-F]{64}")


class Address(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A TCP address; `host` is a name or an IP address without brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """ "host:port", "[IPv6]:port", or either without a port, which is 9735 then. Raises PeerAddressMalformed."""
    match = _ADDRESS.fullmatch(text)
    port = int(match["port"] or DEFAULT_PORT) if match else -1
    if match is None or not 0 <= port <= 0xFFFF:
        raise PeerAddressMalformed(f"{text[:100]!r} is no host:port; an IPv6 address stands in brackets.")
    return Address(match["v6"] or match["host"], port)


def parse_peer(text: str) -> tuple[bytes, Address | None]:
    """ "node_id@host:port", or a node id alone. Raises PeerAddressMalformed."""
    node_id, at, address = text.strip().partition("@")
    if not _NODE_ID.fullmatch(node_id) or not secp.is_point(bytes.fromhex(node_id)):
        raise PeerAddressMalformed(f"{node_id[:100]!r} is no node id: that is a public key of 66 hex digits.")
    return bytes.fromhex(node_id), parse_address(address) if at else None


def remote_addr(host: str, port: int) -> bytes:
    """A public IP address as BOLT 7's address descriptor for `init`; nothing for any other (BOLT 1)."""
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return b""
    if not ip.is_global:
        return b""
    return bytes([1 if ip.version == 4 else 2]) + ip.packed + port.to_bytes(2, "big")


def network_of(host: str) -> str:
    """What one stranger can have many addresses of: an IPv4 address, or an IPv6 /64."""
    try:
        ip = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is None:
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(getattr(ip, "ipv4_mapped", None) or ip)
