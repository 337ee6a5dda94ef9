"""What do a node's limits come to in a channel: what it tolerates, and what it demands?"""

import pytest
from lnpd_sdk.manifest import Manifest
from lnpd_sdk.types import Phase, ProviderSpec
from msgspec.structs import asdict, replace

from lnpd.channel.presets import DEFAULT, PRESETS, Limits
from lnpd.channel.state import Policy
from lnpd.errors import ChannelRefused, ChannelTypeUnknown, ConfigRefused
from lnpd.hooks.registry import Registry
from lnpd.providers.types import STATIC_REMOTEKEY, with_extensions
from lnpd.services.channels.opening import (
    Demands,
    Kinds,
    policy_again,
    policy_of,
    promised_script,
    require_spoken,
    usual_type,
)
from lnpd.services.interfaces import ChannelPublics
from lnpd.services.wallet.scripts import WalletScripts
from lnpd.tx.graph import ProviderPin
from lnpd.wire.catalogue import BOLT
from lnpd.wire.features import Features
from lnpd.wire.messages import Extension

# Where a limit stands in the policy of a channel; the others bind openings as a whole, or are told to the peer.
IN_POLICY = {
    "min_channel_sat": "min_funding_sat",
    "max_channel_sat": "max_funding_sat",
    "max_to_self_delay": "max_to_self_delay",
    "max_reserve_percent": "max_reserve_percent",
    "min_feerate_per_kw": "min_feerate_per_kw",
    "max_feerate_per_kw": "max_feerate_per_kw",
    "max_dust_exposure_msat": "max_dust_exposure_msat",
}


@pytest.mark.parametrize("limits", PRESETS.values(), ids=PRESETS)
def test_a_channel_begins_with_these_limits(limits: Limits) -> None:
    policy = policy_of(limits)
    for field, policy_field in IN_POLICY.items():
        assert getattr(policy, policy_field) == getattr(limits, field)
    others = {name: value for name, value in asdict(policy).items() if name not in IN_POLICY.values()}
    assert others.items() <= asdict(Policy()).items()


def test_without_a_word_a_channel_is_the_usual_one() -> None:
    assert policy_of(DEFAULT) == Policy()


@pytest.mark.parametrize("name", PRESETS)
def test_electrum_can_open_channels_whatever_the_preset(name: str) -> None:
    """It proposes 37,500 sat per kw on regtest, channels of 200,000 sat and more."""
    policy = policy_of(PRESETS[name])
    assert policy.min_feerate_per_kw <= 37_500 <= policy.max_feerate_per_kw
    assert policy.min_funding_sat <= 200_000 <= policy.max_funding_sat


@pytest.mark.parametrize(("percent", "msat"), [(5, 10_000_050), (50, 100_000_500), (100, 200_001_000)])
def test_what_may_be_in_flight_is_a_part_of_the_channel(percent: int, msat: int) -> None:
    publics = ChannelPublics(*[bytes(33)] * len(ChannelPublics.__struct_fields__))
    terms = Demands(max_in_flight_percent=percent, max_accepted_htlcs=7).terms(publics, 200_001, Policy())
    assert (terms.max_htlc_value_in_flight_msat, terms.max_accepted_htlcs) == (msat, 7)


BIP84_ACCOUNT = (
    "[73c5da0a/84h/0h/0h]xpub6CatWdiZiodmUeTDp8LT5or8nmbKNcuyvz7WyksVFkKB4RHwCD3XyuvPEbvqAQY3rAPshWcMLoP2fMFMKHPJ4ZeZX"
    "YVUhLv1VMrjPC7PW6V"
)
OURS, GIVEN, TAPROOT = b"\x00\x14" + bytes(20), b"\x00\x20" + bytes(32), b"\x51\x20" + bytes(32)
# What the option says, what the peer offers, and what it is promised.
PROMISES: dict[str, tuple[bytes | None, dict[str, bool], bytes]] = {
    "nothing": (b"", {}, b""),
    "the wallet": (None, {}, OURS),
    "an address": (GIVEN, {}, GIVEN),
    "no peer that would not keep us to it": (GIVEN, {"upfront_shutdown": False}, b""),
    "taproot": (TAPROOT, {"anysegwit": True}, TAPROOT),
    "taproot to a peer that knows none": (TAPROOT, {"anysegwit": False}, b""),
}


@pytest.mark.parametrize("name", PROMISES)
def test_where_a_close_pays_us_is_promised(name: str) -> None:
    script, offered, promised = PROMISES[name]
    publics = ChannelPublics(*[bytes(33)] * len(ChannelPublics.__struct_fields__))
    policy = replace(Policy(sweep_script=OURS), **offered)
    assert Demands(upfront_shutdown_script=script).terms(publics, 200_000, policy).upfront_shutdown_script == promised


