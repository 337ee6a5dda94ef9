"""Does a channel's mailbox keep its promises when a provider is slow or dead, a batch fails, or something urgent comes?

Two whole nodes in one process, with real stores and signers. The plugin is lockbox, in this process, behind a gate.
"""

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from lnpd_sdk.manifest import Manifest

from lnpd.channel.actions import FundingReleased, FundingWanted, HtlcReceived, Told
from lnpd.channel.events import Block, ForceClose
from lnpd.channel.state import Channel, Failed, Normal
from lnpd.errors import ChannelFrozen, LnpdError
from lnpd.services.channel_driver import ChannelDriver, Item
from lnpd.services.node import Node
from lnpd.services.recipients import Effects, Recipient
from lnpd.testing import Network, shown, until, until_asked
from tests.e2e.test_lockbox import LOCKBOX, boxes

KIND = "lockbox/anchors_zero_fee_htlc_tx"
GRANT: dict[str, Any] = {"grants": (("lockbox", "updates:1000000"),)}
SECONDS = 10.0


class Gated:
    """A plugin object whose providers answer only while the gate is open, and raise while `broken`."""

    def __init__(self) -> None:
        spec = importlib.util.spec_from_file_location("lockbox_here", LOCKBOX)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self._inner = module.plugin
        self.name: str = self._inner.name
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = asyncio.Event()
        self.broken = False

    def manifest(self) -> Manifest:
        manifest: Manifest = self._inner.manifest()
        return manifest

    def attach(self, call: Callable[[str, object], Awaitable[msgspec.Raw]]) -> None:
        self._inner.attach(call)

    async def answer(self, method: str, params: bytes | msgspec.Raw) -> object:
        if method == "provider":
            self.asked.set()
            await self.gate.wait()
            if self.broken:
                raise RuntimeError("broken")
        return await self._inner.answer(method, params)

    def shut(self) -> None:
        """Answer nothing from now on."""
        self.gate.clear()
        self.asked.clear()


class Two:
    """Alice, who opened the channel, and bob; their plugins and drivers."""

    def __init__(self, network: Network, alice: Node, bob: Node, gates: tuple[Gated, Gated], channel: str) -> None:
        self.network, self.alice, self.bob, self.channel = network, alice, bob, channel
        self.alices, self.bobs = gates

    def driver(self, node: Node) -> ChannelDriver:
        return node.channels.driver_of(self.channel)

    def put(self, node: Node) -> "asyncio.Task[object]":
        """Puts 25,000 sat into a box; the task ends when that is proposed."""
        return asyncio.create_task(
            node.api.call_plugin("lockbox-put", {"channel_id": self.channel, "amount_sat": 25_000})
        )

    async def pays(self, amount_msat: int = 5_000_000) -> None:
        """Alice can pay bob."""
        invoice = await self.bob.api.invoice(amount_msat, "it works", 3600)
        paid = await self.alice.api.pay(invoice.invoice, None, 20)
        assert paid.amount_msat == amount_msat

    async def active(self) -> None:
        await self.network.active(self.channel, self.alice, self.bob)

    async def down(self, node: Node) -> None:
        """Returns once a node's channel has noticed the end of its connection."""
        await until(lambda: not self.driver(node).channel.live, "the end of the connection")


@asynccontextmanager
async def two(folder: Path) -> AsyncIterator[Two]:
    async with Network(folder) as network:
        nodes = [await network.node(name, **GRANT) for name in ("alice", "bob")]
        gates = (Gated(), Gated())
        for node, gate in zip(nodes, gates, strict=True):
            await node.plugins.add_in_process(gate)
        alice, bob = nodes
        channel = await network.channel(alice, bob, 1_000_000, push_sat=200_000, kind=KIND)
        both = Two(network, alice, bob, gates, channel)
        try:
            yield both
        finally:
            for gate in gates:
                gate.gate.set()


def story(folder: Path, told: Callable[[Two], Awaitable[None]]) -> None:
    async def main() -> None:
        async with two(folder) as both:
            await told(both)

    asyncio.run(main())


