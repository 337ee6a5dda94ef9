"""Which questions does the host ask a plugin, and what are the types of their parameters and answers?"""

from typing import Any

import msgspec

from lnpd_sdk.types import (
    Blocked,
    ChildSignature,
    ChildTx,
    Closable,
    Folded,
    OutputSpec,
    PerParty,
    Ready,
    Reject,
    Transaction,
    Update,
    View,
    Wait,
)


class ProviderQuestion(msgspec.Struct, frozen=True):
    """A question to a provider; `arguments` is the msgpack array of the method's parameters."""

    provider: str
    format: int
    method: str
    arguments: msgspec.Raw


class RpcRequest(msgspec.Struct, frozen=True):
    """A call of an RPC method or a hook by name; `params` is a msgpack map."""

    name: str
    params: msgspec.Raw


class PeerMessage(msgspec.Struct, frozen=True):
    """A wire message of the plugin's own, from a peer: `node_id` is hex, `fields` a msgpack map (Plugin.messages)."""

    node_id: str
    name: str
    fields: msgspec.Raw


class Kinds(msgspec.Struct, frozen=True):
    """The types of a provider method: all parameters as one tuple, and the answer."""

    arguments: Any  # a type expression that msgspec decodes into
    answer: Any


PROVIDER_METHODS: dict[str, Kinds] = {
    "validate": Kinds(tuple[View, bytes, Update], Reject | None),
    "fold": Kinds(tuple[View, bytes, Update], Folded),
    "contribute": Kinds(tuple[View, bytes], tuple[OutputSpec, ...]),
    "settle": Kinds(tuple[View, bytes, PerParty], tuple[OutputSpec, ...]),
    "attach": Kinds(tuple[View, bytes, tuple[OutputSpec, ...]], tuple[OutputSpec, ...]),
    "seal": Kinds(tuple[View, bytes, Transaction], bytes),
    "descend": Kinds(tuple[View, bytes, Transaction], tuple[ChildTx, ...]),
    "gate": Kinds(tuple[View, bytes, tuple[ChildSignature, ...]], Ready | Wait),
    "close": Kinds(tuple[View, bytes], Blocked | Closable),
}
