"""How are the rows of a channel in use made without a peer on the wire?

Both sides' signers take the steps that they take in a real one: commitment 0, and, if HTLCs are in flight, commitment 1
with them and the secrets of commitment 0. What the channel would have stored on the way is put into the store.
"""

import time
from typing import Final

import msgspec
from lnpd_sdk.types import PARTIES, Htlc, Party, PerParty, Update, other
from msgspec.structs import replace

from lnpd.chain.interface import BlockRef
from lnpd.channel import commitments
from lnpd.channel.actions import Keep
from lnpd.channel.queries import Folds
from lnpd.channel.ready import short_channel_id
from lnpd.channel.state import Base, Channel, NextIds, Normal, Policy, new_channel, update_key
from lnpd.channel.undone import keep_funding
from lnpd.crypto.hd import ChannelIndex
from lnpd.crypto.shachain import index_of
from lnpd.providers.types import CORE_PROVIDERS, STATIC_REMOTEKEY
from lnpd.services.backup.check_chain import funding_watches
from lnpd.services.chain.rows import Found, new_row, row_key, watches_of, write_row
from lnpd.services.chain.watch import NAMESPACE as WATCHES
from lnpd.services.channels.batch import INDEX, put_records
from lnpd.services.channels.opening import Demands
from lnpd.services.interfaces import ChannelPublics, SignerChannel, SignerRecord, SignerRecords
from lnpd.services.payments.ledger import PENDING, HtlcKey, PaymentRecord
from lnpd.services.signer.keys import Keys
from lnpd.services.signer.service import KeySigner
from lnpd.store.codec import encode
from lnpd.store.write import Write
from lnpd.tx import pipeline
from lnpd.tx.funding import funding_script_pubkey, make_funding
from lnpd.tx.graph import ChannelType, CommitmentSignatures, Graph
from lnpd.tx.states import BASE, HTLC, BaseState, HtlcState, encode_state
from lnpd.tx.transaction import Tx, TxOut
from lnpd.wire.message import to_row
from lnpd.wire.messages import UpdateAddHtlc

FEERATE_PER_KW: Final = 2_500  # the embedded chain's own estimate
ONION_BYTES: Final = 1_366
TYPE_BITS: Final = {STATIC_REMOTEKEY.features: b"\x10\x00"}
ANCHORS_BITS: Final = b"\x40\x10\x00"


class Plan(msgspec.Struct, frozen=True):
    """What a channel is to be like. `ours_msat` is our balance, with what we offer in HTLCs, whose `offerer` is 0; of
    those of the peer it is 1."""

    number: int
    capacity_sat: int
    ours_msat: int
    theirs: bool  # the peer opened it
    type: ChannelType
    htlcs: tuple[Htlc, ...] = ()


class Side:
    """A node's keys, its signer, and the last of each row that it asked to be stored."""

    def __init__(self, keys: Keys) -> None:
        self.node_id, self.signer = keys.node_id, KeySigner(keys)

    async def reserved(self, index: ChannelIndex, key: str, records: dict[bytes, SignerRecord]) -> ChannelPublics:
        """Our keys of a channel."""
        reservation = await self.signer.reserve_channel(index, key)
        _take(records, reservation.records)
        return reservation.publics


