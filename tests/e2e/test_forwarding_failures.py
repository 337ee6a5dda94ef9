"""Does a node in the middle answer every HTLC that it cannot forward with BOLT 4's code, and with its terms?

The payer here puts anything into an onion. Each row: what is asked of bob (or done to him), who reports the failure
(0: bob, 1: carol), and which.
"""

from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from msgspec.structs import replace

from lnpd.channel.actions import HtlcFailed
from lnpd.channel.state import AwaitingReady, ShuttingDown
from lnpd.crypto import secp
from lnpd.routing.channel_update import is_disabled, is_signed_by, policy_of
from lnpd.routing.failures import FAILURES, Failure
from lnpd.routing.forwarding import LEAST_OUTGOING_BLOCKS, MAX_HTLC_CLTV
from lnpd.routing.payload import for_final_node, for_hop
from lnpd.services.node.node import Node
from lnpd.testing import Network
from lnpd.wire import message as wire
from lnpd.wire.messages import ChannelUpdate, Payload
from tests.e2e.line import balances_msat, in_a_row, run, scid_of, send

SENT_MSAT: Final = 10_000_000
FEE_MSAT: Final = 1_000 + 100
STRANGER: Final = secp.public_key(sha256(b"nobody").digest())


class Line(NamedTuple):
    """alice, bob and carol; the height when the HTLC is offered."""

    alice: Node
    bob: Node
    carol: Node
    channels: list[str]
    height: int


class Asked(NamedTuple):
    """An HTLC for bob: what it carries, what its onion orders, and who is to get the rest of the onion."""

    amount_msat: int
    cltv_expiry: int
    order: Payload | bytes
    next_node: bytes
    packet: Callable[[bytes], bytes] | None = None


def usual(line: Line, **changes: Any) -> Asked:
    """What bob would forward, with changes of the orders."""
    expiry = line.height + 60
    scid = changes.pop("scid", scid_of(line.bob, line.channels[1]))
    amount_msat = changes.pop("sent_msat", SENT_MSAT)
    out = changes.pop("out", expiry)
    asked = Asked(
        amount_msat + 1_000 + amount_msat // 100_000, expiry + 80, for_hop(amount_msat, out, scid), line.carol.node_id
    )
    return asked._replace(**changes)


def spoiled(place: int, value: int | None = None) -> Callable[[bytes], bytes]:
    """A packet with one byte changed."""
    return lambda data: data[:place] + bytes([data[place] ^ 1 if value is None else value]) + data[place + 1 :]


async def nothing(_: Line) -> None:
    """Nobody prepares anything."""


async def higher_minimum(line: Line) -> None:
    await line.bob.api.relay(line.channels[1], htlc_minimum_msat=SENT_MSAT + 1)
    line.bob.payments.relay._made.clear()  # as if ten minutes had passed


async def lower_maximum(line: Line) -> None:
    await line.bob.api.relay(line.channels[1], htlc_maximum_msat=SENT_MSAT - 1)
    line.bob.payments.relay._made.clear()


async def frozen(line: Line) -> None:
    line.bob.channels.driver_of(line.channels[1]).freeze("a plugin is missing", for_good=True)


async def poorer(line: Line) -> None:
    await line.bob.api.pay((await line.carol.api.invoice(500_000_000, "a debt", 3600)).invoice, None, 20)


async def gone(line: Line) -> None:
    await line.bob.api.disconnect(line.carol.node_id.hex())
    await line.carol.peers.stop()


async def in_phase(line: Line, phase: Any) -> None:
    driver = line.bob.channels.driver_of(line.channels[1])
    driver.channel = replace(driver.channel, phase=phase)


async def closing(line: Line) -> None:
    await in_phase(line, ShuttingDown())


async def opening(line: Line) -> None:
    await in_phase(line, AwaitingReady())


class Row(NamedTuple):
    """What is asked, what is done before, and the failure with the fields that a test can know."""

    asked: Callable[[Line], Asked]
    name: str
    hop: int = 0
    fields: Callable[[Asked], dict[str, int]] = lambda _: {}
    before: Callable[[Line], Awaitable[None]] = nothing


def _incoming(asked: Asked) -> dict[str, int]:
    return {"htlc_msat": asked.amount_msat}


def _ordered(asked: Asked) -> dict[str, int]:
    assert isinstance(asked.order, Payload) and asked.order.amt_to_forward is not None
    return {"htlc_msat": asked.order.amt_to_forward}


def _expiry(asked: Asked) -> dict[str, int]:
    assert isinstance(asked.order, Payload) and asked.order.outgoing_cltv_value is not None
    return {"cltv_expiry": asked.order.outgoing_cltv_value}


