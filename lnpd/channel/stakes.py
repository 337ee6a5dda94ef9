"""What is ours of a commitment, what of that may be lost by its confirming late, and from when on?

An HTLC that we offered may be claimed by the peer as long as our timeout is not confirmed; one that we fulfilled is the
peer's again from its expiry on. Everything else only waits.
"""

from typing import NamedTuple

from lnpd_sdk.script import Template
from lnpd_sdk.types import Party

from lnpd.channel.state import Channel
from lnpd.tx.claims import RACE_BLOCKS
from lnpd.tx.graph import Graph
from lnpd.tx.states import HTLC


class Stake(NamedTuple):
    """In satoshi, and the height from which on the first part of `stake_sat` may be lost (0: there is none)."""

    ours_sat: int
    stake_sat: int
    deadline_height: int


def stake_in(channel: Channel, graph: Graph) -> Stake:
    """What a commitment of either side is worth to us."""
    known = {f"{channel.them}/{d.id}" for d in channel.decisions if d.kind == "fulfill"}
    stake_sat, heights = 0, []
    for output in graph.outputs:
        offered = output.id.startswith(f"{channel.us}/")
        if output.provider == HTLC and (offered or output.id in known):
            stake_sat += output.value_sat
            heights.append(output.cltv_expiry + RACE_BLOCKS * offered)
    ours_sat = graph.balances_msat[channel.us] // 1000
    return Stake(ours_sat + stake_sat, stake_sat, min(heights, default=0))


def our_anchor(graph: Graph, us: Party) -> int | None:
    """The output of a commitment that we may spend at once to pay for it."""
    for vout, output in enumerate(graph.outputs):
        ours = isinstance(output.script, Template) and output.script.counterparty == (graph.holder != us)
        if output.kind == "anchor" and ours:
            return vout
    return None
