"""What does a plugin declare? Data, sent once and validated as a whole before anything of it is registered."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from lnpd_sdk.envelope import CONTRACT_VERSION
from lnpd_sdk.moves import Moves, msat_per
from lnpd_sdk.script import Miniscript, Taproot
from lnpd_sdk.types import ProviderSpec

OptionKind = Literal["text", "integer", "number", "boolean"]
OptionValue = str | int | float | bool
ParameterKind = Literal["text", "integer", "boolean", "channel", "peer", "path", "hex"]


class Parameter(msgspec.Struct, frozen=True):
    """A parameter of an RPC method; the unit of an amount is in its name (`_sat`, `_msat`)."""

    name: str
    kind: ParameterKind
    help: str
    required: bool = True


class RpcMethod(msgspec.Struct, frozen=True):
    """A method that the plugin adds to the node's RPC, and thereby to `lnp` and to its shell.

    A `name` of two words, of which the first is the plugin's own name, is a command of a group: `lnp rgb issue`; its
    method in the RPC is `rgb.issue`. `result` says in words what it returns; `example` is a command line; `moves` says
    that it moves money.

    One that `extends` a command of the node's is none of its own: the parameters that the command has not are added to
    it, as options, and where one of them is given the method is called in its place.
    """

    name: str
    help: str
    parameters: tuple[Parameter, ...] = ()
    result: str = ""
    example: str = ""
    extends: str = ""
    moves: Moves | None = None


class OptionSpec(msgspec.Struct, frozen=True):
    """An option that the user may set; `dynamic` ones also while the plugin runs. The unit of an amount is in its
    name. `default` is of the option's kind. A `secret` one, a text, is shown by nothing: no answer, log or report."""

    name: str
    kind: OptionKind
    default: OptionValue
    help: str = ""
    dynamic: bool = False
    secret: bool = False


class Filter(msgspec.Struct, frozen=True, omit_defaults=True):
    """A condition that the host evaluates before it calls: of the hook's field, everything that is given here holds.

    `equals` a value, is `one_of` several, is `at_least` and `at_most` a number (both included), begins with `prefix`.
    A field that is None fulfils no condition.
    """

    field: str
    equals: str | int | bool | None = None
    one_of: tuple[str | int, ...] = ()
    at_least: int | None = None
    at_most: int | None = None
    prefix: str = ""


class HookSubscription(msgspec.Struct, frozen=True, omit_defaults=True):
    """A hook that the plugin wants to be called for, where every filter holds.

    It is asked `before` and `after` these plugins, by name, as far as they are there; else in the order of the command
    line. A manifest that closes a circle is refused. `takes` are the fields that it reads by name, where it says so: a
    manifest is refused that names one which the hook has not.
    """

    name: str
    filters: tuple[Filter, ...] = ()
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()


class HookField(msgspec.Struct, frozen=True):
    """A field of a hook that a plugin offers."""

    name: str
    kind: Literal["text", "integer", "boolean", "bytes"]


class HookOffer(msgspec.Struct, frozen=True):
    """A hook that the plugin offers to others, and calls itself (`Node.call_hook`). `name` is PLUGIN/HOOK.

    `default` says what happens without an answer. Who takes part comes behind it on the command line.
    """

    name: str
    kind: Literal["gather", "chain"]
    fields: tuple[HookField, ...] = ()
    help: str = ""
    default: str = ""
    deadline_seconds: float = 5.0


class FundingSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a channel type pays its funding to: a miniscript over `opener_funding`, `acceptor_funding` and `keys`.

    Both parties together can take it at once; every other way needs a signature and `older` of 4,032 blocks or more.
    The node closes the channel by force 1,008 blocks before the first such way opens. `keys` are the type's own, by
    name: at each opening the hook `funding_keys` says on both nodes which points they are. The opener sends them, and
    both have to come to the same script. Weights follow from it.
    """

    script: Miniscript
    keys: tuple[str, ...] = ()


class MainSpec(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a channel type pays the two balances of a commitment to, over the keys of `Key`, those of its `funding`'s
    `keys`, and the number `to_self_delay` of the commitment's holder.

    `to_local` is the holder's: by the delayed key after `older(to_self_delay)`, or at once the counterparty's by the
    revocation key. Another way may lead to somebody else, 4,032 blocks later or more. `to_remote` is the
    counterparty's: by its payment key after 1 to 2,016 blocks; it names no key that follows from one commitment alone,
    for who has lost its data knows those of the opening. Weights, sweeps and penalties follow from the scripts.
    """

    to_local: Miniscript | Taproot
    to_remote: Miniscript | Taproot


class ChannelTypeSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """A channel type: a BOLT type with the plugin's providers (and others', by name) pinned to it.

    `name` is what a person types, `PLUGIN/TYPE` by custom; `providers` are (provider, commitment format), in the order
    that both peers write them to the wire. `funding` and `main` are what it pays its funding and its balances to, if
    not to BOLT 3's scripts. `features` are the plugin's own (FeatureSpec) without which there can be no such channel: a
    peer whose `init` lacks one of them is asked for none. `begins` are those of the plugin's own providers whose state
    in a new channel is not empty: the hook `initial_states` says on both nodes what it is, once the funding output is
    known. That is so in every channel which pins the provider at this format.

    Commitments are the penalty's: a new one revokes the one before. Types of symmetric commitments (eltoo), or of none
    at all, are not offered: they take a sighash that Bitcoin does not have, or leave an old state unpunished, and
    all that protects a node's money here (rule 3, the signer, what is kept for a breach) is built on revocation.
    """

    name: str
    base: Literal["static_remotekey", "anchors_zero_fee_htlc_tx"]
    providers: tuple[tuple[str, int], ...]
    funding: FundingSpec | None = None
    main: MainSpec | None = None
    features: tuple[str, ...] = ()
    begins: tuple[str, ...] = ()


class FeatureSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """A feature of the plugin's own (BOLT 9): a pair of bits from 256 on, named by either of them.

    `contexts` are letters of BOLT 9: I `init`, N node_announcement, C channel_announcement, 9 invoice; `depends_on` are
    features by name, the plugin's own of the same contexts, or such as the node offers there. While the plugin is ready
    and granted `messages`, the odd bit (optional) is set in the `init` of connections that begin, and in the invoices
    that are made; a peer may then set the even one, and an invoice that does is paid: the hook `onion_payload` sees it.
    The node itself requires a plugin's feature of nobody, but for channels whose type takes it (ChannelTypeSpec); where
    a plugin needs one besides, it refuses in its hooks. This node
    sends no announcements yet: in the contexts N and C a feature is claimed, and said nowhere.
    """

    name: str
    bit: int
    contexts: str = "I"
    depends_on: tuple[str, ...] = ()


class TopicSpec(msgspec.Struct, frozen=True):
    """A topic of events that the plugin publishes, PLUGIN/TOPIC, and what it says."""

    name: str
    help: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a plugin declares. `notifications` are the topics that it hears of.

    `contract` is the version of this contract that it speaks. `messages` are rows in the notation of the wire
    catalogue (Plugin.messages, Plugin.records). `capabilities` are what it asks for, and what the user grants with
    --grant: `messages` (its own wire messages, records and features), `updates:<max_sat>` (what its updates may take of
    our money in each channel: what they ever moved away, and what its outputs hold), `pay:<sat>`, `spend:<sat>` (of the
    wallet, in 24 hours), `invoice`, `factory`, `sign:<purpose>` (one for each purpose of its keys) and `hook:<name>` of
    a hook that moves money. The node's page of services says which of them this version enforces, and `lnp plugin list`
    what a plugin lacks.
    """

    name: str
    version: str
    help: str = ""
    contract: int = CONTRACT_VERSION
    messages: str = ""
    features: tuple[FeatureSpec, ...] = ()
    providers: tuple[ProviderSpec, ...] = ()
    channel_types: tuple[ChannelTypeSpec, ...] = ()
    rpc: tuple[RpcMethod, ...] = ()
    hooks: tuple[HookSubscription, ...] = ()
    options: tuple[OptionSpec, ...] = ()
    offers: tuple[HookOffer, ...] = ()
    notifications: tuple[str, ...] = ()
    topics: tuple[TopicSpec, ...] = ()
    capabilities: tuple[str, ...] = ()


def wrong_moves(methods: Sequence[RpcMethod]) -> str:
    """What is wrong with what a plugin's methods say of the money that they move; empty if nothing is."""
    own = {method.name: method for method in methods}
    for method in methods:
        moves = method.moves
        if moves is None:
            continue
        kinds = {each.name: each.kind for each in method.parameters}
        for name in filter(None, (moves.amount, moves.max_fee)):
            if kinds.get(name) != "integer" or not msat_per(name):
                return f"{method.name} has no integer {name[:40]!r} that counts _sat or _msat"
        if not moves.estimate:
            continue
        estimate = own.get(moves.estimate)
        if estimate is None or estimate.moves is not None:
            return f"{method.name} is estimated by {moves.estimate[:40]!r}, no method of the plugin that moves nothing"
        for row in estimate.parameters:
            if row.name not in kinds and not row.required:
                continue
            if kinds.get(row.name) != row.kind:
                return f"{method.name} has no {row.kind} {row.name!r}, which {estimate.name} takes"
    return ""
