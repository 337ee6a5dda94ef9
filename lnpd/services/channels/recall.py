"""What does a plugin still learn of its channels: those that close or closed, and what it was shown of a commitment?

From the snapshots and the kept rows, as long as the channel is known. No provider is asked.
"""

from collections.abc import Callable, Iterable
from typing import Final

from lnpd_sdk.script import DataCarrier, Sighash
from lnpd_sdk.services.kept import Carriers, KeptChild, KeptClaim, KeptRow, KeptWanted
from lnpd_sdk.types import OPENER, PARTIES, OutputSpec, SealedOutput, Transaction

from lnpd.channel.commitments import fold_view, specification_of
from lnpd.channel.sealing import Closing
from lnpd.channel.state import Channel
from lnpd.errors import ChannelNotPinned, CommitmentForgotten, ValueUnreadable
from lnpd.services.channels.batch import find_row, kept_of
from lnpd.services.channels.pins import rows_of
from lnpd.store.codec import decode
from lnpd.store.read import Read
from lnpd.store.store import Store
from lnpd.tx.graph import Child, Graph, Output
from lnpd.tx.pipeline import view_of
from lnpd.tx.script import data_carrier
from lnpd.tx.seals import pin_of, reserved, sealing

TXID_DIGITS: Final = 64
OLDER: Final = "an older lnpd made it"
Frozen = Callable[[str], str]
"""Why nothing can be done in a channel, by its key."""


class Recall:
    """Answers about the channels that pin some providers; `living` are those that are not closed."""

    def __init__(self, store: Store, living: Callable[[], Iterable[Channel]], frozen: Frozen) -> None:
        self._store, self._living, self._frozen = store, living, frozen

    async def rows(self, providers: frozenset[str], closed: bool) -> list[dict[str, object]]:
        """The channels that pin one of these providers; also those that are closed."""
        channels = await self._every() if closed else list(self._living())
        return rows_of(providers, ((channel, self._frozen(channel.key)) for channel in channels))

    async def _every(self) -> list[Channel]:
        living = list(self._living())
        keys = {channel.key for channel in living}
        rows = await self._store.read(lambda read: read.channels())
        old = [decode(row.snapshot, Channel, table="channel", key=row.channel_id) for row in rows if row.closed]
        return [*living, *(channel for channel in old if channel.key not in keys)]

    async def kept(self, providers: frozenset[str], wanted: KeptWanted) -> KeptRow:
        """A commitment or a mutual close as one of these providers was shown it. ChannelNotPinned,
        CommitmentForgotten."""
        txid = _txid(wanted.txid)
        channel = next((each for each in self._living() if each.id.hex() == wanted.channel_id), None)
        if channel is None:
            channel = await self._store.read(lambda read: _closed(read, txid))
        known = channel.id.hex() == wanted.channel_id and channel.fundings
        pinned = [each.name for each in channel.channel_type.providers if each.name in providers] if known else []
        if not pinned:
            raise ChannelNotPinned(f"No channel {wanted.channel_id[:64]} is known that pins a provider of yours.")
        provider = wanted.provider or pinned[0]
        if provider not in pinned or (len(pinned) > 1 and not wanted.provider):
            raise ChannelNotPinned(f"The channel pins {', '.join(pinned)} of yours: name one of them.")
        return await self._store.read(lambda read: _found(read, channel, provider, txid))


def _txid(text: str) -> bytes:
    try:
        txid = bytes.fromhex(text)[::-1] if len(text) == TXID_DIGITS else b""
    except ValueError:
        txid = b""
    if not txid:
        raise CommitmentForgotten(f"{text[:TXID_DIGITS]!r} is no txid.")
    return txid


def _closed(read: Read, txid: bytes) -> Channel:
    """The channel that made a transaction, also when it is closed. CommitmentForgotten."""
    rows = (read.find_record_by_index(kind, txid) for kind in ("closing", "commitment"))
    made = next((row.channel_id for row in rows if row is not None), None)
    row = read.channel(made) if made is not None else None
    if row is None:
        raise CommitmentForgotten(f"{txid[::-1].hex()} is no commitment and no close that a channel here has kept.")
    return decode(row.snapshot, Channel, table="channel", key=row.channel_id)


