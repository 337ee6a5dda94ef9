"""Which transition does a transaction of the channel make, and which 32 bytes commit to it?

    funding -> commitment -> second stage -> claim
                          -> claim
    funding -> close

Each of them moves all tokens of the output that it spends, by one transition, to outputs of its own, in the order of
these. What a transition spends is the assignment of the one before, by operation and place: so a transaction's parents
are worked out again, from nothing but what the transaction shows of them. Seals name outputs of "this transaction", so
no id of a transaction is needed, and what is sealed depends on no fee.

Blinding factors and the entropy of a commitment follow from the operation that put the asset into the channel, which no
chain shows, and from the place of the transaction among all of the channel's: the two peers know them, and who is given
the consignment.
"""

from functools import lru_cache
from typing import Final, NamedTuple

from lnpd_sdk.types import PARTIES, SealedOutput, Transaction, View, other

from nia.bundle import Bundle
from nia.hashes import tagged
from nia.mpc import Tree, commit
from nia.seals import Assignment, Seal
from nia.transition import Opout, Transition
from rgb_channel.state import State

OP_RETURN: Final = 0x6A
NO_TOKENS: Final = bytes(32)
MAIN: Final = ("base", "main/")
TAG: Final = "lnpd/rgb/1"

Parts = tuple[tuple[int, int], ...]  # of each output that holds tokens, ascending: vout and tokens


class Homeless(Exception):
    """A transaction has no output for tokens that it would have to hold: it must not be signed."""


class Coloured(NamedTuple):
    """The transition of a transaction, and the tree to whose root the transaction commits."""

    transition: Transition
    tree: Tree

    @property
    def bundle(self) -> Bundle:
        """The transition as the only one of its contract in the transaction."""
        return Bundle((self.transition,))

    def opout_at(self, vout: int) -> Opout | None:
        """What is spent where an output of the transaction is: its assignment; None if it holds no tokens."""
        place = _place(self.transition, vout)
        return None if place is None else Opout(op_id(self.transition), place)

    def tokens_at(self, vout: int) -> int:
        """What an output of the transaction holds."""
        return sum(each.amount for each in self.transition.assignments if _vout(each) == vout)


def commitment_of(view: View, state: State | None, transaction: Transaction) -> bytes:
    """What the transaction's carrier says: of one that moves no tokens a hash, which means nothing to anyone; of a
    claim zeros, which tell the node that there is nothing to pay for but satoshi.

    Raises Homeless.
    """
    if coloured := colour(view, state, transaction):
        return coloured.tree.commitment()
    return NO_TOKENS if transaction.purpose == "claim" else mark_of(view, state, transaction, b"nothing")


def colour(view: View, state: State | None, transaction: Transaction) -> Coloured | None:
    """The transaction's transition and its commitment; None where it moves no tokens. Raises Homeless."""
    transition = transition_of(view, state, transaction)
    if transition is None:
        return None
    entropy = int.from_bytes(mark_of(view, state, transaction, b"entropy")[:8], "little")
    return Coloured(transition, _tree(transition, entropy))


# What claims spend was spent by others before them, and is worked out once.
@lru_cache(maxsize=128)
def transition_of(view: View, state: State | None, transaction: Transaction) -> Transition | None:
    """The one transition of a transaction; None where it moves no tokens. Raises Homeless."""
    if state is None:
        return None
    if transaction.parent is None:
        spent = Opout(state.op_id, state.index)
        parts = _split_close(state, transaction) if transaction.purpose == "close" else _split(state, transaction)
    else:
        parent = transition_of(view, state, transaction.parent)
        found = _place(parent, transaction.vout)
        if parent is None or found is None:
            return None
        spent = Opout(op_id(parent), found)
        parts = ((_heir(transaction), parent.assignments[found].amount),)
    if not parts:
        return None
    return _transition(state.contract_id, spent, parts, mark_of(view, state, transaction, b"blinding"))


