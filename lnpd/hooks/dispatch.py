"""How does the node call a hook, so that no plugin can delay or end it?"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec
import pluggy
from lnpd_sdk.manifest import HookSubscription

from lnpd.errors import PluginFault
from lnpd.errors.words import Sparing
from lnpd.hooks.figures import HookFigures
from lnpd.hooks.filters import passes
from lnpd.hooks.kinds import KINDS, PROJECT, HookKind
from lnpd.hooks.order import Wish, arranged, reasons
from lnpd.hooks.proxy import PluginProxy
from lnpd.hooks.records import Received
from lnpd.hooks.spec import HookSpecs
from lnpd.hooks.trace import Traces, current
from lnpd.wire.catalogue import CORE, Catalogue

log = logging.getLogger("lnpd.hooks")
MAX_TEXT = 500  # characters of a text that a hook answered: it is logged, and some are sent to peers

T = TypeVar("T")

# Why an answer of the right type cannot be taken all the same; empty if it can.
Check = Callable[[Any], str]  # Any: each hook has its own answer


class Subscriber(NamedTuple):
    """A plugin's part in one hook. `ask` gets the hook with its fields; None, at once, where a filter does not hold."""

    plugin: str
    subscription: HookSubscription
    ask: Callable[[HookKind, dict[str, object]], object]
    granted: bool
    why: str  # it has its place


class Answered(NamedTuple):
    """A hook's answer, and whose it is."""

    plugin: str
    value: Any  # of the type that the hook declares


