"""Does a provider's function look at anything but its arguments? In test mode one that does is stopped and named.

    with LNPD_TEST_MODE=1 (`lnp plugin check` and `run`, the fixture `pair`, a node with --developer)

A provider's functions answer on two nodes, and again after a crash: a clock, randomness, a file, a socket, the
environment or a thread would let the two disagree about money. Two nets, in force only while a function runs: what
Python audits (sys.addaudithook), and what is called without being audited (sys.setprofile). What a module does while it
is imported is not the function's doing. It finds mistakes; malice would find a way around it.
"""

import os
import sys
from _thread import get_ident
from collections.abc import Callable, Mapping
from types import CodeType, FrameType, ModuleType
from typing import Any, Final, TypeVar

T = TypeVar("T")
VARIABLE: Final = "LNPD_TEST_MODE"

# What is forbidden, by the beginning of its audit event (sys.addaudithook).
EVENTS: Final[Mapping[str, str]] = {
    "open": "a file",
    "os.": "the operating system",
    "glob.": "a file",
    "pathlib.": "a file",
    "shutil.": "a file",
    "tempfile.": "a file",
    "sqlite3.": "a file",
    "socket.": "the network",
    "http.": "the network",
    "urllib.": "the network",
    "subprocess.": "a process",
    "_thread.": "a thread",
    "time.": "the clock",
    "ctypes.": "the machine",
}
# Functions in C that nothing audits, by their module; all of a module for None.
FUNCTIONS: Final[Mapping[str, tuple[str, frozenset[str] | None]]] = {
    "time": ("the clock", None),
    "posix": ("the operating system", None),
    "nt": ("the operating system", None),
    "_socket": ("the network", None),
    "select": ("the network", None),
    "_io": ("a file", frozenset({"open", "open_code"})),
    "io": ("a file", frozenset({"open", "open_code"})),
    "_thread": ("a thread", frozenset({"start_new_thread", "start_joinable_thread"})),
    "builtins": ("the terminal", frozenset({"print", "input"})),
}
PURE: Final = frozenset({"fspath"})
CLOCKS: Final = frozenset({"now", "utcnow", "today"})  # of datetime's classes
CHANCE: Final = frozenset({"random", "getrandbits", "seed"})  # of random's one generator
IMPORTING: Final = "<frozen importlib._bootstrap"


class NotPure(Exception):
    """A provider's function looked at something that is not in its arguments; the text names both, and the line."""


def in_test_mode() -> bool:
    """Whether this process was told to guard its providers."""
    return os.environ.get(VARIABLE, "") not in ("", "0")


def guarded(name: str, function: Callable[..., T], *arguments: object) -> T:
    """The function's result. NotPure if it looked at anything else, even if it caught what it was told then."""
    watch = _Watch(name)
    answer = watch.run(function, arguments)
    if watch.found:
        raise NotPure(watch.found)
    return answer


_watching: "dict[int, _Watch]" = {}  # by thread: others go on with what they do
_audited = False


class _Watch:
    """One function while it runs. `found` is the first thing that it may not do."""

    def __init__(self, name: str) -> None:
        self.found = ""
        self._name = name
        self._busy = False

    def run(self, function: Callable[..., T], arguments: tuple[object, ...]) -> T:
        _begin_auditing()
        thread, before = get_ident(), sys.getprofile()
        outer = _watching.get(thread)
        _watching[thread] = self
        sys.setprofile(self._profile)
        try:
            return function(*arguments)
        finally:
            sys.setprofile(before)
            if outer is None:
                del _watching[thread]
            else:
                _watching[thread] = outer

    def audit(self, event: str) -> None:
        """An audit event of this thread."""
        for beginning, what in EVENTS.items():
            if event.startswith(beginning):
                self._stop(what, event, sys._getframe(2))
                return

    def _profile(self, frame: FrameType, event: str, argument: Any) -> None:  # Any: what was called
        if event == "c_call":
            if what := _function(argument):
                self._stop(what, _title(argument), frame)
        elif event == "call":
            if frame.f_code in _ENVIRONMENT:
                self._stop("the environment", "os.environ", frame)
            elif frame.f_code is _seed_code() and frame.f_locals.get("a") is None:
                self._stop("chance", "random.Random() without a seed", frame)

    def _stop(self, what: str, how: str, frame: FrameType | None) -> None:
        if self._busy:
            return
        self._busy = True  # what follows may itself be audited
        try:
            line = _line(frame)
            if line is None:
                return
            self.found = self.found or f"{self._name} uses {what} ({how}) in {line}: it may use its arguments only"
        finally:
            self._busy = False
        raise NotPure(self.found)


def _begin_auditing() -> None:
    global _audited
    if not _audited:
        _audited = True
        sys.addaudithook(_audit)  # it cannot be taken away again


def _audit(event: str, _arguments: tuple[object, ...]) -> None:
    if _watching and (watch := _watching.get(get_ident())) is not None:
        watch.audit(event)


def _function(called: Any) -> str:  # Any: a function in C
    """What a function in C stands for that is forbidden; empty if it is not."""
    name, owner = getattr(called, "__name__", ""), getattr(called, "__self__", None)
    if isinstance(owner, ModuleType) or owner is None:
        what, names = FUNCTIONS.get(getattr(called, "__module__", None) or "", ("", frozenset()))
        return what if (names is None or name in names) and name not in PURE else ""
    if name in CLOCKS and isinstance(owner, type) and owner.__module__ == "datetime":
        return "the clock"
    if name in CLOCKS and isinstance(owner, type) and _is_date(owner):
        return "the clock"
    if name in CHANCE and owner is getattr(sys.modules.get("random"), "_inst", None):
        return "chance"
    if name == "write" and owner in (sys.stdout, sys.stderr):
        return "the terminal"
    return ""


def _is_date(kind: type) -> bool:
    module = sys.modules.get("datetime")
    return module is not None and issubclass(kind, module.date)


def _title(called: Any) -> str:  # Any: a function in C
    owner = getattr(called, "__self__", None)
    module = getattr(called, "__module__", None) or getattr(owner, "__module__", "") or type(owner).__module__
    return f"{module}.{getattr(called, '__qualname__', called)}"


def _line(frame: FrameType | None) -> str | None:
    """The provider's own line that leads here, None while a module is being imported."""
    found = None
    while frame is not None:
        if frame.f_code.co_filename.startswith(IMPORTING):
            return None
        if frame.f_code is _Watch.run.__code__:
            return found
        if frame.f_code.co_filename != __file__:
            found = f"{os.path.basename(frame.f_code.co_filename)}, line {frame.f_lineno}"
        frame = frame.f_back
    return found


def _seed_code() -> CodeType | None:
    module = sys.modules.get("random")
    return None if module is None else module.Random.seed.__code__


_ENVIRONMENT: Final = frozenset(
    getattr(type(os.environ), name).__code__
    for name in ("__getitem__", "__setitem__", "__delitem__", "__iter__", "__len__")
)
