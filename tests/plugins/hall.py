"""Where are the bad plugins shown, and how is it seen that the rest of the node goes on meanwhile?

    alice  runs the exhibits, and a good plugin, guest, all the time
    bob    is the peer of those exhibits that need one, and runs the same as a good plugin
    carol  is paid by alice over a channel of her own, whatever an exhibit does meanwhile

Three whole nodes on one chain, for many exhibits, one after the other.
"""

import asyncio
import shutil
from collections.abc import Awaitable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar
from unittest.mock import patch

from msgspec.structs import replace

from lnpd.chain.embedded import EmbeddedChain
from lnpd.config import Config
from lnpd.rpc import answers
from lnpd.services.node.node import Node
from lnpd.services.payments import outgoing
from lnpd.services.plugins import calls, life, messages, process
from lnpd.services.plugins import host as plugin_host
from lnpd.services.plugins.calls import Plugin
from lnpd.store.transactions import Fault
from lnpd.testing import Network, until
from tests.crash.world import IMPATIENT

T = TypeVar("T")
HERE = Path(__file__).parent
GUEST = HERE / "guest.py"
PAYMENT_MSAT = 1_000_000
HANGING_SECONDS = 1.0  # what somebody who hangs is waited for, in place of five seconds or more
PAUSES_SECONDS = (0.02,)
WAYS = ("raises", "dies", "hangs")
GRANTS = {  # what is granted to whom
    "messages": ("guest", "sends-what-is-not-its-own", *(f"{way}-in-a-message" for way in WAYS)),
    "hook:peer_connecting": ("answers-a-hook-with-garbage", *(f"{way}-in-a-hook" for way in WAYS)),
    "hook:open_channel_received": ("loosens-terms",),
    "hook:htlc_accepted": ("resolves-with-a-wrong-preimage", "hangs-over-an-htlc"),
    "updates:9": ("proposes-for-another",),
}
MANY = 10_000
MEMORY_MIB = 256


class Halls(Network):
    """Nodes of which bob's commits tell whoever asks."""

    fault: Fault | None = None

    def _made(self, config: Config) -> Node:
        def told(moment: str, points: frozenset[str]) -> None:
            if self.fault is not None and config.alias == "bob":
                self.fault(moment, points)

        assert isinstance(self.chain, EmbeddedChain)
        return Node(config, chain=self.chain, fault=told, limits=IMPATIENT)


class Hall:
    """The three nodes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.network = Halls(folder / "net")
        self._patches = ExitStack()
        self._numbers = iter(range(10_000))
        self._kept = {str(GUEST)}
        self.moody = ""  # the channel that pins the provider of this name, once it is there

    async def open(self) -> None:
        """Starts the nodes and opens the plain channels."""
        self._patches.enter_context(patch.object(process, "PAUSES_SECONDS", PAUSES_SECONDS))
        self._patches.enter_context(patch.object(process, "MAX_FAILURES", MANY))  # moody alone has more than five
        self._patches.enter_context(patch.object(outgoing, "RETRY_SECONDS", 0.02))
        self._patches.enter_context(patch.object(process, "STOP_SECONDS", 0.5))
        await self.network.__aenter__()
        grants = tuple((name, grant) for grant, names in GRANTS.items() for name in names)
        self.alice = await self.network.node("alice", plugins=(GUEST,), grants=grants, plugin_memory_mib=MEMORY_MIB)
        self.bob = await self.network.node("bob", plugins=(GUEST,), grants=grants)
        self.carol = await self.network.node("carol")
        self.plain = await self.network.channel(self.alice, self.carol, 10_000_000, 1_000_000)
        await self.network.fund(self.alice, 30_000_000)
        await self.network.connect(self.alice, self.bob)

    async def close(self) -> None:
        """Stops the nodes."""
        await self.network.__aexit__()
        self._patches.close()

    # --- exhibits
    def copied(self, name: str) -> Path:
        """A copy of an exhibit, in a folder of its own: beside it is what it writes and reads."""
        folder = self.folder / f"exhibit-{next(self._numbers)}"
        folder.mkdir()
        source = HERE / "museum" / f"{name}.py"
        return Path(shutil.copy(source if source.exists() else HERE / "bad" / f"{name}.py", folder))

    async def shown(self, name: str, node: Node | None = None, keep: bool = False) -> Plugin:
        """Starts an exhibit on a running node; returns when it is ready, or was not. It leaves with the visitor, unless
        it is to be kept."""
        node, path = node or self.alice, self.copied(name)
        if keep:
            self._kept.add(str(path.resolve()))
        await node.plugins.start((path,))
        return node.plugins.plugins[-1]

    async def removed(self, plugin: Plugin, node: Node | None = None) -> None:
        """Ends an exhibit and forgets what it claimed."""
        host = (node or self.alice).plugins
        await plugin.stop()
        host.plugins.remove(plugin)
        host.registry.unregister(plugin.known_as, released=True)

    async def cleared(self) -> None:
        """Ends all exhibits that alice still has."""
        for plugin in [each for each in self.alice.plugins.plugins if each.path not in self._kept]:
            await self.removed(plugin)

    async def row(self, plugin: Plugin) -> answers.Plugin:
        """What `lnp plugin list` shows of an exhibit."""
        return next(row for row in await self.alice.api.plugins() if row.path == plugin.path)

    # --- what goes on meanwhile
    async def pay(self, payee: Node | None = None, payer: Node | None = None) -> None:
        """A payment of alice's to carol, if it is not another's."""
        payer, payee = payer or self.alice, payee or self.carol
        invoice = await payee.api.invoice(PAYMENT_MSAT, "", 3600)
        await payer.api.pay(invoice.invoice, None, 20)

    async def beside(self, provoked: Awaitable[T], hangs: bool) -> T:
        """What comes of a provocation, while payments on another channel go on; of one that hangs, payments and the
        guest are done before it is."""
        task = asyncio.ensure_future(provoked)
        try:
            await self.pay()
            assert await self.alice.api.call_plugin("guest-say", {"words": "well"}) == "well"
            assert not (hangs and task.done()), "a payment waited for the plugin that hangs"
            return await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def well(self) -> None:
        """All nodes answer, and alice's plain channels are in use."""
        for node in (self.alice, self.bob, self.carol):
            assert (await node.api.info()).process
        await self.network.active(self.plain, self.alice, self.carol)
        await until(lambda: self.alice.plugins.ready("guest"), "the guest")


@contextmanager
def impatient(node: Node) -> Iterator[None]:
    """What hangs is given up soon."""
    soon = {name: replace(kind, deadline_seconds=HANGING_SECONDS) for name, kind in node.plugins.hooks.kinds.items()}
    with (
        patch.object(process, "START_SECONDS", HANGING_SECONDS),
        patch.object(process, "PING_SECONDS", HANGING_SECONDS / 4),
        # Later than what is asked, though a ping may be on its way when it begins to hang: it is late, then ended.
        patch.object(process, "PING_DEADLINE_SECONDS", 1.5 * HANGING_SECONDS),
        patch.object(life, "INIT_SECONDS", HANGING_SECONDS),
        patch.object(life, "HANDOVER_SECONDS", HANGING_SECONDS),
        patch.object(calls, "DEADLINE_SECONDS", HANGING_SECONDS),
        patch.object(messages, "DELIVERY_SECONDS", HANGING_SECONDS),
        patch.object(plugin_host, "RPC_SECONDS", HANGING_SECONDS),
        patch.object(node.plugins.hooks, "kinds", soon),
    ):
        yield
