"""Which transaction brings a coin's tokens home, and what proves it to the wallet of assets?

    the coin, and coins of the node's that pay the fee if it cannot
        -> the commitment; an output of the wallet of assets, with the tokens; the rest, which stays the node's

As the fee rises there are several versions, of which one is confirmed. They differ in their inputs and in the amount of
the last output, and in nothing that a consignment commits to: transition and commitment are the same, so that the trip
and the file of the coin's history are all that has to be kept. Pure.
"""

from typing import Final

import msgspec

from nia.bundle import Bundle
from nia.consignment import WitnessBundle
from nia.consignment import parse as parse_consignment
from nia.mpc import Tree, commit
from nia.seals import Assignment, Seal
from nia.transaction import Tx, TxIn, TxOut, parse_tx
from nia.transition import Opout, Transition
from rgb_engine.psbt import shown
from rgb_engine.wallet import HOLDING_SAT

HOME_VOUT: Final = 1  # behind the commitment
SEQUENCE: Final = 0xFFFFFFFD
LEAST_REST_SAT: Final = 546  # less goes to the fee
WITNESS_BYTES: Final = 1 + 1 + 72 + 1 + 33  # of a P2WPKH input: the node's coins are no others
SEGWIT_BYTES: Final = 2
MOST_FEE_SAT: Final = 25_000
PATIENCE_BLOCKS: Final = 6  # then a version gives way to a dearer one
SURE_BLOCKS: Final = 6  # the depth of one version that had rivals
RISE: Final = 4  # a version pays this part more than the one before

Spent = tuple[tuple[TxIn, TxOut], ...]
"""The inputs, each with what it spends."""


class Version(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A transaction, unsigned, that is (or soon will be) on its way; what its inputs spend; its feerate in sat per
    vbyte, and the height at which it was made."""

    transaction: bytes
    spent: tuple[tuple[int, bytes], ...]
    feerate: int
    made_height: int

    @property
    def txid(self) -> str:
        """As people write it."""
        return parse_tx(self.transaction).txid()[::-1].hex()

    @property
    def psbt(self) -> bytes:
        """What the node is to sign."""
        return shown(parse_tx(self.transaction), [TxOut(*each) for each in self.spent])

    def inputs(self) -> Spent:
        """See `Spent`."""
        return tuple(zip(parse_tx(self.transaction).inputs, (TxOut(*each) for each in self.spent), strict=True))


class Trip(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The tokens of a channel's coin (TXID:VOUT), which stand on the assignment `op_id`/`index`, on their way to a
    script of the wallet of assets; the rest goes to one of the node's. `versions`: the oldest first."""

    coin: str
    value_sat: int
    script_pubkey: bytes
    contract_id: bytes
    op_id: bytes
    index: int
    amount: int
    home_script: bytes
    rest_script: bytes
    blinding: int
    entropy: int
    versions: tuple[Version, ...] = ()
    channel_id: str = ""

    def alone(self) -> Spent:
        """The coin as the only input."""
        txid, vout = self.coin.split(":")
        spending = TxIn(bytes.fromhex(txid)[::-1], int(vout), SEQUENCE)
        return ((spending, TxOut(self.value_sat, self.script_pubkey)),)

    def with_version(self, version: Version) -> "Trip":
        """A later trip."""
        return msgspec.structs.replace(self, versions=(*self.versions, version))


def build(trip: Trip, spent: Spent, feerate: int) -> Tx | int:
    """The transaction with these inputs at this feerate; or how many sat it lacks."""
    bare, left_sat = _bare(trip, spent), sum(output.value_sat for _, output in spent) - HOLDING_SAT
    rest = TxOut(0, trip.rest_script)
    whole = msgspec.structs.replace(bare, outputs=(*bare.outputs, rest))
    rest_sat = left_sat - feerate * vbytes(whole)
    if rest_sat >= LEAST_REST_SAT:
        return msgspec.structs.replace(bare, outputs=(*bare.outputs, TxOut(rest_sat, trip.rest_script)))
    lacking_sat = feerate * vbytes(bare) - left_sat
    return bare if lacking_sat <= 0 else lacking_sat


def _bare(trip: Trip, spent: Spent) -> Tx:
    """Without the output for what is left."""
    outputs = TxOut(0, _tree(trip).script()), TxOut(HOLDING_SAT, trip.home_script)
    return Tx(version=2, inputs=tuple(each for each, _ in spent), outputs=outputs, locktime=0)


def vbytes(tx: Tx) -> int:
    """The size of a transaction once it is signed."""
    weight = 4 * len(tx.serialize(with_witness=False)) + SEGWIT_BYTES + WITNESS_BYTES * len(tx.inputs)
    return -(-weight // 4)


def affordable(trip: Trip) -> int:
    """The highest feerate at which the coin pays for itself; 0 if there is none."""
    return max(0, trip.value_sat - HOLDING_SAT) // vbytes(_bare(trip, trip.alone()))


def highest(trip: Trip) -> int:
    """The highest feerate that is ever paid."""
    return MOST_FEE_SAT // vbytes(_bare(trip, trip.alone()))


def next_feerate(trip: Trip, estimate: int) -> int:
    """Of the next version: the estimate, and more than the last one paid, or else nobody takes it."""
    if not trip.versions:
        return estimate
    last = trip.versions[-1].feerate
    return max(estimate, last + max(1, last // RISE))


def consignment(trip: Trip, history: bytes, version: Version) -> bytes:
    """What the wallet of assets takes, once this version is confirmed; `history` leads to the coin. Raises NiaError."""
    step = WitnessBundle.committed(parse_tx(version.transaction), _tree(trip), _bundle(trip))
    return parse_consignment(history).extended([step]).encode()


def _tree(trip: Trip) -> Tree:
    return commit({trip.contract_id: _bundle(trip).bundle_id()}, trip.entropy)


def _bundle(trip: Trip) -> Bundle:
    home = Assignment(trip.amount, Seal(HOME_VOUT, trip.blinding))
    return Bundle((Transition.spending(trip.contract_id, [Opout(trip.op_id, trip.index)], [home]),))
