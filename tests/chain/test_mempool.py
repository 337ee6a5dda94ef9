"""Who enters the mempool, who is replaced, and what does the chain do to those who wait?"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lnpd.chain.interface import Outcome
from lnpd.chain.kernel import KernelChain
from lnpd.chain.policy import Policy
from lnpd.tx.transaction import Tx, TxOut
from tests.chain.purse import KEY, P2WPKH, coin, opened, output_of, p2wsh, pay, reason

VBYTES = 110  # of a payment with one input and one output


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[KernelChain]:
    with opened(tmp_path) as it:
        yield it


def waiting(chain: KernelChain) -> set[bytes]:
    return set(chain.mempool.entries)


def offer(chain: KernelChain, *txs: Tx) -> None:
    for tx in txs:
        assert reason(chain, tx) == ""


def chain_of(start: Tx, length: int) -> list[Tx]:
    txs = [start]
    while len(txs) < length:
        txs.append(pay(output_of(txs[-1])))
    return txs


# Replacement (BIP 125, whatever was signalled)


def test_a_higher_fee_replaces_with_all_descendants(chain: KernelChain) -> None:
    ours = coin(chain)
    old = chain_of(pay(ours, sequence=0xFFFFFFFF), 3)
    offer(chain, *old)
    assert reason(chain, pay(ours, fee_sat=3_000)).startswith(
        "insufficient fee, rejecting replacement: not enough additional"
    )
    assert reason(chain, pay(ours, fee_sat=2_999)).startswith(
        "insufficient fee, rejecting replacement: less than the replaced"
    )
    assert waiting(chain) == {tx.txid for tx in old}
    new = pay(ours, fee_sat=3_000 + VBYTES)
    offer(chain, new)
    assert waiting(chain) == {new.txid}
    assert chain.mempool.spenders == {(ours.outpoint.txid, ours.outpoint.index): new.txid}
    assert chain.mempool.total_virtual_bytes == VBYTES


def test_a_replacement_needs_a_higher_rate(chain: KernelChain) -> None:
    ours, more = coin(chain), coin(chain)
    offer(chain, pay(ours))
    bigger = pay(ours, more, fee_sat=1_500)
    assert reason(chain, bigger).startswith("insufficient fee, rejecting replacement: its feerate")


def test_a_replacement_adds_no_unconfirmed_input(chain: KernelChain) -> None:
    ours, other = coin(chain), coin(chain)
    offer(chain, pay(ours), waits := pay(other))
    assert reason(chain, pay(ours, output_of(waits), fee_sat=9_000)) == "replacement-adds-unconfirmed"


def test_nobody_replaces_its_own_parent(chain: KernelChain) -> None:
    ours = coin(chain)
    offer(chain, parent := pay(ours))
    assert reason(chain, pay(ours, output_of(parent), fee_sat=9_000)) == "bad-txns-spends-conflicting-tx"


def test_a_replacement_evicts_no_more_than_the_limit(tmp_path: Path) -> None:
    with opened(tmp_path, Policy(max_replaced=2)) as chain:
        ours = coin(chain)
        offer(chain, *chain_of(pay(ours), 3))
        assert reason(chain, pay(ours, fee_sat=50_000)).startswith("too many potential replacements, 3 > 2")


# Families


def test_a_family_has_25_generations(chain: KernelChain) -> None:
    line = chain_of(pay(coin(chain)), 26)
    offer(chain, *line[:25])
    assert reason(chain, line[25]).startswith("too-long-mempool-chain, too many unconfirmed ancestors")
    chain.mine()
    offer(chain, line[25])


def test_a_parent_has_25_descendants_and_one_small_one_more(chain: KernelChain) -> None:
    fan = pay(coin(chain), outputs=tuple(TxOut(20_000, P2WPKH) for _ in range(30)))
    children = [pay(output_of(fan, i)) for i in range(30)]
    offer(chain, fan, *children[:24])
    offer(chain, children[24])  # the carve-out
    assert reason(chain, children[25]).startswith("too-long-mempool-chain, too many descendants")


def test_version_3_keeps_to_one_parent_and_one_child(chain: KernelChain) -> None:
    parent = pay(coin(chain), version=3, outputs=(TxOut(400_000, P2WPKH), TxOut(400_000, P2WPKH)))
    offer(chain, parent)
    first, second = (pay(output_of(parent, i), version=3) for i in (0, 1))
    assert reason(chain, pay(output_of(parent))).startswith("TRUC-violation, version 3 and other")
    big = pay(output_of(parent), version=3, outputs=tuple(TxOut(300, P2WPKH) for _ in range(40)))
    assert reason(chain, big) == "TRUC-violation, too big"
    offer(chain, first)
    assert reason(chain, second).startswith("TRUC-violation, more than one")
    assert reason(chain, pay(output_of(first), version=3)).startswith("TRUC-violation, more than one")
    offer(chain, old := pay(coin(chain)))
    assert reason(chain, pay(output_of(old), version=3)).startswith("TRUC-violation, version 3 and other")


def test_a_full_mempool_says_so(tmp_path: Path) -> None:
    with opened(tmp_path, Policy(max_mempool_vbytes=2 * VBYTES)) as chain:
        txs = [pay(coin(chain)) for _ in range(3)]
        offer(chain, *txs[:2])
        assert reason(chain, txs[2]) == "mempool full"


# A package of two


def test_a_child_pays_for_its_parent(chain: KernelChain) -> None:
    chain.mempool.floor_sat_per_kvb = 5_000
    parent = pay(coin(chain), fee_sat=VBYTES)
    poor, rich = pay(output_of(parent), fee_sat=9 * VBYTES - 1), pay(output_of(parent), fee_sat=9 * VBYTES)
    assert reason(chain, parent).startswith("mempool min fee not met")
    assert reason(chain, rich) == "bad-txns-inputs-missingorspent"
    assert reason(chain, parent, poor).startswith("mempool min fee not met")
    assert not waiting(chain)
    result = chain.broadcast((parent.serialise(), rich.serialise()))
    assert [verdict.outcome for verdict in result.verdicts] == [Outcome.ACCEPTED] * 2
    (block,) = chain.mine()
    summary = chain.read.summary(block.height)
    assert summary and summary.txids[1:] == (parent.txid, rich.txid)
    assert chain.broadcast((parent.serialise(), rich.serialise())).outcome is Outcome.KNOWN


def test_only_version_3_may_lean_on_its_child_for_relay(chain: KernelChain) -> None:
    for version, refusal in ((2, "min relay fee not met, 0 < 110"), (3, "")):
        parent = pay(coin(chain), fee_sat=0, version=version)
        assert reason(chain, parent, pay(output_of(parent), version=version)) == refusal


def test_a_parent_that_needs_no_child_stays_without_it(chain: KernelChain) -> None:
    parent = pay(coin(chain))
    result = chain.broadcast((parent.serialise(), pay(output_of(parent), fee_sat=5).serialise()))
    assert [verdict.outcome for verdict in result.verdicts] == [Outcome.ACCEPTED, Outcome.REFUSED]
    assert (result.outcome, result.reason[:13]) == (Outcome.REFUSED, "min relay fee")
    assert waiting(chain) == {parent.txid}


def test_a_package_replaces_a_rival(chain: KernelChain) -> None:
    """The other side's commitment is in the mempool; ours pays less, but its child pays for both."""
    ours = coin(chain)
    offer(chain, rival := pay(ours, fee_sat=1_000))
    parent = pay(ours, fee_sat=500)
    assert reason(chain, parent).startswith("insufficient fee")
    assert reason(chain, parent, pay(output_of(parent), fee_sat=500)).startswith("insufficient fee")
    assert waiting(chain) == {rival.txid}
    child = pay(output_of(parent), fee_sat=3_000)
    assert reason(chain, parent, child) == ""
    assert waiting(chain) == {parent.txid, child.txid}


