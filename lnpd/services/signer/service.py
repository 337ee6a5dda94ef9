"""How does the node's own signer answer? It holds the keys, and asks the rules before it uses one.

    prepare (rules asked, memory moved) -> the caller stores the records -> sign or release

Made from the decrypted seed's keys and the rows that it once handed out; nothing else in lnpd opens the seed file.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from lnpd_sdk.types import other
from msgspec.structs import replace

from lnpd.channel.actions import CompleteClosing, SignClosing
from lnpd.crypto.secp import sign, verify
from lnpd.errors import SignerRefused, WrongSignature, WrongSignatureCount
from lnpd.services.interfaces import (
    ChannelIndex,
    ChannelPublics,
    Claim,
    Held,
    Released,
    Reservation,
    SecondStage,
    SignerChannel,
    SignerRecords,
)
from lnpd.services.signer import commitment as content
from lnpd.services.signer import spends
from lnpd.services.signer import state as order
from lnpd.services.signer import terms as terms_of
from lnpd.services.signer.given import Given
from lnpd.services.signer.keys import ChannelKeys, Keys
from lnpd.services.signer.plugins import PluginKeySigner
from lnpd.services.signer.refusals import Rule, refuse
from lnpd.services.signer.state import ChannelState, FundingState, Settled, SignedCommitment
from lnpd.tx.graph import CommitmentSignatures, Funding, Graph
from lnpd.tx.signatures import commitment_digest, signed_commitment, verify_signatures
from lnpd.tx.transaction import Tx


class Known(NamedTuple):
    """A registered channel: its terms, its keys, its memory."""

    levels: bytes
    terms: SignerChannel
    keys: ChannelKeys
    state: ChannelState


class KeySigner(PluginKeySigner):
    """The Signer whose memory is rows that the caller stores. See interfaces.Signer for each method.

    A request that raises has changed nothing. State moves when it is prepared: who cannot store it takes it back.
    """

    _behind: int = 0  # how many commitments of the peer's may be stored by the caller before they are signed

    def __init__(self, keys: Keys, rows: SignerRecords = ()) -> None:
        """Raises SignerRefused for rows that are damaged or incomplete."""
        super().__init__(keys, rows)
        loaded = order.load(rows)
        self._names, self._terms, self._states = loaded.names, loaded.terms, loaded.states
        self._to_resume = set(loaded.states)
        self._refused: dict[bytes, SignerRefused] = {}
        self._fundings, self._digests = loaded.outpoints(), content.Digests()
        self._unsigned: set[tuple[bytes, bytes, int]] = set()  # prepared since the start, and not asked to be signed
        self._given = Given(loaded.states)

    def __repr__(self) -> str:
        return f"KeySigner({self._keys.node_id.hex()})"

    # A channel's life

    async def reserve_channel(self, index: ChannelIndex, name: str) -> Reservation:
        """See Signer."""
        terms_of.check_name(name)
        publics = self._keys.channel(index).publics
        levels = order.levels(index)
        known = self._names.get(levels)
        if known is not None and known != (name, index):
            refuse(Rule.INDEX_USED_TWICE, f"these levels are those of channel {known[0]}.")
        self._names[levels] = (name, index)
        return Reservation(publics, (order.name_row(index, name),))

    async def channel_publics(self, index: ChannelIndex) -> ChannelPublics:
        """See Signer."""
        return self._reserved(index).publics

    async def register_channel(self, channel: SignerChannel, lost: bool = False) -> SignerRecords:
        """See Signer. `lost`, where a backup is restored: nothing but claims of what confirms is signed for it."""
        keys, levels = self._reserved(channel.index), order.levels(channel.index)
        known = self._terms.get(levels)
        if known is not None:
            if known != channel:
                refuse(Rule.OTHER_TERMS, "this channel was registered with other terms.")
            return (order.terms_row(known), order.state_row(known.index, self._states[levels]))
        terms_of.check_terms(channel, keys.publics)
        self._check_funding(levels, channel, channel.funding)
        for script in channel.destinations:
            terms_of.check_destination(script, channel.destinations)
        state = ChannelState((FundingState(channel.funding),), destinations=channel.destinations, lost=lost)
        self._terms[levels] = channel
        return (order.terms_row(channel), *self._keep(levels, channel, state))

    async def register_funding(self, index: ChannelIndex, funding: Funding) -> SignerRecords:
        """See Signer."""
        known = self._known(index)
        if any(each.funding == funding for each in known.state.fundings):
            return (order.state_row(index, known.state),)
        if (funding.txid, funding.vout) in known.state.forgotten:
            refuse(Rule.FORGOTTEN_FUNDING, "this funding was forgotten, with all that was signed for it.")
        if len(known.state.fundings) >= order.MAX_FUNDINGS:
            refuse(Rule.UNFIT_TERMS, f"a channel has at most {order.MAX_FUNDINGS} fundings at a time.")
        self._check_funding(known.levels, known.terms, funding)
        return self._move(known, replace(known.state, fundings=(*known.state.fundings, FundingState(funding))))

    async def forget_funding(self, index: ChannelIndex, funding_txid: bytes) -> SignerRecords:
        """See Signer."""
        known = self._known(index)
        return self._move(known, order.forget(known.state, funding_txid))

    async def allow_destination(self, index: ChannelIndex, script_pubkey: bytes) -> SignerRecords:
        """See Signer."""
        known = self._known(index)
        destinations = known.state.destinations
        if script_pubkey not in destinations:
            destinations = (*destinations, script_pubkey)
        terms_of.check_destination(script_pubkey, destinations)
        return self._move(known, replace(known.state, destinations=destinations))

    async def forget_channel(self, index: ChannelIndex) -> None:
        """See Signer."""
        levels = order.levels(index)
        order.check_forgettable(self._terms.get(levels), self._states.get(levels))
        self._given.forget(levels)
        self._restore(levels, None)
        self._names.pop(levels, None)

    async def resume_channel(self, index: ChannelIndex, ours: int, theirs: int) -> None:
        """See Signer."""
        known = self._known(index, resuming=True)
        try:
            order.compare(known.state, ours, theirs, self._behind)
        except SignerRefused as error:
            self._refused[known.levels] = error
            raise
        self._to_resume.discard(known.levels)

    async def take_back(self, index: ChannelIndex, stored: SignerRecords) -> None:
        """See Signer."""
        levels = order.levels(index)
        self._restore(levels, order.stored_state(levels, stored))

    async def commitment_point(self, index: ChannelIndex, number: int) -> bytes:
        """See Signer."""
        return self._reserved(index).point(number)

    # Commitments

    async def hold_commitment(self, index: ChannelIndex, graph: Graph, signatures: CommitmentSignatures) -> Held:
        """See Signer."""
        known, funding = self._for_commitment(index, graph, ours=True)
        settled = self._check_content(known, funding, graph)
        state = order.hold(known.state, funding, graph.number, graph.tx.txid, settled)
        try:
            verify_signatures(graph, signatures)
        except (WrongSignature, WrongSignatureCount) as error:
            return Held(str(error))
        return Held("", self._move(known, state))

    async def prepare_commitment(self, index: ChannelIndex, graph: Graph, revealed: bytes = b"") -> SignerRecords:
        """See Signer."""
        known, funding = self._for_commitment(index, graph, ours=False)
        settled = self._check_content(known, funding, graph)
        digest = content.content_digest(graph, self._digests.of(graph))
        commitment = SignedCommitment(graph.number, digest)
        request = (known.levels, graph.funding.txid, graph.number)
        if request in self._unsigned:
            # A step that was dropped before it was stored may come back with other content; nothing was signed yet.
            funding = order.unsign(funding, graph.number)
        first_time = all(each.number != graph.number for each in funding.signed)
        point = graph.keys.per_commitment_point
        state = order.sign(known.state, funding, commitment, point, revealed, settled)
        if first_time:
            self._unsigned.add(request)
        return self._move(known, state)

    async def sign_commitment(self, index: ChannelIndex, graph: Graph) -> CommitmentSignatures:
        """See Signer."""
        known, funding = self._for_commitment(index, graph, ours=False)
        digests = self._digests.of(graph)
        prepared = next((each for each in funding.signed if each.number == graph.number), None)
        if prepared is None:
            refuse(Rule.SIGN_UNPREPARED, f"the peer's commitment {graph.number} was not prepared.")
        if prepared.digest != content.content_digest(graph, digests):
            refuse(Rule.TWO_REMOTE_COMMITMENTS, f"another commitment {graph.number} was prepared on this funding.")
        self._unsigned.discard((known.levels, graph.funding.txid, graph.number))
        self._given.signed(known.levels, known.state)
        return spends.commitment_signatures(known.keys, graph, digests)

    async def prepare_release(self, index: ChannelIndex, number: int) -> SignerRecords:
        """See Signer."""
        known = self._known(index)
        return self._move(known, order.release(known.state, number))

    async def release_secret(self, index: ChannelIndex, number: int) -> Released:
        """See Signer."""
        known = self._known(index)
        if number >= known.state.released:
            refuse(Rule.RELEASE_UNPREPARED, f"the release of our commitment {number} was not prepared.")
        self._given.released(known.levels, known.state, number)
        point = known.keys.point(number + 2)
        # The next commitment of ours has this point: its keys are derived while the message is on its way.
        asyncio.get_running_loop().call_soon(content.keys_of, known.terms, known.terms.us, point)
        return Released(known.keys.released(number), point)

    # Leaving the channel

    async def prepare_broadcast(self, index: ChannelIndex, number: int) -> SignerRecords:
        """See Signer."""
        known = self._known(index)
        return self._move(known, order.broadcast(known.state, number))

    async def sign_broadcast(self, index: ChannelIndex, graph: Graph, signatures: CommitmentSignatures) -> Tx:
        """See Signer."""
        known, funding = self._for_commitment(index, graph, ours=True)
        self._check_ours(known, funding, graph)
        if known.state.broadcast != graph.number:
            refuse(Rule.BROADCAST_UNPREPARED, f"the broadcast of our commitment {graph.number} was not prepared.")
        self._check_content(known, funding, graph, reserve=False)
        self._given.broadcast(known.levels, known.state)
        digest = commitment_digest(graph)
        if not verify(graph.keys.counterparty_funding, digest, signatures.commitment):
            refuse(Rule.PEER_SIGNATURE, f"the peer's signature of our commitment {graph.number} is invalid.")
        return signed_commitment(graph, sign(known.keys.funding, digest), signatures.commitment)

    async def prepare_closing(self, index: ChannelIndex, closing: SignClosing) -> SignerRecords:
        """See Signer."""
        known = self._check_closing(index, closing)
        return self._move(known, order.close(known.state))

    async def sign_closing(self, index: ChannelIndex, closing: SignClosing) -> bytes:
        """See Signer."""
        return spends.closing_signature(self._give_closing(index, closing).keys, closing)

    async def complete_closing(self, index: ChannelIndex, closing: CompleteClosing) -> Tx:
        """See Signer."""
        known = self._give_closing(index, closing.signing)
        return spends.completed_closing(known.keys, known.terms, closing)

    async def sign_claim(self, index: ChannelIndex, claim: Claim) -> Tx:
        """See Signer."""
        known = self._known(index)
        funding, graph = self._funding(known, claim.graph.funding), claim.graph
        content.check_shape(known.terms, funding.funding, graph, self._expected_point(known, graph), lost=True)
        if graph.holder == known.terms.us and not known.state.lost:
            order.check_held(funding, graph.number, graph.tx.txid)
        else:
            order.check_signed(funding, graph.number, lambda: content.content_digest(graph, self._digests.of(graph)))
        return spends.signed_claim(known.keys, known.terms, claim, self._is_ours(known))

    async def sign_second_stage(self, index: ChannelIndex, stage: SecondStage) -> Tx:
        """See Signer."""
        known, funding = self._for_commitment(index, stage.graph, ours=True)
        self._check_ours(known, funding, stage.graph)
        self._check_content(known, funding, stage.graph, reserve=False)
        return spends.signed_second_stage(known.keys, known.terms, stage, self._is_ours(known))

    async def sold_secret(self, index: ChannelIndex, graph: Graph, child: int, signatures: tuple[bytes, ...]) -> bytes:
        """See Signer."""
        known, funding = self._for_commitment(index, graph, ours=False)
        content.check_shape(known.terms, funding.funding, graph, self._expected_point(known, graph), lost=False)
        order.check_signed(funding, graph.number, lambda: content.content_digest(graph, self._digests.of(graph)))
        return spends.sold_secret(known.keys, graph, child, signatures)

    def _reserved(self, index: ChannelIndex) -> ChannelKeys:
        known = self._names.get(order.levels(index)) if terms_of.in_range(index) else None
        if known is None or known[1] != index:
            refuse(Rule.UNKNOWN_CHANNEL, f"the index {index.first}/{index.second} was never reserved for a channel.")
        return self._keys.channel(index)

    def _known(self, index: ChannelIndex, resuming: bool = False) -> Known:
        keys, levels = self._reserved(index), order.levels(index)
        if levels in self._refused:
            raise self._refused[levels]
        terms = self._terms.get(levels)
        if terms is None:
            refuse(Rule.UNKNOWN_CHANNEL, "this channel was reserved and never registered.")
        if levels in self._to_resume and not resuming:
            refuse(Rule.NOT_RESUMED, "this channel's numbers were not compared with the signer's since the start.")
        return Known(levels, terms, keys, self._states[levels])

    def _funding(self, known: Known, funding: Funding) -> FundingState:
        found = known.state.funding(funding.txid, funding.vout)
        if found is None:
            if (funding.txid, funding.vout) in self._fundings:
                refuse(Rule.FUNDING_OF_ANOTHER_CHANNEL, "this funding is that of another channel.")
            refuse(Rule.UNKNOWN_FUNDING, "this channel has no such funding.")
        return found

    def _for_commitment(self, index: ChannelIndex, graph: Graph, ours: bool) -> tuple[Known, FundingState]:
        known = self._known(index)
        funding = self._funding(known, graph.funding)
        if graph.holder != (known.terms.us if ours else other(known.terms.us)):
            refuse(Rule.WRONG_HOLDER, "this is the peer's commitment." if ours else "this is our commitment.")
        return known, funding

    def _expected_point(self, known: Known, graph: Graph) -> bytes:
        if graph.holder == known.terms.us:
            return known.keys.point(graph.number) if 0 <= graph.number < 1 << 48 else b"\0"
        return known.terms.publics[graph.holder].first_per_commitment_point if graph.number == 0 else b""

    def _check_content(self, known: Known, funding: FundingState, graph: Graph, reserve: bool = True) -> Settled:
        point = self._expected_point(known, graph)
        settled = content.check_commitment(known.terms, funding.funding, graph, point)
        if reserve:
            before = funding.settled[1 if graph.holder == known.terms.us else 0]
            content.check_reserve(known.terms, settled.balances_msat, before.balances_msat)
        return settled

    def _check_ours(self, known: Known, funding: FundingState, graph: Graph) -> None:
        if graph.number < known.state.released:
            refuse(Rule.REVOKED_BROADCAST, f"our commitment {graph.number} is revoked: who shows it loses everything.")
        order.check_held(funding, graph.number, graph.tx.txid)

    def _check_closing(self, index: ChannelIndex, closing: SignClosing) -> Known:
        known = self._known(index)
        funding = self._funding(known, closing.funding)
        if funding.funding != closing.funding:
            refuse(Rule.UNKNOWN_FUNDING, "the closing transaction spends another funding than the registered one.")
        spends.check_closing(known.terms, funding, closing, self._is_ours(known))
        return known

    def _give_closing(self, index: ChannelIndex, closing: SignClosing) -> Known:
        known = self._check_closing(index, closing)
        if not known.state.closing:
            refuse(Rule.CLOSE_UNPREPARED, "the mutual close was not prepared.")
        self._given.closing(known.levels, known.state)
        return known

    def _is_ours(self, known: Known) -> Callable[[bytes], bool]:
        return lambda script: script in known.state.destinations or self._wallet.is_ours(script)

    def _check_funding(self, levels: bytes, channel: SignerChannel, funding: Funding) -> None:
        if self._fundings.get((funding.txid, funding.vout), levels) != levels:
            refuse(Rule.FUNDING_OF_ANOTHER_CHANNEL, "this funding is that of another channel.")
        terms_of.check_funding(channel, funding)

    def _restore(self, levels: bytes, state: ChannelState | None) -> None:
        self._given.check(levels, state)
        self._unsigned = {each for each in self._unsigned if each[0] != levels}
        if state is not None:
            self._states[levels] = state
            return
        self._fundings = {each: owner for each, owner in self._fundings.items() if owner != levels}
        self._terms.pop(levels, None)
        self._states.pop(levels, None)

    def _move(self, known: Known, state: ChannelState) -> SignerRecords:
        """What changes nothing is handed out again: the caller may not have stored it the first time."""
        return self._keep(known.levels, known.terms, state)

    def _keep(self, levels: bytes, terms: SignerChannel, state: ChannelState) -> SignerRecords:
        self._states[levels] = state
        for each in state.fundings:
            self._fundings[each.funding.txid, each.funding.vout] = levels
        return (order.state_row(terms.index, state),)
