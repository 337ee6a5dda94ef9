"""Are real peers served while a thousand strangers hold handshakes half open, and are the strangers hung up on?

They come from one address or each from one of their own, and say nothing, half of act one, or all of it and then
nothing. Memory and open files stay bounded.
"""

import asyncio
import os
import resource
import socket
import time
from contextlib import suppress
from pathlib import Path

import pytest

from lnpd.crypto import secp
from lnpd.crypto.noise import Handshake
from lnpd.errors import LnpdError
from lnpd.peer.liveness import Timeouts
from lnpd.services.node.node import Node
from lnpd.testing import Network, until

pytest.importorskip("pbk")  # the embedded chain

STRANGERS = 1000
HANDSHAKE_SECONDS = 3.0
SERVED_SECONDS = 20.0  # a busy machine; it takes about one
MOST_GROWTH_BYTES = 24 << 20
POINT = secp.public_key(b"\1" * 32)


@pytest.fixture(autouse=True)
def _files() -> None:
    """Both ends of a thousand connections are in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4 * STRANGERS)), hard))


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def stranger(node: Node, source: str, beginning: bytes) -> socket.socket:
    """A connection that says its beginning and no more."""
    at, loop = node.peers.listening()[0], asyncio.get_running_loop()
    one = socket.socket()
    one.setblocking(False)
    one.bind((source, 0))
    await loop.sock_connect(one, (at.host, at.port))
    with suppress(ConnectionError):  # hung up on already
        await loop.sock_sendall(one, beginning)
    return one


async def hung_up(one: socket.socket) -> None:
    """Returns when the node has hung up."""
    with suppress(ConnectionError):
        while await asyncio.get_running_loop().sock_recv(one, 100):
            pass


async def served(alice: Node, bob: Node) -> float:
    """Alice connects, as a node does that tries again, and pays; the seconds that it took."""
    began = time.monotonic()
    at = f"{bob.node_id.hex()}@{bob.peers.listening()[0]}"
    while True:
        with suppress(LnpdError):
            await alice.peers.connect(at)
            break
    await until(lambda: alice.channels.usable() and bob.channels.usable(), "the channel")
    invoice = await bob.api.invoice(10_000, "", 3600)
    assert (await alice.api.pay(invoice.invoice, None, SERVED_SECONDS)).amount_msat == 10_000
    return time.monotonic() - began


@pytest.mark.parametrize("sources", ["one address", "many addresses"])
def test_a_thousand_half_open_handshakes_leave_real_peers_served(tmp_path: Path, sources: str) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice"), await network.node("bob")
            await network.channel(alice, bob)
            bob.peers._settings.timeouts = Timeouts(handshake_seconds=HANDSHAKE_SECONDS)
            await alice.peers.disconnect(bob.node_id)
            await until(lambda: not bob.peers.list(), "the end")
            act = Handshake(POINT, b"\2" * 32, bob.node_id).write()
            beginnings = (b"", act[:-1], act)
            before, most, sockets = resident_bytes(), 0, []
            for number in range(STRANGERS):
                if number == STRANGERS // 2:
                    serving = asyncio.create_task(asyncio.wait_for(served(alice, bob), SERVED_SECONDS))
                source = "127.0.0.1" if sources == "one address" else f"127.0.{number // 250 + 1}.{number % 250 + 1}"
                sockets.append(await stranger(bob, source, beginnings[number % 3]))
                most = max(most, len(bob.peers._connections))
            seconds = await serving
            limits = bob.peers._limits
            assert most <= limits.half_open + limits.lingering + 2, "alice may come back while her last connection ends"
            await asyncio.wait_for(asyncio.gather(*map(hung_up, sockets)), HANDSHAKE_SECONDS + 20)
            for one in sockets:
                one.close()
            await until(lambda: len(bob.peers._connections) == 1, "alice's connection, and no other")
            assert not len(bob.peers._half_open) and not len(bob.peers._lingering)
            grown = resident_bytes() - before
            assert grown < MOST_GROWTH_BYTES
            print(f"from {sources}: served in {seconds:.1f} s, {most} connections at most, {grown >> 10} KiB more")
            assert (await bob.api.info()).node_id == bob.node_id.hex()

    asyncio.run(main())