def test_where_what_comes_home_is_held_the_close_is_promised_to_the_wallet() -> None:
    holding = with_extensions(STATIC_REMOTEKEY, (ProviderPin("rgb", 1, seals=("close", "claim"), holds=True),))
    elsewhere = Demands(upfront_shutdown_script=OURS)
    assert elsewhere.of(holding).upfront_shutdown_script is None and elsewhere.of(STATIC_REMOTEKEY) == elsewhere
    for each in (Demands(), Demands(upfront_shutdown_script=None)):
        assert each.of(holding) == each


@pytest.mark.parametrize(
    ("word", "script"),
    [
        ("off", b""),
        ("wallet", None),
        ("bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202", OURS),
        ("1111111111111111111114oLvT2", "no bitcoin address of the network regtest"),
        ("mfWxJ45yp2SFn7UciZyNpvDKrzbhyfKrY8", "segwit addresses only"),
        ("Wallet", "takes off, wallet or an address"),
    ],
)
def test_the_word_of_the_option_is_read(word: str, script: bytes | str | None) -> None:
    scripts = WalletScripts(BIP84_ACCOUNT, "regtest")
    if isinstance(script, str):
        with pytest.raises(ConfigRefused, match=script):
            promised_script(word, scripts)
    else:
        assert promised_script(word, scripts) == script


def test_after_a_start_a_channel_keeps_its_terms_and_takes_todays_feerates() -> None:
    stored = Policy(max_feerate_per_kw=5_000, max_dust_exposure_msat=7, min_feerate_per_kw=300)
    again = policy_again(stored, policy_of(PRESETS["open"]), (("lockbox", 5),))
    assert (again.min_feerate_per_kw, again.max_feerate_per_kw) == (253, 250_000)
    assert (again.max_dust_exposure_msat, again.grants) == (7, (("lockbox", 5),))


ALL = Features.of(13, 19, 23, 47)  # static_remotekey, large channels, anchors, scid_alias
# A type's name, its channel_type, the bit without which it is not spoken, and how large the channel is.
TYPES = [
    ("static_remotekey", "1000", 13, 1_000_000),
    ("anchors_zero_fee_htlc_tx", "401000", 23, 1_000_000),
    ("static_remotekey+scid_alias", "400000001000", 47, 1_000_000),
    ("anchors_zero_fee_htlc_tx+scid_alias", "400000401000", 47, (1 << 24) - 1),
    ("anchors_zero_fee_htlc_tx", "401000", 19, 1 << 24),
]


@pytest.mark.parametrize(("name", "bits", "lacking", "capacity_sat"), TYPES)
def test_a_type_is_the_same_by_its_name_and_by_its_bits(name: str, bits: str, lacking: int, capacity_sat: int) -> None:
    kinds = Kinds(Registry(BOLT))
    kind = kinds.named(name)
    assert kind == kinds.offered(bytes.fromhex(bits), None)
    assert kind.name == name
    require_spoken(kind, capacity_sat, ALL.to_bytes())
    with pytest.raises(ChannelRefused, match="The peer does not offer option_"):
        require_spoken(kind, capacity_sat, Features(ALL.mask & ~(1 << lacking)).to_bytes())


def test_a_type_whose_carriers_no_signature_would_cover_is_refused_whoever_names_it() -> None:
    registry = Registry(BOLT)
    spec = ProviderSpec("sealer", (1,), (Phase("seal"),), seal_length=32, seals=("second_stage",))
    registry.register(Manifest(name="sealer", version="1", providers=(spec,)), nobody)
    kinds, sealer = Kinds(registry), (Extension(name="sealer", format=1),)
    assert kinds.named("static_remotekey", ("sealer",)).extensions == sealer
    why = "There can be no such channel: sealer seals every second stage, and with option_anchors"
    with pytest.raises(ChannelTypeUnknown, match=why):
        kinds.named("anchors_zero_fee_htlc_tx", ("sealer",))
    with pytest.raises(ChannelTypeUnknown, match=why):
        kinds.offered(bytes.fromhex("401000"), sealer)


async def nobody(*_: object) -> object:
    raise AssertionError("a type is made of what is declared: nobody is asked")


def test_a_channel_that_needs_trust_is_refused() -> None:
    with pytest.raises(ChannelTypeUnknown, match="zeroconf"):
        Kinds(Registry(BOLT)).offered(Features.of(12, 46, 50).to_bytes(), None)


@pytest.mark.parametrize(
    ("bit", "name"), [(23, "anchors_zero_fee_htlc_tx"), (22, "anchors_zero_fee_htlc_tx"), (13, "static_remotekey")]
)
def test_without_a_word_the_best_type_that_both_speak_is_opened(bit: int, name: str) -> None:
    assert usual_type(Features.of(bit).to_bytes()) == name