class Hooks:
    """The only way in which lnpd calls a hook. A plugin's fault is logged, and its answer left out.

    `kinds` are all hooks that there are, those that plugins offer too.
    """

    def __init__(self) -> None:
        self.plugins = pluggy.PluginManager(PROJECT)
        self.plugins.add_hookspecs(HookSpecs)
        self.kinds: dict[str, HookKind] = dict(KINDS)
        self.figures, self.traces = HookFigures(), Traces()
        # Set unless plugins are still starting: what is asked only once waits for all of them.
        self.settled = asyncio.Event()
        self.settled.set()
        self._expected: frozenset[str] = frozenset()
        self.on_join: list[Callable[[str], None]] = []  # told of each plugin that can be asked now
        self.rows: Callable[[], Catalogue] = lambda: CORE  # whose each record is that came with a message
        self._ranks: dict[str, int] = {}
        self._complaints: dict[str, Sparing] = {}
        self._arranged: dict[str, tuple[Subscriber, ...]] = {}

    # --- who takes part
    def join(self, plugin: object, name: str, rank: int = 0) -> None:
        """Whoever has hooks: a plugin's proxy, or an object of this process with `hookimpl`s. Lower ranks come first,
        and of one rank who joined first."""
        self.plugins.register(plugin, name)
        if isinstance(plugin, PluginProxy):
            self.kinds |= plugin.offered
        self._ranks[name] = rank
        self._arranged.clear()

    def leave(self, name: str) -> None:
        """It is not asked any more; nothing happens if it is not there."""
        if self.plugins.has_plugin(name):
            self.plugins.unregister(name=name)
        self.kinds = {hook: kind for hook, kind in self.kinds.items() if kind.owner != name}
        self._ranks.pop(name, None)
        self._arranged.clear()

    def expect(self, grants: Iterable[tuple[str, str]]) -> None:
        """Plugins start, with these grants (plugin, capability): `settled` is set once they all have."""
        self._expected = frozenset(capability for _, capability in grants)
        self.settled.clear()

    def expected(self, name: str) -> bool:
        """Whether a plugin that is still starting may be granted this guarded hook."""
        return not self.settled.is_set() and f"hook:{name}" in self._expected

    def ready(self, name: str) -> None:
        """It has joined, and is ready to be asked."""
        for listener in self.on_join:
            listener(name)

    def subscribers(self, name: str) -> tuple[Subscriber, ...]:
        """Who takes part in a hook, in the order in which they are asked; those too that lack the grant."""
        if (found := self._arranged.get(name)) is None:
            found = self._arranged[name] = self._arrange(name)
        return found

    def wanted(self, name: str) -> bool:
        """Whether anybody would be asked: what must cost nothing otherwise looks here first."""
        return any(each.granted for each in self.subscribers(name))

    def cares(self, name: str, /, **known: object) -> bool:
        """Whether anybody would be asked, as far as these fields tell: what is dear to make is made only then."""
        return any(
            each.granted and passes([f for f in each.subscription.filters if f.field in known], known)
            for each in self.subscribers(name)
        )

    def owner(self, provider: str) -> str:
        """The plugin that has this provider now; empty if none has."""
        plugins = ((name, plugin) for name, plugin in self.plugins.list_name_plugin())
        found = (name for name, plugin in plugins if isinstance(plugin, PluginProxy) and provider in plugin.providers)
        return next(found, "")

    def _arrange(self, name: str) -> tuple[Subscriber, ...]:
        caller = getattr(self.plugins.hook, name, None)
        rows = [_subscriber(name, implementation) for implementation in caller.get_hookimpls()] if caller else []
        rows.sort(key=lambda row: self._ranks.get(row.plugin, 0))
        wishes = [Wish(row.plugin, row.subscription.before, row.subscription.after) for row in rows]
        found, why = {row.plugin: row for row in rows}, reasons(wishes)
        return tuple(found[plugin]._replace(why=why[plugin]) for plugin in arranged(wishes))

    # --- asking
    def gather(self, name: str, /, **params: object) -> Coroutine[Any, Any, list[object]]:
        """Every answer that is not None, in the order of the plugins."""
        return self._every(name, None, params, _value)

    def every(
        self, name: str, check: Check | None, needed: Collection[str] = (), /, **params: object
    ) -> Coroutine[Any, Any, list[Answered]]:
        """As `gather`, with whose each answer is. PluginFault if one of the `needed` plugins takes part in it and
        cannot be asked, or fails."""
        return self._every(name, check, params, Answered, needed)

    async def _every(
        self,
        name: str,
        check: Check | None,
        params: dict[str, object],
        told: Callable[[str, Any], T],
        needed: Collection[str] = (),
    ) -> list[T]:
        kind = self.kinds[name]
        assert kind.kind == "gather", f"{name} is not a gather hook"
        tells = kind.answer is type(None)  # what a plugin has to know it is told, also of what it caused
        asked: Sequence[Subscriber] = self.subscribers(name)
        if needed:
            self._require(kind, needed)
        if not tells and current() is not None:
            asked = [each for each in asked if not self._waits(kind, each)]
        if len(asked) == 1:  # a task of its own would cost a fifth of the question
            answer = await self._one(kind, asked[0], params, check, needed)
            return [] if answer is None else [told(asked[0].plugin, answer)]
        answers = await asyncio.gather(*(self._one(kind, each, params, check, needed) for each in asked))
        found = zip(asked, answers, strict=True)
        return [told(each.plugin, answer) for each, answer in found if answer is not None]

    async def chain(self, name: str, check: Check | None = None, /, **params: object) -> Any:  # Any: the hook's type
        """The first answer that is not None, in order; those behind it are never asked.

        An answer of another type than the specification's, or with which `check` finds something wrong, is none.
        """
        found = await self.first(name, check, **params)
        return None if found is None else found.value

    async def first(
        self, name: str, check: Check | None = None, needed: Collection[str] = (), /, **params: object
    ) -> Answered | None:
        """As `chain`, with whose answer it is; `needed` as in `every`."""
        kind = self.kinds[name]
        assert kind.kind == "chain", f"{name} is not a chain hook"
        if needed:
            self._require(kind, needed)
        for each in self.subscribers(name):
            if self._waits(kind, each):
                continue
            if (answer := await self._one(kind, each, params, check, needed)) is not None:
                return Answered(each.plugin, answer)
        return None

    def _require(self, kind: HookKind, needed: Collection[str]) -> None:
        """PluginFault if one of these takes part in a hook, and would not be asked all the same."""
        for each in self.subscribers(kind.name):
            if each.plugin not in needed:
                continue
            if not each.granted:
                raise PluginFault(each.plugin, f"was not granted hook:{kind.name}")
            if self._waits(kind, each):
                raise PluginFault(each.plugin, f"waits itself for what the hook {kind.name} would ask it")

    def _waits(self, kind: HookKind, asked: Subscriber) -> bool:
        """Whether it waits for what causes this call: it is not asked. Of a hook that is also for those who wait, only
        whoever is being asked the very same: nobody goes round in circles."""
        trace, name = current(), kind.name
        if trace is None or not trace.waits(asked.plugin, name if kind.also_asks_waiters else ""):
            return False
        self.figures.of(name, asked.plugin).skipped += 1
        log.debug("hook %s, trace %s: %s waits for what causes it, and is not asked", name, trace.id, asked.plugin)
        return True

    async def _one(
        self,
        kind: HookKind,
        asked: Subscriber,
        params: dict[str, object],
        check: Check | None,
        needed: Collection[str] = (),
    ) -> Any:  # Any: the type of the hook's answer
        for name, given in params.items():
            if isinstance(given, Received):  # each its own
                params = {**params, name: given.shown(asked.plugin, self.rows())}
        with self.traces.asking(asked.plugin, kind.name) as trace:
            value = asked.ask(kind, params)
            if not isinstance(value, Awaitable):
                return value
            try:
                with self.figures.of(kind.name, asked.plugin).call():
                    return _fit(kind, asked.plugin, await value, check)
            except PluginFault as error:
                self.complain(asked.plugin, f"hook {kind.name}, trace {trace.id}: {error}")
                if asked.plugin in needed:
                    raise
        return None

    def complain(self, who: str, text: str) -> None:
        """Logs what is wrong with a plugin, or a hook, sparingly: how often it is may be up to a stranger."""
        if (more := self._complaints.setdefault(who, Sparing()).more(time.monotonic())) is not None:
            log.warning("%s%s", text, more)


def _value(_plugin: str, value: object) -> object:
    return value


def _subscriber(name: str, implementation: pluggy.HookImpl) -> Subscriber:
    plugin, owner = implementation.plugin, implementation.plugin_name
    if isinstance(plugin, PluginProxy):
        granted = name not in plugin.refused
        return Subscriber(owner, plugin.subscriptions[name], plugin.ask, granted, "")

    def ask(_kind: HookKind, params: dict[str, object]) -> object:
        return implementation.function(*(params[each] for each in implementation.argnames))

    return Subscriber(owner, HookSubscription(name), ask, True, "")


def _fit(kind: HookKind, plugin: str, answer: object, check: Check | None) -> Any:  # Any: the hook's type
    """A hook's answer as if a stranger had sent it. PluginFault where it is not what the hook asks for."""
    if answer is None or kind.answer is type(None):
        return answer
    try:
        fit = msgspec.convert(answer, kind.answer)
    except msgspec.ValidationError as error:
        raise PluginFault(plugin, f"answered with something else: {error}") from None
    if check is not None and (why := check(fit)):
        raise PluginFault(plugin, f"answered with what cannot be: {why}")
    return fit[:MAX_TEXT] if isinstance(fit, str) and kind.owner == PROJECT else fit
