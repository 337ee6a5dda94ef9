"""Of which kinds is a transaction that lnpd makes? Told from what each input reveals, as a stranger would."""

from typing import Final

from lnpd.chain.kernel import ANYONE
from lnpd.tx.transaction import Tx, TxIn

HTLC, DELAYED, KEY_BYTES = b"\x76\xa9\x14", b"\x63\x21", 33
COMMITMENT_LOCKTIME: Final = 0x20
# The end of a witness script: 2-of-2; one block later (BOLT 3, to_remote with anchors; a lockbox's on the commitment of
# whom it does not belong to is of that form, too); an anchor's.
TWO_OF_TWO, LATER, ANCHOR = b"\x52\xae", b"\xad\x51\xb2", b"\xac\x73\x64\x60\xb2\x68"
# What stands between the two keys of a lockbox's script, and after its delay.
BOX, BOX_END = b"\xac\x73\x64\x21", b"\xb2\x68"


def kinds_of(tx: Tx) -> set[str]:
    """What its inputs are: a penalty or a sweep may take several outputs at once."""
    return {_kind(tx, spent) for spent in tx.inputs}


def _kind(tx: Tx, spent: TxIn) -> str:
    script = spent.witness[-1]
    if script == ANYONE:
        return "faucet"
    if script.startswith(b"\x52\x21") and script.endswith(TWO_OF_TWO):
        return "commitment" if tx.locktime >> 24 == COMMITMENT_LOCKTIME else "mutual close"
    if script.startswith(HTLC):
        return _htlc(spent)
    if script.startswith(DELAYED):
        return "penalty of a delayed output" if spent.witness[1] == b"\x01" else "sweep of a delayed output"
    if script.endswith(LATER):
        return "sweep of to_remote (anchors)"
    if script.endswith(ANCHOR):
        return "anchor"
    if script[34:38] == BOX and script.endswith(BOX_END):
        return "penalty of a box" if len(spent.witness) == 2 else "sweep of a box"
    if len(spent.witness) == 2 and len(script) == KEY_BYTES:
        return "payment from keys"
    raise AssertionError(f"a transaction of no kind that lnpd makes: {tx}")


def _htlc(spent: TxIn) -> str:
    """Of an HTLC output; two signatures make it a second-stage transaction."""
    if len(spent.witness) == 5:
        return "HTLC-success" if spent.witness[3] else "HTLC-timeout"
    if len(spent.witness[1]) == KEY_BYTES:
        return "penalty of an HTLC"
    return "claim by preimage" if spent.witness[1] else "claim by timeout"
