"""Does a plugin hear of what it watches on the chain, also after a restart, and get its transactions there?"""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from lnpd_sdk.envelope import CallFailed
from lnpd_sdk.plugin import Event, Node, Plugin
from msgspec.structs import replace

from lnpd.services.node.node import Node as Daemon
from lnpd.services.plugins import watching
from lnpd.testing import Network, until
from lnpd.tx.transaction import Tx, TxOut

GRANTS = {"grants": (("tower", "chain"), ("other", "chain"))}


class Tower:
    """A plugin that hears of the chain."""

    def __init__(self, name: str = "tower") -> None:
        self.plugin, self.told = Plugin(name, "1", capabilities=("chain",)), list[dict[str, Any]]()

        @self.plugin.on("chain_event")
        def told(_node: Node, event: Event) -> None:
            self.told.append(event.fields())

    async def join(self, daemon: Daemon) -> Node:
        await daemon.plugins.add_in_process(self.plugin)
        assert self.plugin.node is not None
        return self.plugin.node

    def seen(self) -> list[tuple[str, str]]:
        return [(row["key"], row["what"]) for row in self.told]


async def paid(daemon: Daemon, sat: int) -> Tx:
    """A signed transaction of the wallet's that is not broadcast."""
    funded = await daemon.wallet.fund(f"test {sat}", TxOut(sat, await daemon.wallet.next_script()), 253)
    return funded.transaction


def test_transactions_get_there_and_what_happens_is_told(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice = await network.node("alice", **GRANTS)
            await network.fund(alice, 500_000)
            tower, other = Tower(), Tower("other")
            node = await tower.join(alice)
            await other.join(alice)
            tip = await node.chain_tip()
            assert tip.height == alice.watcher.height
            tx = await paid(alice, 50_000)
            (spent,) = tx.inputs
            script = next(c.script_pubkey for c in await alice.wallet.coins() if c.txid == spent.txid)
            await node.watch_output("coin", spent.txid[::-1].hex(), spent.vout, script)
            await node.watch_height("soon", tip.height + 1)
            await node.watch_height("later", tip.height + 3)
            await node.watch_height("never", tip.height + 3)
            assert await node.unwatch("never") and not await node.unwatch("never")
            txid = await node.broadcast(tx.serialise(), tip.height + 2)
            await network.seen(txid)
            await network.mine()
            await until(lambda: len(tower.told) == 3)
            assert set(tower.seen()) == {("coin", "spent"), ("soon", "height"), (txid, "confirmed")}
            assert {row.get("transaction", tx.serialise().hex()) for row in tower.told} == {tx.serialise().hex()}
            assert other.told == []
            alice = await network.restart(alice)
            await network.mine(2)  # while the plugin is not there
            again = Tower()
            await again.join(alice)
            await until(lambda: ("later", "height") in again.seen())
            assert (txid, "expired") not in again.seen()

    asyncio.run(main())


def test_a_broadcast_ends_at_its_deadline_and_all_of_it_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice = await network.node("alice", **GRANTS)
            await network.fund(alice, 500_000)
            tower = Tower()
            node = await tower.join(alice)
            tip = await node.chain_tip()
            tx = await paid(alice, 50_000)
            lone = replace(tx, locktime=tip.height + 50)  # not final: no mempool takes it
            txid = await node.broadcast(lone.serialise(), tip.height + 1)
            await network.mine(2)
            await until(lambda: (txid, "expired") in tower.seen())
            await network.mine()
            assert alice.watcher.status(watching.OWNER + b"tower") == ()
            for wrong in (
                node.watch_height("a b", 5),
                node.watch_height("a", -1),
                node.watch_output("a", "00", 0, b""),
            ):
                with pytest.raises(CallFailed) as refused:
                    await wrong
                assert refused.value.code == "WatchUnfit"
            with pytest.raises(CallFailed) as refused:
                await node.broadcast(b"\0", 5)
            assert refused.value.code == "TransactionUnreadable"
            assert alice.plugins.desk.watching is not None
            monkeypatch.setattr(alice.plugins.desk.watching, "_max_rows", 2)
            await node.watch_height("one", 1_000)
            await node.watch_height("two", 1_000)
            with pytest.raises(CallFailed, match="unwatch something") as refused:
                await node.watch_height("three", 1_000)
            assert refused.value.code == "TooManyWatches"

    asyncio.run(main())
