"""What does the node write down of a peer that is connected?"""

import time

import msgspec

from lnpd.peer.greeting import Records
from lnpd.services.peers.address import Address
from lnpd.services.peers.connection import Connection
from lnpd.wire.features import Features


class PeerInfo(msgspec.Struct, frozen=True):
    """A connected peer. `features` are those of its `init`, `negotiated` those of the connection, `records` what
    plugins of the peer's added to its `init`."""

    node_id: bytes
    address: Address
    incoming: bool
    features: Features
    negotiated: Features
    since_unix_seconds: int
    records: Records = ()


class Peer:
    """An open connection and what was written down of it."""

    def __init__(self, connection: Connection, now: float) -> None:
        assert connection.agreement is not None
        agreement = connection.agreement
        self.connection, self.opened_at = connection, now
        self.info = PeerInfo(
            connection.node_id,
            connection.address,
            connection.incoming,
            agreement.offered,
            agreement.features,
            int(time.time()),
            agreement.records,
        )
