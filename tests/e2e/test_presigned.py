"""Is what a plugin has signed ahead in both commitments, sent again after each break, paid on chain, and punished?"""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from lnpd_sdk.envelope import encode

from lnpd.channel.events import SetFeerate
from lnpd.channel.queries import Kept, commitment_key
from lnpd.errors import CloseBlocked, LnpdError, PaymentFailed
from lnpd.services.channels.batch import find_row, kept_of
from lnpd.services.channels.mailbox import Item
from lnpd.services.node.node import Node
from lnpd.testing import Network, shown, until, until_asked
from lnpd.wire.messages import AuxiliarySignatures, CommitmentSigned, RevokeAndAck, UpdateExt
from tests.e2e.closing import Money, broadcast_commitment, driver_of, finish, full_blocks, part, pass_blocks
from tests.e2e.test_penalties import Only, coin
from tests.e2e.thief import loot

PRESIGNED = Path(__file__).parents[2] / "plugins" / "examples" / "presigned.py"
WITH_IT: dict[str, Any] = {"plugins": (PRESIGNED,), "grants": (("presigned", "updates:1000000"),)}
WITHOUT: dict[str, Any] = {"plugins": (), "grants": ()}
KINDS = ["presigned/anchors_zero_fee_htlc_tx", "presigned/static_remotekey"]
DANCE = (UpdateExt, AuxiliarySignatures, CommitmentSigned, RevokeAndAck)
PAYOUT_SAT = 25_000


async def pair(network: Network, kind: str) -> tuple[Node, Node, str]:
    """Two nodes with a channel in which both have a balance."""
    alice, bob = await network.node("alice", **WITH_IT), await network.node("bob", **WITH_IT)
    channel = await network.channel(alice, bob, 1_000_000, push_sat=400_000, kind=kind)
    return alice, bob, channel


async def offer(payer: Node, payee: Node, channel: str, amount_sat: int = PAYOUT_SAT) -> None:
    """A payout that is irrevocably committed on both sides."""
    await payer.api.call_plugin("presigned-offer", {"channel_id": channel, "amount_sat": amount_sat})
    await quiet(payer, payee)


async def quiet(*nodes: Node) -> None:
    """Returns once nothing is under way."""
    await until(lambda: all(driver_of(n).channel.live and not driver_of(n).channel.log for n in nodes), "quiet")


async def latest(node: Node) -> Kept:
    """The node's own commitment, as it is stored."""
    channel = driver_of(node).channel
    key = commitment_key(channel.fundings[0].txid, channel.us, channel.numbers[channel.us])
    kept = kept_of(await node.store.read(lambda read: find_row(read, channel, "commitment", key)))
    assert kept is not None
    return kept


async def payouts(node: Node) -> tuple[int, int]:
    """How many outputs of the plugin the node's commitment has, and how many children that its peer signed ahead."""
    kept = await latest(node)
    assert kept.signatures is not None and len(kept.signatures.children) == len(kept.graph.children)
    outputs = [output for output in kept.graph.outputs if output.provider == "presigned"]
    return len(outputs), sum(child.gated for child in kept.graph.children)


class Broken:
    """Of the messages of both sides' dance the first `count` arrive; what follows is lost."""

    def __init__(self, count: int, *nodes: Node) -> None:
        self.seen: list[type] = []
        self._inner = [(driver_of(node), driver_of(node).post) for node in nodes]
        for driver, inner in self._inner:

            def post(item: Item, inner: Any = inner) -> None:
                if isinstance(item.event, DANCE):
                    if len(self.seen) >= count:
                        return
                    self.seen.append(type(item.event))
                inner(item)

            driver.post = post  # type: ignore[method-assign]

    def mend(self) -> None:
        for driver, inner in self._inner:
            driver.post = inner  # type: ignore[method-assign]


