"""Is anything lost, or told wrongly, when the chain forks one to six blocks deep at any stage of a close? (BOLT 5)

Three HTLCs each way: one whose preimage its recipient knows, one that nobody takes, one that is trimmed.
"""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lnpd_sdk.types import Party

from lnpd.channel import actions, events
from lnpd.channel.state import Closed, Failed, OnChain
from lnpd.providers.types import ANCHORS_ZERO_FEE_HTLC_TX, STATIC_REMOTEKEY
from lnpd.tx.graph import ChannelType
from lnpd.tx.transaction import Tx
from tests.channel.forks import Forks
from tests.channel.harness import SCRIPTS, Node, Pair, add, opened, preimage
from tests.channel.schedules.signing import SigningNode

HEIGHT, EXPIRY = 500_100, 500_140
TYPES = {"static_remotekey": STATIC_REMOTEKEY, "anchors": ANCHORS_ZERO_FEE_HTLC_TX}
KNOWN, LOST, TRIMMED = 0, 1, 2  # the ids of each side's HTLCs

Step = tuple[str, int]
steps = st.lists(
    st.one_of(
        st.tuples(st.just("mine"), st.integers(1, 20)),
        st.tuples(st.just("full"), st.integers(1, 3)),
        st.tuples(st.just("reorganise"), st.integers(1, 6)),
    ),
    max_size=14,
)


def closing(channel_type: ChannelType) -> Pair:
    """A channel with six HTLCs, of which each side has decided to claim one."""
    pair = opened(channel_type, Pair(SigningNode(0), SigningNode(1)))
    for party in (0, 1):
        for number in (KNOWN, LOST):
            pair.command(party, add(10 * party + number, 20_000_000 + number, EXPIRY + party))  # type: ignore[arg-type]
        pair.command(party, add(10 * party + TRIMMED, 200_000, EXPIRY))  # type: ignore[arg-type]
    pair.settle()
    pair.cut()
    for party in (0, 1):
        pair.nodes[party].run(events.Fulfill(KNOWN, preimage(10 * (1 - party) + KNOWN)))
    return pair


def outcomes(node: Node) -> tuple[dict[int, bytes], list[int]]:
    """What the node's payments were told: preimages, and failures."""
    fulfilled = {m.id: m.preimage for m in node.told(actions.HtlcFulfilled)}
    return fulfilled, [m.id for m in node.told(actions.HtlcFailed)]


def play(forks: Forks, story: list[Step]) -> None:
    for verb, count in story:
        match verb:
            case "mine":
                forks.mine(count)
            case "full":
                forks.mine(count, room=False)
            case "reorganise":
                forks.reorganise(count)


def check_end(forks: Forks) -> None:
    """Everything is settled, and by whom it should be."""
    for node in forks.nodes:
        assert isinstance(node.channel.phase, Closed), node.channel.phase
        fulfilled, failed = outcomes(node)
        other = 1 - node.us
        assert fulfilled == {KNOWN: preimage(10 * node.us + KNOWN)}
        assert set(failed) == {LOST, TRIMMED} and other in (0, 1)


@pytest.mark.parametrize("closer", [0, 1], ids=["the opener's commitment", "the acceptor's"])
@pytest.mark.parametrize("channel_type", TYPES.values(), ids=TYPES)
@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(story=steps)
def test_nothing_is_lost_whatever_the_forks(channel_type: ChannelType, closer: Party, story: list[Step]) -> None:
    pair = closing(channel_type)
    forks = Forks(pair.nodes, HEIGHT)
    pair.nodes[closer].run(events.ForceClose())
    tx = pair.nodes[closer].broadcast[-1]
    forks.mempool[tx.txid] = tx
    forks.mine()
    play(forks, story)
    forks.mine(60)
    forks.mine(320)
    check_end(forks)
    check_money(forks, tx)


def check_money(forks: Forks, commitment: Tx) -> None:
    """Each output of the commitment was taken by whom it belongs to, but for anchors."""
    spends = forks.spends()
    kept = forks.nodes[0].rows
    assert kept, "the graphs are kept"
    for node in forks.nodes:
        for action in [a for a in node.did if isinstance(a, actions.Claim)]:
            for claim in action.claims:
                if claim.txid == commitment.txid and claim.output.kind != "anchor":
                    assert (claim.txid, claim.vout) in spends, claim.output
    swept = [o.value_sat for tx, _ in forks.transactions().values() for o in tx.outputs if o.script_pubkey in SCRIPTS]
    total_sat = sum(swept)
    fees_sat = forks.funding.capacity_sat - total_sat
    assert 0 < fees_sat < 12_000, fees_sat


EACH_STAGE: dict[str, int] = {
    "the commitment": 1,
    "claims at once": 2,
    "the second stage's delay": 20,
    "timeouts": 42,
    "what came of timeouts": 44,
    "deep claims": 150,
    "the last sweeps": 190,
}


@pytest.mark.parametrize("depth", range(1, 7))
@pytest.mark.parametrize("blocks", EACH_STAGE.values(), ids=EACH_STAGE)
def test_a_fork_of_each_depth_at_each_stage(blocks: int, depth: int) -> None:
    pair = closing(ANCHORS_ZERO_FEE_HTLC_TX)
    forks = Forks(pair.nodes, HEIGHT)
    pair.nodes[0].run(events.ForceClose())
    tx = pair.nodes[0].broadcast[-1]
    forks.mempool[tx.txid] = tx
    forks.mine(blocks)
    forks.reorganise(depth)
    forks.mine(380 - blocks)
    check_end(forks)
    check_money(forks, tx)


def test_another_commitment_after_a_fork_is_settled_by_its_own_outputs() -> None:
    """The peer's next commitment confirms instead of the current one, and its HTLCs are another set."""
    pair = closing(ANCHORS_ZERO_FEE_HTLC_TX)
    forks = Forks(pair.nodes, HEIGHT)
    for node in pair.nodes:
        node.run(events.ForceClose())
    first, second = (node.broadcast[-1] for node in pair.nodes)
    forks.mempool[first.txid] = first
    forks.mine(3)
    assert [on_chain(node) for node in pair.nodes] == ["ours", "theirs"]
    forks.reorganise(3)
    assert all(isinstance(node.channel.phase, Failed) for node in pair.nodes)
    forks.mempool = {second.txid: second}
    forks.mine(1)
    assert [on_chain(node) for node in pair.nodes] == ["theirs", "ours"]
    forks.mine(380)
    check_end(forks)
    check_money(forks, second)


def on_chain(node: Node) -> str:
    assert isinstance(node.channel.phase, OnChain)
    return node.channel.phase.spend
