"""What do we demand in a channel, and what does a peer's channel type mean on this node?"""

import os
from collections.abc import Mapping

import msgspec
from lnpd_sdk.manifest import ChannelTypeSpec, FeatureSpec, FundingSpec, MainSpec

from lnpd.channel.presets import LARGE_CHANNEL_SAT, Limits
from lnpd.channel.scripts import shutdown_script_allowed
from lnpd.channel.state import SCID_ALIAS, Channel, Policy, Terms
from lnpd.config import UPFRONT_NOWHERE, UPFRONT_WALLET
from lnpd.errors import (
    AddressRefused,
    ChannelRefused,
    ChannelTypeUnknown,
    ConfigRefused,
    SealSlotTaken,
    SealUncovered,
    UnknownChannelType,
)
from lnpd.hooks.registry import Registry
from lnpd.providers.types import BY_NAME, pin, with_extensions
from lnpd.services.interfaces import ChannelPublics
from lnpd.services.wallet.scripts import WalletScripts
from lnpd.tx.funding_types import filled, script_digest, with_funding
from lnpd.tx.graph import ChannelType
from lnpd.tx.mains import filled_mains, with_mains
from lnpd.tx.seals import check_seals, holder_of
from lnpd.tx.states import BASE, BaseState, encode_state
from lnpd.wire import features
from lnpd.wire.messages import Extension, FundingType

ALIASED = "+scid_alias"  # after a type's name: its variant that hides the real short_channel_id
MIN_DUST_LIMIT_SAT = 354  # the largest of all output kinds that a shutdown may pay (BOLT 3, Dust Limits)