@pytest.mark.parametrize("kind", KINDS)
def test_a_break_at_each_message_of_the_dance(tmp_path: Path, kind: str) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob, channel = await pair(network, kind)
            whole: list[type] = []
            for count in range(6, -1, -1):
                payer, payee = (alice, bob) if count % 2 else (bob, alice)
                broken = Broken(count, alice, bob)
                asked = {"channel_id": channel, "amount_sat": PAYOUT_SAT}
                await payer.api.call_plugin("presigned-offer", asked)
                await until(lambda b=broken, c=count: len(b.seen) == c, f"{count} messages")  # type: ignore[misc]
                for node in (alice, bob):
                    await driver_of(node).settled()
                await part(alice)
                await until(lambda: driver_of(bob).channel.link == "down", "bob's end of the connection")
                broken.mend()
                whole = whole or broken.seen
                assert broken.seen == whole[:count]
                assert not any(driver_of(node).channel.auxiliary for node in (alice, bob))
                await network.connect(alice, bob)
                await quiet(alice, bob)  # the payer had signed it: it is sent again, and stands
                assert (await payouts(payer), await payouts(payee)) == ((1, 0), (1, 1)), count
                await payer.api.call_plugin("presigned-settle", {"channel_id": channel})
                await quiet(alice, bob)
                assert (await payouts(payer), await payouts(payee)) == ((0, 0), (0, 0)), count
            assert whole == [*DANCE, CommitmentSigned, RevokeAndAck]

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_both_pay_each_other_and_close(tmp_path: Path, kind: str) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob, channel = await pair(network, kind)
            asked = {"channel_id": channel, "amount_sat": PAYOUT_SAT}
            await asyncio.gather(*(n.api.call_plugin("presigned-offer", asked) for n in (alice, bob)))
            await quiet(alice, bob)
            for node in (alice, bob):
                assert await payouts(node) == (2, 1)
                with pytest.raises(LnpdError, match="a payout of 25000 sat is open"):
                    await node.api.call_plugin("presigned-offer", asked)
            row = await shown(alice, channel)
            assert row is not None and len(row.extension_outputs) == 4
            with pytest.raises(CloseBlocked, match="50000 sat are put aside, for their payer to settle"):
                await alice.api.close(channel, False, None)
            await alice.api.call_plugin("presigned-settle", {"channel_id": channel})
            await quiet(alice, bob)
            await bob.api.call_plugin("presigned-settle", {"channel_id": channel})

            async def is_agreed() -> bool:
                row = await shown(alice, channel)
                return row is not None and row.state == "closing"

            await until_asked(is_agreed, "the close goes on by itself")

    asyncio.run(main())


def test_a_gate_that_stays_shut_freezes_its_channel_and_no_other(tmp_path: Path) -> None:
    shut = tmp_path / "shut.py"
    ready, never = "return Ready() if len(signatures) == 1 else Wait(", "return Wait("
    assert PRESIGNED.read_text().count(ready) == 1
    shut.write_text(PRESIGNED.read_text().replace(ready, never))

    async def main() -> None:
        async with Network(tmp_path / "n") as network:
            alice = await network.node("alice", **WITH_IT)
            bob = await network.node("bob", **{**WITH_IT, "plugins": (shut,)})
            channel = await network.channel(alice, bob, 1_000_000, push_sat=400_000, kind=KINDS[0])
            plain = await network.channel(alice, bob, 300_000, kind="anchors_zero_fee_htlc_tx")
            driver = next(d for d in bob.channels.drivers.values() if d.channel.id.hex() == channel)
            await alice.api.call_plugin("presigned-offer", {"channel_id": channel, "amount_sat": PAYOUT_SAT})
            await until(lambda: driver.frozen, "the channel that is frozen")
            assert "presigned does not accept commitment 1: there is one payout" in driver.frozen
            assert (driver.channel.numbers[driver.channel.us], driver.channel.refused_number) == (0, 1)

            async def paid() -> bool:
                """Each refusal has ended the connection once; the next one stays."""
                await network.active(plain, alice, bob)
                invoice = await bob.api.invoice(1_000_000, "over the other channel", 3600)
                with suppress(PaymentFailed):
                    await alice.api.pay(invoice.invoice, None, 20)
                    return True
                return False

            await until_asked(paid, "a payment over the other channel")

    asyncio.run(main())


