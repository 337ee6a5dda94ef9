"""Who is told what of an HTLC whose channel is on chain, when, and only once?"""

from hashlib import sha256

import pytest
from lnpd_sdk.types import Party
from msgspec.structs import replace

from lnpd.channel import actions, events
from lnpd.channel.onchain_htlcs import TAKEN_BY_PREIMAGE, may_claim, shown_preimage
from lnpd.channel.queries import commitment_key
from lnpd.channel.state import Closed, Failed, OnChain, Policy
from lnpd.errors import CommandRefused, UpdateAfterStfu
from lnpd.providers.types import ANCHORS_ZERO_FEE_HTLC_TX as ANCHORS
from lnpd.tx.transaction import Tx, TxIn, TxOut
from lnpd.wire.messages import Stfu, UpdateFulfillHtlc
from tests.channel.harness import Node, Pair, add, opened, preimage

HEIGHT, EXPIRY = 500_100, 500_200
DEPTH = Policy().settlement_depth


def spend(node: Node, tx: Tx, depth: int = 1) -> None:
    funding = node.channel.fundings[0]
    node.run(events.OutputSpent(funding.txid, funding.vout, tx, HEIGHT, depth))


def taken(node: Node, identity: str, tx: Tx, height: int, depth: int = 1) -> None:
    """The output of an HTLC is spent."""
    assert isinstance(node.channel.phase, OnChain)
    (row,) = [r for r in node.channel.phase.resolutions if (r.provider, r.id, r.child) == ("htlc", identity, -1)]
    inputs = tuple(replace(i, txid=row.txid, vout=row.vout) for i in tx.inputs)
    node.run(events.OutputSpent(row.txid, row.vout, replace(tx, inputs=inputs), height, depth))


def seen(node: Node, identity: str, witness: tuple[bytes, ...]) -> None:
    """What spends the output of an HTLC waits."""
    assert isinstance(node.channel.phase, OnChain)
    (row,) = [r for r in node.channel.phase.resolutions if (r.provider, r.id, r.child) == ("htlc", identity, -1)]
    node.run(events.SpendSeen(row.txid, row.vout, Tx((TxIn(row.txid, row.vout, witness=witness),), (TxOut(1, b""),))))


def told(node: Node) -> tuple[list[int], list[int]]:
    """Fulfilled and failed, as often as it was said."""
    return [m.id for m in node.told(actions.HtlcFulfilled)], [m.id for m in node.told(actions.HtlcFailed)]


def offered(ours: bool, closer: Party = 0) -> tuple[Pair, Node]:
    """Party 0 has offered an HTLC of 20,000 sat and a trimmed one; one of the latest commitments is confirmed."""
    pair = opened()
    pair.command(0, add(0, 20_000_000, EXPIRY))
    pair.command(0, add(1, 200_000, EXPIRY))
    pair.settle()
    node = pair.nodes[0]
    node.run(events.ForceClose())
    spend(node, pair.nodes[0 if ours else 1].latest().graph.tx)
    return pair, node


WITNESS = (b"", b"\x30" + bytes(70), preimage(0), bytes(133))


@pytest.mark.parametrize("ours", [True, False], ids=["ours", "theirs"])
def test_a_preimage_on_chain_is_told_at_once_and_counts_for_good(ours: bool) -> None:
    _, node = offered(ours)
    taken(node, "0/0", Tx((TxIn(b"", 0, witness=WITNESS),), (TxOut(1, b""),)), HEIGHT + 3)
    assert told(node) == ([0], [])
    (fulfilled,) = node.told(actions.HtlcFulfilled)
    assert fulfilled.preimage == preimage(0) and fulfilled.payment_hash == sha256(preimage(0)).digest()
    for height in range(HEIGHT + 4, HEIGHT + 40):
        node.run(events.Block(height))
    assert told(node) == ([0], [1])


