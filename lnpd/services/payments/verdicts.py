"""What do plugins make of an HTLC, before this node judges it as it always does?

    HtlcReceived -> read -> nobody takes part, or it is decided ------------> usual
                              '-> htlc_accepted, beside the channel -+-> None: usual --+
                                                                     +-> fail, resolve +-> one transaction
                                                                     '-> hold: a row; later settle, fail, or its time

The channel does not wait: an HTLC that is being asked about is simply undecided, and is told again after a restart.
What a plugin answers is checked as a stranger's word; nothing that the usual rules refuse for the node's sake is asked.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial
from hashlib import sha256
from typing import Final, NamedTuple

from lnpd_sdk.hooks import FailHtlc, HoldHtlc, HtlcAnswer, ResolveHtlc, TakeHtlc

from lnpd.channel.actions import HtlcReceived
from lnpd.channel.events import Event, Fail, Fulfill
from lnpd.channel.state import Channel
from lnpd.crypto import sphinx
from lnpd.errors import HtlcNotHeld, HtlcVerdictRefused, PluginFault
from lnpd.hooks.dispatch import Answered, Hooks
from lnpd.hooks.records import PAYLOAD, Received
from lnpd.routing import failures
from lnpd.routing.failures import Failure, failure, incorrect_or_unknown_payment_details
from lnpd.services.payments import held as rows
from lnpd.services.payments.held import Held
from lnpd.services.payments.ledger import HtlcKey, InvoiceRecord
from lnpd.services.payments.news import News, Tasks
from lnpd.services.recipients import Channels, Effects
from lnpd.store.store import Store
from lnpd.store.write import Write
from lnpd.wire.messages import Payload

log = logging.getLogger("lnpd.payments")

HOOK: Final = "htlc_accepted"
# A channel closes 18 blocks before an HTLC that we fulfilled expires: what is above that is time to settle.
LEAST_BLOCKS: Final = 24
MAX_HELD: Final = 10_000
MAX_KNOWN: Final = 10_000
OF_THE_NODE: Final = ("temporary_node_failure", "permanent_node_failure", "required_node_feature_missing")
DETAILS: Final = "incorrect_or_unknown_payment_details"
OF_THE_LAST: Final = (*OF_THE_NODE, DETAILS, "mpp_timeout")
OF_THE_OTHERS: Final = (
    *OF_THE_NODE,
    "permanent_channel_failure",
    "required_channel_feature_missing",
    "unknown_next_peer",
    "expiry_too_far",
)


class Offered(NamedTuple):
    """An HTLC whose onion was read. `providers` are the channel's, as hooks name them. `broken`: the usual judgement
    will refuse it, whatever anybody says."""

    key: HtlcKey
    channel_id: bytes
    providers: str
    told: HtlcReceived
    peeled: sphinx.Peeled
    payload: Payload
    shared_secret: bytes
    broken: bool

    @property
    def final(self) -> bool:
        """Whether it ends here."""
        return self.peeled.next_onion is None

    @property
    def carries_on(self) -> bool:
        """Whether it came with more than sat, by its channel's type, and is to go on: not without a plugin's word."""
        return not self.final and bool(self.providers and self.told.tlvs)

    @property
    def known(self) -> dict[str, object]:
        """The hook's fields by which a plugin may have said that it does not care."""
        return {
            "channel_id": self.channel_id.hex(),
            "providers": self.providers,
            "amount_msat": self.told.amount_msat,
            "final": self.final,
            "metadata": (self.payload.payment_metadata or b"").hex(),
        }

    @property
    def name(self) -> str:
        """How plugins name it."""
        return f"{self.key.channel}/{self.key.id}"


Read = Callable[[Channel, HtlcReceived], Awaitable[Offered | Effects]]
Usual = Callable[[Channel, Offered, str], Awaitable[Effects]]


