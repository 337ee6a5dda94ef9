"""Is each rule of open_channel and accept_channel enforced, by its own error?"""

from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from lnpd import errors
from lnpd.channel import actions, events
from lnpd.channel.opening_rules import ACCEPT, DEMANDS, OPEN, START, check
from lnpd.channel.state import AwaitingFunding, AwaitingFundingCreated, Closed
from lnpd.tx.transaction import TxOut
from lnpd.wire.message import decode
from lnpd.wire.messages import (
    AcceptChannel,
    AcceptChannelTlvs,
    Extension,
    FundingType,
    OpenChannel,
    OpenChannelTlvs,
)
from lnpd.wire.messages import Error as ErrorMessage
from tests.channel.harness import PLAIN, POLICY, Node, Pair, accept_event, confirm, funding_tx, open_event, opening

ALIAS_TYPE = replace(PLAIN, features=(*PLAIN.features, "option_scid_alias"))
ZEROCONF_TYPE = replace(PLAIN, features=(*PLAIN.features, "option_zeroconf"))
TLVS = OpenChannelTlvs(upfront_shutdown_script=b"", channel_type=b"\x40\x10\x00")
NO_POINT = b"\x05" * 33

# What is changed in a good open_channel, what the driver adds to it, and the error that answers it.
OPEN_CASES: list[tuple[type[errors.ProtocolError], dict[str, Any], dict[str, Any]]] = [
    (errors.UnknownChain, {"chain_hash": b"\1" * 32}, {}),
    (errors.ChannelTypeMissing, {"tlvs": OpenChannelTlvs()}, {}),
    (errors.ChannelTypeUnsuitable, {}, {"channel_type": None, "initial_states": ()}),
    (errors.ZeroconfUntrusted, {}, {"channel_type": ZEROCONF_TYPE}),
    (errors.AliasTypeAnnounced, {"channel_flags": 1}, {"channel_type": ALIAS_TYPE}),
    (errors.FundingTooSmall, {"funding_satoshis": 999, "push_msat": 0}, {}),
    (errors.FundingTooLarge, {"funding_satoshis": 1 << 24}, {}),
    (errors.PushTooLarge, {"push_msat": 1_000_000_001}, {}),
    (errors.FeerateTooLow, {"feerate_per_kw": 252}, {}),
    (errors.FeerateTooHigh, {"feerate_per_kw": 100_001}, {}),
    (errors.DustAboveReserve, {"dust_limit_satoshis": 2000, "channel_reserve_satoshis": 1999}, {}),
    (errors.DustAboveReserve, {"dust_limit_satoshis": 10_001, "channel_reserve_satoshis": 20_000}, {}),
    (errors.DustLimitTooSmall, {"dust_limit_satoshis": 353}, {}),
    (errors.DustLimitTooLarge, {"dust_limit_satoshis": 5001}, {}),
    (errors.ReserveTooLarge, {"channel_reserve_satoshis": 200_001}, {}),
    (errors.ToSelfDelayTooLarge, {"to_self_delay": 2017}, {}),
    (errors.ToSelfDelayZero, {"to_self_delay": 0}, {}),
    (errors.TooManyHtlcsWanted, {"max_accepted_htlcs": 484}, {}),
    (errors.TooFewHtlcsAccepted, {"max_accepted_htlcs": 0}, {}),
    (errors.HtlcMinimumTooLarge, {"htlc_minimum_msat": 10_001}, {}),
    (errors.InFlightTooSmall, {"max_htlc_value_in_flight_msat": 999_999}, {}),
    *((errors.InvalidBasepoint, {key: NO_POINT}, {}) for key in (
        "funding_pubkey",
        "revocation_basepoint",
        "payment_basepoint",
        "delayed_payment_basepoint",
        "htlc_basepoint",
        "first_per_commitment_point",
    )),
    (errors.ShutdownScriptForm, {"tlvs": replace(TLVS, upfront_shutdown_script=b"\x51")}, {}),
    (errors.OpenerCannotPayFee, {"push_msat": 999_000_000}, {}),
    (errors.NobodyAboveReserve, {"funding_satoshis": 20_000, "push_msat": 9_000_000,
                                 "channel_reserve_satoshis": 15_000}, {}),
]  # fmt: skip

