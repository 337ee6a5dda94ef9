"""Do opening and closing end, whatever the peer does, and what do they leave behind? (Whole nodes, in one process)"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from lnpd.channel.presets import Limits
from lnpd.channel.state import AwaitingAccept
from lnpd.config import Config
from lnpd.errors import (
    AddressRefused,
    AlreadyClosed,
    ChannelRefused,
    ChannelsFull,
    ClosePending,
    ExperimentalTypeRefused,
    InsufficientFunds,
    OpenTimedOut,
    PeerNotConnected,
)
from lnpd.services.channels import commands as channel_commands
from lnpd.services.node.node import Node
from lnpd.testing import DEPTH, Network, shown, until, until_asked
from lnpd.wire.base import Message
from tests.e2e.test_lockbox import KINDS, WITH_LOCKBOX

pytest.importorskip("pbk")  # the embedded chain

Story = Callable[[Network], Awaitable[None]]


def told(tmp_path: Path, story: Story) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            await story(network)

    asyncio.run(main())


async def connected(network: Network, amount_sat: int = 1_100_000, **bobs: object) -> tuple[Node, Node]:
    alice, bob = await network.node("alice"), await network.node("bob", **bobs)
    await network.fund(alice, amount_sat)
    await network.connect(alice, bob)
    return alice, bob


async def opened(node: Node, peer: Node, amount_sat: int, kind: str = "") -> str:
    return (await node.api.open(peer.node_id.hex(), amount_sat, 0, kind, (), None)).channel_id


async def nothing_is_left(node: Node) -> None:
    """No half-open channel, no reserved coin, no room that is taken."""
    await until(lambda: not node.channels.drivers, "no channel")
    assert node.channels.room.taken_sat == 0

    async def free() -> bool:
        return (await node.wallet.balance()).reserved_sat == 0

    await until_asked(free, "free coins")


def deaf(node: Node, *kinds: str) -> None:
    """A peer that hears these messages and never answers them."""
    hear = node.channels.messages

    async def messages(node_id: bytes, link: object, batch: list[Message]) -> None:
        await hear(node_id, link, [m for m in batch if type(m).__name__ not in kinds])  # type: ignore[arg-type]

    node.channels.messages = messages  # type: ignore[method-assign]  # a peer of another make


@pytest.mark.parametrize("message", ["OpenChannel", "FundingCreated"])
def test_an_opening_that_nobody_answers_is_given_up(
    tmp_path: Path, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_commands, "OPEN_SECONDS", 0.5)

    async def story(network: Network) -> None:
        alice, bob = await connected(network)
        deaf(bob, message)
        with pytest.raises(OpenTimedOut, match="its coins are free again"):
            await opened(alice, bob, 1_000_000)
        await nothing_is_left(alice)

    told(tmp_path, story)


def test_a_channel_that_opens_while_its_opening_is_given_up_stays(tmp_path: Path) -> None:
    """The time is over while the peer's signature is being held: it was not too late."""

    async def story(network: Network) -> None:
        alice, bob = await connected(network)
        holding, over = asyncio.Event(), asyncio.Event()
        signer, channels = alice.channels.parts.signer, alice.channels
        hold, give_up = signer.hold_commitment, channels.give_up

        async def held(*asked: Any) -> Any:
            holding.set()
            await over.wait()
            return await hold(*asked)

        async def until_held(*_: object) -> None:
            await holding.wait()
            raise TimeoutError

        async def given_up(*asked: Any) -> Any:
            over.set()
            return await give_up(*asked)

        signer.hold_commitment, channels.until, channels.give_up = held, until_held, given_up  # type: ignore[method-assign]
        answer = await alice.api.open(bob.node_id.hex(), 1_000_000, 0, "", (), None)
        del channels.until
        assert answer.state == "awaiting_ready"
        await network.mine(DEPTH)
        await network.active(answer.channel_id, alice, bob)

    told(tmp_path, story)


def test_an_opening_that_has_just_ended_need_not_be_given_up(tmp_path: Path) -> None:
    """Its channel is closed, and not forgotten yet."""

    async def story(network: Network) -> None:
        alice, bob = await connected(network)
        deaf(bob, "OpenChannel")
        opening = asyncio.create_task(opened(alice, bob, 1_000_000))
        await until(lambda: alice.channels.drivers, "the opening")
        ((key, driver),) = alice.channels.drivers.items()
        await until(lambda: isinstance(driver.channel.phase, AwaitingAccept), "open_channel")
        await alice.channels.give_up(key)
        with pytest.raises(ChannelRefused):
            await opening
        await nothing_is_left(alice)
        alice.channels.drivers[key] = driver
        assert await alice.channels.give_up(key) is None
        del alice.channels.drivers[key]

    told(tmp_path, story)