# A slow provider


def test_a_forced_close_does_not_wait_for_a_provider(tmp_path: Path) -> None:
    async def told(both: Two) -> None:
        both.alices.shut()
        put = both.put(both.alice)
        await both.alices.asked.wait()
        async with asyncio.timeout(2):
            closed = await both.driver(both.alice).command(ForceClose())
        assert isinstance(closed.phase, Failed)
        with pytest.raises(LnpdError, match="not possible while this channel is in phase Failed"):
            await put

    story(tmp_path, told)


def test_a_message_that_waits_for_a_provider_keeps_its_place(tmp_path: Path) -> None:
    async def told(both: Two) -> None:
        both.bobs.shut()
        await both.put(both.alice)
        await both.bobs.asked.wait()
        height = both.bob.watcher.height
        handled = both.driver(both.bob)
        for _ in range(3):  # each of them drops the step that waits
            both.bobs.asked.clear()
            handled.post(Item(Block(height)))
            await both.bobs.asked.wait()
        both.bobs.gate.set()
        await boxes(both.alice, both.channel, 2)
        await boxes(both.bob, both.channel, 2)
        await both.pays()

    story(tmp_path, told)


# A dead provider


def test_a_broken_provider_freezes_until_it_is_back(tmp_path: Path) -> None:
    async def told(both: Two) -> None:
        plain = await both.network.channel(both.alice, both.bob, 300_000, kind="anchors_zero_fee_htlc_tx")
        both.bobs.broken = True
        await both.put(both.alice)
        await until(lambda: both.driver(both.bob).frozen, "the freeze")
        await both.network.active(plain, both.alice, both.bob)
        await both.pays()
        with pytest.raises(ChannelFrozen):
            await both.bob.api.close(both.channel, False, None)
        both.bobs.broken = False
        await both.bob.channels.providers_changed()
        await boxes(both.alice, both.channel, 2)  # alice had signed it: it is said again
        await boxes(both.bob, both.channel, 2)

    story(tmp_path, told)


def test_an_error_of_the_peers_ends_a_frozen_channel(tmp_path: Path) -> None:
    """BOLT 1: whoever receives an error fails the channel, and waits for nobody."""

    async def told(both: Two) -> None:
        await both.bob.plugins.plugins[0].stop()
        await both.down(both.bob)
        await until(lambda: both.driver(both.bob).link, "the next connection")
        await until(lambda: both.driver(both.alice).channel.link == "reestablishing", "what alice says")
        await both.driver(both.alice).command(ForceClose())
        await until(lambda: isinstance(both.driver(both.bob).channel.phase, Failed), "the end on bob's side")

    story(tmp_path, told)


def test_a_provider_that_is_back_at_once_loses_no_message(tmp_path: Path) -> None:
    """What came in between was dropped: the old connection may not go on as if it had been handled."""

    async def told(both: Two) -> None:
        both.bobs.shut()
        await both.put(both.alice)
        await both.bobs.asked.wait()
        driver = both.driver(both.bob)
        driver.freeze("a test")
        both.bobs.gate.set()
        await asyncio.sleep(0)
        driver.thaw()
        await boxes(both.alice, both.channel, 2)
        await boxes(both.bob, both.channel, 2)
        await both.pays()
        assert not [n for n in (both.alice, both.bob) if isinstance(both.driver(n).channel.phase, Failed)]

    story(tmp_path, told)


# A batch that fails


class Poison:
    """A recipient that raises, while it is poisonous, for one kind of message."""

    def __init__(self, inner: Recipient, kind: type) -> None:
        self.inner, self.kind, self.times = inner, kind, 0

    async def told(self, channel: Channel, message: Told) -> Effects:
        if isinstance(message, self.kind) and self.times:
            self.times -= 1
            raise RuntimeError("poison")
        return await self.inner.told(channel, message)


def poison(node: Node, recipient: str, kind: type) -> Poison:
    recipients = node.channels.parts.recipients
    made = Poison(recipients[recipient], kind)
    recipients[recipient] = made
    return made


