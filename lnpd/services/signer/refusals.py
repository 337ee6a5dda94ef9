"""Which rules does the signer refuse by, and what is each called?"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from struct import error as StructError
from typing import NoReturn

from lnpd.errors import SignerRefused
from lnpd.tx.transaction import Tx


class Rule(StrEnum):
    """The name of each rule, as `SignerRefused.rule` carries it."""

    # which channel
    UNKNOWN_CHANNEL = "unknown_channel"  # an index that was never reserved, or never registered
    INDEX_USED_TWICE = "index_used_twice"  # another channel has these levels: its secrets would repeat
    OTHER_TERMS = "other_terms"  # a registered channel is registered again, differently
    UNFIT_TERMS = "unfit_terms"  # what a channel is registered with contradicts itself, or our keys
    UNKNOWN_FUNDING = "unknown_funding"  # a funding that the channel does not have
    FUNDING_OF_ANOTHER_CHANNEL = "funding_of_another_channel"  # one output cannot fund two channels
    FORGOTTEN_FUNDING = "forgotten_funding"  # a funding comes back without what was signed for it
    LAST_FUNDING = "last_funding"  # a channel without a funding has nothing to sign
    WENT_BACKWARDS = "went_backwards"  # the signer's rows, or the caller's, are older than the other
    NOT_RESUMED = "not_resumed"  # a channel of stored rows whose numbers were not compared yet

    # the order of commitments and secrets
    REVOKED_BROADCAST = "revoked_broadcast"  # our commitment n for broadcast, whose secret was released
    RELEASE_BEFORE_HELD = "release_before_held"  # secret n before valid signatures of n + 1 are held
    RELEASE_AFTER_BROADCAST = "release_after_broadcast"  # the secret of a commitment that was given out signed
    RELEASE_UNPREPARED = "release_unprepared"  # a secret whose release was not stored first
    SIGN_UNPREPARED = "sign_unprepared"  # a commitment of the peer's that was not stored first
    BROADCAST_UNPREPARED = "broadcast_unprepared"  # a broadcast of ours that was not stored first
    CLOSE_UNPREPARED = "close_unprepared"  # a mutual close that was not stored first
    LOST_CHANNEL = "lost_channel"  # more than a claim from a channel of which only a backup was left
    FORGETS_MONEY = "forgets_money"  # the memory of a channel that was funded, or in which more than a first step was
    AFTER_CLOSE = "after_close"  # a new commitment after a mutual close of what was before it
    PREVIOUS_NOT_REVOKED = "previous_not_revoked"  # remote n + 1 before remote n - 1 is revoked
    WRONG_REVEALED_SECRET = "wrong_revealed_secret"  # not the secret of the point that was signed for  # noqa: S105
    TWO_REMOTE_COMMITMENTS = "two_remote_commitments"  # of the peer, with one number on one funding
    WRONG_HOLDER = "wrong_holder"  # our commitment where the peer's is meant, or the reverse
    WRONG_NUMBER = "wrong_number"  # the transaction carries another number, or one that is over

    # what a commitment holds
    WRONG_INPUT = "wrong_input"  # it spends something else than its funding, or is signed already
    WRONG_KEYS = "wrong_keys"  # keys that do not come from the opening's basepoints and this commitment's point
    WRONG_SCRIPT = "wrong_script"  # an output's bytes are not what its expression compiles to
    WRONG_DELAY = "wrong_delay"  # to_self_delay is not the opening's
    WRONG_AMOUNTS = "wrong_amounts"  # outputs, balances and fee do not add up to the capacity
    BELOW_DUST = "below_dust"  # an output under the dust limit of the opening
    BELOW_RESERVE = "below_reserve"  # a party is left with less than its reserve
    FEE_TOO_HIGH = "fee_too_high"  # a fee that neither weight nor trimmed outputs explain, or over a cap
    RULE_3 = "rule_3"  # somebody could spend an output too early, or cheat unpunished
    WRONG_CHILD = "wrong_child"  # a second-stage transaction spends or pays something else than it says
    WRONG_SIGHASH = "wrong_sighash"  # a signature would cover less than it must
    WRONG_STATES = "wrong_states"  # what is kept for who seals is not of the channel's type, or too long
    CHILD_LOCKS = "child_locks"  # a second-stage transaction does not wait as its path demands
    UNENCODABLE = "unencodable"  # a number of a transaction does not fit its field
    PEER_SIGNATURE = "peer_signature"  # the peer's signature, which a complete transaction needs, is invalid

    # closings, claims, the wallet
    CLOSE_UNDERPAYS = "close_underpays"  # a close pays us less than our balance less the agreed fee
    CLOSE_MALFORMED = "close_malformed"  # a close has other inputs or outputs than BOLT 2 allows
    CLOSE_PENDING = "close_pending"  # the last commitments still have outputs beside the two balances
    PAYS_ELSEWHERE = "pays_elsewhere"  # a claim to a script that is not ours
    OTHER_COMMITMENT = "other_commitment"  # no output of its graph, or a graph that was never held or signed
    UNKNOWN_PATH = "unknown_path"  # an output has no spend path of this name
    NOT_OUR_PATH = "not_our_path"  # it needs another signature than ours
    NOT_REVOKED = "not_revoked"  # a penalty without the secret of its commitment
    WRONG_LOCKS = "wrong_locks"  # a claim does not wait as its path demands
    WITNESS_INCOMPLETE = "witness_incomplete"  # a signature or late data that the path needs is missing
    PSBT_MALFORMED = "psbt_malformed"  # a PSBT that cannot be read, is too long, or does not say what its inputs spend
    MISSING_CHANGE = "missing_change"  # a wallet's transaction lacks the change that was agreed
    WRONG_CHANGE = "wrong_change"  # an output is said to be ours, and is not
    COIN_VALUE_CHANGED = "coin_value_changed"  # one coin was shown with two amounts: its fee is a lie
    # keys of plugins
    KEY_NAME_MALFORMED = "key_name_malformed"  # a key of a plugin whose name is none
    SPENDING_MALFORMED = "spending_malformed"  # a transaction, or what it spends, that cannot be read
    NOT_THIS_PATH = "not_this_path"  # the spent output is not of the path that is shown
    SIGHASH_NOT_ALLOWED = "sighash_not_allowed"  # a plugin's signature would cover less than a plugin's may
    MESSAGE_TOO_LONG = "message_too_long"  # a message, or its tag, that no plugin signs
    NONCE_UNKNOWN = "nonce_unknown"  # a session of MuSig2 that was never begun, or long ago
    NONCE_LOST = "nonce_lost"  # a secret nonce from before the signer's start: it counts as used
    NONCE_USED = "nonce_used"  # a second signature with one nonce gives the key away
    NOT_A_SIGNER = "not_a_signer"  # our key, with our nonce beside it, is none of those that sign together
    PARTIAL_UNPREPARED = "partial_unprepared"  # a nonce that was not marked as used first

    INVOICE_MALFORMED = "invoice_malformed"  # bytes that are no unsigned invoice
    UPDATE_MALFORMED = "update_malformed"  # bytes that are no unsigned channel_update


def refuse(rule: Rule, why: str) -> NoReturn:
    """Raises SignerRefused."""
    raise SignerRefused(rule, why)


@contextmanager
def encodable() -> Iterator[None]:
    """Raises SignerRefused for a transaction that has no bytes, or no input to sign."""
    try:
        yield
    except (StructError, OverflowError, IndexError):
        refuse(Rule.UNENCODABLE, "an amount, an index, a sequence or a locktime is out of range.")


def check_encodable(*transactions: Tx) -> None:
    """Raises SignerRefused unless each of them has bytes."""
    with encodable():
        for tx in transactions:
            tx.serialise()