def test_an_opening_whose_peer_leaves_ends(tmp_path: Path) -> None:
    async def story(network: Network) -> None:
        alice, bob = await connected(network)
        deaf(bob, "FundingCreated")
        opening = asyncio.create_task(opened(alice, bob, 1_000_000))

        async def reserved() -> bool:
            return (await alice.wallet.balance()).reserved_sat > 0

        await until_asked(reserved, "reserved coins")
        await bob.api.disconnect(alice.node_id.hex())
        with pytest.raises(ChannelRefused, match="connection was lost"):
            await opening
        await nothing_is_left(alice)
        await nothing_is_left(bob)

    told(tmp_path, story)


def test_the_wallet_is_asked_before_the_peer(tmp_path: Path) -> None:
    async def story(network: Network) -> None:
        alice, bob = await connected(network)
        deaf(bob, "OpenChannel")
        for amount_sat in (1_100_001, 1_100_000, 1_099_500):  # the fee is not there either
            with pytest.raises(InsufficientFunds, match="The wallet has 1,100,000 sat confirmed"):
                await opened(alice, bob, amount_sat)
        await nothing_is_left(alice)

    told(tmp_path, story)


def test_the_total_holds_for_both_sides_and_at_once(tmp_path: Path) -> None:
    async def story(network: Network) -> None:
        limits = Limits(max_total_sat=1_500_000, max_channel_sat=1_500_000)
        alice, bob = await connected(network, 5_000_000, limits=limits)
        channel = await opened(alice, bob, 1_000_000)
        assert bob.channels.room.taken_sat == 0, "what is not funded yet costs alice nothing, and takes no room"
        await network.mine(DEPTH)
        await network.active(channel, alice, bob)
        with pytest.raises(ChannelRefused, match="takes no more money into channels now") as refused:
            await opened(alice, bob, 500_001)
        assert "1,000,000" not in str(refused.value)  # how much bob has elsewhere is his own business
        await network.fund(bob, 2_000_000)
        with pytest.raises(ChannelsFull, match="500,000 are left, not 500,001"):
            await opened(bob, alice, 500_001)
        both = await asyncio.gather(*(opened(bob, alice, 300_000) for _ in range(2)), return_exceptions=True)
        assert sorted(type(each).__name__ for each in both) == ["ChannelsFull", "str"]
        assert bob.channels.room.taken_sat == 1_300_000
        bob = await network.restart(bob)
        assert bob.channels.room.taken_sat == 1_300_000

    told(tmp_path, story)


def test_experimental_types_are_refused_where_they_may_not_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(network: Network) -> None:
        alice = await network.node("alice", **WITH_LOCKBOX)
        with monkeypatch.context() as mainnet:  # whose other rules a test's chain cannot keep
            mainnet.setattr(Config, "experimental_types", property(lambda _: False))
            bob = await network.node("bob", **WITH_LOCKBOX)
        for node in (alice, bob):
            await network.fund(node, 1_000_000)
        await network.connect(alice, bob)
        with pytest.raises(ExperimentalTypeRefused):
            await opened(bob, alice, 100_000, KINDS[0])
        with pytest.raises(ChannelRefused, match=r"The peer sent an error: .*experimental"):
            await opened(alice, bob, 100_000, KINDS[0])
        await nothing_is_left(alice)
        await opened(alice, bob, 100_000)

    told(tmp_path, story)


def test_a_close_without_the_peer_says_what_to_do(tmp_path: Path) -> None:
    async def story(network: Network) -> None:
        alice, bob = await network.node("alice"), await network.node("bob")
        channel = await network.channel(alice, bob)
        await network.stop(bob)
        await until(lambda: not alice.channels.links, "bob's absence")
        with pytest.raises(PeerNotConnected, match=f"lnp close {channel[:12]} --force"):
            await alice.api.close(channel, False, None)
        row = await shown(alice, channel)
        assert row is not None
        assert row.state == "normal"

    told(tmp_path, story)


def test_a_close_that_nobody_answers_goes_on_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_commands, "CLOSE_SECONDS", 0.5)

    async def story(network: Network) -> None:
        alice, bob = await network.node("alice"), await network.node("bob")
        channel = await network.channel(alice, bob)
        deaf(bob, "Shutdown")
        with pytest.raises(ClosePending, match=r"goes on by itself.* the peer has not answered"):
            await alice.api.close(channel, False, None)

    told(tmp_path, story)


def test_a_close_that_is_done_is_not_begun_again(tmp_path: Path) -> None:
    async def story(network: Network) -> None:
        alice, bob = await network.node("alice"), await network.node("bob")
        channel = await network.channel(alice, bob)
        with pytest.raises(AddressRefused, match="network regtest"):
            await alice.api.close(channel, False, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4")
        closed = await alice.api.close(channel, False, None)
        assert len(closed.txid) == 64
        with pytest.raises(AlreadyClosed, match="waits for a block"):
            await alice.api.close(channel, False, None)
        await network.mine(1)
        for force in (False, True):
            with pytest.raises(AlreadyClosed, match=closed.txid):
                await alice.api.close(channel, force, None)

    told(tmp_path, story)
