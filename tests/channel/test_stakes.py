"""What of a commitment may be lost, and how much of it by which height?"""

import pytest

from lnpd.channel import events
from lnpd.channel.stakes import Risk, Stake, stake_in
from lnpd.tx.claims import RACE_BLOCKS
from tests.channel.harness import Pair, add, opened, preimage

SOON, FAR = 500_100, 500_900

# Who looks, which of the peer's HTLCs it can claim, what is its own in all, and the risks: an HTLC that we offered is
# lost RACE_BLOCKS after its expiry.
RISKS: dict[str, tuple[int, list[int], int, list[tuple[int, int]]]] = {
    "who offered": (0, [], 500_000, [(SOON + RACE_BLOCKS, 30_000), (FAR + RACE_BLOCKS, 70_000)]),
    "who knows no preimage": (1, [], 500_000, [(0, 0)]),
    "who knows one": (1, [1], 540_000, [(FAR, 40_000)]),
    "who knows all: each adds to what was lost before": (1, [0, 1, 2], 570_000, [(SOON, 30_000), (FAR, 70_000)]),
}


def pair_with_htlcs() -> Pair:
    """Party 0 has offered 10,000 and 20,000 sat that expire soon, and 40,000 later."""
    pair = opened(push_msat=500_000_000)
    for number, (amount_sat, expiry) in enumerate([(10_000, SOON), (40_000, FAR), (20_000, SOON)]):
        pair.command(0, add(number, 1000 * amount_sat, expiry))
        pair.settle()
    return pair


@pytest.mark.parametrize(("party", "known", "ours_sat", "risks"), RISKS.values(), ids=RISKS)
@pytest.mark.parametrize("holder", [0, 1])
def test_what_may_be_lost_by_when(
    party: int, known: list[int], ours_sat: int, risks: list[tuple[int, int]], holder: int
) -> None:
    pair = pair_with_htlcs()
    graph, node = pair.nodes[holder].latest().graph, pair.nodes[party]
    pair.cut()
    for number in known:
        node.run(events.Fulfill(number, preimage(number)))
    stake = stake_in(node.channel, graph)
    assert stake == Stake(ours_sat, tuple(Risk(*each) for each in risks))
    assert (stake.stake_sat, stake.deadline_height) == (risks[-1][1], risks[0][0])
