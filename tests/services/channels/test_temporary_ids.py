"""Does a peer that reuses a temporary channel id ever meet keys of an earlier channel? (decisions on LNPBP-46)"""

import asyncio
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from lnpd.services.channels import service
from lnpd.services.node.node import Node
from lnpd.testing import Network, until

SAME = b"\x29\x38\xce\x5c" * 8
KEYS = ("funding_key", "revocation_basepoint", "payment_basepoint", "delayed_payment_basepoint", "htlc_basepoint")


async def keys_of(node: Node, channel: str) -> list[bytes]:
    """A node's basepoints in a channel and its first per-commitment points, as its signer has them."""
    driver = node.channels.driver_of(channel)
    ours = driver.channel.terms[driver.channel.us]
    points = [await node.signer.commitment_point(driver.index, number) for number in range(3)]
    return [*(getattr(ours, name) for name in KEYS), *points]


def test_one_peer_and_two_reuse_a_temporary_channel_id_after_a_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drawn(count: int) -> bytes:
        return SAME if count == len(SAME) else os.urandom(count)

    monkeypatch.setattr(service, "os", SimpleNamespace(urandom=drawn))

    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob, carol = [await network.node(name) for name in ("alice", "bob", "carol")]
            bobs: list[bytes] = []
            alices: list[bytes] = []
            for opener in (alice, alice, carol):
                channel = await network.channel(opener, bob, 300_000, push_sat=50_000)
                assert bob.channels.parts.ids.key(SAME) == bob.channels.driver_of(channel).channel.key
                bobs += await keys_of(bob, channel)
                alices += await keys_of(opener, channel)
                closed = await opener.api.close(channel, False, None)
                await network.seen(closed.txid)
                await network.mine(101)
                await until(lambda: not bob.channels.drivers, "the close is settled, and the id free again")
            assert len(set(bobs)) == len(set(alices)) == 3 * (len(KEYS) + 3), "a key came back"
            assert set(bobs).isdisjoint(alices)

    asyncio.run(main())