class Demands(msgspec.Struct, frozen=True):
    """What this node demands in its channels, and promises, from its configuration.

    `upfront_shutdown_script` is where every channel is to pay us when it closes by agreement; empty: nothing is
    promised; None: a script of the wallet's, another one for each channel.
    """

    dust_limit_sat: int = MIN_DUST_LIMIT_SAT
    reserve_percent: int = 1
    htlc_minimum_msat: int = 1
    to_self_delay: int = 144
    max_accepted_htlcs: int = 483
    max_in_flight_percent: int = 100
    minimum_depth: int = 3
    upfront_shutdown_script: bytes | None = b""

    def terms(self, publics: ChannelPublics, capacity_sat: int, policy: Policy) -> Terms:
        """Our half of open_channel or accept_channel, to a peer for whom this is the policy."""
        return Terms(
            dust_limit_sat=self.dust_limit_sat,
            max_htlc_value_in_flight_msat=1000 * capacity_sat * self.max_in_flight_percent // 100,
            channel_reserve_sat=max(capacity_sat * self.reserve_percent // 100, 2 * self.dust_limit_sat),
            htlc_minimum_msat=self.htlc_minimum_msat,
            to_self_delay=self.to_self_delay,
            max_accepted_htlcs=self.max_accepted_htlcs,
            funding_key=publics.funding_pubkey,
            revocation_basepoint=publics.revocation_basepoint,
            payment_basepoint=publics.payment_basepoint,
            delayed_payment_basepoint=publics.delayed_payment_basepoint,
            htlc_basepoint=publics.htlc_basepoint,
            upfront_shutdown_script=self._promised(policy),
        )

    def of(self, kind: ChannelType) -> "Demands":
        """In a channel of this type: one whose money is held for a plugin is closed to the wallet, whatever else was
        to be promised."""
        elsewhere = bool(self.upfront_shutdown_script) and holder_of(kind)
        return msgspec.structs.replace(self, upfront_shutdown_script=None) if elsewhere else self

    def _promised(self, policy: Policy) -> bytes:
        """The script that a peer will hold us to; none if it does not, or allows no such script."""
        script = self.upfront_shutdown_script
        script = policy.sweep_script if script is None else script
        held = policy.upfront_shutdown and shutdown_script_allowed(script, policy.anysegwit)
        return script if held else b""


def demands_of(limits: Limits, minimum_depth: int, upfront_shutdown_script: bytes | None) -> Demands:
    """What a channel that opens now has to grant by the node's limits."""
    return Demands(
        max_accepted_htlcs=limits.max_accepted_htlcs,
        max_in_flight_percent=limits.max_in_flight_percent,
        minimum_depth=minimum_depth,
        upfront_shutdown_script=upfront_shutdown_script,
    )


def promised_script(word: str, scripts: WalletScripts) -> bytes | None:
    """What Demands is told of an upfront script, from the option's word. Raises ConfigRefused."""
    if word in (UPFRONT_NOWHERE, UPFRONT_WALLET):
        return b"" if word == UPFRONT_NOWHERE else None
    try:
        script = scripts.script_of(word)
    except AddressRefused as error:
        raise ConfigRefused(f"--upfront-shutdown takes off, wallet or an address: {error}") from None
    if not shutdown_script_allowed(script, anysegwit=True):
        raise ConfigRefused("--upfront-shutdown: channels close to segwit addresses only (BOLT 2, shutdown).")
    return script


def reserving(terms: Terms, dust_limit_sat: int) -> Terms:
    """An acceptor's terms: what the opener must keep is not dust to it (BOLT 2, accept_channel)."""
    return msgspec.structs.replace(terms, channel_reserve_sat=max(terms.channel_reserve_sat, dust_limit_sat))


class Kind(msgspec.Struct, frozen=True):
    """A channel type as it goes over the wire, and what it means here.

    `funding` and `main` are what its plugin declares of the funding and the main outputs; `funding_type` goes to the
    peer once the keys are known. `needs` are its plugin's features that a peer has to offer, `begins` the providers
    whose plugins say in which state they begin.
    """

    name: str
    type: ChannelType
    bits: bytes
    extensions: tuple[Extension, ...]
    funding: FundingSpec | None = None
    main: MainSpec | None = None
    funding_type: FundingType | None = None
    needs: tuple[FeatureSpec, ...] = ()
    begins: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """The names of the type's own keys."""
        return self.funding.keys if self.funding else ()

    def paying(self, keys: Mapping[str, bytes]) -> "Kind":
        """The same with a funding and main outputs of these keys. Raises FundingRefused, MainRefused, ScriptRefused."""
        kind, script, main = self.type, None, None
        if self.funding is not None:
            script = filled(self.funding, keys)
            kind = with_funding(kind, script)
        if self.main is not None:
            main = filled_mains(self.main, keys)
            kind = with_mains(kind, main)
        points = tuple(keys[name] for name in self.keys)
        said = FundingType(name=self.name, script_digest=script_digest(script, main), keys=points)
        return msgspec.structs.replace(self, type=kind, funding_type=said)

    def initial_states(self, feerate_per_kw: int) -> tuple[tuple[str, bytes], ...]:
        """Each provider's state before any update, as far as the type says it."""
        base = encode_state(BaseState(feerate_per_kw))
        pins = (p for p in self.type.providers if p.name not in self.begins)
        return tuple((p.name, base if p.name == BASE else b"") for p in pins)


class Kinds:
    """The channel types of this node: the core's, and with the providers that plugins bring."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def named(self, name: str, providers: tuple[str, ...] = ()) -> Kind:
        """A type by the name that a person gives: a BOLT type's, or a plugin's type; `providers` are added to it.

        Raises ChannelTypeUnknown.
        """
        plain, aliased = name.removesuffix(ALIASED), name.endswith(ALIASED)
        found = self.registry.channel_type(plain)
        spec = found[1] if found else ChannelTypeSpec(plain, "static_remotekey", ())
        base = spec.base if found else plain
        if base not in BY_NAME:
            known = [*BY_NAME, *self.names()]
            raise ChannelTypeUnknown(f"There is no channel type {name[:60]!r}; this node has {', '.join(known)}.")
        pins = [*spec.providers, *((each, self._newest(each)) for each in providers)]
        extensions = tuple(Extension(name=each, format=number) for each, number in pins)
        wanted = features.ChannelType(base, scid_alias=aliased)
        bits = wanted.features().to_bytes()
        pinned = self._pinned(_meaning(wanted), extensions)
        needs, begins = self._features(*found) if found else (), self._begins(extensions)
        return Kind(name, pinned, bits, extensions, spec.funding, spec.main, needs=needs, begins=begins)

    def _features(self, owner: str, spec: ChannelTypeSpec) -> tuple[FeatureSpec, ...]:
        manifest = self.registry.owners[owner].manifest
        return tuple(each for each in manifest.features if each.name in spec.features)

    def grants(self) -> tuple[tuple[str, int], ...]:
        """What the user lets each plugin's providers take of our balance: (provider, sat)."""
        rows = []
        for owner, owned in self.registry.owners.items():
            limit = self.registry.granted(owner, "updates")
            if limit is not None and limit.isdecimal():
                rows += [(spec.name, int(limit)) for spec in owned.manifest.providers]
        return tuple(rows)

    def names(self) -> tuple[str, ...]:
        """The types that plugins brought."""
        return tuple(t.name for owned in self.registry.owners.values() for t in owned.manifest.channel_types)

    def offered(
        self, bits: bytes | None, extensions: tuple[Extension, ...] | None, funding: FundingType | None = None
    ) -> Kind:
        """A type as a peer's open_channel names it. ChannelTypeUnknown says what this node lacks."""
        if funding is not None:
            return self._with_own_scripts(bits, extensions or (), funding.name)
        try:
            base = features.channel_type(bits) if bits else features.ChannelType("static_remotekey")
        except UnknownChannelType as error:
            raise ChannelTypeUnknown(str(error)) from None
        if base.zeroconf:
            raise ChannelTypeUnknown("This node opens no channels of the zeroconf variant yet.")
        listed = extensions or ()
        name = self.registry.type_of(base.name, tuple((e.name, e.format) for e in listed)) or base.name
        name += ALIASED if base.scid_alias else ""
        return Kind(name, self._pinned(_meaning(base), listed), bits or b"", listed, begins=self._begins(listed))

    def _with_own_scripts(self, bits: bytes | None, extensions: tuple[Extension, ...], name: str) -> Kind:
        if self.registry.channel_type(name.removesuffix(ALIASED)) is None:
            raise ChannelTypeUnknown(f"No plugin here has the channel type {name[:60]!r}.")
        kind = self.named(name)
        if not (kind.funding or kind.main) or (kind.bits, kind.extensions) != (bits, extensions):
            raise ChannelTypeUnknown(f"The channel type {name[:60]!r} is another one here.")
        return kind

    def _newest(self, provider: str) -> int:
        found = self.registry.provider(provider)
        if found is None:
            raise ChannelTypeUnknown(f"No plugin here provides {provider[:40]!r}.")
        return max(found[1].formats)

    def _begins(self, extensions: tuple[Extension, ...]) -> tuple[str, ...]:
        return tuple(each.name for each in extensions if self.registry.begins(each.name, each.format))

    def _pinned(self, base: ChannelType, extensions: tuple[Extension, ...]) -> ChannelType:
        pins = []
        for each in extensions:
            found = self.registry.provider(each.name)
            if found is None or each.format not in found[1].formats:
                raise ChannelTypeUnknown(f"No plugin here provides {each.name[:40]!r} at format {each.format}.")
            pins.append(pin(found[1], each.format))
        kind = with_extensions(base, pins)
        try:
            check_seals(kind)
        except (SealSlotTaken, SealUncovered) as error:
            raise ChannelTypeUnknown(f"There can be no such channel: {error}") from None
        return kind


def _meaning(found: features.ChannelType) -> ChannelType:
    """What a BOLT type means here: its variant has the same commitments."""
    plain = BY_NAME[found.name]
    return msgspec.structs.replace(plain, features=(*plain.features, SCID_ALIAS)) if found.scid_alias else plain


def usual_type(negotiated: bytes) -> str:
    """The best type that both sides speak."""
    anchors = features.Features.from_bytes(negotiated).offers("option_anchors")
    return "anchors_zero_fee_htlc_tx" if anchors else "static_remotekey"


def require_spoken(kind: Kind, capacity_sat: int, negotiated: bytes) -> None:
    """Raises ChannelRefused if the channel takes a feature that was not negotiated (BOLT 2, open_channel)."""
    spoken = features.Features.from_bytes(negotiated)
    large = ("option_support_large_channel",) if capacity_sat >= LARGE_CHANNEL_SAT else ()
    for name in (*kind.type.features, *large):
        if not spoken.offers(name):
            raise ChannelRefused(f"The peer does not offer {name}, which this channel takes.")
    for feature in kind.needs:
        if not {feature.bit & ~1, feature.bit | 1} & set(spoken.bits()):
            raise ChannelRefused(
                f"The peer did not offer {feature.name} (feature bit {feature.bit}) to this node when it connected, and"
                f" {kind.name} takes it: both need the plugin, with `messages` granted. If it was started since,"
                " disconnect and connect."
            )


def fresh_alias() -> bytes:
    """A short_channel_id that names no transaction: a block of the far future."""
    return (0xF00000 | int.from_bytes(os.urandom(2), "big")).to_bytes(3, "big") + os.urandom(5)


def with_grants(channel: Channel, grants: tuple[tuple[str, int], ...]) -> Channel:
    """The channel with what the user grants its providers now; they may have come after the channel was restored."""
    if channel.policy.grants == grants:
        return channel
    return msgspec.structs.replace(channel, policy=msgspec.structs.replace(channel.policy, grants=grants))


def policy_of(limits: Limits) -> Policy:
    """What a channel that opens now tolerates by the node's limits."""
    return Policy(
        min_feerate_per_kw=limits.min_feerate_per_kw,
        max_feerate_per_kw=limits.max_feerate_per_kw,
        min_funding_sat=limits.min_channel_sat,
        max_funding_sat=limits.max_channel_sat,
        max_to_self_delay=limits.max_to_self_delay,
        max_reserve_percent=limits.max_reserve_percent,
        max_dust_exposure_msat=limits.max_dust_exposure_msat,
    )


def policy_for(
    policy: Policy, peer_features: bytes, sweep_script: bytes, grants: tuple[tuple[str, int], ...]
) -> Policy:
    """What we tolerate in a channel with a peer of these features."""
    theirs = features.Features.from_bytes(peer_features)
    return msgspec.structs.replace(
        policy,
        sweep_script=sweep_script,
        grants=grants,
        anysegwit=theirs.offers("option_shutdown_anysegwit"),
        upfront_shutdown=theirs.offers("option_upfront_shutdown_script"),
    )


def policy_again(policy: Policy, now: Policy, grants: tuple[tuple[str, int], ...]) -> Policy:
    """What we tolerate in a channel from a start on: of feerates what is tolerated `now`, for they rise and fall."""
    return msgspec.structs.replace(
        policy, grants=grants, min_feerate_per_kw=now.min_feerate_per_kw, max_feerate_per_kw=now.max_feerate_per_kw
    )
