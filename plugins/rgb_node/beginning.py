"""What does a consignment say of a channel's funding output, and in which state does the channel begin on it?

Both sides ask both: the opener of what its own wallet made, the acceptor of what it was sent.
"""

from typing import Final

import msgspec
from lnpd_sdk.hooks import InitialStates
from lnpd_sdk.plugin import Node
from lnpd_sdk.types import OPENER, View

from nia import consignment as files
from nia import history
from nia.genesis import ChainNet
from nia.names import contract_name
from nia.seals import Seal
from nia.transaction import Tx
from rgb_channel import rules, state
from rgb_channel.provider import NAME
from rgb_node.errors import ConsignmentRefused
from rgb_node.shelf import Funding, Outpoint, Shelf
from rgb_node.wire import Terms

OVER: Final = "closed"
DUST_SAT: Final = 5_000  # the most that lnpd grants a peer: which limit this one has is not told


class Found(msgspec.Struct, frozen=True):
    """The funding transaction of a consignment, and the assignment upon its output."""

    witness: Tx
    op_id: bytes
    index: int

    def funding(self, peer: str, opener: bool, terms: Terms, funding_sat: int) -> Funding:
        """What is kept of it."""
        return Funding(peer, opener, terms.contract_id, self.op_id, self.index, terms.amount, funding_sat)


def read_funding(chain: ChainNet, data: bytes, vout: int, terms: Terms) -> Found:
    """What a consignment says, if it assigns exactly the terms to an output of its last transaction.

    ConsignmentRefused, and classes of NiaError.
    """
    consignment = files.parse(data)
    said = history.check(consignment, chain)
    if said.contract_id != terms.contract_id:
        raise ConsignmentRefused(f"The consignment is of {contract_name(said.contract_id)}, another asset.")
    witness = consignment.bundles[-1].witness if consignment.bundles else None
    if not isinstance(witness, Tx) or said.last is None or vout >= len(witness.outputs):
        raise ConsignmentRefused("The consignment has no transaction with the channel's output.")
    upon = said.upon(said.last, vout)
    if [each.amount for each in upon] != [terms.amount] or not isinstance(upon[0].assignment.seal, Seal):
        shown = " and ".join(str(each.amount) for each in upon) or "nothing"
        raise ConsignmentRefused(f"The consignment assigns {shown} to the output, and not {terms.amount}.")
    return Found(witness, upon[0].opout.op_id, upon[0].opout.index)


async def begun(
    shelf: Shelf, node: Node, peer: str, opener: bool, outpoint: Outpoint, terms: dict[str, int]
) -> str | InitialStates:
    """The state in which a channel begins, or why there is none. terms: funding_sat, push_msat, feerate_per_kw."""
    funding = await shelf.funding(node, outpoint)
    if funding is None or (funding.peer, funding.opener) != (peer, opener):
        return f"no consignment of this opening assigns an asset to {outpoint}"
    if funding.funding_sat != terms["funding_sat"]:
        return f"the consignment is of {funding.funding_sat} sat, and the channel of {terms['funding_sat']}"
    highest = state.highest_per_kw(terms["feerate_per_kw"])
    encoded = state.begin(funding.contract_id, funding.op_id, funding.index, (funding.amount, 0), highest)
    begins = state.read(encoded)
    assert begins is not None
    if why := rules.beginning_refused(_view(outpoint, **terms), begins):
        return why
    return InitialStates({NAME: encoded.hex()})


def _view(outpoint: Outpoint, funding_sat: int, push_msat: int, feerate_per_kw: int) -> View:
    """As much of commitment 0 as the rules of a beginning ask for."""
    return View(
        funding_txid=bytes.fromhex(outpoint.txid)[::-1],
        funding_vout=outpoint.vout,
        capacity_sat=funding_sat,
        holder=OPENER,
        number=0,
        feerate_per_kw=feerate_per_kw,
        dust_limit_sat=(DUST_SAT, DUST_SAT),
        to_self_delay=(1, 1),
        balances_msat=(1000 * funding_sat - push_msat, push_msat),
        features=(),
    )