@pytest.mark.parametrize("closer", ["payee", "payer"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_forced_close_pays_out_without_the_plugin(tmp_path: Path, kind: str, closer: str) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob, channel = await pair(network, kind)
            await offer(alice, bob, channel)
            money = Money(network)
            await money.begin(alice, bob)
            node = bob if closer == "payee" else alice
            await broadcast_commitment(network, node)
            alice = await network.restart(alice, **WITHOUT)
            bob = await network.restart(bob, **WITHOUT)
            await pass_blocks(network, 2)
            row = await shown(bob, channel)
            assert row is not None
            mine = [each for each in row.onchain if each.provider == "presigned"]
            assert mine, row.onchain
            await finish(network, alice, bob)
            fees = await money.fees_sat(alice, bob)
            gained = await money.gained_sat(bob) + fees["bob"]
            assert gained - 400_000 - PAYOUT_SAT in (0, 330, 660), gained

    asyncio.run(main())


def paying_from_the_amount(folder: Path) -> Path:
    """The same plugin, whose child pays its fee from the amount, and gives the payer 5,000 sat back, at once."""
    plugin, source = folder / "both.py", PRESIGNED.read_text()
    weight = "900 * (payer != view.holder)"
    changes = (
        ("script, debits))", f"script, debits, {weight}))"),
        (
            "paid = (ChildOutput(read(state)[payer], delayed),)",
            "left_sat = read(state)[payer] - 900 * view.feerate_per_kw // 1000 - 5_000\n"
            "        paid = (ChildOutput(left_sat, delayed), ChildOutput(5_000, PAYEES))",
        ),
        ("sighash=Sighash.SINGLE_ANYONECANPAY", "sighash=Sighash.ALL"),
    )
    for before, after in changes:
        assert source.count(before) == 1, before
        source = source.replace(before, after)
    plugin.write_text(source)
    return plugin


def test_what_pays_its_fee_from_the_amount_leaves_every_feerate_possible(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A small one of the acceptor's would keep the opener's feerate down for ever: both nodes refuse it by name."""
    with_it = {**WITH_IT, "plugins": (paying_from_the_amount(tmp_path),)}
    enough_sat = 225_000 + 5_000 + 354

    async def main() -> None:
        async with Network(tmp_path / "n") as network:
            alice, bob = await network.node("alice", **with_it), await network.node("bob", **with_it)
            channel = await network.channel(alice, bob, 1_000_000, push_sat=400_000, kind=KINDS[1])
            small = {"channel_id": channel, "amount_sat": PAYOUT_SAT}
            with pytest.raises(LnpdError, match=r"25000 sat are too small .*, so it takes 225354 at least"):
                await bob.api.call_plugin("presigned-offer", small)
            with pytest.raises(LnpdError, match=r"presigned .*an output of \d+ sat is dust"):  # of the child, one day
                await bob.api.call_plugin("presigned-offer", {**small, "amount_sat": enough_sat - 1})
            update = UpdateExt(channel_id=bytes.fromhex(channel), namespace=0, id=0, data=encode(PAYOUT_SAT))
            driver_of(alice).post(Item(update, driver_of(alice).link))  # of a node that does not keep the rule
            await until(lambda: driver_of(alice).channel.link == "down", "the end of the connection")
            assert "25000 sat are too small for one of the commitments, whatever feerate comes" in caplog.text
            await network.connect(alice, bob)
            await network.active(channel, alice, bob)
            await offer(alice, bob, channel, enough_sat)
            for per_kw in (100_000, 300, 1_000):
                await driver_of(alice).command(SetFeerate(per_kw))
                await quiet(alice, bob)
                assert (await latest(bob)).graph.feerate_per_kw == per_kw and await payouts(bob) == (1, 1)
            money = Money(network)
            await money.begin(alice, bob)
            await broadcast_commitment(network, bob)
            alice = await network.restart(alice, **WITHOUT)
            bob = await network.restart(bob, **WITHOUT)
            await finish(network, alice, bob)
            gained = [await money.gained_sat(node) for node in (alice, bob)]
            fees_sat = sum([await money.fee_sat(tx) for tx in await money.transactions()])
            assert sum(gained) + fees_sat == 1_000_000, "nothing is left on the chain"
            assert gained[0] > 600_000 - enough_sat, "more than its main output alone"

    asyncio.run(main())


@pytest.mark.parametrize("with_child", [False, True], ids=["the commitment alone", "its child too"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_stale_state_is_punished_with_the_plugin_dead(tmp_path: Path, kind: str, with_child: bool) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob, channel = await pair(network, kind)
            await offer(alice, bob, channel)
            stolen = await loot(bob)
            await alice.api.call_plugin("presigned-settle", {"channel_id": channel})
            await quiet(alice, bob)
            money = Money(network)
            await money.begin(alice)
            await network.stop(bob)
            await network.stop(alice)
            purse = await coin(network)
            await full_blocks(network, 2, stolen.commitment)
            claims = [each for each in stolen.claims((), ()) if each.output.provider == "presigned"]
            assert len(claims) == 1
            moved = [stolen.second_stage(claims, purse)] if with_child else []
            await full_blocks(network, 2, *moved)
            alice = await network.restart(alice, **WITHOUT)
            await pass_blocks(network, 2)
            await finish(network, alice)
            graph = stolen.kept.graph
            fees = await Only(network, money, moved, alice).fees_sat(alice)
            gained_sat = await money.gained_sat(alice)
            everything_sat = graph.funding.capacity_sat - graph.fee_sat - await money.unspent_anchors_sat()
            assert gained_sat == everything_sat - fees["bob"], "the thief's purse paid for its child"

    asyncio.run(main())
