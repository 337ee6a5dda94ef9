"""What do tests of gates start from: a channel with boxes that the peer signs ahead, and what is under way in it?"""

from typing import Any

from lnpd_sdk.types import PARTIES

from lnpd.channel import events
from lnpd.wire.message import decode
from tests.channel.harness import GATED, WITH_GATE, Node, Pair, opened, with_second_funding
from tests.channel.vault import NAME, GatedVault, body

PUT = events.Propose(NAME, body("put", 20_000))


def gated(*vaults: GatedVault, fundings: int = 1) -> Pair:
    """A channel in Normal whose commitments have gated children once a box is filled."""
    own = vaults or (GatedVault(), GatedVault())
    nodes = (Node(party, providers={**GATED, NAME: own[party]}) for party in PARTIES)
    pair = opened(WITH_GATE, Pair(*nodes))
    return with_second_funding(pair) if fundings == 2 else pair


def offered(pair: Pair) -> Pair:
    """Node 1 has signed node 0's commitment with node 0's own box in it; nothing of that is delivered."""
    pair.command(0, PUT)
    pair.command(0, events.Commit())
    for party in PARTIES:
        while pair.deliver(party):
            pass
    pair.command(1, events.Commit())
    return pair


def names(node: Node) -> list[type]:
    return [type(decode(data)) for data in node.sent]


def taken(node: Node, kind: type) -> Any:
    """The first message of this kind that is under way, off the wire."""
    for data in list(node.sent):
        if isinstance(message := decode(data), kind):
            node.sent.remove(data)
            return message
    raise AssertionError(f"no {kind.__name__} is under way")
