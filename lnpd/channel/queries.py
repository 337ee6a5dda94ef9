"""What may a step ask before it decides?

A query is repeatable: the same question has the same answer or refusal, at any time and after any crash. If the driver
cannot answer one (a provider is missing, late or disagrees with itself), it drops the step, and the channel is frozen:
for the machine the event did not happen, and Disconnected follows.

A provider query is answered by running `calls()`, a generator of `ProviderCall`, against the channel's providers; the
driver may batch and cache them. The others are answered by the signer or from the channel's kept rows.
"""

from collections.abc import Generator
from typing import Generic, Literal, TypeVar, cast

import msgspec
from lnpd_sdk.types import OPENER, Blocked, Closable, Folded, Party, PerParty, Reject, Update, View
from msgspec.structs import replace

from lnpd import errors
from lnpd.channel.actions import Tell
from lnpd.tx import pipeline
from lnpd.tx.accounts import Account, account_of
from lnpd.tx.fees import HTLC_OUTPUT_WEIGHT, fee_sat
from lnpd.tx.graph import ChannelType, CommitmentSignatures, CommitmentSpec, Graph, ProviderCall, ProviderPin
from lnpd.tx.phases import ask_each
from lnpd.tx.proposal import (
    Side,
    SideMemory,
    check_bystanders,
    check_debits,
    check_dust,
    check_grant,
    check_own_grant,
    check_reserve,
    effect_of,
    touched,
)
from lnpd.tx.seals import wanted
from lnpd.tx.states import CORE, feerate_of
from lnpd.tx.tally import Tally, scale_of, tally

R = TypeVar("R")
Calls = Generator[ProviderCall, object, R]
Method = Literal["validate", "fold", "close"]
Moves = tuple[tuple[str, PerParty], ...]  # by extension, what its updates moved to each party's balance


class Query(Generic[R]):
    """Root of the queries; R is the type of the reply."""

    __slots__ = ()


def ask(query: Query[R]) -> Generator["Query[object]", object, R]:
    """`reply = yield from ask(query)`: one query, its reply typed."""
    return cast(R, (yield cast("Query[object]", query)))


class ProviderQuery(Query[R]):
    """A query that is answered by providers alone: see `calls`."""

    __slots__ = ()

    def calls(self, memory: "FoldMemory | None" = None) -> Calls[R]:
        """The calls whose answers make up the reply; returns the reply. `memory` is the channel's, if one is kept."""
        raise NotImplementedError  # no abc: a Struct's metaclass is not ABCMeta; a test looks at every query


# Asked of providers


class Folds(msgspec.Struct, frozen=True):
    """What a commitment's states and balances are after some updates, and what each extension's updates ever moved."""

    states: tuple[tuple[str, bytes], ...]
    balances_msat: PerParty
    moved_msat: Moves = ()


class FoldMemory:
    """What some updates folded to, so that one more update costs one more fold, and the sides of what was judged. A
    driver may keep one a channel.

    It is a cache and nothing else: an answer that was forgotten is worked out again.
    """

    def __init__(self, size: int = 32) -> None:
        self.sides = SideMemory()
        self.graphs = pipeline.GraphMemory()
        self._size = size
        self._folds: dict[FoldKey, Folds] = {}

    def get(self, query: "FoldUpdates", count: int) -> Folds | None:
        """What the first `count` updates folded to."""
        return self._folds.get(_fold_key(query, count))

    def put(self, query: "FoldUpdates", folds: Folds) -> None:
        """Remember an answer, and forget the oldest."""
        self._folds[_fold_key(query, len(query.updates))] = folds
        if len(self._folds) > self._size:
            del self._folds[next(iter(self._folds))]


FoldKey = tuple[View | PerParty, tuple[tuple[str, bytes], ...], Moves, tuple[Update, ...]]


def _fold_key(query: "FoldUpdates", count: int) -> FoldKey:
    """What the first `count` updates fold to depends on this. The core's providers fold the same for either party's
    commitment, of whatever number; what an extension that folds reads of the view is not known here."""
    core = all(pin.name in CORE or "fold" not in pin.phases for pin in query.channel_type.providers)
    return query.view.balances_msat if core else query.view, query.states, query.moved_msat, query.updates[:count]


