"""How does our commitment come to pay enough: by its own feerate, or by a child of our anchor with the wallet's coins?

It has to be confirmed before an HTLC transaction can follow. So half of what may be paid for its HTLCs is left to
those, and it offers all of its own half STAGE_BLOCKS before they are at risk: each deadline asks for what is lost by
then, so that a small HTLC does not spend for a large one that has time.
"""

import logging
from collections.abc import Iterator
from typing import NamedTuple

from lnpd.chain.interface import ChainBackend
from lnpd.chain.interface import Outpoint as ChainOutpoint
from lnpd.channel.actions import Broadcast
from lnpd.channel.stakes import Stake as StakeIn
from lnpd.channel.stakes import our_anchor, stake_in
from lnpd.errors import LnpdError
from lnpd.services.channels.driver import ChannelDriver
from lnpd.services.channels.versions import Version, Versions, points_of
from lnpd.services.onchain import FeeWanted, FundingWallet
from lnpd.tx import fees
from lnpd.tx.claims import Claimable
from lnpd.tx.feerates import Bid, Paid, Stake
from lnpd.tx.graph import Graph
from lnpd.tx.sweeps import RBF_SEQUENCE
from lnpd.tx.transaction import Tx, TxIn, TxOut, parse

log = logging.getLogger("lnpd.channels")

STAGE_BLOCKS = 6  # an HTLC transaction has as many after its commitment, at least
WALLET_WEIGHT = 4 * 41 + 109 + 4 * 31  # one coin and the change


class Parent(NamedTuple):
    """A commitment for which a child of our anchor, its output `vout`, shall pay."""

    tx: Tx
    graph: Graph
    vout: int
    fee_sat: int

    @property
    def anchor(self) -> Claimable:
        """What the child takes."""
        output = self.graph.outputs[self.vout]
        path = next(path for path in output.paths if path.name == "owner")
        return Claimable(self.tx.txid, self.vout, output, path)

    @property
    def child_weight(self) -> int:
        """What the child weighs with one coin of the wallet."""
        return fees.transaction_weight(self.anchor.weight, 1, ()) + WALLET_WEIGHT


class Commitments:
    """Our commitments, each with a child where it needs one."""

    def __init__(self, backend: ChainBackend, wallet: FundingWallet, versions: Versions) -> None:
        self._backend, self._wallet, self._versions = backend, wallet, versions

    async def complete(self, driver: ChannelDriver, action: Broadcast) -> tuple[Tx, ...]:
        """The transaction, with a child of our anchor if it does not pay enough by itself; or a child of the peer's
        commitment alone, if that is in the mempool and keeps ours out.

        Whatever keeps the child back, the commitment itself is broadcast.
        """
        tx = await driver.fills.transaction(driver.channel, action)
        if action.anchor_vout is None:
            return (tx,)
        try:
            return await self._with_child(driver, action, tx)
        except LnpdError as error:
            log.warning("channel %s: no child can pay for its commitment: %s", driver.channel.key, error)
            return (tx,)

    async def _with_child(self, driver: ChannelDriver, action: Broadcast, tx: Tx) -> tuple[Tx, ...]:
        rival = await self._rival(driver, tx)
        parent = rival or await self._parent(driver, tx)
        if parent is None:
            return (tx,)
        key, points = driver.channel.key, points_of((parent.anchor,))
        package = Version(key, action.key, points, parent.tx.weight + parent.child_weight)
        bid = await self._versions.highest_bid(package, _stakes(stake_in(driver.channel, parent.graph)))
        if 1000 * parent.fee_sat >= bid.feerate_per_kw * parent.tx.weight:
            return (tx,)
        child = await self._child(driver, action, parent, bid)
        return (child,) if rival else (tx, child)

    async def _parent(self, driver: ChannelDriver, tx: Tx) -> Parent | None:
        """A commitment of either side with an anchor of ours."""
        graph = await driver.fills.commitment(tx.txid)
        vout = our_anchor(graph, driver.channel.us) if graph is not None else None
        if graph is None or vout is None:
            return None
        return Parent(tx, graph, vout, graph.funding.capacity_sat - sum(output.value_sat for output in tx.outputs))

    async def _rival(self, driver: ChannelDriver, ours: Tx) -> Parent | None:
        """The peer's commitment, if the mempool has it."""
        spent = ours.inputs[0]
        output = await self._backend.output(ChainOutpoint(spent.txid, spent.vout))
        if output is None or output.spent_by is None or output.spent_by == ours.txid:
            return None
        found = await self._backend.transaction(output.spent_by)
        return await self._parent(driver, parse(found.transaction)) if found is not None else None

    async def _child(self, driver: ChannelDriver, action: Broadcast, parent: Parent, bid: Bid) -> Tx:
        claim, above, own = parent.anchor, parent.tx.weight, parent.child_weight
        base = Tx((TxIn(parent.tx.txid, parent.vout, RBF_SEQUENCE),), ())
        version = Version(driver.channel.key, action.key, points_of((claim,)), own)
        # Miners count the package; a replacement is measured by the child alone (BIP 125).
        alone = -(-(bid.feerate_per_kw * (own + above) - 1000 * parent.fee_sat) // own)
        alone = await self._versions.replacing(version, Bid(alone, bid.most_sat))
        package_per_kw = -(-(alone * own + 1000 * parent.fee_sat) // (own + above))
        output = TxOut(claim.output.value_sat, claim.output.script_pubkey)
        follows = parent.graph.children if action.stake_sat and parent.graph.holder == driver.channel.us else ()
        wanted = FeeWanted(
            version.name,
            base,
            (output,),
            own - WALLET_WEIGHT,
            package_per_kw,
            parent_weight=above,
            parent_fee_sat=parent.fee_sat,
            max_fee_sat=bid.most_sat,
            later_weight=len(follows) * fees.HTLC_SUCCESS_WEIGHT + WALLET_WEIGHT if follows else 0,
        )
        paid = await self._wallet.pay_fee(wanted)
        self._versions.offer(version, paid.tx.txid, Paid(version.points, paid.fee_sat, paid.weight))
        return await driver.fills.sweep(parent.graph, paid.tx, (claim,))


def _stakes(stake: StakeIn) -> Iterator[tuple[Stake, int]]:
    """What a commitment may offer for each of its deadlines, and that deadline."""
    for height, risk_sat in stake.risks:
        yield Stake(stake.ours_sat, risk_sat // 2), max(1, height - STAGE_BLOCKS) if height else 0
