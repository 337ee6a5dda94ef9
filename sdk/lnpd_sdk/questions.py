"""Which questions does the host ask a plugin, and what are the types of their parameters and answers?"""

from collections.abc import Sequence
from typing import Any

import msgspec

from lnpd_sdk.manifest import OptionValue
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


class Hello(msgspec.Struct, frozen=True):
    """The plugin's first call: the versions of the contract that it speaks, and what it is made with."""

    contracts: tuple[int, ...]
    sdk: str = ""


class Welcome(msgspec.Struct, frozen=True):
    """The node's answer to `hello`: the version that both speak from here on."""

    contract: int


class Init(msgspec.Struct, frozen=True):
    """What a plugin is given once it is registered and before anything else is asked: every option's value, and what
    the process before it handed over when it was reloaded."""

    options: dict[str, OptionValue]
    state: bytes = b""


class OptionChange(msgspec.Struct, frozen=True):
    """The user has set a dynamic option."""

    name: str
    value: OptionValue


class ProviderQuestion(msgspec.Struct, frozen=True):
    """A question to a provider; `arguments` is the msgpack array of the method's parameters.

    Among several (`providers`), `after` may be the place, from 0, of an earlier `fold`: the state that it answers is
    then this question's second argument, and its moves are added to the balances of the view.
    """

    provider: str
    format: int
    method: str
    arguments: msgspec.Raw
    after: int | None = None


class RpcRequest(msgspec.Struct, frozen=True):
    """A call of an RPC method or a hook by name; `params` is a msgpack map."""

    name: str
    params: msgspec.Raw


class PeerMessage(msgspec.Struct, frozen=True):
    """A wire message of the plugin's own, from a peer: `node_id` is hex, `fields` a msgpack map (Plugin.messages)."""

    node_id: str
    name: str
    fields: msgspec.Raw


class Event(msgspec.Struct, frozen=True):
    """Something that happened. `sequence` grows from each event to the next; `payload` is a JSON object."""

    sequence: int
    topic: str
    unix_seconds: int
    payload: bytes

    def fields(self) -> dict[str, Any]:  # Any: JSON values
        """What it says, by name."""
        fields: dict[str, Any] = msgspec.json.decode(self.payload, type=dict[str, Any])
        return fields


class Notifications(msgspec.Struct, frozen=True):
    """Events in their order. `missed` says that older ones may have been forgotten before the plugin came to them."""

    events: tuple[Event, ...]
    missed: bool = False


class Heard(msgspec.Struct, frozen=True):
    """How far a plugin came: every event up to `sequence` is handled. `fault` says what went wrong at the next one."""

    sequence: int
    fault: str = ""


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


def continued(arguments: Sequence[Any], folded: object) -> tuple[Any, ...]:  # Any: each method has its own parameters
    """The arguments of a question that comes after this answer to a `fold`. TypeError if it is none."""
    view, _, *rest = arguments
    if not isinstance(folded, Folded):
        raise TypeError("a question comes after what is no answer to a fold")
    balances = view.balances_msat[0] + folded.moves_msat[0], view.balances_msat[1] + folded.moves_msat[1]
    return msgspec.structs.replace(view, balances_msat=balances), folded.state, *rest


class Question(msgspec.Struct, frozen=True):
    """A method that the node calls on a plugin: the types of its parameters and its answer, and what it is."""

    arguments: Any
    answer: Any
    text: str


# Everything that the node asks a plugin; whoever serves a plugin answers each.
QUESTIONS: dict[str, Question] = {
    "provider": Question(ProviderQuestion, Any, "One of its providers is asked. The answer is that of the method."),
    "providers": Question(
        tuple[ProviderQuestion, ...],
        list[Any],
        "Several such questions, at most 32, to be answered in their order within 5 s. The answers may end early, "
        "behind at least one: what is left is asked again if it is needed. They end behind a Reject, and before a "
        "question that cannot be answered. Asked from version 2 of the contract on.",
    ),
    "rpc": Question(RpcRequest, Any, "One of its RPC methods is called. The answer is what JSON can hold."),
    "hook": Question(RpcRequest, Any, "A hook that it takes part in. The answer is that of the hook, or nil."),
    "notifications": Question(
        Notifications, Heard, "Events of topics that it hears of. What was not handled comes again."
    ),
    "peer_message": Question(PeerMessage, None, "A peer sent one of its own wire messages."),
    "samples": Question(
        None, dict[str, tuple[Any, ...]], "What its providers give as samples, by name. Only its author's tools ask it."
    ),
    "init": Question(Init, None, "It is registered. Nothing else is asked before it answers nil, within 10 s."),
    "option": Question(OptionChange, None, "The user has set a dynamic option. A fault refuses the value."),
    "handover": Question(None, bytes, "It is replaced by a new process of itself, which is given what it answers."),
    "ping": Question(None, None, "Is it alive? It answers nil within 5 s."),
}
