"""What does a plugin declare? Data, sent once and validated as a whole before anything of it is registered."""

from typing import Literal

import msgspec

from lnpd_sdk.envelope import CONTRACT_VERSION
from lnpd_sdk.types import ProviderSpec

ParameterKind = Literal["text", "integer", "boolean", "channel", "peer", "hex"]


class Parameter(msgspec.Struct, frozen=True):
    """A parameter of an RPC method; the unit of an amount is in its name (`_sat`, `_msat`)."""

    name: str
    kind: ParameterKind
    help: str
    required: bool = True


class RpcMethod(msgspec.Struct, frozen=True):
    """A method that the plugin adds to the node's RPC, and thereby to `lnp` and to its shell."""

    name: str
    help: str
    parameters: tuple[Parameter, ...] = ()
    result: str = ""
    example: str = ""


class Filter(msgspec.Struct, frozen=True):
    """A condition that the host evaluates before it calls: the hook's field equals the value."""

    field: str
    equals: str | int


class HookSubscription(msgspec.Struct, frozen=True):
    """A hook that the plugin wants to be called for."""

    name: str
    filters: tuple[Filter, ...] = ()


class ChannelTypeSpec(msgspec.Struct, frozen=True):
    """A channel type: a BOLT type with the plugin's providers (and others', by name) pinned to it."""

    name: str
    base: Literal["static_remotekey", "anchors_zero_fee_htlc_tx"]
    providers: tuple[tuple[str, int], ...]  # (provider, commitment format), in order


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a plugin declares.

    `messages` are rows in the notation of the wire catalogue. `capabilities` are what it asks for: `messages`,
    `updates:<max_sat>`, `sign:<purpose>`, `spend:<sat per day>`, `pay:<sat>`, `hook:<name>`, `chain`,
    `rpc:<methods>`.
    """

    name: str
    version: str
    help: str = ""
    contract: int = CONTRACT_VERSION
    messages: str = ""
    providers: tuple[ProviderSpec, ...] = ()
    channel_types: tuple[ChannelTypeSpec, ...] = ()
    rpc: tuple[RpcMethod, ...] = ()
    hooks: tuple[HookSubscription, ...] = ()
    publishes: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
