"""Does a node that opened a channel keep its feerate near what is due, by itself, and leave it alone otherwise?"""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from lnpd_sdk.types import ACCEPTOR, OPENER

from lnpd.channel.events import SetFeerate
from lnpd.channel.feerates import due
from lnpd.channel.state import Channel
from lnpd.channel.updates import next_id
from lnpd.errors import FeerateUnknown
from lnpd.services.node.node import Node
from lnpd.testing import Network, shown, until, until_asked
from lnpd.tx.states import BASE, feerate_of
from tests.e2e.closing import driver_of, ears, estimate, know, offer

# What the chain advises from one block to the next, and the feerate then. This chain has one estimate: nothing below it
# gets into a mempool. It begins with 2,500.
ADVICE = ((2_500, 2_500), (6_000, 5_000), (6_000, 6_000), (7_100, 7_100), (5_000, 7_100), (4_900, 4_900), (700, 700))
CHANGES = 5
LEAST = {  # by type
    "static_remotekey": 253,
    "anchors_zero_fee_htlc_tx": 1_265,
}
KINDS = tuple(LEAST)


async def at(per_kw: int, *nodes: Node) -> None:
    """Returns once a channel has this feerate for good on these nodes."""

    def agreed() -> bool:
        channels = [driver_of(node).channel for node in nodes]
        return all(feerate_of(c.base.states) == per_kw and not c.log for c in channels)

    await until(agreed, f"{per_kw} per kw")


def proposals(node: Node) -> tuple[int, int]:
    """How many update_fee each party has sent."""
    channel = driver_of(node).channel
    return next_id(channel, BASE, OPENER), next_id(channel, BASE, ACCEPTOR)


async def looked(node: Node) -> None:
    """Returns once a node has acted on what it knows of feerates."""
    await node.feerates.settled()
    await driver_of(node).settled()


async def away(network: Network, node: Node, peer: Node) -> None:
    """Stops the peer of a node."""
    await network.stop(peer)
    await until(lambda: driver_of(node).channel.link == "down", "the end of the connection")


@pytest.mark.parametrize("kind", KINDS)
def test_it_follows_the_chain_with_an_htlc_in_flight(tmp_path: Path, kind: str) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice"), await network.node("bob")
            channel_id = await network.channel(alice, bob, push_sat=300_000, kind=kind)
            ears(bob)
            height = await network.followed()
            number = await offer(alice, bob, 1, 20_000, height + 200)
            for advice, per_kw in ADVICE:
                await estimate(network, advice)
                await network.mine()
                await looked(alice)
                await looked(bob)
                per_kw = max(per_kw, LEAST[kind])
                await at(per_kw, alice, bob)
                for node in (alice, bob):
                    row = await shown(node, channel_id)
                    assert row is not None and row.feerate_per_kw == per_kw
                    is_sunk = node is bob and kind == "static_remotekey" and per_kw < advice  # on its way
                    assert len((await node.api.info()).warnings) == is_sunk
            assert proposals(alice) == proposals(bob) == (CHANGES, 0)
            await know(bob, number, 1)

            def claimed() -> bool:
                channels = [driver_of(node).channel for node in (alice, bob)]
                return all(c.base.balances_msat == (680_000_000, 320_000_000) and not c.log for c in channels)

            await until(claimed, "the HTLC's end")

    asyncio.run(main())


def test_who_is_poor_pays_as_much_as_it_can_and_says_so(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice"), await network.node("bob")
            await network.channel(alice, bob, push_sat=970_000, kind="static_remotekey")
            await estimate(network, 20_000)
            await network.mine()
            await at(5_000, alice, bob)
            await network.mine()
            await at(9_363, alice, bob)  # 20,000 sat above the reserve, for twice 724 + 2 * 172 weight
            (warning,) = (await alice.api.info()).warnings
            assert "pays 9,363 sat per 1000 weight and 20,000 are due" in warning
            await network.mine()
            await looked(alice)
            assert proposals(alice) == (2, 0), "there is no more to be had"
            invoice = await alice.api.invoice(100_000_000, "for the fee", 3_600)
            await bob.api.pay(invoice.invoice, None, 30)
            await network.mine()
            await at(20_000, alice, bob)
            assert not (await alice.api.info()).warnings
            assert not (await bob.api.info()).warnings

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_who_comes_back_hears_it_at_once(tmp_path: Path, kind: str) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice"), await network.node("bob")
            await network.channel(alice, bob, kind=kind)
            await away(network, alice, bob)
            await estimate(network, 9_000)
            await network.mine()
            await looked(alice)
            assert proposals(alice) == (0, 0)
            for _ in range(2):
                bob = await network.node("bob")  # it listens elsewhere, and comes to nobody: no block either
                await network.connect(alice, bob)
                await at(5_000, alice, bob)
                await looked(alice)
                assert proposals(alice) == (1, 0), "however often it comes back"
                await away(network, alice, bob)
            bob = await network.node("bob")
            await network.connect(alice, bob)
            await network.mine()
            await at(9_000, alice, bob)
            assert proposals(alice) == (2, 0)

    asyncio.run(main())


def test_a_channel_that_cannot_be_looked_at_keeps_no_other_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice = await network.node("alice")
            for name in ("bob", "carol"):
                await network.channel(alice, await network.node(name))
            first, second = [driver.channel.key for driver in alice.channels.drivers.values()]

            def looked_at(channel: Channel, *rest: Any) -> SetFeerate | None:  # Any: due's own
                if channel.key == first:
                    raise RuntimeError("a fault of ours")
                return due(channel, *rest)

            monkeypatch.setattr("lnpd.services.channels.feerates.due", looked_at)
            await estimate(network, 5_000)
            await network.mine()

            def paid_per_kw() -> list[int]:
                return [feerate_of(d.channel.base.states) for d in alice.channels.drivers.values()]

            await until(lambda: paid_per_kw() == [2_500, 5_000], "the second one's feerate")
            assert f"channel {first}: its feerate stays" in caplog.text and f"channel {second}: its" not in caplog.text

    asyncio.run(main())


def test_what_the_chain_does_not_say_changes_nothing(tmp_path: Path) -> None:
    """A bitcoind that has just begun has no estimate: that is not the lowest one."""

    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice"), await network.node("bob")
            channel_id = await network.channel(alice, bob)
            asked: list[int] = []

            async def unknown(target_blocks: int) -> int:
                asked.append(target_blocks)
                raise FeerateUnknown("It has seen too little.")

            before, alice.backend.feerate = alice.backend.feerate, unknown  # type: ignore[method-assign]
            await network.mine()
            await looked(alice)
            assert set(asked) == {6, 1_008} and proposals(alice) == (0, 0)
            alice.backend.feerate = before  # type: ignore[method-assign]
            await estimate(network, 1_000)
            await network.mine()
            await at(1_265, alice, bob)

            async def sent() -> bool:
                row = await shown(bob, channel_id)
                return row is not None and row.feerate_per_kw == 1_265

            await until_asked(sent, "the feerate at the acceptor's")

    asyncio.run(main())


@pytest.mark.parametrize(("kind", "per_kw"), [(KINDS[0], 8_000), (KINDS[1], 8_000), (KINDS[1], 700)])
def test_a_channel_opens_with_what_is_due_later(tmp_path: Path, kind: str, per_kw: int) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice"), await network.node("bob")
            await estimate(network, per_kw)
            await network.channel(alice, bob, kind=kind)
            await network.mine(2)
            await looked(alice)
            assert proposals(alice) == (0, 0)
            assert feerate_of(driver_of(bob).channel.base.states) == max(per_kw, LEAST[kind])

    asyncio.run(main())
