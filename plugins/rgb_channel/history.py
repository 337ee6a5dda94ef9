"""Which file proves to the owner of an output that tokens stand on it: what was funded, and each transaction since?

A node keeps no consignment of any state: whoever has the funding's, and the transactions from the commitment (or the
close) down to the output, makes it anew.
"""

from collections.abc import Iterable

from nia.consignment import Consignment, WitnessBundle, parse
from nia.transaction import parse_tx
from rgb_channel.colour import Coloured

Step = tuple[bytes, Coloured]  # a transaction on Bitcoin's wire, and what it does to the tokens


def witness_bundle(raw_tx: bytes, coloured: Coloured) -> WitnessBundle:
    """A transaction as a consignment shows it. Raises nia.errors.UnreadableTransaction."""
    return WitnessBundle.committed(parse_tx(raw_tx), coloured.tree, coloured.bundle)


def extended(funding: Consignment, steps: Iterable[Step]) -> Consignment:
    """The consignment of a funding with these steps added, in their order. Raises as `witness_bundle` does."""
    return funding.extended([witness_bundle(raw_tx, coloured) for raw_tx, coloured in steps])


def history(funding: bytes, steps: Iterable[Step]) -> bytes:
    """The same from bytes to bytes. Raises what `nia.consignment.parse` raises, and what `extended` does."""
    return extended(parse(funding), steps).encode()