def test_a_batch_that_failed_never_happened(tmp_path: Path) -> None:
    async def told(both: Two) -> None:
        bad = poison(both.bob, "payments", HtlcReceived)
        bad.times = 1
        await both.pays()
        assert not bad.times
        await both.active()
        await both.put(both.alice)
        await boxes(both.bob, both.channel, 2)
        await both.pays()

    story(tmp_path, told)


def test_a_channel_can_be_closed_while_its_batches_fail(tmp_path: Path) -> None:
    """The signer was asked to prepare what is never stored: it may not hold the release of a secret against us."""

    async def told(both: Two) -> None:
        signer, inner = both.bob.signer, both.bob.signer.prepare_release
        failures: list[object] = []

        async def failing(*args: Any) -> Any:
            await inner(*args)
            failures.append(args)
            raise RuntimeError("the machine is ill")

        signer.prepare_release = failing  # type: ignore[assignment, method-assign]
        invoice = await both.bob.api.invoice(5_000_000, "never", 3600)
        with pytest.raises(LnpdError):
            await both.alice.api.pay(invoice.invoice, None, 1)
        await until(lambda: failures, "a release that is prepared and not stored")
        closed = await both.bob.api.close(both.channel, True, None)
        await both.network.seen(closed.txid)
        await both.network.mine(1)
        row = await shown(both.bob, both.channel)
        assert row is not None
        assert row.closing_txid == closed.txid

    story(tmp_path, told)


def test_a_lost_chain_event_is_handled_with_the_next_block(tmp_path: Path) -> None:
    async def told(both: Two) -> None:
        parts, times = both.bob.channels.parts, [1, 1]

        def failing(write: Any, notice: Any, inner: Any = parts.publish) -> None:
            if notice.topic == "channel_on_chain" and times:
                times.pop()
                raise RuntimeError("poison")
            inner(write, notice)

        object.__setattr__(parts, "publish", failing)
        closed = await both.alice.api.close(both.channel, True, None)
        await both.network.seen(closed.txid)
        await both.network.mine(1)
        assert len(times) < 2

        async def noticed() -> bool:
            await both.network.mine(1)
            row = await shown(both.bob, both.channel)
            return row is not None and row.closing_txid == closed.txid

        await until_asked(noticed, "the close")

    story(tmp_path, told)


def test_a_chain_event_is_handled_once(tmp_path: Path) -> None:
    """A slow read of the inbox may show a row that was handled meanwhile, and is over by now."""

    async def told(both: Two) -> None:
        driver, posted = both.driver(both.bob), dict[str, bytes]()
        inner = driver.post_inbox

        def post(key: str, data: bytes) -> None:
            posted[key] = data
            inner(key, data)

        driver.post_inbox = post  # type: ignore[method-assign]
        closed = await both.alice.api.close(both.channel, True, None)
        await both.network.seen(closed.txid)
        await both.network.mine(1)
        await until(lambda: posted, "a chain event")
        await driver.settled()
        for key, data in dict(posted).items():
            inner(key, data)
        assert not driver._waiting

    story(tmp_path, told)


def test_an_urgent_event_that_joined_a_batch_that_fails_is_not_lost(tmp_path: Path) -> None:
    async def told(both: Two) -> None:
        both.bobs.shut()
        await both.put(both.alice)
        await both.bobs.asked.wait()
        parts, times = both.bob.channels.parts, [1]

        def failing(write: Any, notice: Any, inner: Any = parts.publish) -> None:
            if times:
                times.pop()
                raise RuntimeError("poison")
            inner(write, notice)

        object.__setattr__(parts, "publish", failing)
        async with asyncio.timeout(SECONDS):
            closed = await both.driver(both.bob).command(ForceClose())
        assert isinstance(closed.phase, Failed)

    story(tmp_path, told)