ROWS: Final = {
    "it passes, and the payee does not know it": Row(usual, "incorrect_or_unknown_payment_details", 1),
    "the alias is as good": Row(
        lambda line: usual(line, scid=_alias(line)), "incorrect_or_unknown_payment_details", 1
    ),
    "another channel": Row(lambda line: usual(line, scid=b"\x00\x00\x01" * 2 + b"\x00\x01"), "unknown_next_peer"),
    "no channel": Row(lambda line: usual(line, scid=bytes(8)), "unknown_next_peer"),
    "the alias that bob was given": Row(lambda line: usual(line, scid=_their_alias(line)), "unknown_next_peer"),
    "below the minimum": Row(usual, "amount_below_minimum", 0, _ordered, higher_minimum),
    "above the maximum": Row(usual, "temporary_channel_failure", 0, before=lower_maximum),
    "too little fee": Row(
        lambda line: usual(line, amount_msat=SENT_MSAT + FEE_MSAT - 1), "fee_insufficient", 0, _incoming
    ),
    "less in than out": Row(lambda line: usual(line, amount_msat=SENT_MSAT - 1), "fee_insufficient", 0, _incoming),
    "too few blocks": Row(
        lambda line: usual(line, cltv_expiry=line.height + 60 + 79), "incorrect_cltv_expiry", 0, _expiry
    ),
    "too soon": Row(lambda line: usual(line, out=line.height + LEAST_OUTGOING_BLOCKS - 1), "expiry_too_soon"),
    "too far": Row(lambda line: usual(line, cltv_expiry=line.height + MAX_HTLC_CLTV + 1), "expiry_too_far"),
    "more than bob has": Row(
        lambda line: usual(line, sent_msat=400_000_000), "temporary_channel_failure", before=poorer
    ),
    "nobody is there": Row(usual, "temporary_channel_failure", before=gone),
    "not open yet": Row(usual, "temporary_channel_failure", before=opening),
    "closing": Row(usual, "permanent_channel_failure", before=closing),
    "frozen": Row(usual, "channel_disabled", 0, lambda _: {"disabled_flags": 0}, frozen),
    "no amount": Row(lambda line: _without(line, "amt_to_forward"), "invalid_onion_payload", 0,
                     lambda _: {"type": 2}),
    "no expiry": Row(lambda line: _without(line, "outgoing_cltv_value"), "invalid_onion_payload", 0,
                     lambda _: {"type": 4}),
    "no way": Row(lambda line: _without(line, "short_channel_id"), "invalid_onion_payload", 0, lambda _: {"type": 6}),
    "an even record that nobody knows": Row(
        lambda line: usual(line, order=b"\x16\x01\x00"), "invalid_onion_payload", 0, lambda _: {"type": 22}
    ),
    "not a stream": Row(lambda line: usual(line, order=b"\x02\x09\x00"), "invalid_onion_payload", 0),
    "a blinded path begins here": Row(lambda line: _blinded(line), "invalid_onion_blinding"),
    "the next node cannot read its onion": Row(
        lambda line: usual(line, next_node=STRANGER), "invalid_onion_hmac"
    ),
}  # fmt: skip


def _alias(line: Line) -> bytes:
    channel = line.bob.channels.driver_of(line.channels[1]).channel
    return channel.aliases[channel.us]


def _their_alias(line: Line) -> bytes:
    channel = line.bob.channels.driver_of(line.channels[1]).channel
    return channel.aliases[channel.them]


def _without(line: Line, name: str) -> Asked:
    asked = usual(line)
    assert isinstance(asked.order, Payload)
    return asked._replace(order=replace(asked.order, **{name: None}))


def _blinded(line: Line) -> Asked:
    asked = usual(line)
    assert isinstance(asked.order, Payload)
    return asked._replace(order=replace(asked.order, current_path_key=STRANGER))


async def lined(network: Network) -> Line:
    (alice, bob, carol), channels = await in_a_row(network, "alice", "bob", "carol")
    return Line(alice, bob, carol, channels, alice.watcher.height)


async def sent(line: Line, asked: Asked) -> Any:
    last = for_final_node(SENT_MSAT, line.height + 60, bytes(32))
    hops = [(line.bob.node_id, asked.order), (asked.next_node, last)]
    return await send(line.alice, line.channels[0], hops, asked.amount_msat, asked.cltv_expiry, asked.packet)