def _found(read: Read, channel: Channel, provider: str, txid: bytes) -> KeptRow:
    close = find_row(read, channel, "closing", txid.hex())
    if close is not None:
        return _of_close(channel, provider, _closing(close))
    row = read.find_record_by_index("commitment", txid)
    kept = kept_of(row.value) if row is not None and row.channel_id == channel.key.encode() else None
    if kept is None:
        raise CommitmentForgotten(f"{txid[::-1].hex()} is no commitment and no close that this channel has kept.")
    if not kept.graph.states:
        raise CommitmentForgotten(f"What was sealed in it was not kept: {OLDER}, or it is from a backup.")
    return _of_commitment(channel, provider, kept.graph)


def _closing(row: bytes) -> Closing:
    try:
        return decode(row, Closing, table="record", key="closing")
    except ValueUnreadable:
        raise CommitmentForgotten(f"Whose its outputs are was not kept: {OLDER}.") from None


def _of_close(channel: Channel, provider: str, closing: Closing) -> KeptRow:
    pin, filled, tx = sealing(channel.channel_type, "close"), Carriers(), closing.tx
    paid = zip(tx.outputs, closing.parties, strict=True)
    outputs = tuple(SealedOutput(each.value_sat, each.script_pubkey, party=party) for each, party in paid)
    if pin is not None:
        outputs = (SealedOutput(0, reserved(pin).script_pubkey), *outputs[1:])
        filled = ((0, tx.outputs[0].script_pubkey),) if pin.name == provider else ()
    view = fold_view(channel, OPENER, channel.numbers[OPENER])
    state = dict(channel.base.states).get(provider, b"")
    return KeptRow(view, state, Transaction("close", outputs), tx.txid, filled)


def _of_commitment(channel: Channel, provider: str, graph: Graph) -> KeptRow:
    pin = sealing(channel.channel_type, "claim")
    claims = tuple(
        KeptClaim(child, vout, party, output.claim_seals[party])
        for child, outputs in enumerate((graph.outputs, *(each.outputs for each in graph.children)), -1)
        for vout, output in enumerate(outputs)
        for party in PARTIES
        if output.claim_seals[party]
    )
    mine = pin is not None and pin.name == provider
    return KeptRow(
        view=view_of(specification_of(channel, graph)),
        state=dict(graph.states).get(provider, b""),
        transaction=Transaction("commitment", tuple(map(_with_spec, graph.outputs, graph.limits))),
        txid=graph.tx.txid,
        carriers=_carriers(graph.outputs),
        children=tuple(map(_child, graph.children)),
        claims=claims if mine else (),
        reserved=reserved(pin_of(channel.channel_type, provider)).script_pubkey if mine else b"",
    )


def _with_spec(output: Output, limits: tuple[int, str]) -> SealedOutput:
    weight, trim = limits
    spec = OutputSpec(
        output.provider,
        output.id,
        output.kind,
        output.value_sat,
        output.script,
        output.debits_msat,
        weight,
        trim,  # type: ignore[arg-type]  # mypy: map loses the literal
        output.cltv_expiry,
    )
    return SealedOutput(output.value_sat, _reserved(output), spec)


def _child(child: Child) -> KeptChild:
    outputs = tuple(SealedOutput(each.value_sat, _reserved(each)) for each in child.outputs)
    txid = child.tx.txid if child.sighash == Sighash.ALL else b""
    return KeptChild(child.vout, outputs, txid, _carriers(child.outputs))


def _reserved(output: Output) -> bytes:
    """The script before it was filled."""
    script = output.script
    return data_carrier(bytes(script.length)) if isinstance(script, DataCarrier) else output.script_pubkey


def _carriers(outputs: tuple[Output, ...]) -> Carriers:
    return tuple((v, o.script_pubkey) for v, o in enumerate(outputs) if isinstance(o.script, DataCarrier))
