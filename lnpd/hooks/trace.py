"""What caused this call of a hook, and who waits for it to end?

    the node asks A -- trace t --> A calls a service -- t --> the node calls a hook of it -- t --> B, but never A

A trace begins with a call of a hook that nothing else caused, or with a service that a plugin calls by itself, and
goes along in a context variable. A plugin that waits is not asked about what it waits for: it could not answer while
it holds what it needs for the answer. That it waits is over when its call is, however long what it caused lives on.

    a channel asks a provider -- t --> its plugin calls a service -- t --> refused: the service may wait for the channel

For a pure function's answer a channel waits, whatever the function wants of the node: such a question is a trace of its
own, so that what is asked for within it is known.
"""

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from itertools import count


class Waiter:
    """A plugin that waits for the answer to a call of its own, or is waited for by the one that asked it: a `hook`."""

    __slots__ = ("hook", "over", "plugin")

    def __init__(self, plugin: str, hook: str = "") -> None:
        self.plugin, self.hook, self.over = plugin, hook, False


class Trace:
    """A chain of calls: its id, as logs show it, and who is in it."""

    __slots__ = ("id", "waiters")

    def __init__(self, identity: str, waiters: tuple[Waiter, ...] = ()) -> None:
        self.id, self.waiters = identity, waiters

    def waits(self, plugin: str, hook: str = "") -> bool:
        """Whether this plugin waits for what happens now; or is asked this hook, if one is named."""
        return any(each.plugin == plugin and not each.over and hook in ("", each.hook) for each in self.waiters)


def fresh_id() -> str:
    """The id of a trace that nothing caused. It has to differ from others, and hides nothing."""
    return f"{random.getrandbits(64):016x}"


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def current() -> Trace | None:
    """The trace in which this code runs."""
    return _current.get()


def trace_id() -> str:
    """The id of the trace in which this code runs, empty outside of any."""
    trace = current()
    return trace.id if trace else ""


@contextmanager
def within(trace: Trace | None) -> Iterator[None]:
    """What is called in here belongs to this trace: for what was put aside and is done now."""
    token = _current.set(trace)
    try:
        yield
    finally:
        _current.reset(token)


def together(traces: Iterable[Trace | None]) -> Trace | None:
    """One in which everybody waits who waits in any of them: for what several things caused."""
    found = [trace for trace in traces if trace is not None]
    return Trace(found[0].id, tuple(each for trace in found for each in trace.waiters)) if found else None


class Traces:
    """Which plugins of one node are being asked now, and in which traces."""

    def __init__(self) -> None:
        self._asked: dict[tuple[str, str], list[Trace]] = {}
        self._pure: dict[tuple[str, str], str] = {}
        self._numbers = count(1)

    def asking(self, plugin: str, hook: str = "") -> "Asking":
        """While a plugin is asked: it is in the trace, and so is what it calls with the trace's id."""
        return Asking(self._asked, plugin, hook)

    def asking_purely(self, plugin: str, function: str) -> "AskingPurely":
        """While a pure function of a plugin's is asked, for which a channel waits."""
        return AskingPurely(self._pure, (f"pure-{next(self._numbers)}", plugin), function)

    def pure(self, plugin: str, identity: str) -> str:
        """The pure function of a plugin's that is being asked in this trace, empty if there is none."""
        return self._pure.get((identity, plugin), "")

    @contextmanager
    def serving(self, plugin: str, identity: str) -> Iterator[Trace]:
        """While a plugin is served. An id counts if it is being asked in that trace: nobody else can hide in one."""
        known = self._asked.get((identity, plugin), ())
        waiter = Waiter(plugin)
        before = tuple(each for trace in known for each in trace.waiters)
        trace = Trace(identity, (*before, waiter)) if known else Trace(fresh_id(), (waiter,))
        try:
            with within(trace):
                yield trace
        finally:
            waiter.over = True


class Asking(Waiter):
    """A plugin that is asked. (A class: as a generator it would take three times as long, at every question.)"""

    __slots__ = ("_asked", "_key", "_token")

    def __init__(self, asked: dict[tuple[str, str], list[Trace]], plugin: str, hook: str = "") -> None:
        super().__init__(plugin, hook)
        self._asked = asked

    def __enter__(self) -> Trace:
        before = _current.get()
        trace = Trace(fresh_id(), (self,)) if before is None else Trace(before.id, (*before.waiters, self))
        self._key = key = trace.id, self.plugin
        if (asked := self._asked.get(key)) is None:
            self._asked[key] = [trace]
        else:
            asked.append(trace)
        self._token: Token[Trace | None] = _current.set(trace)
        return trace

    def __exit__(self, *_how: object) -> None:
        _current.reset(self._token)
        del self._token  # a trace may live on in tasks, and must not keep this one's context
        self.over = True
        asked = self._asked[self._key]
        if len(asked) == 1:
            del self._asked[self._key]
        else:
            asked[:] = [trace for trace in asked if trace.waiters[-1] is not self]


class AskingPurely:
    """A pure function that is asked."""

    __slots__ = ("_function", "_key", "_pure", "_token")

    def __init__(self, pure: dict[tuple[str, str], str], key: tuple[str, str], function: str) -> None:
        self._pure, self._key, self._function = pure, key, function

    def __enter__(self) -> None:
        self._pure[self._key] = self._function
        self._token: Token[Trace | None] = _current.set(Trace(self._key[0]))

    def __exit__(self, *_how: object) -> None:
        _current.reset(self._token)
        del self._pure[self._key], self._token
