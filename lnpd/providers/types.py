"""Which channel types does the core know, and what shapes their commitments? (BOLT 9, BOLT 2 `channel_type`)"""

from collections.abc import Iterable
from typing import Final

import msgspec
from lnpd_sdk.types import Provider, ProviderSpec

from lnpd.errors import FormatNotSpoken
from lnpd.providers.anchors import Anchors
from lnpd.providers.base import Base
from lnpd.providers.htlc import Htlcs
from lnpd.tx.fees import ANCHOR_SAT, COMMITMENT_WEIGHT, COMMITMENT_WEIGHT_ANCHORS
from lnpd.tx.graph import ANCHORS_FEATURE, ChannelType, ProviderPin

STATIC_REMOTEKEY_FEATURE: Final = "option_static_remotekey"

CORE_PROVIDERS: Final[dict[str, Provider]] = {provider.spec.name: provider for provider in (Base(), Htlcs(), Anchors())}


def extensions_in(kind: ChannelType) -> tuple[str, ...]:
    """The providers of plugins that a type pins, in order."""
    return tuple(each.name for each in kind.providers if each.name not in CORE_PROVIDERS)


def extensions_of(kind: ChannelType) -> str:
    """The same, with commas between: as hooks name them."""
    return ",".join(extensions_in(kind))


def pin(spec: ProviderSpec, commitment_format: int) -> ProviderPin:
    """A provider at one of its formats, with its phases and limits; raises FormatNotSpoken."""
    if commitment_format not in spec.formats:
        raise FormatNotSpoken(f"{spec.name} speaks the formats {spec.formats}, not {commitment_format}.")
    phases = tuple(phase.name for phase in spec.phases)
    return ProviderPin(
        name=spec.name,
        format=commitment_format,
        phases=phases,
        max_outputs=spec.max_outputs,
        max_weight=spec.max_weight,
        seal_length=spec.seal_length,
        observes=spec.observes,
        seals=spec.seals,
        holds=spec.holds,
    )


STATIC_REMOTEKEY: Final = ChannelType(
    features=(STATIC_REMOTEKEY_FEATURE,),
    commitment_weight=COMMITMENT_WEIGHT,
    fixed_cost_sat=0,
    providers=(pin(Base.spec, 1), pin(Htlcs.spec, 1)),
)
ANCHORS_ZERO_FEE_HTLC_TX: Final = ChannelType(
    features=(STATIC_REMOTEKEY_FEATURE, ANCHORS_FEATURE),
    commitment_weight=COMMITMENT_WEIGHT_ANCHORS,
    fixed_cost_sat=2 * ANCHOR_SAT,
    providers=(pin(Base.spec, 1), pin(Htlcs.spec, 1), pin(Anchors.spec, 1)),
)

# By the features that name a type on the wire.
CHANNEL_TYPES: Final[dict[tuple[str, ...], ChannelType]] = {
    each.features: each for each in (STATIC_REMOTEKEY, ANCHORS_ZERO_FEE_HTLC_TX)
}

# By the names that a person gives them.
BY_NAME: Final[dict[str, ChannelType]] = {
    "static_remotekey": STATIC_REMOTEKEY,
    "anchors_zero_fee_htlc_tx": ANCHORS_ZERO_FEE_HTLC_TX,
}


def with_extensions(channel_type: ChannelType, pins: Iterable[ProviderPin]) -> ChannelType:
    """The same type with further providers, in their order. Raises FormatNotSpoken if one name is pinned twice."""
    providers = (*channel_type.providers, *pins)
    names = [each.name for each in providers]
    if len(set(names)) != len(names):
        raise FormatNotSpoken(f"A channel type pins a provider twice: {', '.join(names)}.")
    return msgspec.structs.replace(channel_type, providers=providers)
