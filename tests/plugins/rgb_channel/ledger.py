"""Is every transaction of a commitment coloured, so that RGB's rules hold and no token is lost or made?

The judge is `nia.history`, which reads whole consignments and knows nothing of channels.
"""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
from lnpd_sdk.types import Transaction, View

from lnpd.tx.graph import Graph
from lnpd.tx.script import data_carrier
from lnpd.tx.transaction import Tx, TxIn, TxOut
from nia.consignment import Consignment
from nia.genesis import ChainNet, Genesis
from nia.history import History, check
from nia.seals import Assignment, GenesisSeal
from rgb_channel.colour import Coloured, colour
from rgb_channel.history import Step, extended
from rgb_channel.provider import Rgb
from rgb_channel.state import State, begin, read

SPEC = bytes([4]) + b"USDX" + bytes([4]) + b"USDX" + b"\0" + b"\0"
HOME = b"\0\x14" + bytes(20)  # of whoever claims


def issued(total: int, txid: bytes, vout: int) -> Genesis:
    """A contract that was made upon one output, all of it."""
    return Genesis(ChainNet.REGTEST, (Assignment(total, GenesisSeal(vout, 7, txid)),), total, SPEC, b"", 1_700_000_000)


def beginning(settled: tuple[int, int], txid: bytes, vout: int) -> tuple[Consignment, bytes]:
    """The consignment of a channel's funding output, and the state with which the channel begins."""
    genesis = issued(sum(settled), txid, vout)
    contract_id = genesis.contract_id()
    return Consignment(genesis, (), b""), begin(contract_id, contract_id, 0, settled)


class Asked(NamedTuple):
    """A transaction as it was shown, and what it was sealed with."""

    view: View
    transaction: Transaction
    content: bytes


class Recorder(Rgb):
    """The provider, and what it was asked to seal. Each question is asked twice, the second time as if from afar."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []

    def seal(self, view: View, state: bytes, transaction: Transaction) -> bytes:
        content = super().seal(view, state, transaction)
        afar = msgspec.msgpack.decode(msgspec.msgpack.encode(transaction), type=Transaction)
        assert super().seal(msgspec.structs.replace(view, htlcs=(), keys=None), bytes(state), afar) == content
        self.asked.append(Asked(view, transaction, content))
        return content


class Found(NamedTuple):
    """What a transaction does: None if it moves no tokens."""

    asked: Asked
    tx: Tx
    coloured: Coloured | None
    history: History | None


def line(transaction: Transaction) -> list[Transaction]:
    """A transaction and those above it, the commitment first."""
    return [*(line(transaction.parent) if transaction.parent else ()), transaction]


def real(graph: Graph, line_: list[Transaction], content: bytes) -> list[Tx]:
    """The transactions that were shown so; of a claim one that takes its output home."""
    found = [graph.tx]
    for each in line_[1:]:
        if each.purpose == "second_stage":
            found.append(next(child.tx for child in graph.children if child.vout == each.vout))
        else:
            spent = found[-1]
            value_sat = max(330, spent.outputs[each.vout].value_sat - 300)
            outputs = (TxOut(0, data_carrier(content)), TxOut(value_sat, HOME))
            found.append(Tx((TxIn(spent.txid, each.vout),), outputs))
    return found


def judged(graph: Graph, recorder: Recorder, funding: Consignment, state: bytes) -> Iterator[Found]:
    """Every transaction of a commitment, with the consignment of those that move tokens judged by RGB's rules."""
    held = read(state)
    for asked in recorder.asked:
        above = line(asked.transaction)
        txs = real(graph, above, asked.content)
        assert txs[-1].outputs[0].script_pubkey == data_carrier(asked.content)
        colours = [colour(asked.view, held, each) for each in above]
        if colours[-1] is None:
            yield Found(asked, txs[-1], None, None)
            continue
        history = check(extended(funding, steps_of(txs, colours)), ChainNet.REGTEST)
        assert sum(each.amount for each in history.allocations) == total(held), "none is lost, none is made"
        yield Found(asked, txs[-1], colours[-1], history)


def steps_of(txs: list[Tx], colours: list[Coloured | None]) -> list[Step]:
    """What a consignment is made of."""
    return [(tx.serialise(), coloured) for tx, coloured in zip(txs, colours, strict=True) if coloured is not None]


def total(state: State | None) -> int:
    """All tokens of a channel."""
    return state.total if state is not None else 0