ACCEPT_CASES: list[tuple[type[errors.ProtocolError], dict[str, Any]]] = [
    (errors.MinimumDepthTooLarge, {"minimum_depth": 145}),
    (errors.ReserveBelowDust, {"channel_reserve_satoshis": 353}),
    (errors.DustAboveReserve, {"dust_limit_satoshis": 4_999}),
    (errors.ChannelTypeMissing, {"tlvs": AcceptChannelTlvs()}),
    (errors.ChannelTypeChanged, {"tlvs": AcceptChannelTlvs(channel_type=b"\x10\x00")}),
    (
        errors.ExtensionsChanged,
        {"tlvs": AcceptChannelTlvs(channel_type=b"\x40\x10\x00", extensions=(Extension(name="stranger", format=1),))},
    ),
    (
        errors.FundingTypeChanged,
        {
            "tlvs": AcceptChannelTlvs(
                channel_type=b"\x40\x10\x00", funding_type=FundingType(name="a/b", script_digest=bytes(32), keys=())
            )
        },
    ),
    (errors.TooManyHtlcsWanted, {"max_accepted_htlcs": 484}),
    (errors.InvalidBasepoint, {"htlc_basepoint": NO_POINT}),
    (
        errors.ShutdownScriptForm,
        {"tlvs": AcceptChannelTlvs(upfront_shutdown_script=b"\x76\xa9", channel_type=b"\x40\x10\x00")},
    ),
]


def offer(**changes: Any) -> tuple[Node, OpenChannel]:
    """An opener's node, and its open_channel with changes."""
    node = Node(0)
    node.run(open_event(node))
    message = decode(node.sent.popleft())
    assert isinstance(message, OpenChannel)
    return node, replace(message, **changes)


@pytest.mark.parametrize(("error", "changes", "event"), OPEN_CASES, ids=lambda v: getattr(v, "__name__", None))
def test_open_channel(error: type[Exception], changes: dict[str, Any], event: dict[str, Any]) -> None:
    _, message = offer(**changes)
    policy = replace(POLICY, max_reserve_percent=100) if error is errors.NobodyAboveReserve else POLICY
    node = Node(1, policy)
    node.run(accept_event(node, message, **event))
    assert [type(e) for e in node.errors] == [error]
    (sent,) = map(decode, node.sent)
    assert isinstance(sent, ErrorMessage) and str(node.errors[0]).encode() == sent.data
    assert isinstance(node.channel.phase, Closed)


@pytest.mark.parametrize(("error", "changes"), ACCEPT_CASES, ids=lambda v: getattr(v, "__name__", None))
def test_accept_channel(error: type[Exception], changes: dict[str, Any]) -> None:
    opener, message = offer()
    if error is errors.DustAboveReserve:
        opener = Node(0)
        opener.run(open_event(opener, terms=opener.signer.terms(channel_reserve_sat=1_000)))
        message = decode(opener.sent.popleft())  # type: ignore[assignment]
    acceptor = Node(1)
    acceptor.run(accept_event(acceptor, message))
    answer = decode(acceptor.sent.popleft())
    assert isinstance(answer, AcceptChannel)
    opener.sent.clear()
    opener.run(replace(answer, **changes))
    assert [type(e) for e in opener.errors] == [error]
    assert isinstance(opener.channel.phase, Closed)
    assert isinstance(decode(opener.sent[0]), ErrorMessage)


@pytest.mark.parametrize(
    ("answered", "says"),
    [((), "both nodes need them"), ((Extension(name="other", format=1),), "is not the one"), (("asked",), "")],
)
def test_a_peer_without_the_plugin_is_named_as_the_reason(answered: tuple[object, ...], says: str) -> None:
    asked = Extension(name="jar", format=1)
    extensions = tuple(asked if each == "asked" else each for each in answered)
    context: Any = SimpleNamespace(  # Any: as much of the answer as these rules read
        message=SimpleNamespace(tlvs=SimpleNamespace(extensions=extensions or None)), extensions=(asked,)
    )
    rules = [rule for rule in ACCEPT if rule.error is errors.ExtensionsChanged]
    if says:
        with pytest.raises(errors.ExtensionsChanged, match=says):
            check(rules, context, "accept_channel")
    else:
        check(rules, context, "accept_channel")


def test_every_rule_has_a_case() -> None:
    cases = {case[0] for case in OPEN_CASES} | {case[0] for case in ACCEPT_CASES}
    rules = {rule.error for table in (OPEN, DEMANDS, START, ACCEPT) for rule in table}
    assert rules - cases == {errors.MinimumDepthNotZero}  # needs a zeroconf channel: below


