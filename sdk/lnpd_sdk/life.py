"""Which moments are there in a plugin's life, and what may its author do at each?

    hello -> manifest -> registration -> init -> ready -> option, handover -> stop

    greeting = plugin.option("greeting", str, "hello", "what it says", dynamic=True)

    @plugin.on_init
    async def begin(node: Node) -> None:
        print(greeting.value, plugin.inherited)

Each moment has a deadline, and each has at most one function of the author's.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from lnpd_sdk.envelope import BusError
from lnpd_sdk.functions import check_call
from lnpd_sdk.manifest import OptionKind, OptionSpec, OptionValue
from lnpd_sdk.nearest import nearest
from lnpd_sdk.questions import Init, OptionChange

F = TypeVar("F", bound=Callable[..., Any])  # Any: an author's function has its own parameters
V = TypeVar("V", str, int, float, bool)

KINDS: dict[type, OptionKind] = {str: "text", int: "integer", float: "number", bool: "boolean"}
MAX_HANDOVER_BYTES = 1024 * 1024


class BadOption(BusError):
    """The node gave an option that the plugin does not have, or a value of another type."""


class Option(Generic[V]):
    """An option of the plugin's: `value` is the default until `init`, then what the user chose."""

    def __init__(self, spec: OptionSpec, value: V) -> None:
        self.spec = spec
        self.value: V = value


class Living:
    """What a plugin declares about its own life. `inherited` is what the process before this one handed over when the
    plugin was reloaded, b"" at every other start; it is there from `init` on."""

    node: Any  # the Node of lnpd_sdk.plugin, which builds upon this file

    def __init__(self) -> None:
        super().__init__()
        self.inherited = b""
        self._options: dict[str, Option[Any]] = {}  # Any: each has its own type
        self._moments: dict[str, Callable[..., object]] = {}

    # --- declarations
    def option(
        self, name: str, kind: type[V], default: V, help: str = "", dynamic: bool = False, secret: bool = False
    ) -> Option[V]:
        """Declares an option that the user sets; read `.value` of what this returns whenever it is needed.

        `kind` is str, int, float or bool. The user gives `lnpd --option PLUGIN.NAME=VALUE`, and for a `dynamic` one
        also `lnp plugin set PLUGIN NAME VALUE`, while the plugin runs; what was set is kept over reloads and restarts.
        A value of the wrong type is refused before the plugin hears of it. The value of a `secret` one, a str, is shown
        nowhere, and a configuration file that holds it is refused if others may read it.
        """
        if kind not in KINDS or type(default) is not kind:
            raise TypeError(f"the option {name} is str, int, float or bool, and its default is of that type")
        if secret and kind is not str:
            raise TypeError(f"the option {name} is a secret, and then a str")
        if name in self._options:
            raise TypeError(f"the option {name} is declared twice")
        made = Option(OptionSpec(name, KINDS[kind], default, help, dynamic, secret), default)
        self._options[name] = made
        return made

    def on_init(self, function: F) -> F:
        """Decorator: called with the `Node` once options are set, before anything else is asked (10 s)."""
        return self._moment("init", function)

    def on_option(self, function: F) -> F:
        """Decorator: called with the `Node`, the name and the new value when the user sets a dynamic option (5 s).

        `.value` is the new one already. If it raises, the user is told so and the old value stays.
        """
        return self._moment("option", function)

    def on_handover(self, function: F) -> F:
        """Decorator: called with the `Node` when the plugin is reloaded (5 s); the next process finds what it returns,
        bytes, at most 1 MiB, in `inherited`. Nothing else is asked meanwhile. If the next one does not come up this one
        goes on: nothing may be given away here."""
        return self._moment("handover", function)

    def on_stop(self, function: F) -> F:
        """Decorator: called with the `Node` when the process has to end (2 s)."""
        return self._moment("stop", function)

    def _moment(self, name: str, function: F) -> F:
        if name in self._moments:
            raise TypeError(f"on_{name} is declared twice")
        check_call(function, "node", *(("name", "value") if name == "option" else ()))
        self._moments[name] = function
        return function

    @property
    def options(self) -> tuple[OptionSpec, ...]:
        """The options as data."""
        return tuple(option.spec for option in self._options.values())

    # --- what the node says
    async def begin_life(self, given: Init) -> None:
        """Answers `init`. Raises BadOption and what the author's function raises."""
        self.inherited = given.state
        for name, value in given.options.items():
            self._set(name, value)
        await self._run("init")

    async def change(self, change: OptionChange) -> None:
        """Answers `option`. Raises as `begin_life` does; the option keeps its value then."""
        before = self._set(change.name, change.value)
        try:
            await self._run("option", change.name, self._options[change.name].value)
        except BaseException:
            self._options[change.name].value = before
            raise

    async def hand_over(self) -> bytes:
        """Answers `handover`. Raises as `begin_life` does."""
        state = await self._run("handover")
        if state is None:
            return b""
        if not isinstance(state, bytes) or len(state) > MAX_HANDOVER_BYTES:
            what = f"{len(state)} bytes" if isinstance(state, bytes) else type(state).__name__
            raise BadOption(f"what is handed over is bytes, at most {MAX_HANDOVER_BYTES}, not {what}")
        return state

    async def end(self) -> None:
        """Runs the author's last function."""
        await self._run("stop")

    def _set(self, name: str, value: OptionValue) -> OptionValue:
        """The value before."""
        option = self._options.get(name)
        if option is None:
            raise BadOption(f"there is no option {name!r}{nearest(name, self._options)}")
        before: OptionValue = option.value
        kind = type(option.spec.default)
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            raise BadOption(f"the option {name} is of type {kind.__name__}")
        option.value = value
        return before

    async def _run(self, moment: str, *more: object) -> object:
        function = self._moments.get(moment)
        value = function(self.node, *more) if function else None
        return await value if isinstance(value, Awaitable) else value
