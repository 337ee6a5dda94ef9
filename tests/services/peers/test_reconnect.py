"""Do connections come back to whom channels need, and to nobody else?"""

import asyncio
from pathlib import Path

from lnpd.peer.liveness import Timeouts
from lnpd.services.peers.limits import Limits
from lnpd.store.store import Store
from tests.peer.ends import ALICE, BOB, CAROL
from tests.services.peers.nodes import QUICK, REGTEST, Node, NodeMaker, nodes, run, until

# Coming back


def test_a_lost_connection_comes_back_by_itself_to_whom_channels_need(tmp_path: Path) -> None:
    async def test(make: NodeMaker) -> None:
        alice, bob, carol = await make(ALICE), await make(BOB), await make(CAROL)
        alice.router.wanted = {bob.id}
        bob.router.wanted = {alice.id}
        await alice.peers.connect(bob.at)
        await alice.peers.connect(carol.at)
        for round_ in range(1, 4):
            await until(lambda: alice.id in bob.router.links and bob.id in alice.router.links)
            (alice if round_ % 2 else bob).connection(bob if round_ % 2 else alice).abort()
            await until(lambda round_=round_: alice.router.events.count(("connected", bob.id)) == round_ + 1)  # type: ignore[misc]
        alice.connection(carol).abort()
        await until(lambda: ("disconnected", carol.id) in alice.router.events)
        assert alice.router.events.count(("connected", carol.id)) == 1

    run(tmp_path, test)


def test_who_was_disconnected_by_a_person_stays_away_until_connect(tmp_path: Path) -> None:
    async def test(make: NodeMaker) -> None:
        alice, bob = await make(ALICE), await make(BOB)
        alice.router.wanted = {bob.id}
        await alice.peers.connect(bob.at)
        await alice.peers.disconnect(bob.id)
        assert not alice.peers._reconnector._tasks
        await alice.peers.connect(bob.id.hex())  # its address is known
        assert len(alice.peers.list()) == 1

    run(tmp_path, test)


def test_nobody_is_dialled_who_came_back_by_himself(tmp_path: Path) -> None:
    async def test(make: NodeMaker) -> None:
        alice, bob = (
            await make(ALICE, limits=Limits(retry_first_seconds=1000, retry_most_seconds=1000)),
            await make(BOB),
        )
        alice.router.wanted = {bob.id}
        await alice.peers.connect(bob.at)
        await until(lambda: alice.id in bob.router.links)
        bob.connection(alice).abort()
        await until(lambda: bob.id in alice.peers._reconnector._asleep)
        await bob.peers.connect(alice.at)
        await until(lambda: bob.id in alice.router.links)
        assert not alice.peers._reconnector._tasks

    run(tmp_path, test)


def test_a_restarted_node_finds_its_peers_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with nodes(tmp_path) as make:
            bob = await make(BOB)
            async with nodes(tmp_path) as make_before:
                alice = await make_before(ALICE)
                await alice.peers.connect(bob.at)
            await until(lambda: not bob.peers.list())
            store = Store.open(tmp_path / "01", "regtest")
            again = Node(ALICE, store, REGTEST, QUICK, Timeouts())
            again.router.wanted = {bob.id}
            await again.peers.start()
            await until(lambda: bob.id in again.router.links)
            await again.peers.stop()
            await store.close()

    asyncio.run(main())


def test_pauses_grow_to_their_bound_and_start_anew_after_a_stable_link(tmp_path: Path) -> None:
    async def test(make: NodeMaker) -> None:
        reconnector = (await make(ALICE, limits=Limits())).peers._reconnector
        pauses = [reconnector._pause(b"x") for _ in range(40)]
        assert all(2**n / 2 <= pause <= 2**n for n, pause in enumerate(pauses[:8]))
        assert all(150 <= pause <= 300 for pause in pauses[9:])
        reconnector.stable(b"x")
        assert reconnector._pause(b"x") <= 1

    run(tmp_path, test)
