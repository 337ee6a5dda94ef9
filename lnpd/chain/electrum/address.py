"""Where does an Electrum server answer, and is the way there protected?

`ssl://host:port` is. `tcp://host:port` is not, and goes to this machine only; `tcp-unprotected://host:port` is for
whoever has protected the way by other means.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final

import msgspec

URL: Final = re.compile(r"(ssl|tcp|tcp-unprotected)://(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,253}):([0-9]{1,5})/?")


class ElectrumAddress(msgspec.Struct, frozen=True):
    """Where a server answers, and whether by TLS."""

    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def read_url(word: str) -> ElectrumAddress:
    """The address in a URL. Raises ValueError with what is expected."""
    match = URL.fullmatch(word)
    if not match or int(match[3]) not in range(1, 65_536):
        raise ValueError("ssl://HOST:PORT, or tcp://HOST:PORT for a server on this machine")
    scheme, host = match[1], match[2].strip("[]")
    if scheme == "tcp" and not _is_this_machine(host):
        raise ValueError(
            "ssl://HOST:PORT: tcp:// is for a server on this machine, because everybody on the way could change what"
            " it says (tcp-unprotected://HOST:PORT, if you know better)"
        )
    return ElectrumAddress(host, int(match[3]), scheme == "ssl")


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
