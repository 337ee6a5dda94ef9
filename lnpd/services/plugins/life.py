"""How does one life of a plugin go, from its first word to its end, and how is it asked meanwhile?

    plugin -> hello     which versions of the contract it speaks; we answer with the one that counts
    plugin -> register  its manifest; answered once it is decided (`decide`)
    node   -> init      its options, and what the life before it handed over
    both   -> calls     until one of them ends

Each life has an endpoint of its own, and a token, given through standard input, by which its connection is known:
whoever else connects is not heard. What it is decided, and what follows from its end, is the supervisor's (process.py).
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable

import msgspec
from lnpd_sdk import envelope
from lnpd_sdk.envelope import CONTRACT_VERSIONS, BadFrame, CallFailed
from lnpd_sdk.life import MAX_HANDOVER_BYTES
from lnpd_sdk.manifest import Manifest, OptionValue
from lnpd_sdk.questions import Hello, Init, Welcome

from lnpd.bus.limits import Limits
from lnpd.bus.link import Identity
from lnpd.bus.peer import BusPeer, caller_trace
from lnpd.errors import DeadlineMissed, LinkOverflow, ManifestRefused, PluginBusy, PluginFault, PluginLate
from lnpd.errors.words import one_line
from lnpd.hooks.trace import trace_id
from lnpd.services.plugins.child import Child

log = logging.getLogger("lnpd.plugins")

INIT_SECONDS = 10.0
HANDOVER_SECONDS = 5.0
MAX_WAITING = 500
NEVER_LOST = frozenset({"provider", "providers"})
# Its answers come because they were asked for; a plugin that asks for more waits for one answer before the next call.
LIMITS = Limits(running=1_000, call_bytes=512 * 1024, running_bytes=16 * 1024 * 1024, unasked_bytes=8 * 1024 * 1024)

Serve = Callable[[str, msgspec.Raw, str], Awaitable[object]]
Spawn = Callable[[str, bytes], Awaitable[Child]]


class Life:
    """One process and its connection. `offered` resolves to its manifest; `why` says what ended it before its time.

    `serve` answers what it asks of the node, given the id of its trace; `broken` is told when it cannot be trusted with
    the next question.
    """

    def __init__(
        self,
        name: str,
        endpoint: str,
        serve: Serve,
        broken: Callable[["Life", str], None],
        shared: tuple[BusPeer, Identity] | None = None,
    ) -> None:
        self.name, self.endpoint = name, endpoint
        self._serve, self._broken = serve, broken
        self.why = ""
        self.child: Child | None = None
        self.running = 0  # calls that wait for its answer
        self.greeted = self.is_ready = False
        self.listening: set[asyncio.Task[None]] = set()  # to what it prints
        self._idle = asyncio.Event()
        self._idle.set()
        loop = asyncio.get_running_loop()
        self.offered: asyncio.Future[Manifest] = loop.create_future()
        self._decided: asyncio.Future[None] = loop.create_future()
        self._shared = shared is not None
        if shared is not None:
            self._bus, self._token = shared
            return
        self._token = secrets.token_hex(16).encode()
        self._bus = BusPeer(self.answer, broken=lambda _from, why: broken(self, why), only=self._token, limits=LIMITS)

    async def begin(self, spawn: Spawn) -> None:
        """Opens its endpoint and starts its process. OSError, EndpointRefused."""
        self._bus.bind(self.endpoint)
        self.child = await spawn(self.endpoint, self._token)

    @property
    def ended(self) -> "asyncio.Future[int]":
        """The end of its process."""
        assert self.child is not None
        return self.child.ended

    @property
    def pid(self) -> int | None:
        """Its process's id while it runs."""
        return self.child.pid if self.child else None

    @property
    def is_up(self) -> bool:
        """Whether it can be asked."""
        return self.pid is not None and not self.why

    # --- what is decided about it
    def decide(self, refused: ManifestRefused | None = None) -> None:
        """Answers its `register`."""
        if not self._decided.done():
            if refused is None:
                self._decided.set_result(None)
            else:
                self._decided.set_exception(refused)
                self._decided.exception()  # nobody may wait for it any more

    async def init(self, options: dict[str, OptionValue], state: bytes) -> None:
        """Gives it what it begins with. PluginFault if it does not take it."""
        try:
            await self.call("init", Init(options, state), INIT_SECONDS)
        except CallFailed as error:
            raise PluginFault(self.name, f"init failed: {error.named}") from None

    async def handover(self) -> bytes:
        """What the next life is given; PluginFault if it does not say."""
        try:
            state = envelope.decode(await self.call("handover", None, HANDOVER_SECONDS), bytes)
        except (CallFailed, BadFrame) as error:
            raise PluginFault(self.name, f"handover failed: {error}") from None
        assert isinstance(state, bytes)
        if len(state) > MAX_HANDOVER_BYTES:
            raise PluginFault(self.name, f"hands over {len(state)} bytes, more than {MAX_HANDOVER_BYTES}")
        return state

    async def idle(self, seconds: float) -> bool:
        """Whether every call was answered within some seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    def fail(self, why: str) -> None:
        """Ends its calls now and its process at once."""
        self.why = self.why or one_line(why)
        self._let_go(self.why)  # whatever it still sends is not read
        self.kill()

    def ask_to_end(self) -> None:
        """Says stop, if it still listens."""
        try:
            self._bus.notify("stop", None, identity=self._token)
        except LinkOverflow:
            log.debug("plugin %s does not hear its stop", self.name)

    def kill(self) -> None:
        """Ends its process, and all that it started."""
        if self.child is not None:
            self.child.kill()

    def close(self, why: str) -> None:
        """Ends what is left of it, once its process has ended."""
        self._let_go(why)
        self.decide(ManifestRefused(why))
        if self.child is not None:
            self.child.close()

    def _let_go(self, why: str) -> None:
        self._bus.fail_all(PluginFault(self.name, why), self._token)
        if not self._shared:
            self._bus.close()

    # --- calls in both directions
    async def call(self, method: str, params: object, deadline_seconds: float) -> bytes:
        """The msgpack of the plugin's answer. PluginLate after the deadline, PluginBusy if too much waits already,
        PluginFault if there is none for another reason. CallFailed is its own refusal."""
        if not self.is_up:
            raise PluginFault(self.name, self.why or "is not running")
        if (
            method not in NEVER_LOST and self.running >= MAX_WAITING
        ):  # those are as many as channels, and may not be lost
            raise PluginBusy(self.name, f"{MAX_WAITING} questions wait for it already")
        self.running += 1
        self._idle.clear()
        try:
            return bytes(await self._bus.call(method, params, deadline_seconds, self._token, trace_id()))
        except DeadlineMissed as error:
            raise PluginLate(self.name, str(error)) from None
        except (LinkOverflow, BadFrame) as error:
            raise PluginFault(self.name, str(error)) from None
        finally:
            self.running -= 1
            if not self.running:
                self._idle.set()

    async def answer(self, _identity: Identity, method: str, params: msgspec.Raw) -> object:
        """Answers what it asks of the node."""
        match method:
            case "hello":
                return self._greet(envelope.decode(params, Hello))
            case "register":
                await self._register(params)
                return None
        if not self._decided.done():
            raise ManifestRefused("a plugin registers before it asks for anything")
        return await self._serve(method, params, caller_trace.get())

    def _greet(self, hello: Hello) -> Welcome:
        spoken = set(hello.contracts).intersection(CONTRACT_VERSIONS)
        if not spoken:
            refused = ManifestRefused(
                f"{self.name} speaks the versions {hello.contracts[:10]} of the contract, this node {CONTRACT_VERSIONS}"
            )
            self._offer(refused)
            raise refused
        self.greeted = True
        return Welcome(max(spoken))

    async def _register(self, params: msgspec.Raw) -> None:
        if self.offered.done():
            raise ManifestRefused("a plugin registers once")
        if not self.greeted:
            raise ManifestRefused("a plugin says hello before it registers")
        try:
            self.offered.set_result(envelope.decode(params, Manifest))
        except BadFrame as error:
            refused = ManifestRefused(str(error))
            self._offer(refused)
            raise refused from None
        await self._decided

    def _offer(self, refused: ManifestRefused) -> None:
        if not self.offered.done():
            self.offered.set_exception(refused)
            self.offered.exception()
