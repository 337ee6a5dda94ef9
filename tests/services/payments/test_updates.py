"""Which channel_update of a peer is kept, which is ignored, and what do our invoices make of it?"""

import asyncio
from collections.abc import Callable, Coroutine
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from lnpd.channel.state import SCID_ALIAS, Channel, OnChain
from lnpd.crypto import secp
from lnpd.errors import ChannelUpdateSignatureWrong
from lnpd.peer.chains import CHAIN_HASHES
from lnpd.routing.channel_update import DIRECTION, DISABLE, signed_part, unsigned_update
from lnpd.routing.relay import RelayPolicy
from lnpd.services.payments.updates import BURST, FUTURE_SECONDS, Updates
from lnpd.store.store import Store
from lnpd.wire.messages import ChannelUpdate
from tests.channel.harness import opened

SECRET = sha256(b"peer").digest()
PEER, US = secp.public_key(SECRET), secp.public_key(sha256(b"us").digest())
CHAIN, NOW = CHAIN_HASHES["regtest"], 1_700_000_000
POLICY = RelayPolicy(1_000, 10, 80, 1, 500_000_000)
REAL, OURS, THEIRS = b"\x00\x00\x01\x00\x00\x02\x00\x03", b"\xf1" * 8, b"\xf2" * 8


class One:
    """All channels: one, in which we are the opener."""

    def __init__(self) -> None:
        channel = opened().nodes[0].channel
        self.channel: Channel = replace(channel, peer=PEER, short_channel_id=REAL, aliases=(OURS, THEIRS))

    def every(self) -> tuple[Channel, ...]:
        return (self.channel,)


class Bench:
    """Updates of one channel, and a clock."""

    def __init__(self, folder: Path) -> None:
        self.now = float(NOW)
        self.channels, self.store = One(), Store.open(folder, "regtest")
        self.updates = self.made()

    def made(self) -> Updates:
        return Updates(self.store, self.channels, US, CHAIN, lambda: self.now)  # type: ignore[arg-type]  # no more is asked

    def kept(self) -> ChannelUpdate | None:
        return self.updates.get(self.channels.channel)


def signed(update: ChannelUpdate) -> ChannelUpdate:
    digest = sha256(sha256(signed_part(update)).digest()).digest()
    return replace(update, signature=secp.sign(SECRET, digest))


def said(timestamp: int = NOW, scid: bytes = REAL, policy: RelayPolicy = POLICY, **changes: Any) -> ChannelUpdate:
    return signed(replace(unsigned_update(policy, CHAIN, scid, timestamp, PEER, US), **changes))


def on(story: Callable[[Bench], Coroutine[Any, Any, None]]) -> Callable[[Path], None]:
    """A test on a bench."""

    def test(tmp_path: Path) -> None:
        bench = Bench(tmp_path)
        try:
            asyncio.run(story(bench))
        finally:
            bench.store.close_sync()

    return test


FIRST = said()
FLAGS = FIRST.channel_flags
# What comes after FIRST, and whether it takes its place.
CASES: dict[str, tuple[ChannelUpdate, bool]] = {
    "newer": (said(NOW + 1), True),
    "by the alias that we gave": (said(NOW + 1, OURS), True),
    "disabled": (said(NOW + 1, channel_flags=FLAGS | DISABLE), True),
    "by the alias that the peer gave": (said(NOW + 1, THEIRS), False),
    "of another channel": (said(NOW + 1, b"\x01" * 8), False),
    "of another chain": (said(NOW + 1, chain_hash=CHAIN_HASHES["bitcoin"]), False),
    "of our own direction": (said(NOW + 1, channel_flags=FLAGS ^ DIRECTION), False),
    "the same moment": (said(NOW, policy=RelayPolicy(9)), False),
    "older": (said(NOW - 1), False),
    "at zero": (said(0), False),
    "of the far future": (said(NOW + FUTURE_SECONDS + 1), False),
    "of the near future": (said(NOW + FUTURE_SECONDS), True),
}


@pytest.mark.parametrize("case", CASES)
def test_updates(tmp_path: Path, case: str) -> None:
    update, taken = CASES[case]

    async def story(bench: Bench) -> None:
        await bench.updates.received(PEER, FIRST)
        assert bench.kept() == FIRST
        await bench.updates.received(PEER, update)
        assert bench.kept() == (update if taken else FIRST)
        again = bench.made()
        await again.load()
        assert again.get(bench.channels.channel) == bench.kept(), "it is stored"

    on(story)(tmp_path)


def test_a_wrong_signature_costs_the_connection(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        for wrong in (replace(FIRST, fee_base_msat=0), replace(FIRST, signature=bytes(64))):
            with pytest.raises(ChannelUpdateSignatureWrong):
                await bench.updates.received(PEER, wrong)
        stranger = secp.public_key(sha256(b"stranger").digest())
        await bench.updates.received(stranger, FIRST)  # who has no channel with us is not even heard
        assert bench.kept() is None

    on(story)(tmp_path)


def test_what_a_peer_may_write_is_bounded(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        commits = bench.store.commits
        for second in range(10 * BURST):
            await bench.updates.received(PEER, said(NOW - 1_000 + second))
        assert bench.store.commits - commits == BURST
        bench.now += 100
        for second in range(100):
            await bench.updates.received(PEER, said(NOW + second))
        assert bench.store.commits - commits == BURST + 10

    on(story)(tmp_path)


# What the last update or the channel says, an invoice's amount, and whether the invoice shows the way.
HINTED: dict[str, tuple[dict[str, Any], int | None, bool]] = {
    "as it is": ({}, 10_000, True),
    "the payer chooses": ({}, None, True),
    "disabled": ({"channel_flags": FLAGS | DISABLE}, 10_000, False),
    "more than they forward": ({"htlc_maximum_msat": 9_999}, 10_000, False),
    "less than they forward": ({"htlc_minimum_msat": 10_001}, 10_000, False),
    "more than they have": ({}, 400_000_000, False),
}


@pytest.mark.parametrize("case", HINTED)
def test_hints(tmp_path: Path, case: str) -> None:
    changes, amount_msat, hinted = HINTED[case]

    async def story(bench: Bench) -> None:
        assert bench.updates.hints(amount_msat) == (), "nobody said anything yet"
        await bench.updates.received(PEER, said(**changes))
        found = bench.updates.hints(amount_msat)
        if hinted:
            ((hop,),) = found
            assert (hop.node_id, hop.short_channel_id) == (PEER, THEIRS), "by the alias that the peer recognises"
            assert (hop.fee_base_msat, hop.fee_proportional_millionths, hop.cltv_expiry_delta) == (1_000, 10, 80)
        else:
            assert found == ()
        bench.channels.channel = replace(bench.channels.channel, phase=OnChain("ours", bytes(32), 1))
        assert bench.updates.hints(amount_msat) == ()

    on(story)(tmp_path)


@pytest.mark.parametrize("hidden", [False, True])
def test_the_real_id_of_a_hidden_channel_is_never_hinted(tmp_path: Path, hidden: bool) -> None:
    async def story(bench: Bench) -> None:
        channel = replace(bench.channels.channel, aliases=(OURS, b""))
        named = (*channel.channel_type.features, SCID_ALIAS)
        hiding = replace(channel, channel_type=replace(channel.channel_type, features=named))
        bench.channels.channel = hiding if hidden else channel
        await bench.updates.received(PEER, said())
        found = [hop.short_channel_id for (hop,) in bench.updates.hints(1_000)]
        assert found == ([] if hidden else [REAL])

    on(story)(tmp_path)
