"""Does a plugin's output stand in both commitments, block a close, freeze without its plugin, and come home?"""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from lnpd.errors import ChannelFrozen, CloseBlocked, LnpdError, StateUnproven
from lnpd.services.node.node import Node
from lnpd.testing import Network, shown, until, until_asked, usable

LOCKBOX = Path(__file__).parents[2] / "plugins" / "lockbox.py"
WITH_LOCKBOX: dict[str, Any] = {"plugins": (LOCKBOX,), "grants": (("lockbox", "updates:1000000"),)}
KINDS = ["lockbox/anchors_zero_fee_htlc_tx", "lockbox/static_remotekey"]


async def pair(network: Network, kind: str) -> tuple[Node, Node, str]:
    """Two nodes with a channel in which alice locked 25,000 sat."""
    alice, bob = await network.node("alice", **WITH_LOCKBOX), await network.node("bob", **WITH_LOCKBOX)
    channel = await network.channel(alice, bob, 1_000_000, push_sat=200_000, kind=kind)
    await alice.api.call_plugin("lockbox-put", {"channel_id": channel, "amount_sat": 25_000})
    await boxes(alice, channel, 2)
    await boxes(bob, channel, 2)
    return alice, bob, channel


async def boxes(node: Node, channel: str, count: int) -> None:
    """Returns once a node's two latest commitments have this many boxes together, irrevocably."""

    async def there() -> bool:
        row = await shown(node, channel)
        rows = await node.api.call_plugin("lockbox-list", {})
        assert isinstance(rows, list)
        return row is not None and len(row.extension_outputs) == count == 2 * len(rows)

    await until_asked(there, f"{count} boxes")


@pytest.mark.parametrize("kind", KINDS)
def test_a_box_is_in_both_commitments_and_blocks_a_close_until_it_is_given(tmp_path: Path, kind: str) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob, channel = await pair(network, kind)
            row = await shown(bob, channel)
            assert row is not None
            outputs = {(o.provider, o.amount_sat, o.commitment) for o in row.extension_outputs}
            assert outputs == {("lockbox", 25_000, "ours"), ("lockbox", 25_000, "theirs")}
            invoice = await bob.api.invoice(5_000_000, "beside the box", 3600)
            await alice.api.pay(invoice.invoice, None, 20)
            with pytest.raises(CloseBlocked, match=r"lockbox: 1 open, with 25000 sat.*goes on by itself"):
                await alice.api.close(channel, False, None)
            await alice.api.call_plugin("lockbox-give", {"channel_id": channel, "box": 0})
            closing = await until_asked(lambda: closing_txid(alice, channel), "the close goes on by itself")
            await network.seen(closing)
            row = await shown(alice, channel)
            assert row is not None
            assert (row.state, row.closing_txid, row.closing_confirmations) == ("closing", closing, 0)
            await network.mine(1)
            row = await shown(alice, channel)
            assert row is not None
            assert (row.state, row.closing_txid, row.closing_confirmations) == ("on_chain", closing, 1)
            balance = await bob.wallet.balance()
            assert balance.confirmed_sat == 200_000 + 5_000 + 25_000

    asyncio.run(main())


async def closing_txid(node: Node, channel: str) -> str | None:
    """The closing transaction's id, from the node's events."""
    for event in await node.events.since(0, 1000):
        if event.topic == "close_agreed":
            import msgspec

            return str(msgspec.json.decode(event.payload)["txid"])
    return None


def test_without_its_plugin_a_channel_freezes_and_thaws(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob, channel = await pair(network, KINDS[0])
            plain = await network.channel(alice, bob, 300_000, kind="anchors_zero_fee_htlc_tx")
            pid = bob.plugins.plugins[0].pid
            assert pid
            os.kill(pid, signal.SIGKILL)
            await until(lambda: bob.plugins.plugins[0].pid not in (None, pid) or None, "the plugin's restart")
            await network.active(channel, alice, bob)
            await network.active(plain, alice, bob)
            bob = await network.restart(bob, plugins=(), grants=())
            await network.active(plain, alice, bob)
            row = await shown(bob, channel)
            assert row is not None
            assert "no plugin here provides lockbox" in row.frozen
            with pytest.raises(ChannelFrozen, match="lockbox"):
                await bob.api.close(channel, False, None)
            invoice = await bob.api.invoice(1_000_000, "over the other channel", 3600)
            await alice.api.pay(invoice.invoice, None, 20)
            bob = await network.restart(bob, **WITH_LOCKBOX)
            await network.active(channel, alice, bob)
            await alice.api.call_plugin("lockbox-give", {"channel_id": channel, "box": 0})
            await boxes(bob, channel, 0)

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("closer", ["owner", "keeper"])
def test_a_forced_close_without_the_plugin_brings_the_box_home(tmp_path: Path, kind: str, closer: str) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob, channel = await pair(network, kind)
            alice = await network.restart(alice, plugins=(), grants=())
            bob = await network.restart(bob, plugins=(), grants=())
            before = (await alice.wallet.balance()).confirmed_sat
            node = alice if closer == "owner" else bob
            row = await shown(node, channel)
            assert row is not None
            with pytest.raises(StateUnproven):  # both wait for their plugin, and neither has heard the other
                await node.api.close(channel, True, None)
            await node.api.close(channel, True, None, not_restored=True)
            await network.spent(row.funding)
            await network.mine(145)

            async def settled() -> bool:
                await network.mine(1)
                alices = (await alice.wallet.balance()).confirmed_sat - before
                bobs = (await bob.wallet.balance()).confirmed_sat
                return alices > 780_000 and bobs > 190_000

            await until_asked(settled, "all outputs")
            gained = (await alice.wallet.balance()).confirmed_sat - before
            assert gained < 800_000, "fees were paid"

    asyncio.run(main())


def test_updates_need_a_grant_and_the_right_owner(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice", plugins=(LOCKBOX,)), await network.node("bob", **WITH_LOCKBOX)
            channel = await network.channel(alice, bob, 1_000_000, push_sat=200_000, kind=KINDS[0])
            put = {"channel_id": channel, "amount_sat": 25_000}
            with pytest.raises(LnpdError, match="--grant lockbox=updates"):
                await alice.api.call_plugin("lockbox-put", put)
            with pytest.raises(LnpdError, match="no box 0 to give"):
                await bob.api.call_plugin("lockbox-give", {"channel_id": channel, "box": 0})
            assert usable(alice, channel), "a refused proposal changes nothing"

    asyncio.run(main())