@pytest.mark.parametrize("ends", ["by it", "by our timeout"])
@pytest.mark.parametrize("ours", [True, False], ids=["ours", "theirs"])
def test_a_preimage_of_the_mempool_is_told_at_once_and_changes_nothing_else(ours: bool, ends: str) -> None:
    _, node = offered(ours)
    for witness in (WITNESS[:2], (preimage(1),)):
        seen(node, "0/0", witness)
        assert told(node) == ([], []), "it proves nothing"
    before = node.channel.phase
    assert isinstance(before, OnChain)
    for _ in range(2):
        seen(node, "0/0", WITNESS)
        assert told(node) == ([0], [])
    assert isinstance(node.channel.phase, OnChain)
    untold = tuple(replace(r, outcome="") for r in node.channel.phase.resolutions)
    assert replace(node.channel.phase, resolutions=untold) == before
    node.run(events.Block(EXPIRY + 1))
    (row,) = [r for r in node.channel.phase.resolutions if (r.id, r.child) == ("0/0", -1)]
    assert row.status == "claiming", "until a block has it, it is ours to take back"
    witness = WITNESS if ends == "by it" else WITNESS[:2]
    taken(node, "0/0", Tx((TxIn(b"", 0, witness=witness),), (TxOut(1, b""),)), EXPIRY + 2)
    node.run(events.Block(EXPIRY + 40))
    assert told(node) == ([0], [1])
    (row,) = [r for r in node.channel.phase.resolutions if (r.id, r.child) == ("0/0", -1)]
    assert row.reason == (TAKEN_BY_PREIMAGE if ends == "by it" else "")


def test_what_waits_and_spends_a_funding_is_no_close() -> None:
    pair = opened()
    before, funding = pair.nodes[0].channel, pair.nodes[0].channel.fundings[0]
    pair.nodes[0].run(events.SpendSeen(funding.txid, funding.vout, pair.nodes[1].latest().graph.tx))
    assert pair.nodes[0].channel == before


@pytest.mark.parametrize("ours", [True, False], ids=["ours", "theirs"])
def test_a_timeout_fails_the_htlc_once_it_is_deep_and_once(ours: bool) -> None:
    _, node = offered(ours)
    taken(
        node, "0/0", Tx((TxIn(b"", 0, witness=(b"", b"\x30" + bytes(70), bytes(133))),), (TxOut(1, b""),)), EXPIRY + 1
    )
    node.run(events.Block(EXPIRY + DEPTH - 1))
    assert told(node) == ([], [1]), "the trimmed one is failed with the commitment's depth"
    node.run(events.Block(EXPIRY + DEPTH))
    assert told(node) == ([], [1, 0])
    for height in range(EXPIRY + DEPTH, EXPIRY + 120):
        node.run(events.Block(height))
    assert told(node) == ([], [1, 0])
    assert all(failed.on_chain for failed in node.told(actions.HtlcFailed))


def test_a_trimmed_htlc_waits_for_the_commitments_depth() -> None:
    _, node = offered(True)
    node.run(events.Block(HEIGHT + DEPTH - 2))
    assert told(node) == ([], [])
    node.run(events.Block(HEIGHT + DEPTH - 1))
    assert told(node) == ([], [1])


def test_a_timeout_that_a_fork_undoes_is_not_told() -> None:
    _, node = offered(True)
    tx = Tx((TxIn(b"", 0, witness=(b"",)),), (TxOut(1, b""),))
    taken(node, "0/0", tx, EXPIRY + 1)
    assert isinstance(node.channel.phase, OnChain)
    (row,) = [r for r in node.channel.phase.resolutions if r.id == "0/0"]
    node.run(events.OutputUnspent(row.txid, row.vout))
    node.run(events.Block(EXPIRY + 40))
    assert told(node) == ([], [1])
    taken(node, "0/0", replace(tx, inputs=(TxIn(b"", 0, witness=WITNESS),)), EXPIRY + 41)
    assert told(node) == ([0], [1])