class FoldUpdates(msgspec.Struct, ProviderQuery[Folds | Reject], frozen=True):
    """Show these updates, in order, to every pinned provider: fold each, after validating the last one if
    `validate_last` (the others were validated when they were proposed).

    `view` holds the balances before the first, `moved_msat` what extensions moved before it. Replies Reject, with the
    provider's name before its reason, as soon as one refuses; an update by which another provider than its owner moves
    balance, or that makes one negative, is refused by the host.
    """

    channel_type: ChannelType
    view: View
    states: tuple[tuple[str, bytes], ...]
    updates: tuple[Update, ...]
    validate_last: bool = False
    moved_msat: Moves = ()

    def calls(self, memory: FoldMemory | None = None) -> Calls[Folds | Reject]:
        """Validate and fold, update by update, provider by provider in the type's order."""
        memory = memory or FoldMemory()
        count = len(self.updates)
        if not self.validate_last and (known := memory.get(self, count)):
            return known
        known = memory.get(self, count - 1)
        folds = known or Folds(self.states, self.view.balances_msat, self.moved_msat)
        for update in self.updates[count - 1 :] if known else self.updates:
            after = yield from self._fold(folds, update)
            if isinstance(after, Reject):
                return after
            folds = after
        memory.put(self, folds)
        return folds

    def _fold(self, before: Folds, update: Update) -> Calls[Folds | Reject]:
        states, balances = dict(before.states), before.balances_msat
        view = replace(self.view, balances_msat=balances, feerate_per_kw=feerate_of(before.states))
        for pin in self.channel_type.providers:
            state = states.get(pin.name, b"")
            if "validate" in pin.phases and self.validate_last and update is self.updates[-1]:
                refusal = yield _call(pin, "validate", view, state, update)
                if isinstance(refusal, Reject):
                    return Reject(f"{pin.name}: {refusal.reason}")
            if "fold" not in pin.phases:
                continue
            folded = yield _call(pin, "fold", view, state, update)
            assert isinstance(folded, Folded)
            if folded.moves_msat != (0, 0) and pin.name != update.provider:
                return Reject(f"{pin.name} moves balance by an update of {update.provider}")
            states[pin.name] = folded.state
            balances = _moved(balances, folded.moves_msat)
        if sum(balances) != sum(before.balances_msat) or min(balances) < 0:
            return Reject(f"{update.provider}: its balance moves do not add up")
        after = tuple((pin.name, states.get(pin.name, b"")) for pin in self.channel_type.providers)
        moved = before.moved_msat if update.provider in CORE else _with_moved(before, update.provider, balances)
        return Folds(after, balances, moved)


class BuildCommitment(msgspec.Struct, ProviderQuery[Graph], frozen=True):
    """The commitment that the pipeline makes of this specification."""

    spec: CommitmentSpec

    def calls(self, memory: FoldMemory | None = None) -> Calls[Graph]:
        """The pipeline's own calls."""
        graph = memory.graphs.take(self.spec) if memory is not None else None
        return graph or (yield from pipeline.build(self.spec))


class AccountsOf(msgspec.Struct, ProviderQuery[tuple[tuple[str, Account], ...]], frozen=True):
    """Each extension's account in this commitment, by name; `moved_msat` is what they moved. Raises OutputRefused."""

    spec: CommitmentSpec
    moved_msat: Moves

    def calls(self, memory: FoldMemory | None = None) -> Calls[tuple[tuple[str, Account], ...]]:
        """What every extension wants in the commitment."""
        kind, scale, moved = self.spec.type, scale_of(self.spec), dict(self.moved_msat)
        pins = tuple(pin for pin in kind.providers if pin.name not in CORE)
        asked = replace(self.spec, type=replace(kind, providers=pins))
        answers = yield from wanted(asked, pipeline.view_of(self.spec))
        found = {pin.name: tally(pin, answer, scale) for pin, answer in answers}
        return tuple((p.name, account_of(found.get(p.name) or Tally(p.name), moved.get(p.name, (0, 0)))) for p in pins)


class JudgeProposal(msgspec.Struct, ProviderQuery[errors.ProtocolWarning | Account], frozen=True):
    """Whether an update may stand by what it does to one commitment; the specifications are without and with it.

    Replies the rule that it breaks, or what it does to its provider's account. Raises UnaskedDebit.

    `strict` is whether the reserves count; `spike` whether the fee-spike buffer does (BOLT 2, update_add_htlc);
    `shrink` whether the update's provider may only take outputs back, as after shutdown. `grant_msat` and `own_msat`
    are what the provider may still take of the other party's and of the proposer's own money; None is no limit.
    `whole` is whether the commitment is also built where an extension's part of it changes, so that what its scripts
    and second stages break (rule 3 among them) is refused now and not found when it is to be signed.
    """

    before: CommitmentSpec
    after: CommitmentSpec
    update: Update
    reserve_sat: PerParty
    grant_msat: int | None
    strict: bool
    spike: bool
    shrink: bool
    own_msat: int | None = None
    whole: bool = False

    def calls(self, memory: FoldMemory | None = None) -> Calls[errors.ProtocolWarning | Account]:
        """What every provider wants in the commitment, before and after."""
        memory = memory or FoldMemory()
        try:
            was = yield from memory.sides.side(self.before)
            will = yield from memory.sides.side(self.after, was)
            check_bystanders(was, will, self.update)
            check_debits(was, will, self.update)
            check_grant(was, will, self.update, self.grant_msat)
            check_own_grant(was, will, self.update, self.own_msat)
            check_dust(was, will)
            if self.strict:
                check_reserve(was, will, self.update, self.reserve_sat)
            if self.shrink:
                check_shrink(was, will, self.update.provider)
            if self.spike:
                check_spike(will, self.reserve_sat)
            if self.whole and (names := touched(was, will, self.update)):
                yield from memory.graphs.ahead(self.after)
                for worst in filter(None, map(will.at_worst, names)):
                    yield from pipeline.build(worst)
        except (errors.ProposalRefused, errors.UpdateBroken) as refused:
            return refused
        except errors.UnaskedDebit:  # another provider's fault, not the update's
            raise
        except (errors.OutputRefused, errors.ScriptRefused) as refused:
            return errors.UpdateRejected(str(refused))
        return effect_of(was, will, self.update)


