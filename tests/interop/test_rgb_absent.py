"""Is a channel with an asset enforced with its tokens, and does it take nothing new, while its plugin is away?

The plugin is left out at the node's start, or dies so often that its host gives it up. Each story ends by counting the
tokens.
"""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from unittest.mock import patch

import pytest
from lnpd_sdk.questions import RpcRequest

from lnpd.channel.events import Add
from lnpd.errors import LnpdError
from lnpd.services.plugins import process
from lnpd.services.plugins.process import PluginProcess
from lnpd.testing import until
from rgb_channel.provider import CHANNEL_TYPE
from tests.e2e.closing import ONION, broadcast_commitment, driver_of, finish, know, reborn
from tests.interop.rgb_nodes import FUNDING_SAT, ISSUED, RgbNodes, rgb_nodes
from tests.plugins.rgb_channel.test_story import offer, silent

HELD, PAID = 5_000, 700


class Away:
    """A pair, and what each is to have at last."""

    def __init__(self, pair: RgbNodes, asset: str) -> None:
        self.pair, self.asset, self.bobs = pair, asset, 0
        self.asked: list[str] = []  # Alice's invoice, and Bob's

    async def begin(self) -> None:
        """A channel with 5,000 USDX, of which 700 are paid to Bob."""
        await self.pair.opened(HELD)
        await self.pair.paid(self.pair.alice, self.pair.bob, self.asset, PAID)
        for node in (self.pair.alice, self.pair.bob):
            await self.pair.settled(node)
        self.bobs += PAID

    async def counted(self) -> None:
        """All tokens are in wallets."""
        await self.pair.until_tokens(self.pair.bob, self.bobs)
        await self.pair.until_tokens(self.pair.alice, ISSUED - self.bobs)

    async def in_flight(self) -> tuple[int, int]:
        """HTLCs with tokens both ways; those that Bob and Alice will know the preimages of."""
        alice, bob = self.pair.alice, self.pair.bob
        made = [await self.pair.rgb(node, "invoice", asset=self.asset, amount=5) for node in (alice, bob)]
        self.asked = [each["invoice"] for each in made]
        height = await self.pair.network.followed()
        taken = await offer(alice, bob, 1, 40_000, height + 60, 1_000)
        await offer(alice, bob, 2, 30_000, height + 40, 200)
        redeemed = await offer(bob, alice, 3, 25_000, height + 60, 50)
        await offer(bob, alice, 4, 26_000, height + 44, 7)
        return taken, redeemed

    async def takes_nothing(self, of_bobs: str) -> None:
        """While Bob's plugin is away, nothing new comes into the channel, and no other is opened; each says why, and of
        Bob's commands in these words."""
        pair, alice, bob = self.pair, self.pair.alice, self.pair.bob
        add = Add(1_000_000, bytes(32), pair.network.nodes[0].watcher.height + 60, ONION)
        for node, why in ((alice, "not reestablished yet"), (bob, "frozen: no plugin here provides rgb")):
            with pytest.raises(LnpdError, match=why):
                await driver_of(node).command(add)
        for node, asked, why in ((alice, self.asked[1], "No usable channel"), (bob, self.asked[0], of_bobs)):
            with pytest.raises(LnpdError, match=why):
                await pair.rgb(node, "pay", invoice=asked)
        if bob.node_id not in alice.channels.links:
            await pair.network.connect(alice, bob)
        for opener, acceptor, why in ((alice, bob, "No plugin here provides 'rgb'"), (bob, alice, of_bobs)):
            terms = {"peer": acceptor.node_id.hex(), "amount_sat": FUNDING_SAT, "asset": "USDX:7"}
            with pytest.raises(LnpdError, match=why):
                await pair.rgb(opener, "open", **terms)
        with pytest.raises(LnpdError, match=f"There is no channel type '{CHANNEL_TYPE.name}'"):
            await bob.api.open(alice.node_id.hex(), FUNDING_SAT, 0, CHANNEL_TYPE.name, (), None)

    @property
    def of_bob(self) -> PluginProcess:
        (plugin,) = self.pair.bob.plugins.plugins
        assert isinstance(plugin, PluginProcess)
        return plugin