@pytest.mark.parametrize("number", [0, 1], ids=["the current one", "the next one"])
def test_the_peers_two_commitments_have_two_sets_of_htlcs(number: int) -> None:
    """The HTLC is signed into the peer's next commitment, which does not revoke the current one yet."""
    pair = opened()
    pair.command(0, add(0, 20_000_000, EXPIRY))
    pair.command(0, events.Commit())
    node = pair.nodes[0]
    kept = node.kept(commitment_key(node.channel.fundings[0].txid, 1, number))
    assert kept is not None
    spend(node, kept.graph.tx)
    assert isinstance(node.channel.phase, OnChain)
    present = [r for r in node.channel.phase.resolutions if r.provider == "htlc"]
    assert [r.status for r in present] == ([] if number == 0 else ["waiting"])
    node.run(events.Block(HEIGHT + DEPTH))
    assert told(node) == ([], [0] if number == 0 else [])
    node.run(events.Block(EXPIRY))
    claims = [c for a in node.did if isinstance(a, actions.Claim) for c in a.claims if c.output.provider == "htlc"]
    assert [(c.path.name, c.stage) for c in claims] == ([] if number == 0 else [("expired", -1)])


def test_what_the_peer_fulfilled_by_a_message_is_not_failed_on_chain() -> None:
    pair = opened()
    pair.command(0, add(0, 20_000_000, EXPIRY))
    pair.settle()
    pair.command(1, events.Fulfill(0, preimage(0)))
    pair.deliver(1)
    node = pair.nodes[0]
    assert told(node) == ([0], [])
    node.run(events.ForceClose())
    spend(node, node.broadcast[-1])
    tx = Tx((TxIn(b"", 0, witness=(b"",)),), (TxOut(1, b""),))
    taken(node, "0/0", tx, EXPIRY + 1)
    node.run(events.Block(EXPIRY + 50))
    assert told(node) == ([0], [])


def small(closer: Party) -> tuple[Pair, Node]:
    """Party 0 has offered an HTLC that has an output which does not pay for its own sweep; all else is deep."""
    pair = opened(ANCHORS)
    pair.command(0, add(0, 490_000, EXPIRY + 2_000))
    pair.settle()
    node = pair.nodes[0]
    tx = pair.nodes[closer].latest().graph.tx
    spend(node, tx)
    spend(node, tx, depth=100)
    for row in node.channel.phase.resolutions if isinstance(node.channel.phase, OnChain) else ():
        if row.provider == "base":
            sweep = Tx((TxIn(row.txid, row.vout),), (TxOut(1, b""),))
            for depth in (1, 100):
                node.run(events.OutputSpent(row.txid, row.vout, sweep, HEIGHT + 2, depth))
    node.run(events.Block(HEIGHT + 110))
    return pair, node


@pytest.mark.parametrize("closer", [0, 1])
def test_a_small_output_is_watched_until_its_htlc_is_over(closer: Party) -> None:
    """Else its preimage would be shown to nobody: the HTLC behind it goes back, this one is taken."""
    _, node = small(closer)
    taken(node, "0/0", Tx((TxIn(b"", 0, witness=WITNESS),), (TxOut(1, b""),)), HEIGHT + 111)
    assert told(node) == ([0], [])


@pytest.mark.parametrize("closer", [0, 1])
def test_a_small_output_that_nobody_takes_is_given_up_long_after_its_expiry(closer: Party) -> None:
    _, node = small(closer)
    last = EXPIRY + 2_000 + node.channel.policy.resolution_depth
    node.run(events.Block(last - 1))
    assert isinstance(node.channel.phase, OnChain) and told(node) == ([], [])
    node.run(events.Block(last))
    assert isinstance(node.channel.phase, Closed) and told(node) == ([], [0])


# What is received


def received() -> tuple[Pair, Node]:
    pair = opened()
    pair.command(0, add(0, 20_000_000, EXPIRY))
    pair.command(0, add(0, 20_000_000, EXPIRY))  # the same hash again
    pair.settle()
    pair.cut()
    return pair, pair.nodes[1]


