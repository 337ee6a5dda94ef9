"""Is what passed long ago forgotten, and nothing that could be told again?"""

import asyncio
from pathlib import Path

import pytest

from lnpd.services.node.node import Node
from lnpd.services.payments import circuits, forgetting
from lnpd.services.payments.forgetting import forget
from lnpd.testing import Network, until_asked
from tests.e2e.line import balances_msat, run
from tests.e2e.test_forwarding_worst_days import answer, in_flight


async def states(node: Node) -> list[str]:
    """What passed, newest first."""
    return [row.state for row in await node.api.forwards()]


async def forgotten(node: Node) -> None:
    await node.store.write(lambda write: forget(write, node.watcher.height))


def test_what_has_ended_goes_and_what_has_not_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(network: Network) -> None:
        nodes, channels, hearing, paying, _ = await in_flight(network)
        alice, bob, carol = nodes
        hearing._hold = False
        for _ in range(3):
            await alice.api.pay((await carol.api.invoice(1_000_000, "x", 3600)).invoice, None, 30)
        assert await states(bob) == ["fulfilled"] * 3 + ["offered"]
        await forgotten(bob)
        assert len(await states(bob)) == 4, "so few are kept"

        monkeypatch.setattr(forgetting, "KEPT", 1)

        async def only_the_newest() -> bool:
            """A removal that is not irrevocable yet keeps its circuit."""
            await forgotten(bob)
            return await states(bob) == ["fulfilled", "offered"]

        await until_asked(only_the_newest, "what ended goes")
        assert (await bob.api.check()).problems == ()
        bob = await network.restart(bob)
        await network.active(channels[0], alice, bob)
        await network.active(channels[1], bob, carol)
        assert (await bob.api.check()).problems == ()

        await asyncio.wait_for(paying, 30)  # carol was told of it again, and answers now
        await balances_msat((alice, bob, carol), channels)

        async def only_the_newest_is_left() -> bool:
            await forgotten(bob)
            return await states(bob) == ["fulfilled"]

        await until_asked(only_the_newest_is_left, "the old one goes when it has ended")
        rows = await bob.store.read(
            lambda read: [len(read.values(name)) for name in (circuits.CIRCUITS, circuits.NEWEST, circuits.OUTGOING)]
        )
        assert rows == [1, 1, 1]
        assert await bob.store.read(lambda read: read.values(circuits.OPEN)) == []

    run(story, tmp_path)


def test_what_waits_for_a_channel_on_chain_stays_until_that_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The incoming HTLC is claimed on chain: its order has been carried out, and it is in the channel to its end."""
    monkeypatch.setattr(forgetting, "KEPT", 0)

    async def story(network: Network) -> None:
        (_, bob, carol), channels, hearing, _paying, _ = await in_flight(network)
        await bob.api.close(channels[0], True, None)
        await network.mine(1)
        await answer(carol, hearing)

        async def fulfilled() -> bool:
            return await states(bob) == ["fulfilled"]

        await until_asked(fulfilled, "the preimage")
        await bob.channels.settled(bob.channels.driver_of(channels[0]).channel.key)
        await forgotten(bob)
        assert await states(bob) == ["fulfilled"]

        async def gone() -> bool:
            await network.mine(20)
            await forgotten(bob)
            return await states(bob) == []

        await until_asked(gone, "the channel is closed, and what it carried is forgotten")

    run(story, tmp_path)