@contextmanager
def deadly(victim: PluginProcess, hook: str) -> Iterator[list[str]]:
    """Whenever this plugin is asked this, it is killed; its host starts it again at once, until it gives it up."""
    call, killed = PluginProcess.call, list[str]()

    async def asks(plugin: PluginProcess, method: str, params: object, deadline_seconds: float) -> bytes:
        if (
            plugin is victim
            and method == "hook"
            and isinstance(params, RpcRequest)
            and params.name == hook
            and plugin.pid
        ):
            killed.append(hook)
            os.killpg(plugin.pid, signal.SIGKILL)
        return await call(plugin, method, params, deadline_seconds)

    with patch.object(PluginProcess, "call", asks), patch.object(process, "PAUSES_SECONDS", (0.02,)):
        yield killed


async def given_up(away: Away) -> None:
    """Bob's plugin dies when it is asked about an HTLC, and then so often that its host gives it up."""
    pair, alice, bob, plugin = away.pair, away.pair.alice, away.pair.bob, away.of_bob
    await away.begin()
    made = await pair.rgb(bob, "invoice", asset=away.asset, amount=500)
    with deadly(plugin, "htlc_accepted") as killed, pytest.raises(LnpdError, match="temporary_node_failure"):
        await pair.rgb(alice, "pay", invoice=made["invoice"])
    assert killed == ["htlc_accepted"]
    await until(lambda: plugin.status == "ready", "its next life")
    await pair.network.active(driver_of(bob).channel.id.hex(), alice, bob)
    for node, ours in ((alice, HELD - PAID), (bob, PAID)):
        assert (await pair.settled(node))["ours"] == ours, "neither taken nor lost"
    await pair.rgb(alice, "pay", invoice=made["invoice"])
    away.bobs += 500
    with silent(alice, bob):
        taken, redeemed = await away.in_flight()
        with patch.object(process, "PAUSES_SECONDS", (0.02,)):
            await until(lambda: dead(plugin), "the quarantine")
        await away.takes_nothing("whose command this is, is quarantined")
        await broadcast_commitment(pair.network, bob)
        await pair.mine()
        await know(bob, taken, 1)
        await know(alice, redeemed, 3)
        await finish(pair.network, alice, bob)
    await bob.api.plugin_start("rgb")
    away.bobs += 1_000 - 50
    await away.counted()


def dead(plugin: PluginProcess) -> bool:
    """Whether a plugin is given up; if it lives, it is killed."""
    if plugin.status == "ready" and plugin.pid:
        with suppress(ProcessLookupError):
            os.killpg(plugin.pid, signal.SIGKILL)
    return plugin.status == "quarantined"


async def left_out(away: Away, closer: str) -> None:
    """Bob's node starts without the plugin; who closes is the one or the other."""
    pair, alice = away.pair, away.pair.alice
    await away.begin()
    with silent(alice, pair.bob):
        taken, redeemed = await away.in_flight()
        plugins = pair.bob.config.plugins
        pair.bob, _ = await reborn(pair.network, pair.bob, plugins=())
        bob = pair.bob
        await away.takes_nothing("There is no command rgb")
        if closer == "alice":
            await broadcast_commitment(pair.network, alice)
        else:
            channel = driver_of(bob).channel
            await bob.api.close(channel.id.hex(), True, None, not_restored=True)  # its peer may not have told it so
            await pair.network.spent(f"{channel.fundings[0].txid[::-1].hex()}:{channel.fundings[0].vout}")
        await pair.mine()
        await know(bob, taken, 1)
        await know(alice, redeemed, 3)
        await finish(pair.network, alice, bob)
    pair.bob = await pair.network.restart(bob, plugins=plugins)
    await until(lambda: away.of_bob.status == "ready", "the plugin")
    away.bobs += 1_000 - 50
    await away.counted()


def test_tokens_stay_whose_they_are_while_the_plugin_is_away(tmp_path: Path) -> None:
    async def main() -> None:
        async with rgb_nodes(tmp_path) as pair:
            away = Away(pair, await pair.issued())
            for closer in ("alice", "bob"):
                await left_out(away, closer)
            await given_up(away)

    asyncio.run(asyncio.wait_for(main(), 300))
