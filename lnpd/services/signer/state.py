"""What does the signer remember of a channel, and which step of a channel's life may follow which?

    ours    released ------ held        n is held with valid signatures before n - 1 is released
    theirs  signed                      n + 1 is signed once n - 1 is revoked; one content a number and funding

Numbers only grow. Each transition returns the next state or raises SignerRefused; nothing here has a secret.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Final

import msgspec
from lnpd_sdk.types import OPENER, Party, PerParty
from msgspec.structs import replace

from lnpd.crypto.hd import ChannelIndex
from lnpd.crypto.keys import point_of_revealed
from lnpd.errors import CryptoError, SignerRefused
from lnpd.services.interfaces import SignerChannel, SignerRecord
from lnpd.services.signer.refusals import Rule, refuse
from lnpd.tx.graph import Funding

FORMAT: Final = 1
MAX_FUNDINGS: Final = 16
MAX_DESTINATIONS: Final = 64
MAX_FORGOTTEN: Final = 10_000

NONE: Final = -1
UNKNOWN_MSAT: Final = -1
UNKNOWN: Final = (UNKNOWN_MSAT, UNKNOWN_MSAT)


class SignedCommitment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of the peer's commitments that we signed, or prepared to: the digest of all that was signed."""

    number: int
    digest: bytes


