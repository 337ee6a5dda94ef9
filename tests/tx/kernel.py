"""Does a transaction's input satisfy its script, by Bitcoin Core's interpreter?"""

import pytest

from lnpd.tx.transaction import Tx


def accepts(
    tx: Tx, script_pubkey: bytes, value_sat: int, index: int = 0, others: tuple[tuple[int, bytes], ...] = ()
) -> bool:
    """Input `index` against the output that it spends; `others` are those of all inputs when there are several."""
    pbk = pytest.importorskip("pbk", reason="the embedded kernel is not installed")
    from pbk.script import PrecomputedTransactionData

    spent = others or ((value_sat, script_pubkey),)
    parsed = pbk.Transaction(tx.serialise())
    outputs = [pbk.TransactionOutput(pbk.ScriptPubkey(script), value) for value, script in spent]
    precomputed = PrecomputedTransactionData(parsed, outputs)
    flags = pbk.ScriptVerificationFlags.ALL
    return bool(pbk.ScriptPubkey(script_pubkey).verify(value_sat, parsed, precomputed, index, flags))
