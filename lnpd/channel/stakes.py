"""What is ours of a commitment, what of that may be lost by its confirming late, and from when on?

An HTLC that we offered may be claimed by the peer as long as our timeout is not confirmed; one that we fulfilled is the
peer's again from its expiry on, and so is an extension's output to which we know the late datum, where the peer has a
path with an absolute lock. Everything else only waits.
"""

from itertools import accumulate
from typing import NamedTuple

from lnpd_sdk.script import Template
from lnpd_sdk.types import Party

from lnpd.channel.state import Channel
from lnpd.channel.witnesses import supplied
from lnpd.tx.claims import RACE_BLOCKS, contested
from lnpd.tx.graph import Graph, Output
from lnpd.tx.states import HTLC


class Risk(NamedTuple):
    """So much in all may be lost once a commitment is not confirmed by this height (0: never)."""

    height: int
    risk_sat: int


class Stake(NamedTuple):
    """In satoshi. `risks` rise: the last is all of `stake_sat`, and the first height is the deadline (0: none)."""

    ours_sat: int
    risks: tuple[Risk, ...]

    @property
    def stake_sat(self) -> int:
        """What may be lost at all."""
        return self.risks[-1].risk_sat

    @property
    def deadline_height(self) -> int:
        """From there on the first part of it may be lost."""
        return self.risks[0].height


def stake_in(channel: Channel, graph: Graph) -> Stake:
    """What a commitment of either side is worth to us."""
    known = {f"{channel.them}/{d.id}" for d in channel.decisions if d.kind == "fulfill"}
    ours_sat, at = graph.balances_msat[channel.us] // 1000, dict[int, int]()
    for output in graph.outputs:
        offered = output.id.startswith(f"{channel.us}/")
        if output.provider == HTLC and (offered or output.id in known):
            height = output.cltv_expiry + RACE_BLOCKS * offered
            at[height] = at.get(height, 0) + output.value_sat
            ours_sat += output.value_sat * (not offered)  # an offered one is in the balance until it is fulfilled
    for height, output in opened_in(channel, graph):
        at[height] = at.get(height, 0) + output.value_sat
        ours_sat += output.debits_msat[channel.them] // 1000
    heights = sorted(at)
    risks = tuple(map(Risk, heights, accumulate(at[height] for height in heights))) or (Risk(0, 0),)
    return Stake(ours_sat, risks)


def opened_in(channel: Channel, graph: Graph) -> tuple[tuple[int, Output], ...]:
    """What a late datum that we know opens to us, and a lock to the peer, each with the height at which the commitment
    has to be confirmed."""
    providers = sorted({each.provider for each in channel.witnesses})
    return tuple(
        each for provider in providers for each in contested(graph, channel.us, provider, supplied(channel, provider))
    )


def our_anchor(graph: Graph, us: Party) -> int | None:
    """The output of a commitment that we may spend at once to pay for it."""
    for vout, output in enumerate(graph.outputs):
        ours = isinstance(output.script, Template) and output.script.counterparty == (graph.holder != us)
        if output.kind == "anchor" and ours:
            return vout
    return None