class Settled(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What each party has in a commitment beside what is pending; whether HTLCs are, trimmed ones too, and whether
    outputs of an extension were trimmed.

    Nobody says what these held: it went to the fee, so that it is at most `trimmed_msat` (of which an older lnpd took
    no note).
    """

    balances_msat: PerParty = UNKNOWN
    in_flight: bool = False
    extended: bool = False
    trimmed_msat: PerParty = UNKNOWN

    def least_msat(self, party: Party) -> int:
        """What a party has at least, whatever was trimmed of an extension."""
        if not self.extended:
            return self.balances_msat[party]
        return max(0, self.balances_msat[party] - self.trimmed_msat[party]) if self.trimmed_msat != UNKNOWN else 0


UNSETTLED: Final = Settled()


class FundingState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of one funding. `held_txids` are (number, txid) of our last two commitments that were held.
    `settled` is by side: of the last commitment of the peer, and of ours."""

    funding: Funding
    held: int = NONE
    held_txids: tuple[tuple[int, bytes], ...] = ()
    signed: tuple[SignedCommitment, ...] = ()
    settled: tuple[Settled, Settled] = (UNSETTLED, UNSETTLED)

    @property
    def outpoint(self) -> tuple[bytes, int]:
        """What its commitments spend."""
        return self.funding.txid, self.funding.vout


class ChannelState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may not be forgotten of a channel.

    released: our commitments below this number are revoked. broadcast: ours that was given out signed, or -1.
    signed: the highest number of the peer's that we signed. points: (number, per-commitment point) of its last two.
    forgotten: outpoints of fundings that were forgotten with all that was signed for them; they never come back.
    closing: a mutual close was given out, so there are no further commitments.
    lost: only a backup of the channel was left. Which commitments were held, signed or revoked is not known: none is
        signed or given out any more, and whatever confirms is claimed from.
    """

    fundings: tuple[FundingState, ...]
    released: int = 0
    broadcast: int = NONE
    signed: int = NONE
    points: tuple[tuple[int, bytes], ...] = ()
    destinations: tuple[bytes, ...] = ()
    forgotten: tuple[tuple[bytes, int], ...] = ()
    closing: bool = False
    lost: bool = False

    def funding(self, txid: bytes, vout: int) -> FundingState | None:
        """The funding with this outpoint."""
        for each in self.fundings:
            if each.funding.txid == txid and each.funding.vout == vout:
                return each
        return None

    @property
    def held(self) -> int:
        """The highest number of ours that is held on every funding."""
        return min(each.held for each in self.fundings)

    def with_funding(self, changed: FundingState) -> "ChannelState":
        """The same with one funding changed."""
        return replace(
            self,
            fundings=tuple(changed if each.funding == changed.funding else each for each in self.fundings),
        )


# Transitions


def hold(state: ChannelState, funding: FundingState, number: int, txid: bytes, settled: Settled) -> ChannelState:
    """Our commitment `number`, this transaction, has valid signatures."""
    check_not_lost(state)
    if number < state.released:
        refuse(Rule.WRONG_NUMBER, f"our commitment {number} is revoked; {state.released} is the oldest that is not.")
    if number > state.released + 1:
        refuse(
            Rule.WENT_BACKWARDS,
            f"our commitment {number} is offered; the signer has revoked up to {state.released - 1}.",
        )
    if number > funding.held:
        _check_open(state)
    txids = (*(each for each in funding.held_txids if each[0] != number), (number, txid))[-2:]
    settled_by_side = (funding.settled[0], settled)
    return state.with_funding(
        replace(funding, held=max(funding.held, number), held_txids=txids, settled=settled_by_side)
    )


def sign(
    state: ChannelState,
    funding: FundingState,
    commitment: SignedCommitment,
    point: bytes,
    revealed: bytes,
    settled: Settled,
) -> ChannelState:
    """The peer's commitment will be signed."""
    check_not_lost(state)
    number = commitment.number
    if number > state.signed + 1:
        refuse(
            Rule.WENT_BACKWARDS, f"the peer's commitment {number} is asked for; the signer has signed {state.signed}."
        )
    if number < state.signed - 1:
        refuse(Rule.WRONG_NUMBER, f"the peer's commitment {number} is over; {state.signed} was signed.")
    for known in funding.signed:
        if known.number == number:
            if known.digest != commitment.digest:
                refuse(Rule.TWO_REMOTE_COMMITMENTS, f"another commitment {number} was signed on this funding.")
            return state
    _check_open(state)
    known_point = dict(state.points).get(number)
    if known_point is not None and known_point != point:
        refuse(Rule.WRONG_KEYS, f"the peer's commitment {number} was signed with another per-commitment point.")
    if number == state.signed + 1:
        _check_revoked(state, number - 2, revealed)
        state = replace(state, signed=number, points=(*state.points, (number, point))[-2:])
    changed = replace(
        funding,
        signed=(*funding.signed, commitment)[-2:],
        settled=(settled, funding.settled[1]),
    )
    return state.with_funding(changed)


def unsign(funding: FundingState, number: int) -> FundingState:
    """Without what was prepared for this number; only for what was never signed."""
    return replace(funding, signed=tuple(each for each in funding.signed if each.number != number))


def _check_revoked(state: ChannelState, number: int, revealed: bytes) -> None:
    """The peer has revealed the secret of the commitment two before the next one."""
    if number < 0:
        return
    if not revealed:
        refuse(Rule.PREVIOUS_NOT_REVOKED, f"the peer's commitment {number} is not revoked yet.")
    try:
        matches = point_of_revealed(revealed) == dict(state.points).get(number)
    except CryptoError:
        matches = False
    if not matches:
        refuse(Rule.WRONG_REVEALED_SECRET, f"what was revealed is not the secret of the peer's commitment {number}.")


def check_not_lost(state: ChannelState) -> None:
    """A channel of which only a backup was left signs claims, and nothing else."""
    if state.lost:
        refuse(Rule.LOST_CHANNEL, "only a backup of this channel was left: what is signed now may be revoked already.")


def _check_open(state: ChannelState) -> None:
    if state.closing:
        refuse(Rule.AFTER_CLOSE, "a mutual close was signed: the peer may broadcast it whatever comes after it.")


def release(state: ChannelState, number: int) -> ChannelState:
    """Our commitment `number` will be revoked."""
    check_not_lost(state)
    if number < state.released:
        return state
    if number > state.released or state.held <= number:
        refuse(Rule.RELEASE_BEFORE_HELD, f"valid signatures of our commitment {number + 1} are not held.")
    if state.broadcast != NONE:
        refuse(Rule.RELEASE_AFTER_BROADCAST, f"our commitment {state.broadcast} was signed to be broadcast.")
    return replace(state, released=number + 1)


def broadcast(state: ChannelState, number: int) -> ChannelState:
    """Our commitment `number` will be given out signed."""
    check_not_lost(state)
    if number < state.released:
        refuse(Rule.REVOKED_BROADCAST, f"our commitment {number} is revoked: who broadcasts it loses everything.")
    if number > max(each.held for each in state.fundings):
        refuse(Rule.WENT_BACKWARDS, f"our commitment {number} is not held.")
    return replace(state, broadcast=max(state.broadcast, number))


def close(state: ChannelState) -> ChannelState:
    """A mutual close will be given out."""
    check_not_lost(state)
    return replace(state, closing=True)


def forget(state: ChannelState, txid: bytes) -> ChannelState:
    """Without this funding, and never again with it: what was signed for it is forgotten too."""
    left = tuple(each for each in state.fundings if each.funding.txid != txid)
    if not left:
        refuse(Rule.LAST_FUNDING, "a channel keeps its last funding.")
    gone = tuple(each.outpoint for each in state.fundings if each.funding.txid == txid)
    if len(state.forgotten) + len(gone) > MAX_FORGOTTEN:
        refuse(Rule.UNFIT_TERMS, f"a channel has at most {MAX_FORGOTTEN} fundings in all.")
    return replace(state, fundings=left, forgotten=(*state.forgotten, *gone))


def check_forgettable(terms: SignerChannel | None, state: ChannelState | None) -> None:
    """Only an opening that came to nothing is forgotten: its keys could be used once more, and what is revoked under
    them then would be revoked here. The opener funds once it holds a commitment; what an acceptor has in a first one
    is what the opener gave away with it."""
    if terms is None or state is None:
        return
    check_not_lost(state)
    if state.released or state.signed > 0 or state.closing or (terms.us == OPENER and state.held != NONE):
        refuse(Rule.FORGETS_MONEY, "this channel was funded, or has gone on from its first commitments.")


def check_held(funding: FundingState, number: int, txid: bytes) -> None:
    """Our commitment that is claimed from or broadcast is the one that was held, where that is still known."""
    if number > funding.held or dict(funding.held_txids).get(number, txid) != txid:
        refuse(Rule.OTHER_COMMITMENT, f"this is not our commitment {number} that was held.")


def check_signed(funding: FundingState, number: int, digest: Callable[[], bytes]) -> None:
    """The peer's commitment that is claimed from is the one that we signed, where that is still known: what is older
    is revoked. `digest` makes that of all that is signed in it."""
    if any(each.number == number and each.digest != digest() for each in funding.signed):
        refuse(Rule.OTHER_COMMITMENT, f"this is not the peer's commitment {number} that was signed.")


def compare(state: ChannelState, ours: int, theirs: int, behind: int = 0) -> None:
    """The snapshot's numbers fit these rows: neither side lost a step that the other one took.

    The snapshot's `ours` is its latest commitment of ours, with those below revoked; `theirs` the latest that it
    signed. A signer with a store of its own may hold one more, and be one behind with what it signs, for it writes when
    it is asked to.
    """
    held = max((each.held for each in state.fundings), default=NONE)
    if ours > max(held, 0) or theirs > max(state.signed + behind, 0):  # before the first commitments both are 0
        refuse(
            Rule.WENT_BACKWARDS,
            f"the channel is at {ours} and {theirs}, the signer at {held} and {state.signed}: its rows are older.",
        )
    if ours < state.released - 1 or theirs < state.signed - 1:
        refuse(
            Rule.WENT_BACKWARDS,
            f"the channel is at {ours} and {theirs}, the signer at {state.released} and {state.signed}: it is older.",
        )


# Rows

PLUGIN_ROWS: Final = b"plugin/"  # keys of rows that are of no channel: see plugins.py
_NAME, _TERMS, _STATE = b"name/", b"terms/", b"state/"
_terms: Final = msgspec.msgpack.Decoder(SignerChannel)
_state: Final = msgspec.msgpack.Decoder(ChannelState)
_encoder: Final = msgspec.msgpack.Encoder()


class Loaded(msgspec.Struct, frozen=True):
    """What stored rows say, by the channel's levels (without the payment turn)."""

    names: dict[bytes, tuple[str, ChannelIndex]]
    terms: dict[bytes, SignerChannel]
    states: dict[bytes, ChannelState]

    def outpoints(self) -> dict[tuple[bytes, int], bytes]:
        """Whose each funding is, or was."""
        return {
            outpoint: levels
            for levels, state in self.states.items()
            for outpoint in (*state.forgotten, *(each.outpoint for each in state.fundings))
        }


class NameRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose index this is."""

    name: str
    index: ChannelIndex


@lru_cache(maxsize=1024)
def levels(index: ChannelIndex) -> bytes:
    """What makes an index unique: the levels that its secrets are derived by. The payment turn is shared on purpose."""
    return index.first.to_bytes(4, "big") + index.second.to_bytes(4, "big")


def name_row(index: ChannelIndex, name: str) -> SignerRecord:
    """The row of a reserved index."""
    return SignerRecord(_NAME + levels(index), _row(NameRow(name, index)))


def terms_row(channel: SignerChannel) -> SignerRecord:
    """The row of a registered channel; it never changes."""
    return SignerRecord(_TERMS + levels(channel.index), _row(channel))


def state_row(index: ChannelIndex, state: ChannelState) -> SignerRecord:
    """The row that changes with each step."""
    return SignerRecord(_STATE + levels(index), _row(state))


def row_keys(index: ChannelIndex) -> tuple[bytes, ...]:
    """Where all rows of a channel are."""
    return tuple(kind + levels(index) for kind in (_NAME, _TERMS, _STATE))


def load(rows: tuple[SignerRecord, ...]) -> Loaded:
    """What rows say; raises SignerRefused for rows that this signer did not write."""
    loaded = Loaded({}, {}, {})
    names = msgspec.msgpack.Decoder(NameRow)
    for row in rows:
        if row.key.startswith(PLUGIN_ROWS):
            continue
        kind, key = row.key[:-8], row.key[-8:]
        if row.value[:1] != bytes((FORMAT,)) or kind not in (_NAME, _TERMS, _STATE):
            raise SignerRefused(Rule.WENT_BACKWARDS, f"the signer's row {row.key.hex()} is of another version.")
        try:
            if kind == _NAME:
                named = names.decode(row.value[1:])
                loaded.names[key] = (named.name, named.index)
            elif kind == _TERMS:
                loaded.terms[key] = _terms.decode(row.value[1:])
            else:
                loaded.states[key] = _state.decode(row.value[1:])
        except (msgspec.MsgspecError, RecursionError):
            raise SignerRefused(Rule.WENT_BACKWARDS, f"the signer's row {row.key.hex()} is damaged.") from None
    if loaded.terms.keys() - loaded.names.keys() or loaded.terms.keys() != loaded.states.keys():
        raise SignerRefused(Rule.WENT_BACKWARDS, "some of the signer's rows are missing.")
    return loaded


def stored_state(levels_: bytes, rows: tuple[SignerRecord, ...]) -> ChannelState | None:
    """A channel's state in the caller's rows."""
    return load(tuple(row for row in rows if row.key[-8:] == levels_)).states.get(levels_)


def _row(value: object) -> bytes:
    return bytes((FORMAT,)) + _encoder.encode(value)