def htlc_claims(node: Node) -> list[str]:
    return [
        c.output.id for a in node.did if isinstance(a, actions.Claim) for c in a.claims if c.output.provider == "htlc"
    ]


@pytest.mark.parametrize("when", ["normal", "failed", "on chain"])
def test_a_preimage_is_used_whenever_it_comes(when: str) -> None:
    pair, node = received()
    know = events.Fulfill(0, preimage(0))
    if when == "normal":
        node.run(know)
    node.run(events.ForceClose())
    assert isinstance(node.channel.phase, Failed)
    if when == "failed":
        node.run(know)
    spend(node, node.broadcast[-1])
    if when == "on chain":
        assert htlc_claims(node) == []
        node.run(know)
        before = node.channel
        node.run(know)
        assert node.channel == before
    assert htlc_claims(node) == ["0/0"], "the other one of this hash was not decided on"
    restored = node.stored
    node.restart()
    assert node.stored == restored and len(pair.nodes) == 2


@pytest.mark.parametrize("hindered", ["", "old data", "unproven"])
def test_a_preimage_that_comes_late_raises_the_fee_of_the_commitment(hindered: str) -> None:
    _, node = received()
    node.run(events.ForceClose())
    if hindered == "old data":
        node.store(replace(node.channel, phase=Failed("", may_broadcast=False)))
    node.store(replace(node.channel, unproven=hindered == "unproven"))
    for times in (not hindered, False):  # once
        again = [a for a in node.run(events.Fulfill(0, preimage(0))) if isinstance(a, actions.Broadcast)]
        assert [(a.stake_sat, a.deadline_height) for a in again] == [(20_000, EXPIRY)] * times


@pytest.mark.parametrize("wrong", [events.Fulfill(0, bytes(32)), events.Fulfill(7, preimage(0))])
@pytest.mark.parametrize("closed", [False, True], ids=["failed", "on chain"])
def test_a_preimage_of_no_htlc_is_refused(wrong: events.Fulfill, closed: bool) -> None:
    _, node = received()
    node.run(events.ForceClose())
    if closed:
        spend(node, node.broadcast[-1])
    before = node.channel
    with pytest.raises(CommandRefused):
        node.run(wrong)
    assert node.channel == before


def claimed(node: Node, identity: int, known: bytes) -> list[actions.Action]:
    """The peer's update_fulfill_htlc arrives."""
    return node.run(UpdateFulfillHtlc(channel_id=node.channel.id, id=identity, payment_preimage=known))


@pytest.mark.parametrize("when", ["failed", "on chain", "failed, and started again"])
@pytest.mark.parametrize("ours", [True, False], ids=["ours", "theirs"])
def test_a_preimage_that_the_peer_sends_to_a_channel_that_has_ended_is_told_and_counts_for_good(
    when: str, ours: bool
) -> None:
    """The connection outlives the channel: its message was under way. One HTLC has an output, the other is trimmed."""
    pair = opened()
    for number, amount_msat in enumerate((20_000_000, 200_000)):
        pair.command(0, add(number, amount_msat, EXPIRY))
    pair.settle()
    node = pair.nodes[0]
    node.run(events.ForceClose())
    if when == "on chain":
        spend(node, pair.nodes[0 if ours else 1].latest().graph.tx)
    assert claimed(node, 0, preimage(0)) and claimed(node, 1, preimage(1))
    assert told(node) == ([0, 1], [])
    assert [m.preimage for m in node.told(actions.HtlcFulfilled)] == [preimage(0), preimage(1)]
    if "again" in when:
        node.restart()
    for again in (0, 1):
        assert not claimed(node, again, preimage(again)), "once is enough"
    if when != "on chain":
        spend(node, pair.nodes[0 if ours else 1].latest().graph.tx)
    assert isinstance(node.channel.phase, OnChain)
    assert node.channel.phase.missing == ((1,) if when == "on chain" else ())
    timeout = Tx((TxIn(b"", 0, witness=(b"", b"\x30" + bytes(70), bytes(133))),), (TxOut(1, b""),))
    taken(node, "0/0", timeout, EXPIRY + 1)
    node.run(events.Block(EXPIRY + 2 * DEPTH))
    assert told(node) == ([0, 1], []), "who was told that it is paid is not told that it failed"


