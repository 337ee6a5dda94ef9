"""Is each message of a hostile peer's about tokens refused by name, as it comes over the wire?

Its own node would not send them: they are put into its connection, or signed for it.
"""

import asyncio
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from lnpd_sdk.script import Sighash
from lnpd_sdk.types import PerParty

from lnpd.channel.events import Add
from lnpd.channel.state import Channel
from lnpd.errors import LnpdError
from lnpd.services.node.node import Node
from lnpd.services.signer import commitment
from lnpd.testing import Network, until_asked
from lnpd.tx.signatures import child_digest
from lnpd.wire.messages import UpdateAddHtlc, UpdateFee
from rgb_channel.records import TOKENS_HTLC, encode_tokens
from tests.e2e.closing import ONION, driver_of, preimage
from tests.plugins.rgb_channel import chain
from tests.plugins.rgb_channel.chain import SETTLED
from tests.plugins.rgb_channel.ledger import beginning
from tests.plugins.rgb_channel.test_story import opened, pay, side, silent, tokens


def record(value: bytes) -> bytes:
    """A TLV record of tokens."""
    return b"\xfe" + TOKENS_HTLC.to_bytes(4, "big") + bytes([len(value)]) + value


ONE = record(encode_tokens(1))
HTLCS: dict[str, tuple[bytes, int, str]] = {
    "seven bytes": (record(bytes(7)), 20_000, "rgb_tokens: tokens and what follows: 7 bytes left of 8"),
    "nine bytes": (record(bytes(9)), 20_000, "(rgb_tokens) has 1 bytes too many"),
    "no bytes": (record(b""), 20_000, "rgb_tokens: tokens and what follows: 0 bytes left of 8"),
    "twice": (ONE + ONE, 20_000, f"TLV type {TOKENS_HTLC} after {TOKENS_HTLC}"),
    "no token": (record(bytes(8)), 20_000, "rgb: an amount of no token is no amount"),
    "more than it has": (record(encode_tokens(SETTLED[0] + 1)), 20_000, "rgb: 5001 tokens are more than the 5000"),
    "2^64 - 1": (record(encode_tokens(2**64 - 1)), 20_000, "rgb: 18446744073709551615 tokens are more than the 5000"),
    "in too few sat": (ONE, 9_000, "rgb: an HTLC with tokens holds 9104 sat at least"),
}
"""The end of an update_add_htlc, its sat, and what its sender is told."""


async def told(node: Node, words: str) -> None:
    """Returns once a node's peer has said this to it."""

    async def found() -> bool:
        events = await node.events.since(0, 10_000)
        return any(e.topic in ("peer_warning", "channel_failed") and words in bytes(e.payload).decode() for e in events)

    await until_asked(found, words)


def put(node: Node, peer: Node, message: UpdateAddHtlc | UpdateFee, more: bytes = b"") -> None:
    """Sends a message, with these bytes at its end."""
    link: Any = node.channels.links[peer.node_id]  # the real connection, which a Link does not show
    link._outbox.append(link.session.encode(message) + more)
    link._flush()


async def refused_updates(network: Network, alice: Node, bob: Node, channel: Channel) -> None:
    height = await network.followed()
    for end, amount_sat, why in HTLCS.values():
        await network.active(channel.id.hex(), alice, bob)
        add = UpdateAddHtlc(
            channel_id=channel.id, id=0, amount_msat=1000 * amount_sat, payment_hash=bytes(32),
            cltv_expiry=height + 99, onion_routing_packet=ONION,
        )  # fmt: skip
        put(alice, bob, add, end)
        await told(alice, why)
    await network.active(channel.id.hex(), alice, bob)
    put(alice, bob, UpdateFee(channel_id=channel.id, feerate_per_kw=10_001))
    await told(alice, "rgb: at 10001 sat per 1000 weight outputs with tokens could be trimmed: 10000 is the most here")
    await network.active(channel.id.hex(), alice, bob)


def one_output_alone(graph: Any, child: Any, _sighash: Sighash) -> bytes:
    """What a peer signs who would let the holder add outputs."""
    return child_digest(graph, child, Sighash.SINGLE_ANYONECANPAY)


async def signed_for_one_output(network: Network, alice: Node, bob: Node) -> None:
    add = Add(20_000_000, sha256(preimage(1)).digest(), await network.followed() + 99, ONION)
    with silent(alice, bob), patch.object(commitment, "child_digest", one_output_alone):
        await driver_of(alice).command(add)
        await told(alice, "Signature 0 of commitment")


async def begun_otherwise(network: Network, alice: Node, bob: Node) -> None:
    """The two sides begin with other states: nothing is signed."""
    settled: list[PerParty] = [(5_000, 700), (4_999, 701)]

    def other(_settled: PerParty, *funding: Any) -> Any:
        return beginning(settled.pop(), *funding)

    with patch.object(chain, "beginning", other), pytest.raises(LnpdError, match="rgb begins with another state"):
        await opened(network, alice, bob)


def test_each_is_refused_by_name(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await side(network, "alice"), await side(network, "bob")
            await begun_otherwise(network, alice[0], bob[0])
            channel = await opened(network, alice[0], bob[0])
            await refused_updates(network, alice[0], bob[0], channel)
            await pay(alice, bob[0], 20_000, 1_200)
            assert tokens(alice[0], bob[0]) == (3_800, 1_900)
            await signed_for_one_output(network, alice[0], bob[0])

    asyncio.run(main())