class Verdicts:
    """Asks plugins about HTLCs. read: what an HTLC's onion says; usual: this node's own judgement, and which plugin
    wanted it."""

    def __init__(
        self,
        store: Store,
        hooks: Hooks,
        channels: Channels,
        news: News,
        tasks: Tasks,
        clock: Callable[[], float],
        height: Callable[[], int],
        read: Read,
        usual: Usual,
    ) -> None:
        self._store, self._hooks, self._channels, self._news, self._tasks = store, hooks, channels, news, tasks
        self._clock, self._height, self._read, self._usual = clock, height, read, usual
        self._held: dict[HtlcKey, Held] = {}
        self._holding: dict[str, asyncio.Event] = {}  # by name, until it is stored
        self._asking: set[HtlcKey] = set()
        self._ordered: OrderedDict[HtlcKey, bool] = OrderedDict()  # decided here; False: as usual, which knows it
        self._began = False
        hooks.on_join.append(self._joined)

    async def load(self) -> None:
        """Once, before any channel tells of an HTLC."""
        self._held = {held.htlc: held for held in await self._store.read(rows.every_held)}

    def begin(self) -> None:
        """Once the channels and the height are known: what is held is asked about again."""
        self._began = True
        for plugin in {held.plugin for held in self._held.values()}:
            self._joined(plugin)

    # --- what the channel tells

    async def judged(self, channel: Channel, offered: Offered) -> Effects:
        """What becomes of an HTLC now; nothing yet, if a plugin is asked."""
        key = offered.key
        if key in self._asking or key in self._held or self._ordered.get(key, False):
            return Effects()
        asked = offered.carries_on or self._cares(offered) or self._hooks.expected(HOOK)
        if offered.broken or key in self._ordered or not asked:
            return await self._usual(channel, offered, "")
        if await self._store.read(partial(rows.is_decided, htlc=key, payment_hash=offered.told.payment_hash)):
            return await self._usual(channel, offered, "")
        return Effects(after=(partial(self._start, offered),))

    def _cares(self, offered: Offered) -> bool:
        """Whether a plugin would be asked: who has none of its channels' HTLCs judged pays nothing for that."""
        return self._hooks.cares(HOOK, **offered.known)

    def _start(self, offered: Offered) -> None:
        if offered.key in self._asking:
            return  # told twice before the first was stored
        self._asking.add(offered.key)
        self._tasks.start(self._ask(offered), f"{HOOK} {offered.name}")

    async def _ask(self, offered: Offered) -> None:
        try:
            await self._hooks.settled.wait()  # whoever holds or resolves it may still be starting
            fields, check = await self._fields(offered), partial(self._wrong_with, offered)
            try:
                needed = self._owners(offered) if offered.carries_on else ()
                answer = await self._hooks.first(HOOK, check, needed, **fields)
            except PluginFault as error:
                log.warning(
                    "HTLC %s is not passed on without the plugin whose channel it came by: %s", offered.name, error
                )
                answer = Answered(error.plugin, FailHtlc())
            await self._decide(offered, answer)
        finally:
            self._asking.discard(offered.key)

    def _owners(self, offered: Offered) -> list[str]:
        """The plugins that have a part in its channel's type. PluginFault if one is away, or does not take part."""
        part = {each.plugin for each in self._hooks.subscribers(HOOK)}
        found = {name: self._hooks.owner(name) for name in offered.providers.split(",")}
        for name, owner in found.items():
            if owner not in part:
                raise PluginFault(owner or name, "is not there to be asked")
        return list(found.values())

    async def _fields(self, offered: Offered) -> dict[str, object]:
        told, payload = offered.told, offered.payload
        row = await self._store.read(lambda read: read.invoice(told.payment_hash))
        return {
            **offered.known,
            "htlc": offered.name,
            "payment_hash": told.payment_hash.hex(),
            "cltv_expiry": told.cltv_expiry,
            "height": self._height(),
            "next_channel": (payload.short_channel_id or b"").hex(),
            "forward_msat": payload.amt_to_forward or 0,
            "has_invoice": row is not None,
            "held": offered.key in self._held,
            "records": Received(PAYLOAD, payload.unknown),
            "htlc_records": Received("update_add_htlc", told.tlvs),
        }

    def _wrong_with(self, offered: Offered, answer: HtlcAnswer) -> str:
        if isinstance(answer, FailHtlc):
            allowed = OF_THE_LAST if offered.final else OF_THE_OTHERS
            return "" if answer.code in allowed else f"the code is one of {', '.join(allowed)}"
        if not self._has_time(offered.told):
            return f"it expires in less than {LEAST_BLOCKS} blocks"
        if isinstance(answer, TakeHtlc):
            return ""
        if isinstance(answer, HoldHtlc):
            return "" if len(self._held) < MAX_HELD else f"{MAX_HELD} HTLCs are held already"
        return "" if _opens(answer.preimage, offered.told.payment_hash) else "it is not the preimage"

    def _has_time(self, told: HtlcReceived) -> bool:
        return told.cltv_expiry - self._height() >= LEAST_BLOCKS

    # --- deciding

    async def _decide(self, offered: Offered, answer: Answered | None) -> None:
        match answer:
            case None:
                if offered.key not in self._held:  # what is held stays so
                    await self._release(offered, "")
            case Answered(plugin, TakeHtlc()):
                await self._release(offered, plugin)
            case Answered(plugin, HoldHtlc()):
                await self._hold(Held(plugin, offered.key, offered.told, self._clock()))
            case Answered(plugin, FailHtlc(code=code)):
                log.info("HTLC %s is failed by %s: %s", offered.name, plugin, code)
                await self._fail(offered, code)
            case Answered(plugin, ResolveHtlc(preimage=preimage)):
                await self._resolve(offered, plugin, bytes.fromhex(preimage))

    async def _hold(self, held: Held) -> None:
        stored = self._holding[f"{held.htlc.channel}/{held.htlc.id}"] = asyncio.Event()
        try:
            await self._store.write(partial(rows.hold, held=held))
            self._held[held.htlc] = held
        finally:
            del self._holding[f"{held.htlc.channel}/{held.htlc.id}"]
            stored.set()
        log.info("HTLC %s/%s is held by %s", held.htlc.channel, held.htlc.id, held.plugin)

    async def _release(self, offered: Offered, taken_by: str) -> None:
        """As if nobody had been asked; but this plugin, if one is named, wants it so."""
        channel = self._channels.get(offered.key.channel)
        if channel is None:
            return
        effects = await self._usual(channel, offered, taken_by)

        def change(write: Write) -> None:
            for each in effects.writes:
                each(write)

        await self._carry_out(offered.key, effects.events, change, ordered=False)
        for after in effects.after:
            after()

    async def _fail(self, offered: Offered, code: str) -> None:
        await self._carry_out(offered.key, (self._failed(offered, code),), lambda _write: None)

    def _failed(self, offered: Offered, code: str) -> Fail:
        told = offered.told
        reported = failure(code) if code != DETAILS else self._details(told)
        return Fail(told.id, sphinx.build_error(offered.shared_secret, failures.encode(reported)))

    def _details(self, told: HtlcReceived) -> Failure:
        return incorrect_or_unknown_payment_details(told.amount_msat, self._height())

    async def _resolve(self, offered: Offered, plugin: str, preimage: bytes) -> None:
        """Fulfilled, and booked; one whose hash was paid before is failed: it would be paid twice."""
        told, key, now_seconds = offered.told, offered.key, self._clock()
        record = InvoiceRecord(
            text="",
            preimage=preimage,
            payment_secret=b"",
            amount_msat=None,
            min_final_cltv_expiry_delta=0,
            expires_unix_seconds=int(now_seconds),
            description=f"resolved by the plugin {plugin}",
            received_msat=told.amount_msat,
            paid_unix_seconds=now_seconds,
            paid_by=key,
        )

        def change(write: Write) -> tuple[Event, ...]:
            if not rows.resolved(write, key, told, record, now_seconds):
                return (self._failed(offered, DETAILS if offered.final else OF_THE_NODE[0]),)
            self._news.record_received(write, told.payment_hash, told.amount_msat)
            return (Fulfill(told.id, preimage),)

        def store(write: Write) -> bool:
            events = change(write)
            rows.decided(write, key, events)
            return isinstance(events[0], Fulfill)

        paid = await self._store.write(store)
        self._over(key, ordered=True)
        if paid:
            self._news.tell_received(told.payment_hash, told.amount_msat)
        await self._channels.deliver(key.channel.encode())

    async def _carry_out(
        self, key: HtlcKey, events: tuple[Event, ...], change: Callable[[Write], None], ordered: bool = True
    ) -> None:
        def store(write: Write) -> None:
            change(write)
            rows.decided(write, key, events)

        await self._store.write(store)
        self._over(key, ordered)
        if events:
            await self._channels.deliver(key.channel.encode())

    def _over(self, key: HtlcKey, ordered: bool) -> None:
        self._held.pop(key, None)
        self._ordered[key] = ordered
        if len(self._ordered) > MAX_KNOWN:
            self._ordered.popitem(last=False)

    # --- what is held

    async def settle(self, plugin: str, name: str, preimage: str) -> None:
        """A held HTLC is fulfilled, or judged as usual without a preimage. HtlcNotHeld, HtlcVerdictRefused."""
        offered = await self._own(plugin, name)
        if not preimage:
            await self._once(offered, self._release(offered, plugin))
            return
        if why := self._wrong_with(offered, ResolveHtlc(preimage)):
            raise HtlcVerdictRefused(f"The HTLC {name[:80]} cannot be settled: {why}.")
        await self._once(offered, self._resolve(offered, plugin, bytes.fromhex(preimage)))

    async def fail(self, plugin: str, name: str, code: str) -> None:
        """A held HTLC is failed. HtlcNotHeld, HtlcVerdictRefused."""
        offered = await self._own(plugin, name)
        if why := self._wrong_with(offered, FailHtlc(code)):
            raise HtlcVerdictRefused(f"The HTLC {name[:80]} cannot be failed so: {why}.")
        await self._once(offered, self._fail(offered, code))

    async def _once(self, offered: Offered, work: Awaitable[None]) -> None:
        """Nobody is asked, or decides, meanwhile."""
        self._asking.add(offered.key)
        try:
            await work
        finally:
            self._asking.discard(offered.key)

    async def _own(self, plugin: str, name: str) -> Offered:
        """The HTLC of this name, if the plugin holds it. Its answer may come before what it answered is stored."""
        if name in self._holding:
            await self._holding[name].wait()
        held = next((each for each in self._held.values() if f"{each.htlc.channel}/{each.htlc.id}" == name), None)
        offered = await self._again(held) if held is not None and held.plugin == plugin else None
        if offered is None or offered.key in self._asking or offered.key not in self._held:
            raise HtlcNotHeld(f"{plugin} holds no HTLC {name[:80]!r}, or it is being decided.")
        return offered

    async def _again(self, held: Held) -> Offered | None:
        """What its onion says; None, and it is forgotten, if its channel is gone."""
        channel = self._channels.get(held.htlc.channel)
        offered = await self._read(channel, held.told) if channel is not None else None
        if isinstance(offered, Offered):
            return offered
        await self._store.write(partial(rows.forget, htlc=held.htlc))
        self._held.pop(held.htlc, None)
        return None

    async def block(self, height: int) -> None:
        """The best chain has a new tip: what has no time left is failed."""
        for held in tuple(self._held.values()):
            late = held.told.cltv_expiry - height < LEAST_BLOCKS and held.htlc not in self._asking
            if late and (offered := await self._again(held)) is not None:
                log.warning("HTLC %s, held by %s, has no time left, and is failed", offered.name, held.plugin)
                await self._once(offered, self._fail(offered, DETAILS if offered.final else OF_THE_NODE[0]))

    def _joined(self, plugin: str) -> None:
        """A plugin is there again: it is asked about what it held, for it may have forgotten it."""
        for held in self._held.values() if self._began else ():
            if held.plugin == plugin:
                self._tasks.start(self._ask_again(held), f"{HOOK} again")

    async def _ask_again(self, held: Held) -> None:
        await self._hooks.settled.wait()
        offered = await self._again(held)
        if offered is not None and offered.key in self._held and offered.key not in self._asking:
            self._start(offered)


def _opens(preimage: str, payment_hash: bytes) -> bool:
    try:
        data = bytes.fromhex(preimage)
    except ValueError:
        return False
    return len(data) == 32 and sha256(data).digest() == payment_hash
