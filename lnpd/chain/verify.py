"""Does an input satisfy the script that it spends, by Bitcoin Core's own interpreter?

An independent judge: no code of lnpd has a part in the answer. Consensus rules only; policy.py and scriptrules.py have
the stricter ones of relay.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Any  # stands for the kernel's library, which is untyped and may be absent

from lnpd.errors import RegtestNotInstalled, TransactionMalformed


@cache
def load_kernel() -> Any:
    """The module pbk. Raises RegtestNotInstalled."""
    try:
        return import_module("pbk")
    except ImportError:
        raise RegtestNotInstalled(
            "The embedded regtest chain needs py-bitcoinkernel (CPython 3.11 to 3.13): pip install 'lnpd[regtest]'."
        ) from None


def first_failure(tx: bytes, spent_outputs: Sequence[tuple[int, bytes]]) -> int | None:
    """The first input of a transaction that does not satisfy its script; None if all do.

    `spent_outputs`: value_sat and scriptPubKey that each input spends, in the order of the inputs. Raises
    TransactionMalformed, and RegtestNotInstalled.
    """
    verdicts = _verdicts(tx, spent_outputs, range(len(spent_outputs)))
    return next((index for index, good in enumerate(verdicts) if not good), None)


def _verdicts(tx: bytes, spent_outputs: Sequence[tuple[int, bytes]], inputs: Sequence[int]) -> list[bool]:
    pbk = load_kernel()
    try:
        parsed = pbk.Transaction(tx)
    except RuntimeError:
        raise TransactionMalformed("These bytes are not a transaction.") from None
    if len(spent_outputs) != len(parsed.inputs) or bytes(parsed) != tx:
        raise TransactionMalformed("A transaction is followed by bytes, or judged with another number of inputs.")
    scripts = [pbk.ScriptPubkey(script) for _, script in spent_outputs]
    outputs = [pbk.TransactionOutput(s, value) for s, (value, _) in zip(scripts, spent_outputs, strict=True)]
    precomputed = import_module("pbk.script").PrecomputedTransactionData(parsed, outputs)  # taproot needs it
    # Any flag outside this set of consensus rules ends the process by an assertion.
    flags = pbk.ScriptVerificationFlags.ALL
    return [bool(scripts[index].verify(spent_outputs[index][0], parsed, precomputed, index, flags)) for index in inputs]
