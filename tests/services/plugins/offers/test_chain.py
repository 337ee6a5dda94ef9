"""Does a plugin hear of what it watches on the chain, also after a restart, and get its transactions there?"""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from lnpd_sdk.envelope import CallFailed
from lnpd_sdk.plugin import Event, Node, Plugin
from msgspec.structs import replace

from lnpd.chain.embedded import EmbeddedChain
from lnpd.services.node.node import Node as Daemon
from lnpd.services.plugins import watching
from lnpd.testing import Network, until
from lnpd.tx.transaction import Tx, TxOut, parse

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
            assert tip.feerate_per_kw == await alice.watcher.feerate(6) > 0
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


def test_a_script_is_followed_over_restarts_and_forks(tmp_path: Path) -> None:
    """Also one of the wallet's, which a plugin's watch must not take from it."""

    async def main() -> None:
        async with Network(tmp_path) as network:
            alice = await network.node("alice", **GRANTS)
            tower = Tower()
            node = await tower.join(alice)
            script = await alice.wallet.next_script()
            await network.chain.fund(script, 100_000)
            await node.watch_script("jar", script, depth=3)
            await node.watch_script("jar", script, depth=3)
            await until(lambda: len(tower.told) == 1, "the past")
            (first,) = tower.told
            assert (first["what"], first["depth"], first["inputs"], len(first["outputs"])) == ("confirmed", 1, [], 1)
            paid_tx = parse(bytes.fromhex(first["transaction"]))
            assert paid_tx.txid[::-1].hex() == first["txid"]
            assert paid_tx.outputs[first["outputs"][0]].script_pubkey == script
            spending = await paid(alice, 50_000)
            tower.told.clear()
            alice = await network.restart(alice)
            await network.chain.broadcast((spending.serialise(),))
            await network.mine(1)  # while the plugin is not there
            again = Tower()
            node = await again.join(alice)
            await until(lambda: len(again.told) == 1, "the spend")
            assert (again.told[0]["txid"], again.told[0]["inputs"]) == (spending.txid[::-1].hex(), [0])
            assert isinstance(network.chain, EmbeddedChain)
            await network.chain.reorganise(1, 2)
            await until(lambda: len(again.told) == 3, "the fork")
            assert [row["what"] for row in again.told[1:]] == ["unconfirmed", "confirmed"]
            assert again.told[1]["txid"] == spending.txid[::-1].hex()
            assert (again.told[2]["txid"], again.told[2]["depth"]) == (first["txid"], 3)
            await network.mine(3)
            await until(lambda: len(again.told) == 5, "the spend, and its depth")
            assert [row["depth"] for row in again.told[3:]] == [1, 3]
            assert await node.unwatch("jar") and not await node.unwatch("jar")
            await network.fund(alice, 70_000)  # the wallet still follows its scripts
            for key, wrong, depth in (("a b", b"\0", 1), ("a", b"", 1), ("a", b"\0", 0)):
                with pytest.raises(CallFailed) as refused:
                    await node.watch_script(key, wrong, depth)
                assert refused.value.code == "WatchUnfit"

    asyncio.run(main())