def test_a_bad_child_heals_nothing(chain: KernelChain) -> None:
    parent = pay(coin(chain), fee_sat=500)
    child = pay(output_of(parent), fee_sat=5_000)
    forged = child.with_witness(0, (b"\x30\x06\x02\x01\x01\x02\x01\x01\x01", child.inputs[0].witness[1]))
    chain.mempool.floor_sat_per_kvb = 9_000
    assert reason(chain, parent, forged) == "mandatory-script-verify-flag-failed, input 0"
    forged_parent = parent.with_witness(0, forged.inputs[0].witness)
    chain.mempool.floor_sat_per_kvb = 1_000
    result = chain.broadcast((forged_parent.serialise(), child.serialise()))
    assert [v.reason for v in result.verdicts] == [
        "mandatory-script-verify-flag-failed, input 0",
        "bad-txns-inputs-missingorspent",
    ]
    assert not waiting(chain)


# What the chain does


def test_a_block_evicts_what_contradicts_it(chain: KernelChain) -> None:
    ours, free = coin(chain), coin(chain)
    offer(chain, *chain_of(pay(ours), 3), bystander := pay(free))
    chain.mine(txs=[pay(ours, fee_sat=77).serialise()])
    assert waiting(chain) == {bystander.txid}


def test_lost_transactions_wait_again_before_those_that_spend_them(chain: KernelChain) -> None:
    line = chain_of(pay(coin(chain)), 4)
    offer(chain, line[0])
    chain.mine()
    offer(chain, line[1])
    chain.mine()
    offer(chain, *line[2:])
    chain.reorganise(2, 3)
    assert list(chain.mempool.entries) == [tx.txid for tx in line]
    (block,) = chain.mine()
    summary = chain.read.summary(block.height)
    assert summary and summary.txids[1:] == tuple(tx.txid for tx in line)


