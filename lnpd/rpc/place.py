"""Where is the node that is asked: in a data directory of this machine, or on another one?"""

from pathlib import Path
from typing import Final, NamedTuple

SOCKET_NAME: Final = "rpc.sock"


class Remote(NamedTuple):
    """A node on another machine (`lnpd --rpc-listen`): "tcp://HOST:PORT", its public key (32 bytes), and the file with
    the secret key that the node knows (`lnp key` makes one)."""

    address: str
    server_key: bytes
    key_file: Path

    def __str__(self) -> str:
        return self.address


Place = Path | Remote


def place_of(where: Path | str | Remote) -> Place:
    """A place as a caller names it; `~` is the home directory."""
    return where if isinstance(where, Remote) else Path(where).expanduser()