def check_shrink(was: Side, will: Side, provider: str) -> None:
    """After shutdown a provider's outputs may only become fewer or smaller (AddAfterShutdown)."""
    before, after = ({o.id: o.value_sat for o in side.of(provider).specs} for side in (was, will))
    if any(value > before.get(name, -1) for name, value in after.items()):
        raise errors.AddAfterShutdown(f"{provider}: after shutdown an update may only take outputs back.")


def check_spike(will: Side, reserve_sat: PerParty) -> None:
    """The opener keeps its reserve beside the fee-spike buffer (FeeSpikeBufferMissing)."""
    left = spike_left_msat(will)
    if left < 1000 * reserve_sat[OPENER]:
        raise errors.FeeSpikeBufferMissing(
            f"The opener would have {left} msat above a raised fee, its reserve is {reserve_sat[OPENER]} sat."
        )


def spike_left_msat(side: Side, htlcs: int = 1) -> int:
    """What the opener has left once it pays for so many more HTLCs, without anchors at twice the feerate."""
    anchors = side.spec.type.fixed_cost_sat > 0
    feerate_per_kw = side.spec.feerate_per_kw * (1 if anchors else 2)
    left_msat = side.at_feerate(feerate_per_kw).available_msat[OPENER]
    return left_msat - 1000 * fee_sat(htlcs * HTLC_OUTPUT_WEIGHT, feerate_per_kw)


class AskClose(msgspec.Struct, ProviderQuery[tuple[tuple[str, Blocked | Closable], ...]], frozen=True):
    """Whether each provider (that has the phase) lets the channel close by agreement, by name."""

    channel_type: ChannelType
    view: View
    states: tuple[tuple[str, bytes], ...]

    def calls(self, memory: FoldMemory | None = None) -> Calls[tuple[tuple[str, Blocked | Closable], ...]]:
        """One `close` for each provider."""
        states, closes = dict(self.states), [pin for pin in self.channel_type.providers if "close" in pin.phases]
        calls = [_call(pin, "close", self.view, states.get(pin.name, b"")) for pin in closes]
        answers = yield from ask_each(calls)
        return tuple((pin.name, cast(Blocked | Closable, each)) for pin, each in zip(closes, answers, strict=True))


def _call(pin: ProviderPin, method: Method, *arguments: object) -> ProviderCall:
    return ProviderCall(pin.name, pin.format, method, arguments)


def _moved(balances: PerParty, moves: PerParty) -> PerParty:
    return balances[0] + moves[0], balances[1] + moves[1]


def _with_moved(before: Folds, provider: str, balances: PerParty) -> Moves:
    """An update moves by its own provider only."""
    was, moved = before.balances_msat, dict(before.moved_msat)
    moved[provider] = _moved(moved.get(provider, (0, 0)), (balances[0] - was[0], balances[1] - was[1]))
    return tuple(sorted(moved.items()))


# Asked of the signer


class CommitmentPoint(msgspec.Struct, Query[bytes], frozen=True):
    """Our per-commitment point of this commitment number."""

    number: int


class IsOurSecret(msgspec.Struct, Query[bool], frozen=True):
    """Whether this is our per-commitment secret of this number: what a peer can only know from us."""

    number: int
    secret: bytes


class CheckSignatures(msgspec.Struct, Query[str], frozen=True):
    """Have the signer verify the peer's signatures of our commitment and remember that it holds them.

    Replies an empty string, or which signature is wrong. Only after this does the signer release the secret before.
    """

    graph: Graph
    signatures: CommitmentSignatures


class AllowDestination(msgspec.Struct, Query[None], frozen=True):
    """Tell the signer that the user wants a close to pay to this script, which is none of the wallet's. One that the
    signer does not take is a refused command."""

    script_pubkey: bytes


class SoldSecret(msgspec.Struct, Query[bytes], frozen=True):
    """The secret that made one of these signatures of our pre-signature of a child of the peer's; empty if none was."""

    graph: Graph
    child: int
    signatures: tuple[bytes, ...]


# Asked of the driver


class Secure(msgspec.Struct, Query[None], frozen=True):
    """Have these idempotent actions stored and carried out even if the rest of this step is dropped: a preimage that
    the peer has shown is worth money at once, whatever a provider answers later."""

    actions: tuple[Tell, ...]


class ClaimId(msgspec.Struct, Query[bool], frozen=True):
    """Whether no other channel of this node has this channel_id; this one has it from here on.

    It is made of a funding outpoint that the opener names unproven, so a stranger could take another channel's.
    """

    channel_id: bytes


# Asked of the kept rows


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
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