def test_minimum_depth_with_zeroconf() -> None:
    opener = Node(0)
    opener.run(open_event(opener, channel_type=ZEROCONF_TYPE))
    message = decode(opener.sent.popleft())
    acceptor = Node(1)
    acceptor.run(accept_event(acceptor, message, channel_type=ZEROCONF_TYPE, zeroconf=True))  # type: ignore[arg-type]
    answer = decode(acceptor.sent.popleft())
    assert isinstance(answer, AcceptChannel) and answer.minimum_depth == 0
    opener.run(replace(answer, minimum_depth=1))
    assert [type(e) for e in opener.errors] == [errors.MinimumDepthNotZero]


def test_a_developer_may_accept_a_missing_channel_type() -> None:
    _, message = offer(tlvs=OpenChannelTlvs())
    node = Node(1, replace(POLICY, require_channel_type=False))
    node.run(accept_event(node, message))
    assert isinstance(node.channel.phase, AwaitingFundingCreated) and not node.errors
    (answer,) = map(decode, node.sent)
    assert isinstance(answer, AcceptChannel) and answer.tlvs.channel_type is None


@pytest.mark.parametrize("message_name", ["funding_created", "funding_signed"])
def test_a_wrong_first_signature_ends_the_opening(message_name: str) -> None:
    pair = Pair()
    opener, acceptor = pair.nodes
    pair.command(0, open_event(opener))
    pair.command(1, accept_event(acceptor, decode(opener.sent.popleft())))  # type: ignore[arg-type]
    pair.deliver(1)

    (wanted,) = opener.told(actions.FundingWanted)
    pair.command(0, events.FundingProvided(1, funding_tx(wanted.output)))
    victim, liar = (acceptor, opener) if message_name == "funding_created" else (opener, acceptor)
    if liar is acceptor:
        pair.deliver(0)
    message: Any = decode(liar.sent.popleft())
    assert message_name == message.NAME
    victim.run(replace(message, signature=b"\1" * 64))
    assert [type(e) for e in victim.errors] == [errors.WrongSignature]
    assert isinstance(victim.channel.phase, Closed) and not victim.broadcast
    assert len(opener.told(actions.FundingReleased)) == (victim is opener)


def test_a_funding_may_not_take_the_id_of_another_channel() -> None:
    """The opener names the outpoint, and txid xor vout may be anything."""
    pair = Pair()
    opener, acceptor = pair.nodes
    pair.command(0, open_event(opener))
    pair.command(1, accept_event(acceptor, decode(opener.sent.popleft())))  # type: ignore[arg-type]
    pair.deliver(1)
    (wanted,) = opener.told(actions.FundingWanted)
    pair.command(0, events.FundingProvided(1, funding_tx(wanted.output)))
    acceptor.ids_in_use.add(opener.channel.id)
    acceptor.run(decode(opener.sent.popleft()))
    assert [type(e) for e in acceptor.errors] == [errors.ChannelIdInUse]
    assert isinstance(acceptor.channel.phase, Closed)


def test_a_lost_connection_before_the_funding_forgets_the_channel() -> None:
    node, _ = offer()
    node.run(events.Disconnected())
    assert isinstance(node.channel.phase, Closed)


def test_channel_ready_needs_the_agreed_output() -> None:
    pair = opening()
    node = pair.nodes[1]
    funding = node.channel.fundings[0]

    tx = funding_tx(TxOut(funding.capacity_sat - 1, b"\0\x20" + bytes(32)))
    assert tx.txid != funding.txid
    node.run(events.TransactionConfirmed(tx, 500_000, 1, 3))
    assert not node.channel.depth_reached  # another transaction is not ours
    confirm(pair, 1)
    assert node.channel.ready == (False, True)


def test_a_reorganisation_before_the_depth_is_followed() -> None:
    pair = opening()
    node = pair.nodes[1]
    node.run(events.TransactionUnconfirmed(node.channel.fundings[0].txid))
    assert not node.channel.depth_reached and node.channel.short_channel_id == b""
    confirm(pair, 1)
    assert node.channel.depth_reached
    node.run(events.TransactionUnconfirmed(node.channel.fundings[0].txid))
    assert node.channel.short_channel_id == b"" and node.channel.ready[1]


def test_funding_may_fail() -> None:
    pair = Pair()
    opener, acceptor = pair.nodes
    pair.command(0, open_event(opener))
    pair.command(1, accept_event(acceptor, decode(opener.sent.popleft())))  # type: ignore[arg-type]
    pair.deliver(1)
    assert isinstance(opener.channel.phase, AwaitingFunding)
    pair.command(0, events.FundingFailed("No coins."))
    pair.deliver(0)
    assert [n.channel.phase for n in pair.nodes] == [
        Closed("No coins."),
        Closed("The peer sent an error: The funder could not fund this channel."),
    ]
