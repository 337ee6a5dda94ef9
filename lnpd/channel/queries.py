"""What may a step ask before it decides?

A query is repeatable: the same question has the same answer or refusal, at any time and after any crash. If the driver
cannot answer one (a provider is missing, late or disagrees with itself), it drops the step, and the channel is frozen:
for the machine the event did not happen, and Disconnected follows.

A provider query is answered by running `calls()`, a generator of `ProviderCall`, against the channel's providers; the
driver may batch and cache them. The others are answered by the signer or from the channel's kept rows.
"""

from collections.abc import Generator
from typing import Generic, TypeVar, cast

import msgspec
from lnpd_sdk.types import Blocked, Closable, Party, PerParty, Reject, Update, View

from lnpd.tx import pipeline
from lnpd.tx.graph import ChannelType, CommitmentSignatures, CommitmentSpec, Graph, ProviderCall

R = TypeVar("R")
Calls = Generator[ProviderCall, object, R]


class Query(Generic[R]):
    """Root of the queries; R is the type of the reply."""

    __slots__ = ()


def ask(query: Query[R]) -> Generator["Query[object]", object, R]:
    """`reply = yield from ask(query)`: one query, its reply typed."""
    return cast(R, (yield cast("Query[object]", query)))


class ProviderQuery(Query[R]):
    """A query that is answered by providers alone: see `calls`."""

    __slots__ = ()

    def calls(self) -> Calls[R]:
        """The calls whose answers make up the reply; returns the reply."""
        raise NotImplementedError


# Asked of providers


class Folds(msgspec.Struct, frozen=True):
    """What a commitment's states and balances are after some updates."""

    states: tuple[tuple[str, bytes], ...]
    balances_msat: PerParty


class FoldUpdates(msgspec.Struct, ProviderQuery[Folds | Reject], frozen=True):
    """Show these updates, in order, to every provider: fold each, after validating those from `validate_from` on.

    Replies Reject with the provider's name in its reason as soon as one refuses, or if a balance would be negative.
    """

    channel_type: ChannelType
    view: View
    states: tuple[tuple[str, bytes], ...]
    updates: tuple[Update, ...]
    validate_from: int

    def calls(self) -> Calls[Folds | Reject]:
        """Validate and fold, provider by provider, update by update."""
        raise NotImplementedError


class BuildCommitment(msgspec.Struct, ProviderQuery[Graph], frozen=True):
    """The commitment that the pipeline makes of this specification."""

    spec: CommitmentSpec

    def calls(self) -> Calls[Graph]:
        """The pipeline's own calls."""
        return pipeline.build(self.spec)


class AskClose(msgspec.Struct, ProviderQuery[tuple[tuple[str, Blocked | Closable], ...]], frozen=True):
    """Whether each provider lets the channel close by agreement, by name."""

    channel_type: ChannelType
    view: View
    states: tuple[tuple[str, bytes], ...]

    def calls(self) -> Calls[tuple[tuple[str, Blocked | Closable], ...]]:
        """One `close` for each provider."""
        raise NotImplementedError


# Asked of the signer


class CommitmentPoint(msgspec.Struct, Query[bytes], frozen=True):
    """Our per-commitment point of this commitment number."""

    number: int


class CheckSignatures(msgspec.Struct, Query[str], frozen=True):
    """Have the signer verify the peer's signatures of our commitment and remember that it holds them.

    Replies an empty string, or which signature is wrong. Only after this does the signer release the secret before.
    """

    graph: Graph
    signatures: CommitmentSignatures


# Asked of the kept rows


class Kept(msgspec.Struct, frozen=True):
    """A kept commitment: its graph, and the peer's signatures if it is ours."""

    graph: Graph
    signatures: CommitmentSignatures | None = None


def commitment_key(funding_txid: bytes, holder: Party, number: int) -> str:
    """The key of a `commitment` row."""
    return f"{funding_txid.hex()}/{holder}/{number}"


class FindCommitment(msgspec.Struct, Query[Kept | None], frozen=True):
    """The kept commitment of this key (see `commitment_key`)."""

    key: str


class FindCommitmentByTxid(msgspec.Struct, Query[Kept | None], frozen=True):
    """The kept commitment, of either holder and however old, whose transaction has this id."""

    txid: bytes


class FindMutualClose(msgspec.Struct, Query[bool], frozen=True):
    """Whether this transaction is a mutual close that we signed (a `closing` row)."""

    txid: bytes


class FindRow(msgspec.Struct, Query[bytes | None], frozen=True):
    """The value of a kept row."""

    kind: str
    key: str