class Made:
    """A channel in the making: begun, funded, signed, put."""

    def __init__(self, plan: Plan, sides: tuple[Side, Side], index: ChannelIndex, channel: Channel) -> None:
        """`sides` are ours and the peer's."""
        self.plan, self.sides, self.index, self.channel = plan, sides, index, channel
        self._kept: list[Keep] = []
        self._records: dict[bytes, SignerRecord] = {}
        self._theirs: dict[bytes, SignerRecord] = {}
        self._publics: dict[Party, ChannelPublics] = {}
        self._funding_tx: Tx | None = None
        self._found: tuple[BlockRef, int] | None = None

    @classmethod
    async def begun(cls, plan: Plan, us: Side, peer: Side, index: ChannelIndex) -> "Made":
        """Both have named their keys and terms."""
        key = f"{plan.number:032x}"
        channel = new_channel(key, peer.node_id, 1 if plan.theirs else 0, Policy(), bytes(32))
        made = cls(plan, (us, peer), index, channel)
        made._publics[channel.us] = await us.reserved(index, key, made._records)
        made._publics[channel.them] = await peer.reserved(index, key, made._theirs)
        terms = tuple(Demands().terms(made._publics[party], plan.capacity_sat, channel.policy) for party in PARTIES)
        bits = TYPE_BITS.get(plan.type.features, ANCHORS_BITS)
        made.channel = replace(
            channel, terms=terms, capacity_sat=plan.capacity_sat, channel_type=plan.type, type_bits=bits,
            minimum_depth=3, phase=Normal(), link="down", ready=(True, True), depth_reached=True,
        )  # fmt: skip
        return made

    @property
    def _funding_keys(self) -> tuple[bytes, bytes]:
        opener, acceptor = self.channel.terms
        return opener.funding_key, acceptor.funding_key

    @property
    def funding_output(self) -> TxOut:
        """What its funding transaction pays."""
        return TxOut(self.plan.capacity_sat, funding_script_pubkey(self._funding_keys))

    def funded(self, tx: Tx, position: int, block: BlockRef) -> None:
        """Its funding, which has no other output, is in a block at this place; that makes its txid the channel's id."""
        funding = make_funding(tx.txid, 0, self.plan.capacity_sat, self._funding_keys)
        scid = short_channel_id(block.height, position, 0)
        self.channel = replace(self.channel, fundings=(funding,), id=tx.txid, short_channel_id=scid)
        self._funding_tx, self._found = tx, (block, position)
        self._kept.append(keep_funding(tx))

    # --- signing

    async def signed(self) -> None:
        """Both hold their latest commitments."""
        for side, records, party in self._signers():
            _take(records, await side.signer.register_channel(self._terms(party)))
        await self._commitments(0, ())
        if self.plan.htlcs:
            await self._commitments(1, self._htlcs())
            await self._revoked()
        number = self.channel.numbers[0]
        self.channel = replace(
            self.channel, their_points=(await self._point(self.channel.them, number),
                                        await self._point(self.channel.them, number + 1)),
        )  # fmt: skip

    def _signers(self) -> tuple[tuple[Side, dict[bytes, SignerRecord], Party], ...]:
        ours, theirs = self.sides
        return (ours, self._records, self.channel.us), (theirs, self._theirs, self.channel.them)

    def _terms(self, party: Party) -> SignerChannel:
        channel = self.channel
        return SignerChannel(
            index=self.index, us=party, type=channel.channel_type, publics=(self._publics[0], self._publics[1]),
            dust_limit_sat=commitments.dust_limits_sat(channel), to_self_delay=commitments.delays(channel),
            reserve_sat=commitments.reserves_sat(channel), funding=channel.fundings[0],
        )  # fmt: skip

    async def _point(self, party: Party, number: int) -> bytes:
        side = self.sides[0 if party == self.channel.us else 1]
        return await side.signer.commitment_point(self.index, number)

    async def _commitments(self, number: int, htlcs: tuple[Htlc, ...]) -> None:
        """Both sides' commitments of this number, signed and held."""
        folds = Folds(self._states(htlcs), self._balances())
        for holding, signing in ((0, 1), (1, 0)):
            (holder, held, party), (signer, records, _) = self._signers()[holding], self._signers()[signing]
            point = await self._point(party, number)
            spec = commitments.specification(self.channel, party, point, folds, number=number)
            graph = pipeline.run(pipeline.build(spec), CORE_PROVIDERS)
            _take(records, await signer.signer.prepare_commitment(self.index, graph))
            signatures = await signer.signer.sign_commitment(self.index, graph)
            answer = await holder.signer.hold_commitment(self.index, graph, signatures)
            assert not answer.wrong, answer.wrong
            _take(held, answer.records)
            self._keep(graph, signatures if party == self.channel.us else None)
        next_ids = tuple(sum(h.offerer == party for h in htlcs) for party in PARTIES)
        self.channel = replace(
            self.channel, numbers=(number, number), base=Base(folds.balances_msat, folds.states),
            next_ids=(NextIds(HTLC, (next_ids[0], next_ids[1])),) if htlcs else (),
        )  # fmt: skip

    def _keep(self, graph: Graph, signatures: CommitmentSignatures | None) -> None:
        self._kept.append(commitments.keep(graph, signatures))

    async def _revoked(self) -> None:
        """Both have revoked commitment 0."""
        (ours, records, _), (theirs, _, _) = self._signers()
        _take(records, await ours.signer.prepare_release(self.index, 0))
        await ours.signer.release_secret(self.index, 0)
        await theirs.signer.prepare_release(self.index, 0)
        released = await theirs.signer.release_secret(self.index, 0)
        secrets = self.channel.their_secrets.insert(index_of(0), released.per_commitment_secret)
        self.channel = replace(self.channel, their_secrets=secrets, signed_after_revoking=True)

    def _htlcs(self) -> tuple[Htlc, ...]:
        us = self.channel.us
        mapped = (replace(h, offerer=us if h.offerer == 0 else other(us)) for h in self.plan.htlcs)
        return tuple(sorted(mapped, key=lambda h: (h.offerer, h.id)))

    def _balances(self) -> PerParty:
        ours = self.plan.ours_msat
        theirs = 1000 * self.plan.capacity_sat - ours
        return (ours, theirs) if self.channel.us == 0 else (theirs, ours)

    def _states(self, htlcs: tuple[Htlc, ...]) -> tuple[tuple[str, bytes], ...]:
        ids = tuple(sum(h.offerer == party for h in htlcs) for party in PARTIES)
        known = {
            BASE: encode_state(BaseState(FEERATE_PER_KW)),
            HTLC: encode_state(HtlcState((ids[0], ids[1]), htlcs)) if htlcs else b"",
        }
        return tuple((pin.name, known.get(pin.name, b"")) for pin in self.channel.channel_type.providers)

    # --- rows

    def put(self, write: Write) -> None:
        """All that the channel keeps, and what others keep of it."""
        key = self.channel.key.encode()
        write.save_channel(key, self.channel.peer, encode(self.channel))
        write.put_value(INDEX, key, encode(self.index))
        put_records(write, tuple(self._records.values()))
        for kept in (*self._kept, *self._updates()):
            write.put_record(key, kept.kind, kept.key.encode(), kept.value, kept.txid or None)
        self._put_watches(write)
        self._put_payments(write)

    def _updates(self) -> list[Keep]:
        rows = []
        for htlc in self._htlcs() if self.plan.htlcs else ():
            message = UpdateAddHtlc(
                channel_id=self.channel.id, id=htlc.id, amount_msat=htlc.amount_msat, payment_hash=htlc.payment_hash,
                cltv_expiry=htlc.cltv_expiry, onion_routing_packet=bytes(ONION_BYTES),
            )  # fmt: skip
            rows.append(Keep("update", update_key(Update(htlc.offerer, HTLC, "add", htlc.id)), to_row(message)))
        return rows

    def _put_watches(self, write: Write) -> None:
        """The funding was seen to confirm, and nobody spent it."""
        assert self._found is not None and self._funding_tx is not None, "it is funded"
        block, position = self._found
        found = Found(block.height, block.hash, position, self._funding_tx)
        confirmed, spent = (new_row(self.channel.key.encode(), w, block.height) for w in funding_watches(self.channel))
        for row in (replace(confirmed, scanned=True, found=(found,), told=1, events=1), replace(spent, scanned=True)):
            assert len(watches_of(row)) == len(row.found)
            write.put_value(WATCHES, row_key(row), write_row(row))

    def _put_payments(self, write: Write) -> None:
        """Each HTLC that we offer is that of a payment."""
        now_seconds = time.time()
        for htlc in self._htlcs():
            if htlc.offerer == self.channel.us:
                record = PaymentRecord(
                    text="", payee=self.channel.peer, amount_msat=htlc.amount_msat, session_key=htlc.payment_hash,
                    started_unix_seconds=now_seconds, htlc=HtlcKey(self.channel.key, htlc.id),
                )  # fmt: skip
                write.add_payment(htlc.payment_hash, PENDING, encode(record), int(now_seconds))


def _take(records: dict[bytes, SignerRecord], more: SignerRecords) -> None:
    records.update((record.key, record) for record in more)