def test_what_is_stored_has_happened_though_it_could_not_be_sent(tmp_path: Path) -> None:
    async def told(both: Two) -> None:
        signer, inner = both.alice.signer, both.alice.signer.sign_commitment
        failures: list[object] = []

        async def failing(*args: Any) -> Any:
            if not failures:
                failures.append(args)
                raise RuntimeError("the signer hiccups")
            return await inner(*args)

        signer.sign_commitment = failing  # type: ignore[assignment, method-assign]
        box = await both.put(both.alice)
        assert failures
        assert box is not None
        await both.active()
        await boxes(both.bob, both.channel, 2)
        await both.pays()

    story(tmp_path, told)


# Openings


async def reserved_sat(node: Node) -> int:
    return (await node.wallet.balance()).reserved_sat


async def free(node: Node) -> bool:
    return not await reserved_sat(node)


def test_a_provider_that_leaves_in_an_opening_frees_the_coins(tmp_path: Path) -> None:
    async def told(both: Two) -> None:
        await both.network.fund(both.alice, 500_000)
        wallet, inner = both.alice.wallet, both.alice.wallet.fund

        async def leaving(*args: Any) -> Any:
            made = await inner(*args)
            await both.alice.plugins.plugins[0].stop()
            return made

        wallet.fund = leaving  # type: ignore[assignment, method-assign]
        with pytest.raises(LnpdError):
            async with asyncio.timeout(SECONDS):
                await both.alice.api.open(both.bob.node_id.hex(), 300_000, 0, KIND, (), None)
        await until_asked(lambda: free(both.alice), "free coins")

    story(tmp_path, told)


@pytest.mark.parametrize("push_msat", [300_000_001, 299_999_000])
def test_an_opening_that_cannot_be_frees_the_coins(tmp_path: Path, push_msat: int) -> None:
    async def told(both: Two) -> None:
        await both.network.fund(both.alice, 500_000)
        with pytest.raises(LnpdError):
            async with asyncio.timeout(SECONDS):
                await both.alice.api.open(both.bob.node_id.hex(), 300_000, push_msat, "", (), None)
        await until_asked(lambda: free(both.alice), "free coins")
        await both.pays()

    story(tmp_path, told)


@pytest.mark.parametrize("kind", [FundingWanted, FundingReleased])
def test_a_connection_lost_while_the_wallet_works_frees_the_coins(tmp_path: Path, kind: type) -> None:
    async def told(both: Two) -> None:
        await both.network.fund(both.alice, 500_000)
        wallet, inner = both.alice.wallet, both.alice.wallet.fund

        async def slow(*args: Any) -> Any:
            made = await inner(*args)
            if kind is FundingReleased:
                return made
            await both.alice.api.disconnect(both.bob.node_id.hex())
            return made

        wallet.fund = slow  # type: ignore[assignment, method-assign]
        opening = asyncio.create_task(both.alice.api.open(both.bob.node_id.hex(), 300_000, 0, "", (), None))
        if kind is FundingReleased:
            await until_asked(lambda: reserved_sat(both.alice), "reserved coins")
            await both.alice.api.disconnect(both.bob.node_id.hex())
        try:
            async with asyncio.timeout(SECONDS):
                await opening
        except LnpdError:
            await until_asked(lambda: free(both.alice), "free coins")

    story(tmp_path, told)


def test_a_connection_lost_before_open_channel_ends_the_opening(tmp_path: Path) -> None:
    async def told(both: Two) -> None:
        signer, inner = both.alice.signer, both.alice.signer.reserve_channel

        async def slow(*args: Any) -> Any:
            await both.alice.api.disconnect(both.bob.node_id.hex())
            return await inner(*args)

        signer.reserve_channel = slow  # type: ignore[assignment, method-assign]
        with pytest.raises(LnpdError):
            async with asyncio.timeout(SECONDS):
                await both.alice.api.open(both.bob.node_id.hex(), 300_000, 0, "", (), None)
        assert len(both.alice.channels.drivers) == 1
        assert isinstance(both.driver(both.alice).channel.phase, Normal)

    story(tmp_path, told)
