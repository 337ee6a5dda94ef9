"""How is a bitcoind, for a person who asks what is wrong with it?"""

from __future__ import annotations

import msgspec

from lnpd.chain.bitcoind.answers import BlockchainInfo, NetworkInfo, Notification
from lnpd.chain.bitcoind.notices import endpoints_of
from lnpd.chain.bitcoind.rpc import NO_SUCH_METHOD, Rpc
from lnpd.errors import BitcoindFault

ANSWER_SECONDS = 5.0


class BitcoindState(msgspec.Struct, frozen=True):
    """What a bitcoind says of itself.

    version: as 280000. pruned_below_height: it has no block below this one; 0 if it has all of them. peers: to how many
    nodes it is connected. offset_seconds: by how much their clocks are ahead of its own, in the median. notifies: it
    publishes what lnpd listens for by ZeroMQ.
    """

    subversion: str
    version: int
    height: int
    headers_height: int
    pruned_below_height: int
    peers: int
    offset_seconds: int
    notifies: bool


async def state_of(rpc: Rpc) -> BitcoindState:
    """Asked now. Raises ChainError where there is no answer."""
    chain = await rpc.call(BlockchainInfo, "getblockchaininfo", seconds=ANSWER_SECONDS)
    network = await rpc.call(NetworkInfo, "getnetworkinfo", seconds=ANSWER_SECONDS)
    try:
        told = await rpc.call(tuple[Notification, ...], "getzmqnotifications", seconds=ANSWER_SECONDS)
    except BitcoindFault as fault:
        if fault.code != NO_SUCH_METHOD:  # a bitcoind that was built without ZeroMQ
            raise
        told = ()
    return BitcoindState(
        subversion=network.subversion,
        version=network.version,
        height=chain.blocks,
        headers_height=chain.headers,
        pruned_below_height=chain.pruneheight if chain.pruned else 0,
        peers=network.connections,
        offset_seconds=network.timeoffset,
        notifies=bool(endpoints_of(told, rpc.address.host)),
    )
