"""What is a plugin shown, and how is it asked, that was made for an older version of the contract?

A value that shapes a commitment is refused if it has a field that its reader does not know: a plugin has to see all
that its answer may depend on. So what came later is left out for who was made before; nothing in its code asks for it.
"""

from typing import Final

from lnpd_sdk.types import Transaction
from msgspec.structs import replace

from lnpd.tx.graph import ProviderCall

# The version of the contract that brought
TOGETHER_SINCE: Final = 2  # several questions in one envelope (`providers`)
PARTIES_SINCE: Final = 3  # whom an output of a mutual close pays its balance (`SealedOutput.party`)


def arguments_for(contract: int, call: ProviderCall) -> tuple[object, ...]:
    """A question's arguments as a plugin of this version of the contract knows them."""
    if call.method != "seal":
        return call.arguments
    *first, transaction = call.arguments
    assert isinstance(transaction, Transaction)
    return *first, transaction_for(contract, transaction)


def transaction_for(contract: int, transaction: Transaction) -> Transaction:
    """A transaction likewise. Its parents are commitments and second stages, which have no such outputs."""
    if contract >= PARTIES_SINCE or transaction.purpose != "close":
        return transaction
    return replace(transaction, outputs=tuple(replace(output, party=None) for output in transaction.outputs))