def mark_of(view: View, state: State | None, transaction: Transaction, purpose: bytes) -> bytes:
    """32 bytes that belong to one transaction of the channel and one purpose, the same on both nodes.

    A close is the same whoever holds a commitment, and whatever that one's number is.
    """
    secret = state.op_id + state.index.to_bytes(2, "big") if state is not None else b""
    whose = b"" if transaction.purpose == "close" else bytes([view.holder]) + view.number.to_bytes(8, "big")
    return _hash(secret, view.funding_txid, view.funding_vout.to_bytes(4, "big"), whose, *_way(transaction), purpose)


def _way(transaction: Transaction) -> tuple[bytes, ...]:
    """How a transaction is come to from the funding: purpose, output spent and claimant of each on the way."""
    above = _way(transaction.parent) if transaction.parent is not None else ()
    claimant = b"" if transaction.claimant is None else bytes([transaction.claimant])
    return *above, transaction.purpose.encode(), transaction.vout.to_bytes(4, "big"), claimant


def _hash(*parts: bytes) -> bytes:
    """A tagged hash of parts that cannot be mistaken for others."""
    return tagged(TAG, b"".join([len(part).to_bytes(4, "big") + part for part in parts]))


# What the outputs of a transaction hold


def _split(state: State, transaction: Transaction) -> Parts:
    """The tokens of a commitment: each party's on its main output, those in flight on their HTLC's."""
    owed = {(MAIN[0], f"{MAIN[1]}{party}"): state.left(party) for party in PARTIES}
    owed |= {("htlc", f"{each.offerer}/{each.id}"): each.tokens for each in state.pending}
    parts = []
    for vout, output in enumerate(transaction.outputs):
        tokens = owed.pop((output.spec.provider, output.spec.id), 0) if output.spec is not None else 0
        if tokens:
            parts.append((vout, tokens))
    homeless = [f"{tokens} of {' '.join(name)}" for name, tokens in owed.items() if tokens]
    if homeless:
        raise Homeless(f"this commitment has no output for {', '.join(homeless)}")
    return tuple(parts)


def _split_close(state: State, transaction: Transaction) -> Parts:
    """The tokens of a mutual close: each party's on its own output. Who leaves that out (a party may, and would have no
    sats) gives its tokens to the other one: else nobody's could be moved."""
    homes = {output.party: vout for vout, output in enumerate(transaction.outputs) if output.party is not None}
    held: dict[int, int] = {}
    for party in PARTIES:
        home = homes.get(party, homes.get(other(party)))
        if home is not None and state.settled[party]:
            held[home] = held.get(home, 0) + state.settled[party]
    return tuple(sorted(held.items()))


def _heir(transaction: Transaction) -> int:
    """Which output of a second stage or a claim has all of it: the first behind the carrier. That of a claim is the
    wallet's, and is not shown."""
    outputs = transaction.outputs
    return next((vout for vout, output in enumerate(outputs) if not _is_carrier(output)), len(outputs))


def _is_carrier(output: SealedOutput) -> bool:
    return output.script_pubkey[:1] == bytes([OP_RETURN])


# Transitions


def _place(transition: Transition | None, vout: int) -> int | None:
    """At which place a transition assigns something to an output."""
    assignments = transition.assignments if transition is not None else ()
    return next((place for place, each in enumerate(assignments) if _vout(each) == vout), None)


def _vout(assignment: Assignment) -> int | None:
    return assignment.seal.vout if isinstance(assignment.seal, Seal) else None


# The claims of a commitment ask for its transition again and again: it is worked out once.


@lru_cache(maxsize=256)
def _transition(contract_id: bytes, spent: Opout, parts: Parts, mark: bytes) -> Transition:
    assignments = [Assignment(tokens, Seal(vout, _blinding(mark, vout))) for vout, tokens in parts]
    return Transition.spending(contract_id, [spent], assignments)


def _blinding(mark: bytes, vout: int) -> int:
    return int.from_bytes(_hash(mark, vout.to_bytes(4, "big"))[:8], "little")


@lru_cache(maxsize=256)
def op_id(transition: Transition) -> bytes:
    """A transition's id."""
    return transition.op_id()


@lru_cache(maxsize=256)
def _tree(transition: Transition, entropy: int) -> Tree:
    return commit({transition.contract_id: Bundle((transition,)).bundle_id()}, entropy)