def test_a_double_spend_in_the_new_branch_removes_the_old_family(chain: KernelChain) -> None:
    ours = coin(chain)
    offer(chain, first := pay(ours))
    chain.mine()
    offer(chain, pay(output_of(first)))
    chain.reorganise(1, 2, [pay(ours, fee_sat=50).serialise()])
    assert not waiting(chain)


def test_a_reorganisation_drops_what_is_locked_or_young_again(chain: KernelChain) -> None:
    ours = coin(chain)
    chain.mine(2)
    tx = pay(ours, sequence=3, locktime=chain.height)
    offer(chain, tx)
    chain.reorganise(3, 4)  # the coin itself is unconfirmed again
    assert tx.txid not in waiting(chain)
    assert ours.outpoint.txid in waiting(chain)


def test_a_block_takes_families_whole_as_far_as_there_is_room(chain: KernelChain) -> None:
    many = (TxOut(400_000, P2WPKH), *(TxOut(330, p2wsh(bytes([n]))) for n in range(200)))
    fat, other = pay(coin(chain), outputs=many), pay(coin(chain))
    child = pay(output_of(fat))
    offer(chain, fat, child, other)
    weight = {tx.txid: chain.mempool.entries[tx.txid].tx.weight for tx in (fat, child, other)}

    def chosen(room: int) -> list[bytes]:
        return [entry.tx.txid for entry in chain.mempool.choose(room)]

    assert chosen(sum(weight.values())) == [fat.txid, child.txid, other.txid]
    assert chosen(sum(weight.values()) - 1) == [fat.txid, child.txid]
    assert chosen(weight[fat.txid] - 1) == [other.txid], "no child without its parent"
    assert chosen(100) == []


def test_who_is_replaced_does_not_count_in_the_family(tmp_path: Path) -> None:
    with opened(tmp_path, Policy(max_descendants=3)) as chain:
        fan = pay(coin(chain), outputs=tuple(TxOut(20_000, P2WPKH) for _ in range(5)))
        children = [pay(output_of(fan, i)) for i in range(5)]
        offer(chain, fan, *children[:3])
        assert reason(chain, children[3]).startswith("too-long-mempool-chain")
        offer(chain, pay(output_of(fan, 0), fee_sat=9_000))


def test_a_block_never_holds_more_signature_checks_than_consensus_permits(chain: KernelChain) -> None:
    multisig = b"\x51\x21" + KEY + b"\x51\xae"
    many = tuple(TxOut(800, multisig) for _ in range(199))
    txs = [pay(coin(chain), outputs=many) for _ in range(6)]
    offer(chain, *txs)
    chain.mine()
    assert len(chain.mempool.entries) == 2, "four times 15,921 fit under 80,000, a fifth does not with the reserve"
    chain.mine()
    assert not waiting(chain)
