"""What are the answers of the commands about peers? As __init__.py says."""

import msgspec

from lnpd.rpc.answers.ids import Hex, NodeId


class Listening(msgspec.Struct, frozen=True):
    """Where the node listens now, "host:port" each."""

    addresses: tuple[str, ...]


class Connected(msgspec.Struct, frozen=True):
    """A connection that has exchanged `init`. `address` is "host:port"."""

    node_id: NodeId
    address: str


class Pong(msgspec.Struct, frozen=True):
    """An answered ping."""

    node_id: NodeId
    milliseconds: float


class Peer(msgspec.Struct, frozen=True):
    """A node that we are connected to or have channels with. `features` are those of its init (BOLT 9)."""

    node_id: NodeId
    address: str
    connected: bool
    inbound: bool
    channels: int
    features: Hex
    feature_names: tuple[str, ...] = ()
