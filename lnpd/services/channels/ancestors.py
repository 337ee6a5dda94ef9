"""Is what leads to a channel's funding signed as what it spends asks for?

Bitcoin Core's interpreter says so, where it is installed (chain/verify.py). What a transaction spends is an output of
one before it, or one of the chain that no block spends; where it is neither, nothing is said of that transaction.
A plugin may bring what takes the interpreter seconds: it works in a thread of its own, on one at a time.
"""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from lnpd.chain.interface import ChainBackend, Outpoint
from lnpd.chain.verify import first_failure
from lnpd.errors import AncestorsUnfit, ChainError, RegtestNotInstalled
from lnpd.tx.transaction import Tx

log = logging.getLogger("lnpd.channels")
JUDGING_SECONDS: Final = 5.0
Spent = tuple[int, bytes]  # value_sat and scriptPubKey
_JUDGES: Final = ThreadPoolExecutor(1, "judge of ancestors")  # begins with the first of them


async def judge(backend: ChainBackend, transactions: tuple[Tx, ...]) -> tuple[bytes, ...]:
    """The txids of those that are signed, and validly; AncestorsUnfit if one is signed in vain."""
    known = {
        (tx.txid, n): (out.value_sat, out.script_pubkey) for tx in transactions for n, out in enumerate(tx.outputs)
    }
    judged: list[bytes] = []
    try:
        async with asyncio.timeout(JUDGING_SECONDS):
            for tx in transactions:
                if await _is_valid(tx, await _spent(backend, tx, known)):
                    judged.append(tx.txid)
    except (TimeoutError, ChainError, RegtestNotInstalled) as error:
        log.info("what leads to a funding is judged no further: %s", error)
    return tuple(judged)


async def _spent(backend: ChainBackend, tx: Tx, known: dict[tuple[bytes, int], Spent]) -> list[Spent]:
    """What a transaction spends; less than its inputs if that is not known, or one of them is not signed."""
    found: list[Spent] = []
    for each in tx.inputs if all(each.witness for each in tx.inputs) else ():
        if (spent := known.get((each.txid, each.vout))) is None:
            output = await backend.output(Outpoint(each.txid, each.vout))
            if output is None:
                break
            spent = output.value_sat, output.script
        found.append(spent)
    return found


async def _is_valid(tx: Tx, spent: list[Spent]) -> bool:
    if len(spent) < len(tx.inputs):
        return False
    failed = await asyncio.get_running_loop().run_in_executor(_JUDGES, first_failure, tx.serialise(), spent)
    if failed is not None:
        shown = tx.txid[::-1].hex()
        raise AncestorsUnfit(f"Input {failed} of {shown} is not signed as what it spends asks for.")
    return True