def test_each_failure(tmp_path: Path) -> None:
    """One network for all that leaves no trace; what is done before is done to a network of its own."""

    async def story(network: Network) -> None:
        line = await lined(network)
        before = await balances_msat(line[:3], line.channels)
        for name, row in ROWS.items():
            if row.before is nothing:
                await _judged(line, name, row)
                assert await balances_msat(line[:3], line.channels) == before, name
        assert all(row.state == "failed" for row in await line.bob.api.forwards())

    run(story, tmp_path)


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.before is not nothing])
def test_each_failure_of_a_state(tmp_path: Path, name: str) -> None:
    async def story(network: Network) -> None:
        line = await lined(network)
        await ROWS[name].before(line)
        await _judged(line, name, ROWS[name])

    run(story, tmp_path)


async def _judged(line: Line, name: str, row: Row) -> None:
    asked = row.asked(line)
    hop, reported = await sent(line, asked)
    assert (reported.name, hop) == (row.name, row.hop), name
    fields = dict(reported.fields)
    assert {key: fields.get(key) for key in row.fields(asked)} == row.fields(asked), name
    if reported.name == "invalid_onion_hmac":
        assert len(fields["sha256_of_onion"]) == 32
    if reported.has_channel_update:
        _check_update(line, name, row, reported, asked)


def _check_update(line: Line, name: str, row: Row, reported: Failure, asked: Asked) -> None:
    """BOLT 4: bob's terms, under the id that the onion used."""
    data = dict(reported.fields)["channel_update"]
    assert isinstance(data, bytes)
    update = wire.decode(data)
    assert isinstance(update, ChannelUpdate) and isinstance(asked.order, Payload), name
    assert update.short_channel_id == asked.order.short_channel_id
    assert is_signed_by(update, line.bob.node_id)
    channel = line.bob.channels.driver_of(line.channels[1]).channel
    assert policy_of(update) == line.bob.payments.relay.policy(channel)
    assert is_disabled(update) == (row.before in (frozen, opening))


# An onion that bob cannot read is answered with update_fail_malformed_htlc: code, and digest of what he got.
MALFORMED: Final = {
    "version": (spoiled(0, 1), 0xC004),
    "hmac": (spoiled(1365), 0xC005),
    "payloads": (spoiled(700), 0xC005),
    "key": (lambda data: data[:1] + b"\x05" * 33 + data[34:], 0xC006),
}


def test_onions_that_cannot_be_read(tmp_path: Path) -> None:
    async def story(network: Network) -> None:
        line = await lined(network)
        before = await balances_msat(line[:3], line.channels)
        for name, (change, code) in MALFORMED.items():
            packets: list[bytes] = []

            def kept(data: bytes, change: Any = change, packets: list[bytes] = packets) -> bytes:
                packets.append(change(data))
                return packets[-1]

            end = await sent(line, usual(line, packet=kept))
            assert isinstance(end, HtlcFailed), name
            assert (end.failure_code, end.sha256_of_onion) == (code, sha256(packets[0]).digest()), name
        assert await balances_msat(line[:3], line.channels) == before
        assert await line.bob.api.forwards() == ()

    run(story, tmp_path)


def test_an_onion_passes_once(tmp_path: Path) -> None:
    """BOLT 4, Onion Decryption: an hmac that was received before; also after a restart."""

    async def story(network: Network) -> None:
        line = await lined(network)
        assert (await sent(line, usual(line)))[0] == 1
        hop, reported = await sent(line, usual(line))
        assert (hop, reported.name) == (0, "temporary_node_failure")
        bob = await network.restart(line.bob)
        for channel, node in zip(line.channels, (line.alice, line.carol), strict=True):
            await network.active(channel, bob, node)
        hop, reported = await sent(line._replace(bob=bob), usual(line._replace(bob=bob)))
        assert (hop, reported.name) == (0, "temporary_node_failure")
        first, *others = reversed(await bob.api.forwards())
        assert "next node" in first.why and all("passed before" in row.why for row in others)

    run(story, tmp_path)


def test_the_table_has_every_code_that_a_forwarding_node_reports() -> None:
    elsewhere = {
        "temporary_node_failure",  # an onion that passed before
        "permanent_node_failure",  # this node never gives up forwarding for good
        "required_node_feature_missing",  # it requires nothing that an onion could lack
        "required_channel_feature_missing",
        "invalid_onion_version",  # MALFORMED
        "invalid_onion_key",
        "final_incorrect_cltv_expiry",  # of the last node
        "final_incorrect_htlc_amount",
        "mpp_timeout",
    }
    named = {row.name for row in ROWS.values()}
    assert named | elsewhere == {row.name for row in FAILURES}
    print(f"{len(ROWS)} rows, {len(named)} codes of {len(FAILURES)}; {len(MALFORMED)} malformed onions")
