"""How does an HTLC pass through this node?

    incoming channel                    circuits                       outgoing channel
    HtlcReceived -> RULES -> opened, with what made it irrevocable
                                     waiting --------- Add ----------> refused: failed
                                     offered <------ HtlcOffered ----- with the HTLC's place in the log
                                     waiting <------ HtlcForgotten --- offered again, for a while
    Fulfill <--- inbox ---------- fulfilled <------- HtlcFulfilled --- on arrival, from the peer or from the chain
    Fail    <--- inbox ------------- failed <------- HtlcFailed ------ irrevocably removed, or deep on chain

What a channel tells is stored in that channel's own transaction, together with the order for the other one. Nothing
here decides twice: what was decided for an incoming HTLC is looked up before its onion is asked again.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import Final, NamedTuple

from lnpd.channel.actions import HtlcFailed, HtlcForgotten, HtlcFulfilled, HtlcOffered, HtlcReceived
from lnpd.channel.events import Add, Fail, Fulfill
from lnpd.channel.onchain_htlcs import may_claim
from lnpd.channel.state import AwaitingReady, Channel, Normal
from lnpd.crypto import sphinx
from lnpd.errors import InvalidOnionPayload, LnpdError
from lnpd.routing import failures
from lnpd.routing.failures import Failure, failure
from lnpd.routing.forwarding import LEAST_OUTGOING_BLOCKS, Orders, Passage, broken_rule, orders, refusal, wants_update
from lnpd.services.payments import circuits
from lnpd.services.payments.circuits import Circuit
from lnpd.services.payments.forgetting import forget
from lnpd.services.payments.ledger import Applied, HtlcKey
from lnpd.services.payments.news import News, Tasks
from lnpd.services.payments.relay import Relay
from lnpd.services.recipients import CIRCUIT, Channels, Effects
from lnpd.store.store import Store
from lnpd.store.write import Write
from lnpd.wire.messages import Payload

RETRY_SECONDS: Final = 0.1
# How long an HTLC waits for its outgoing channel once it was about to be there: after a restart, or a lost connection.
PATIENCE_SECONDS: Final = 5.0
# How long an answer that is about to be stored keeps the same question from being judged anew.
OPENING_SECONDS: Final = 60.0


FORGET_EVERY: Final = 1_000  # circuits


class _Opening(NamedTuple):
    circuit: Circuit
    hmac: bytes
    replayed: bytes  # the reply if the onion has passed before
    until_seconds: float  # of the loop's clock


class Forwards:
    """Joins incoming with outgoing HTLCs. height: of the best block, if it is_current."""

    def __init__(
        self,
        store: Store,
        channels: Channels,
        relay: Relay,
        clock: Callable[[], float],
        height: Callable[[], int],
        is_current: Callable[[], bool],
        news: News,
        tasks: Tasks,
    ) -> None:
        self._store, self._channels, self._relay = store, channels, relay
        self._clock, self._height, self._is_current = clock, height, is_current
        self._news, self._tasks = news, tasks
        self._openings: dict[HtlcKey, _Opening] = {}
        self._offering: dict[HtlcKey, Circuit | None] = {}  # and what is to be offered once this attempt is over
        self._delivering: set[str] = set()
        self._opened = 0

    # --- what the incoming channel tells

    async def received(self, channel: Channel, htlc: HtlcReceived, peeled: sphinx.Peeled, payload: Payload) -> Effects:
        """What becomes of an HTLC that is irrevocably committed and is to go on."""
        key = HtlcKey(channel.key, htlc.id)
        opening = self._openings.get(key)
        if opening is not None and _loop_seconds() < opening.until_seconds:
            return self._open(opening)
        known = await self._store.read(lambda read: circuits.circuit_of(read, key))
        if known is not None:
            return await self._decided(known)
        judged = await self._judged(key, htlc, peeled, payload)
        if isinstance(judged, Failure):
            return Effects(events=(Fail(htlc.id, _reply(peeled.shared_secret, judged)),))
        replayed = _reply(peeled.shared_secret, failure("temporary_node_failure"))
        hmac, until_seconds = htlc.onion[-sphinx.HMAC_BYTES :], _loop_seconds() + OPENING_SECONDS
        self._openings[key] = opening = _Opening(judged, hmac, replayed, until_seconds)
        return self._open(opening)

    async def _decided(self, known: Circuit) -> Effects:
        """What was decided of an HTLC that is told again. An order that its channel has carried out is said again: the
        channel would not ask if it had not lost it."""
        if known.state == "waiting":
            return Effects(after=(partial(self._go_on, known),))
        if known.preimage:
            return Effects(events=(Fulfill(known.incoming.id, known.preimage),))
        if known.state == "offered" or await self._store.read(partial(circuits.is_ordered, circuit=known)):
            return Effects()
        reply = _reply(known.shared_secret, failure("temporary_node_failure"))  # the first went with its order
        return Effects(events=(Fail(known.incoming.id, reply),))

    def _open(self, opening: _Opening) -> Effects:
        circuit = opening.circuit
        change = Applied(
            partial(circuits.opened, circuit=circuit, hmac=opening.hmac, reply=opening.replayed),
        )

        def after() -> None:
            self._openings.pop(circuit.incoming, None)
            self._forget_old()
            if change.result is not None and change.result.state == "waiting":
                self._start(change.result, 0)
            else:
                self._deliver(circuit.incoming.channel)

        return Effects(writes=(change,), after=(after,))

    def _forget_old(self) -> None:
        """Now and then, and with the first one of a process."""
        if self._opened % FORGET_EVERY == 0:
            self._tasks.start(self._store.write(partial(forget, height=self._height())), "old circuits")
        self._opened += 1

    async def _judged(
        self, key: HtlcKey, htlc: HtlcReceived, peeled: sphinx.Peeled, payload: Payload
    ) -> Circuit | Failure:
        if payload.encrypted_recipient_data is not None or payload.current_path_key is not None:
            return failure("invalid_onion_blinding", sha256_of_onion=sha256(htlc.onion).digest())
        try:
            wanted = orders(payload)
        except InvalidOnionPayload as error:
            return failure("invalid_onion_payload", type=error.tlv_type, offset=error.offset)
        if htlc.over_exposure or not self._is_current():
            return failure("temporary_node_failure")
        outgoing = self._find(wanted.short_channel_id)
        if outgoing is None:
            return failure("unknown_next_peer")
        if (refused := await self._refused(outgoing, htlc, wanted)) is not None:
            return refused
        assert peeled.next_onion is not None, "who is not the last has an onion to pass on"
        return Circuit(
            incoming=key,
            incoming_msat=htlc.amount_msat,
            incoming_expiry=htlc.cltv_expiry,
            payment_hash=htlc.payment_hash,
            shared_secret=peeled.shared_secret,
            short_channel_id=wanted.short_channel_id,
            channel=outgoing.key,
            outgoing_msat=wanted.amount_msat,
            outgoing_expiry=wanted.cltv_expiry,
            onion=peeled.next_onion,
            opened_unix_seconds=self._clock(),
        )

    async def _refused(self, outgoing: Channel, htlc: HtlcReceived, wanted: Orders) -> Failure | None:
        """BOLT 4's order: what the channel can do now, then what its policy asks, then whether it is disabled."""
        passage = Passage(htlc.amount_msat, htlc.cltv_expiry, wanted.amount_msat, wanted.cltv_expiry, self._height())
        rule = broken_rule(passage, self._relay.policies(outgoing))
        frozen = self._channels.frozen(outgoing.key)
        name, fields = "", {}
        if isinstance(outgoing.phase, AwaitingReady) or (not outgoing.live and not frozen):
            name = "temporary_channel_failure"
        elif not isinstance(outgoing.phase, Normal):
            name = "permanent_channel_failure"
        elif rule is not None:
            name, fields = rule.failure, rule.fields(passage)
        elif frozen:
            name, fields = "channel_disabled", {"disabled_flags": 0}
        return await self._failure(outgoing, name, fields, wanted.short_channel_id) if name else None

    async def _failure(self, outgoing: Channel | None, name: str, fields: dict[str, int], scid: bytes) -> Failure:
        update = b""
        if wants_update(name) and outgoing is not None and all(outgoing.ready):
            update = await self._relay.message(outgoing, scid)
        return refusal(name, fields, update)

    def _find(self, scid: bytes) -> Channel | None:
        """Our channel of this id."""
        return next((c for c in self._channels.every() if c.fundings and scid in c.scids_here), None)

    # --- offering

    def _go_on(self, circuit: Circuit) -> None:
        """A circuit waits since before this process, or before its outgoing channel's connection was lost."""
        self._start(circuit, PATIENCE_SECONDS)

    def _start(self, circuit: Circuit, patience_seconds: float) -> None:
        if circuit.incoming in self._offering:
            self._offering[circuit.incoming] = circuit  # it was offered and forgotten before its offerer heard of it
            return
        self._offering[circuit.incoming] = None
        deadline_seconds = _loop_seconds() + patience_seconds
        self._tasks.start(self._attempt(circuit, deadline_seconds), f"circuit {circuit.incoming}")

    async def _attempt(self, circuit: Circuit, deadline_seconds: float) -> None:
        try:
            await self._offer(circuit, deadline_seconds)
        finally:
            again = self._offering.pop(circuit.incoming)
        if again is not None:
            self._go_on(again)

    async def _offer(self, circuit: Circuit, deadline_seconds: float) -> None:
        """Returns once the outgoing HTLC is in its channel's log, or the circuit has failed."""
        incoming = circuit.incoming
        add = Add(
            circuit.outgoing_msat,
            circuit.payment_hash,
            circuit.outgoing_expiry,
            circuit.onion,
            f"{CIRCUIT}{incoming.channel}/{incoming.id}",
        )
        stored = await self._store.read(lambda read: circuits.circuit_of(read, incoming))
        if stored is None or stored.state != "waiting":
            return  # whoever asked for this had looked before an attempt that is over now
        while circuit.outgoing_expiry >= self._height() + LEAST_OUTGOING_BLOCKS:
            if not self._pays_us(incoming):
                await self._not_offered(circuit, "permanent_channel_failure", "No preimage would be paid for any more.")
                return
            try:
                await self._channels.command(circuit.channel, add)
                return
            except LnpdError as error:  # it may be stored all the same: the row decides
                why = str(error)
            if _loop_seconds() >= deadline_seconds:
                await self._not_offered(circuit, "temporary_channel_failure", why)
                return
            await asyncio.sleep(RETRY_SECONDS)
        await self._not_offered(circuit, "expiry_too_soon", "It would expire too soon to be sent on.")

    def _pays_us(self, incoming: HtlcKey) -> bool:
        """Whether a preimage would bring what the outgoing HTLC costs."""
        channel = self._channels.get(incoming.channel)
        return channel is not None and may_claim(channel, incoming.id)

    async def _not_offered(self, circuit: Circuit, name: str, why: str) -> None:
        outgoing = self._channels.get(circuit.channel)
        reported = await self._failure(outgoing, name, {}, circuit.short_channel_id)
        reply = _reply(circuit.shared_secret, reported)

        def fail(write: Write) -> Circuit | None:
            ended = circuits.failed(write, circuit.incoming, None, reply, f"{why} ({name})", self._clock())
            return self._recorded(write, ended)

        if await self._store.write(fail) is not None:
            self._told(circuit)

    # --- what the outgoing channel tells

    async def offered(self, channel: Channel, told: HtlcOffered) -> Effects:
        """The outgoing HTLC is in the log: so is the circuit's row, or neither is."""
        name, _, identity = told.reference.removeprefix(CIRCUIT).partition("/")
        incoming, outgoing = HtlcKey(name, int(identity)), HtlcKey(channel.key, told.id)
        return Effects(writes=(partial(circuits.offered, incoming=incoming, outgoing=outgoing),))

    def forgotten(self, channel: Channel, told: HtlcForgotten) -> Effects:
        """The outgoing HTLC never reached a commitment: it is offered again, for a while."""
        change = Applied(partial(circuits.forgotten, outgoing=HtlcKey(channel.key, told.id)))

        def after() -> None:
            if change.result is not None:
                self._go_on(change.result)

        return Effects(writes=(change,), after=(after,))

    def fulfilled(self, channel: Channel, told: HtlcFulfilled) -> Effects:
        """The preimage is there: stored, with the order to claim the incoming HTLC, before anything else."""
        if sha256(told.preimage).digest() != told.payment_hash:
            return Effects()  # the payments log it
        key = HtlcKey(channel.key, told.id)
        return self._ending(
            lambda write: circuits.fulfilled(write, key, told.preimage, self._clock()),
        )

    def failed(self, channel: Channel, told: HtlcFailed) -> Effects:
        """The outgoing HTLC is gone for good: its failure is passed back, wrapped once more."""
        key = HtlcKey(channel.key, told.id)

        def fail(write: Write) -> Circuit | None:
            circuit = circuits.circuit_to(write, key)
            if circuit is None:
                return None
            reply, why = _passed_back(circuit, told)
            return circuits.failed(write, circuit.incoming, key, reply, why, self._clock())

        return self._ending(fail)

    def abandoned(self, circuit: Circuit) -> Effects:
        """The outgoing HTLC is stuck, and the incoming one has no time left: it is failed."""
        reply = _reply(circuit.shared_secret, failure("permanent_channel_failure"))
        why = "The outgoing HTLC was stuck on chain when the incoming one was about to expire."

        def fail(write: Write) -> Circuit | None:
            now = self._clock()
            return circuits.failed(write, circuit.incoming, circuit.outgoing, reply, why, now, abandoned=True)

        return self._ending(fail)

    def _ending(self, change: Callable[[Write], Circuit | None]) -> Effects:
        applied = Applied(lambda write: self._recorded(write, change(write)))

        def after() -> None:
            if applied.result is not None:
                self._told(applied.result)

        return Effects(writes=(applied,), after=(after,))

    def _recorded(self, write: Write, ended: Circuit | None) -> Circuit | None:
        if ended is not None and not (ended.abandoned and ended.preimage):  # that it failed was said before
            self._news.record_forward(write, ended)
        return ended

    def _told(self, ended: Circuit) -> None:
        self._news.tell_forward(ended)
        self._deliver(ended.incoming.channel)

    def _deliver(self, channel: str) -> None:
        """The channel reads its inbox, once for all that came together."""
        if channel not in self._delivering:
            self._delivering.add(channel)
            self._tasks.start(self._delivered(channel), f"inbox of {channel}")

    async def _delivered(self, channel: str) -> None:
        self._delivering.discard(channel)
        await self._channels.deliver(channel.encode())

    # --- at the start, and looking

    async def reconcile(self) -> None:
        """Once every channel is restored: what waits is offered now."""
        for circuit in await self._store.read(circuits.open_circuits):
            if circuit.state == "waiting":
                self._go_on(circuit)

    async def newest(self, limit: int = 100) -> tuple[Circuit, ...]:
        """The last circuits, newest first."""
        return await self._store.read(partial(circuits.newest_circuits, limit=limit))


def is_circuit(told: HtlcOffered) -> bool:
    """Whether an HTLC was offered for a circuit."""
    return told.reference.startswith(CIRCUIT)


def _passed_back(circuit: Circuit, told: HtlcFailed) -> tuple[bytes, str]:
    """The incoming HTLC's failure, and a word on it (BOLT 4, Returning Errors; BOLT 2, update_fail_malformed_htlc)."""
    secret = circuit.shared_secret
    if told.failure_code:
        reported = failures.of_malformed(told.failure_code, told.sha256_of_onion)
        return _reply(secret, reported), f"The next node could not read its onion ({reported.name})."
    if told.reason:
        return sphinx.wrap_error(secret, told.reason), "The next node, or one behind it, failed it."
    return _reply(secret, failure("permanent_channel_failure")), "The outgoing channel closed, and the HTLC timed out."


def _reply(shared_secret: bytes, reported: Failure) -> bytes:
    return sphinx.build_error(shared_secret, failures.encode(reported))


def _loop_seconds() -> float:
    return asyncio.get_running_loop().time()
