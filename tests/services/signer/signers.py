"""Two signers that opened one channel with each other, and the commitments that they sign: what the tests drive."""

import asyncio
from collections.abc import Coroutine
from hashlib import sha256
from typing import Any, TypeVar

from lnpd_sdk.types import ACCEPTOR, OPENER, Htlc, Party, other
from msgspec.structs import replace

from lnpd.crypto.hd import TEST_COIN, ChannelIndex
from lnpd.providers.types import ANCHORS_ZERO_FEE_HTLC_TX, CORE_PROVIDERS
from lnpd.services.interfaces import Signer, SignerChannel, SignerRecord
from lnpd.services.signer.commitment import keys_of
from lnpd.services.signer.keys import Keys
from lnpd.services.signer.seed import seed_from_entropy
from lnpd.services.signer.service import KeySigner
from lnpd.tx.funding import make_funding
from lnpd.tx.graph import ChannelType, CommitmentSignatures, CommitmentSpec, Funding, Graph
from lnpd.tx.pipeline import build, run
from lnpd.tx.states import BaseState, HtlcState, encode_state

T = TypeVar("T")

CAPACITY_SAT = 1_000_000
FEERATE = 1_000
PREIMAGE = b"\x07" * 32
DELAY = (144, 96)
DUST = (354, 400)
RESERVE = (10_000, 9_000)
INDEX = (ChannelIndex(1, 2, 3), ChannelIndex(4, 5, 6))


def run_now(coroutine: Coroutine[Any, Any, T]) -> T:
    """What a signer answers."""
    return asyncio.run(coroutine)


def keys_from(byte: int) -> Keys:
    """The keys of a seed that is one byte repeated."""
    return Keys(seed_from_entropy(bytes([byte]) * 16).master(TEST_COIN))


def htlc(offerer: Party, number: int = 0, amount_msat: int = 50_000_000) -> Htlc:
    """An HTLC whose preimage is PREIMAGE."""
    return Htlc(offerer, number, amount_msat, sha256(PREIMAGE).digest(), 500)


class Pair:
    """Opener and acceptor with one registered channel. `records[p]` are the rows that p's signer handed out."""

    def __init__(
        self,
        channel_type: ChannelType = ANCHORS_ZERO_FEE_HTLC_TX,
        indices: tuple[ChannelIndex, ChannelIndex] = INDEX,
        signers: tuple[Signer, Signer] | None = None,
        funding_txid: bytes = b"\x0f" * 32,
    ) -> None:
        self.type, self.indices = channel_type, indices
        self.signers: tuple[Signer, Signer] = signers or (KeySigner(keys_from(1)), KeySigner(keys_from(2)))
        self.providers: dict[str, Any] = dict(CORE_PROVIDERS)
        self.records: tuple[dict[bytes, bytes], dict[bytes, bytes]] = ({}, {})
        self.funding_txid = funding_txid

    async def opened(self) -> "Pair":
        """Reserved and registered on both sides."""
        reserved = [
            await self.signers[p].reserve_channel(self.indices[p], f"channel {p} {self.indices[p].first}")
            for p in (0, 1)
        ]
        publics = (reserved[0].publics, reserved[1].publics)
        keys = (publics[0].funding_pubkey, publics[1].funding_pubkey)
        self.funding: Funding = make_funding(self.funding_txid, 1, CAPACITY_SAT, keys, self.type.funding)
        self.terms = tuple(
            SignerChannel(self.indices[p], p, self.type, publics, DUST, DELAY, RESERVE, self.funding)
            for p in (OPENER, ACCEPTOR)
        )
        for p in (0, 1):
            self.keep(p, reserved[p].records)
            self.keep(p, await self.signers[p].register_channel(self.terms[p]))
        return self

    def keep(self, party: int, records: tuple[SignerRecord, ...]) -> None:
        """What the driver would store."""
        self.records[party].update({record.key: record.value for record in records})

    def rows(self, party: int) -> tuple[SignerRecord, ...]:
        """What a signer starts from."""
        return tuple(SignerRecord(key, value) for key, value in self.records[party].items())

    def secret(self, party: int, number: int) -> bytes:
        """A per-commitment secret, straight from the seed."""
        keys = keys_from(1 + party).channel(self.indices[party])
        return keys.released(number)

    async def graph(self, holder: Party, number: int, htlcs: tuple[Htlc, ...] = (), **changes: Any) -> Graph:
        """A commitment as both parties' pipelines make it; the balances include what is in flight."""
        point = await self.signers[holder].commitment_point(self.indices[holder], number)
        spec = CommitmentSpec(
            funding=self.funding,
            type=self.type,
            holder=holder,
            number=number,
            keys=keys_of(self.terms[0], holder, point),
            feerate_per_kw=FEERATE,
            dust_limit_sat=DUST,
            to_self_delay=DELAY,
            balances_msat=(700_000_000, 300_000_000),
            states=(
                ("base", encode_state(BaseState(FEERATE))),
                ("htlc", encode_state(HtlcState((0, 0), htlcs))),
                ("anchors", b""),
            ),
            payment_basepoints=(
                self.terms[0].publics[0].payment_basepoint,
                self.terms[0].publics[1].payment_basepoint,
            ),
        )
        return run(build(replace(spec, **changes)), self.providers)

    async def sign(self, signer: Party, graph: Graph) -> CommitmentSignatures:
        """`signer` signs the other's commitment."""
        number, index = graph.number, self.indices[signer]
        revealed = self.secret(other(signer), number - 2) if number >= 2 else b""
        self.keep(signer, await self.signers[signer].prepare_commitment(index, graph, revealed))
        return await self.signers[signer].sign_commitment(index, graph)

    async def hold(self, holder: Party, graph: Graph) -> CommitmentSignatures:
        """The other signs, and the holder verifies."""
        signatures = await self.sign(other(holder), graph)
        held = await self.signers[holder].hold_commitment(self.indices[holder], graph, signatures)
        assert held.wrong == ""
        self.keep(holder, held.records)
        return signatures

    async def release(self, holder: Party, number: int) -> bytes:
        """The holder revokes."""
        self.keep(holder, await self.signers[holder].prepare_release(self.indices[holder], number))
        return (await self.signers[holder].release_secret(self.indices[holder], number)).per_commitment_secret
