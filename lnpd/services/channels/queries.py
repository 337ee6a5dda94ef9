"""Who answers what a step asks?

Providers through Answers, by name; the signer about keys and signatures; the store about kept rows, to which those of
the batch that is not committed yet are added. Nothing here decides anything.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from lnpd.channel.actions import Action, Keep
from lnpd.channel.beginning import InitialStates
from lnpd.channel.dust import MOST_TIMES
from lnpd.channel.foresight import AskAhead
from lnpd.channel.queries import (
    AllowDestination,
    Calls,
    CheckSignatures,
    ClaimId,
    CommitmentPoint,
    FindCommitment,
    FindCommitmentByTxid,
    FindMutualClose,
    FindRow,
    IsOurSecret,
    ProviderQuery,
    Query,
    Secure,
    SoldSecret,
    commitment_key,
)
from lnpd.channel.state import Channel
from lnpd.channel.upcoming import following
from lnpd.crypto.secp import is_secret, public_key
from lnpd.errors import CommandRefused, LnpdError, SignerRefused
from lnpd.hooks.answers import PENDING
from lnpd.services.channels.batch import Batch, find_by_txid, find_row, kept_of
from lnpd.services.channels.parts import Parts
from lnpd.services.interfaces import ChannelIndex, ChannelPublics, SignerChannel
from lnpd.tx.graph import Foreseen, Funding, Graph

log = logging.getLogger("lnpd.channels")
T = TypeVar("T")
COMMITMENT = "commitment"


class Preempted(LnpdError):
    """Something that may not wait arrived while a provider was being asked."""


class Queries:
    """Answers the queries of one step. `urgent` is set when something arrives that may not wait for it."""

    def __init__(self, parts: Parts, batch: Batch, index: ChannelIndex, urgent: asyncio.Event | None = None) -> None:
        self._parts, self._batch, self._index, self._urgent = parts, batch, index, urgent
        self._ahead: AskAhead | None = None

    async def answer(self, query: Query[Any]) -> object:  # Any: each query names its own reply
        """The reply to a query."""
        signer = self._parts.signer
        match query:
            case ProviderQuery():
                return await self._ask_providers(query.calls(self._batch.memory))
            case AskAhead():
                self._ahead = query
                return None
            case CommitmentPoint(number=number):
                return await signer.commitment_point(self._index, number)
            case IsOurSecret(number=number, secret=secret):
                return is_secret(secret) and public_key(secret) == await signer.commitment_point(self._index, number)
            case CheckSignatures(graph=graph, signatures=signatures):
                await self._register(graph.funding)
                held = await signer.hold_commitment(self._index, graph, signatures)
                self._batch.records.append(held.records)
                return held.wrong
            case SoldSecret(graph=graph, child=child, signatures=signatures):
                return await self._sold(graph, child, signatures)
            case ClaimId(channel_id=channel_id):
                return self._parts.ids.claim(channel_id, self._batch.channel.key)
            case InitialStates():
                return await self._unless_urgent(self._parts.beginnings.of(query))
            case AllowDestination(script_pubkey=script):
                await self._allow(script)
                return None
            case Secure(actions=tells):
                for tell in tells:
                    told = await self._parts.recipients[tell.recipient].told(self._batch.channel, tell.message)
                    self._batch.effects.append(told)
                return None
            case FindCommitment(key=key):
                return kept_of(await self._row(COMMITMENT, key))
            case FindCommitmentByTxid(txid=txid):
                return kept_of(await self._by_txid(COMMITMENT, txid))
            case FindMutualClose(txid=txid):
                return await self._by_txid("closing", txid) is not None
            case FindRow(kind=kind, key=key):
                return await self._row(kind, key)
        raise AssertionError(f"nobody answers {type(query).__name__}")

    async def _allow(self, script_pubkey: bytes) -> None:
        try:
            self._batch.records.append(await self._parts.signer.allow_destination(self._index, script_pubkey))
        except SignerRefused as error:
            raise CommandRefused(str(error)) from error

    async def _sold(self, graph: Graph, child: int, signatures: tuple[bytes, ...]) -> bytes:
        try:
            return await self._parts.signer.sold_secret(self._index, graph, child, signatures)
        except SignerRefused as error:  # what else the chain did to the channel waits for no signer; it is asked again
            text = "channel %s: the secret that commitment %s sold is not learned: %s"
            log.error(text, self._batch.channel.key, graph.number, error)
            return b""

    async def unsigned(self, actions: list[Action], channel: Channel, funding_txid: bytes, number: int) -> Graph:
        """The peer's commitment that is to be signed, kept by these actions or before."""
        key = commitment_key(funding_txid, channel.them, number)
        graph = next((a.graph for a in actions if isinstance(a, Keep) and (a.kind, a.key) == (COMMITMENT, key)), None)
        if graph is None:
            kept = kept_of(await self._row(COMMITMENT, key))
            assert kept is not None, "a commitment is kept before it is signed"
            graph = kept.graph
        await self._register(graph.funding)
        return graph

    async def _row(self, kind: str, key: str) -> bytes | None:
        here = self._batch.row(kind, key)
        channel = self._batch.channel
        return here if here is not None else await self._parts.store.read(lambda r: find_row(r, channel, kind, key))

    async def _by_txid(self, kind: str, txid: bytes) -> bytes | None:
        here = self._batch.row_by_txid(kind, txid)
        return here if here is not None else await self._parts.store.read(lambda r: find_by_txid(r, kind, txid))

    async def _ask_providers(self, calls: Calls[T]) -> T:
        answers = self._parts.answers
        reply: object = None
        while True:
            try:
                call = calls.send(reply)
            except StopIteration as stop:
                replied: T = stop.value
                return replied
            reply = answers.answer_now(call)
            if reply is PENDING:
                reply = await self._unless_urgent(answers.answer(call, await self._foreseen()))

    async def _foreseen(self) -> list[Foreseen]:
        """What will be asked after this: it is said once."""
        ahead, self._ahead = self._ahead, None
        if ahead is None:
            return []
        return await self._ask_providers(ahead.questions(following(self._batch.waiting())))

    async def _unless_urgent(self, asking: Coroutine[Any, Any, T]) -> T:
        if self._urgent is None:
            return await asking
        asked, urgent = asyncio.ensure_future(asking), asyncio.ensure_future(self._urgent.wait())
        try:
            await asyncio.wait({asked, urgent}, return_when=asyncio.FIRST_COMPLETED)
            if asked.done():
                return asked.result()
            raise Preempted("an urgent event came first")
        finally:
            asked.cancel()
            urgent.cancel()

    async def _register(self, funding: Funding) -> None:
        """Tells the signer, before the first commitment, what this channel was opened with."""
        channel = self._batch.channel
        if channel.fundings:
            return
        terms, us = channel.terms, channel.us
        ours = await self._parts.signer.channel_publics(self._index)
        them = terms[channel.them]
        theirs = ChannelPublics(
            funding_pubkey=them.funding_key,
            revocation_basepoint=them.revocation_basepoint,
            payment_basepoint=them.payment_basepoint,
            delayed_payment_basepoint=them.delayed_payment_basepoint,
            htlc_basepoint=them.htlc_basepoint,
            first_per_commitment_point=channel.their_points[0],
        )
        registered = SignerChannel(
            index=self._index,
            us=us,
            type=channel.channel_type,
            publics=(ours, theirs) if us == 0 else (theirs, ours),
            dust_limit_sat=(terms[0].dust_limit_sat, terms[1].dust_limit_sat),
            to_self_delay=(terms[1].to_self_delay, terms[0].to_self_delay),
            reserve_sat=(terms[1].channel_reserve_sat, terms[0].channel_reserve_sat),
            funding=funding,
            destinations=tuple(s for s in (terms[us].upfront_shutdown_script,) if s),
            dust_exposure_sat=MOST_TIMES * channel.policy.max_dust_exposure_msat // 1000,
        )
        self._batch.records.append(await self._parts.signer.register_channel(registered))
