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
    UNKNOWN_FUNDING = "unknown_funding"
    FUNDING_OF_ANOTHER_CHANNEL = "funding_of_another_channel"
    LAST_FUNDING = "last_funding"  # a channel without a funding has nothing to sign
    WENT_BACKWARDS = "went_backwards"  # the signer's rows, or the caller's, are older than the other
    NOT_RESUMED = "not_resumed"  # a channel of stored rows whose numbers were not compared yet

    # the order of commitments and secrets
    REVOKED_BROADCAST = "revoked_broadcast"  # our commitment n for broadcast, whose secret was released
    RELEASE_BEFORE_HELD = "release_before_held"  # secret n before valid signatures of n + 1 are held
    RELEASE_AFTER_BROADCAST = "release_after_broadcast"  # the secret of a commitment that was given out signed
    RELEASE_UNPREPARED = "release_unprepared"
    SIGN_UNPREPARED = "sign_unprepared"
    BROADCAST_UNPREPARED = "broadcast_unprepared"
    PREVIOUS_NOT_REVOKED = "previous_not_revoked"  # remote n + 1 before remote n - 1 is revoked
    WRONG_REVEALED_SECRET = "wrong_revealed_secret"  # it is not the secret of the point that was signed for  # noqa: S105
    TWO_REMOTE_COMMITMENTS = "two_remote_commitments"  # with one number on one funding
    WRONG_HOLDER = "wrong_holder"  # our commitment where the peer's is meant, or the reverse
    WRONG_NUMBER = "wrong_number"  # the transaction carries another number, or one that is over

    # what a commitment holds
    WRONG_INPUT = "wrong_input"
    WRONG_KEYS = "wrong_keys"
    WRONG_SCRIPT = "wrong_script"
    WRONG_DELAY = "wrong_delay"
    WRONG_AMOUNTS = "wrong_amounts"  # outputs, balances and fee do not add up to the capacity
    BELOW_DUST = "below_dust"
    BELOW_RESERVE = "below_reserve"
    FEE_TOO_HIGH = "fee_too_high"
    RULE_3 = "rule_3"  # who can spend an output, and when
    WRONG_CHILD = "wrong_child"  # a second-stage transaction spends or pays something else than it says
    WRONG_SIGHASH = "wrong_sighash"
    CHILD_LOCKS = "child_locks"
    UNENCODABLE = "unencodable"  # a number of a transaction does not fit its field
    PEER_SIGNATURE = "peer_signature"  # the peer's signature, which a complete transaction needs, is invalid

    # closings, claims, the wallet
    CLOSE_UNDERPAYS = "close_underpays"
    CLOSE_MALFORMED = "close_malformed"
    CLOSE_PENDING = "close_pending"  # the last commitments still have outputs beside the two balances
    PAYS_ELSEWHERE = "pays_elsewhere"  # a claim to a script that is not ours
    OTHER_COMMITMENT = "other_commitment"  # a claim's input is no output of its graph
    UNKNOWN_PATH = "unknown_path"
    NOT_OUR_PATH = "not_our_path"  # it needs another signature than ours
    NOT_REVOKED = "not_revoked"  # a penalty without the secret of its commitment
    WRONG_LOCKS = "wrong_locks"
    WITNESS_INCOMPLETE = "witness_incomplete"
    PSBT_MALFORMED = "psbt_malformed"
    MISSING_CHANGE = "missing_change"
    WRONG_CHANGE = "wrong_change"  # an output is said to be ours, and is not
    COIN_VALUE_CHANGED = "coin_value_changed"  # one coin was shown with two amounts: its fee is a lie
    INVOICE_MALFORMED = "invoice_malformed"


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