@pytest.mark.parametrize("identity", [0, 1, 2], ids=["another preimage", "not an HTLC of ours", "no HTLC"])
@pytest.mark.parametrize("closed", [False, True], ids=["failed", "on chain"])
def test_what_proves_nothing_is_ignored_once_the_channel_has_ended(identity: int, closed: bool) -> None:
    pair = opened()
    pair.command(0, add(0, 20_000_000, EXPIRY))
    pair.command(1, add(1, 20_000_000, EXPIRY))
    pair.settle()
    node = pair.nodes[0]
    node.run(events.ForceClose())
    if closed:
        spend(node, node.broadcast[-1])
    before = node.channel
    assert not claimed(node, identity, preimage(1)) and node.channel == before and told(node) == ([], [])


def test_a_preimage_is_told_although_its_message_breaks_a_rule() -> None:
    pair = opened()
    pair.command(0, add(0, 20_000_000, EXPIRY))
    pair.settle()
    node = pair.nodes[0]
    node.run(Stfu(channel_id=node.channel.id, initiator=1))
    claimed(node, 0, preimage(0))
    assert [type(error) for error in node.errors] == [UpdateAfterStfu] and told(node) == ([0], [])


def test_there_is_nobody_to_fail_an_htlc_to() -> None:
    _, node = received()
    node.run(events.ForceClose())
    before = node.channel
    assert not node.run(events.Fail(0, b"why")) and not node.run(events.FailMalformed(0, bytes(32), 0x8004))
    assert node.channel == before


@pytest.mark.parametrize("amount_msat, left", [(20_000_000, True), (200_000, False)], ids=["output", "trimmed"])
def test_when_an_incoming_htlc_may_still_be_claimed(amount_msat: int, left: bool) -> None:
    """Asked before its outgoing one is offered."""
    pair = opened()
    pair.command(0, add(0, amount_msat, EXPIRY))
    pair.settle()
    node = pair.nodes[1]
    normal = node.channel
    assert may_claim(normal, 0)
    assert not may_claim(normal, 1)
    assert not may_claim(replace(normal, funding_undone=True), 0)
    assert not may_claim(replace(normal, phase=Closed("")), 0)
    assert not may_claim(replace(normal, phase=Failed("", may_broadcast=False)), 0)
    node.run(events.ForceClose())
    assert may_claim(node.channel, 0) == left
    spend(node, node.broadcast[-1])
    assert may_claim(node.channel, 0) == left
    if left:
        taken(node, "0/0", Tx((TxIn(b"", 0, witness=(b"",)),), (TxOut(1, b""),)), EXPIRY + 1)
        assert not may_claim(node.channel, 0)


SHOWN: dict[str, tuple[tuple[bytes, ...], bool]] = {
    "an HTLC-success transaction": ((b"", b"s", b"s", preimage(0), b"script"), True),
    "a direct claim": ((b"s", preimage(0), b"script"), True),
    "another preimage": ((b"s", preimage(1), b"script"), False),
    "a timeout": ((b"", b"s", b"s", b"", b"script"), False),
    "nothing": ((), False),
    "one byte too long": ((preimage(0) + b"\0",), False),
}


@pytest.mark.parametrize(("witness", "found"), SHOWN.values(), ids=SHOWN)
def test_where_a_preimage_is_found(witness: tuple[bytes, ...], found: bool) -> None:
    other = TxIn(b"\x02" * 32, 1, witness=(preimage(0),))
    tx = Tx((other, TxIn(b"\x01" * 32, 1, witness=witness)), ())
    event = events.OutputSpent(b"\x01" * 32, 1, tx, HEIGHT)
    assert shown_preimage(event.transaction, event.txid, event.vout, sha256(preimage(0)).digest()) == (
        preimage(0) if found else None
    )
