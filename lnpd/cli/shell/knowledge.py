"""What does the shell know of the node at each moment, without asking while somebody types?

    events -----> something happened --.
    each 3 s ---> `info` says other ---+--> look again, no sooner than it is worth --> State, ids, commands
    a command --> it changed something-'

Two threads keep it fresh, each with a connection of its own. What is known is replaced whole, so that it can be read at
any moment. A node that ends is waited for.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final

import msgspec

from lnpd.cli.render import text
from lnpd.cli.safe import clean
from lnpd.cli.shell.completion import Known
from lnpd.cli.shell.status import State, works
from lnpd.errors import LnpdError
from lnpd.rpc.answers import Event
from lnpd.rpc.client import Client
from lnpd.rpc.commands import Command
from lnpd.rpc.described import Added, extended, understood
from lnpd.rpc.place import Place

HEARTBEAT_SECONDS: Final = 3.0
LOOK_SECONDS: Final = 10.0
SOON_SECONDS: Final = 0.1
REST: Final = 4.0
"""After a look nobody looks again for so many times as long as it took: a large node has other things to do."""
RETRY_SECONDS: Final = 1.0

GONE: Final = ("stopped", "refused", "quarantined")
"""Of a plugin that is away for a moment, commands stay: a question waits for it."""

Rows = Sequence[dict[str, Any]]  # Any: JSON values

_MONEY_ALONE: Final = ("payment_", "forward_", "update_", "chain_event")
"""What events of these topics change is the balance: a thousand channels are not asked for after each payment."""

_PASSING: Final = ("feerate_per_kw", "block_hash")
"""What of `info` changes without anything else having changed."""


class Ids(msgspec.Struct, frozen=True):
    """What can be completed: values by kind of parameter, the commands of plugins, and what they add to others."""

    values: dict[str, tuple[Known, ...]] = {}
    plugin_commands: tuple[Command, ...] = ()
    added: Added = {}


class Knowledge:
    """`heard` is told each event, `changed` that something is known anew; both on threads of this."""

    def __init__(
        self,
        place: Place,
        heard: Callable[[Event], None] = lambda _: None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._place, self._heard, self._changed = place, heard, changed
        self.state, self._known = State(why="asking the node"), Ids()
        self._poked, self._ended = threading.Event(), threading.Event()
        self._stale = self._stale_funds = True
        self.looks = 0
        """How often all was looked at."""

    def start(self) -> None:
        """Begins to look and to listen."""
        for work in (self._look, self._listen):
            threading.Thread(target=work, name=f"shell {work.__name__}", daemon=True).start()

    def stop(self) -> None:
        """Ends both threads soon."""
        self._ended.set()
        self._poked.set()

    def poke(self) -> None:
        """Something changed: look again soon."""
        self._stale = True
        self._poked.set()

    def known(self, kind: str) -> Sequence[Known]:
        """The values of a kind of parameter that the node knows."""
        return self._known.values.get(kind, ())

    def with_plugins(self, commands: Iterable[Command]) -> Sequence[Command]:
        """These commands with what the node's plugins add to them now, and the plugins' own."""
        known = self._known
        return (*(extended(command, known.added) for command in commands), *known.plugin_commands)

    # --- looking

    def _look(self) -> None:
        node: Client | None = None
        while not self._ended.is_set():
            began = time.monotonic()
            try:
                node = node or Client(self._place, LOOK_SECONDS)
                self._look_once(node)
            except LnpdError as error:
                if node is not None:
                    node.hang_up()
                node = None
                self._stale = True
                self._say(State(why=clean(" ".join(str(error).split()))))
            self._ended.wait(min(REST * (time.monotonic() - began), HEARTBEAT_SECONDS))
            self._poked.wait(HEARTBEAT_SECONDS)
            self._ended.wait(0 if self._ended.is_set() else SOON_SECONDS)  # what comes together is looked at together
            self._poked.clear()

    def _look_once(self, node: Client) -> None:
        info = node.call("info")
        before = self.state.info
        is_new = before is None or any(info[name] != before.get(name) for name in info if name not in _PASSING)
        all_, funds_alone = is_new or self._stale, self._stale_funds
        self._stale = self._stale_funds = False
        if not (all_ or funds_alone):
            return
        self._say(State(info, node.call("funds"), self.state.works))
        if not all_:
            return
        channels = node.call("channels")
        self._say(State(info, self.state.funds, works(channels)))
        plugins = node.call("plugin.list")
        gone = {row["name"] for row in plugins if row["status"] in GONE}
        self._known = Ids(_values(node, channels, plugins), *_of_plugins(node, gone))
        self.looks += 1
        self._changed()

    def _say(self, state: State) -> None:
        if state != self.state:
            self.state = state
            self._changed()

    # --- listening

    def _listen(self) -> None:
        while not self._ended.is_set():
            try:
                with Client(self._place, LOOK_SECONDS) as node, node.events() as events:
                    for event in events:
                        if self._ended.is_set():
                            return
                        self._stale_funds = True
                        self._stale |= not event.topic.startswith(_MONEY_ALONE)
                        self._poked.set()
                        self._heard(event)
            except LnpdError:
                self._ended.wait(RETRY_SECONDS)  # the other thread says why


def _values(node: Client, channels: Rows, plugins: Rows) -> dict[str, tuple[Known, ...]]:
    peers, invoices, settings = node.call("peers"), node.call("invoices"), node.call("config")
    return {
        "peer": tuple(Known(row["node_id"], _peer(row), True) for row in peers),
        "peer_address": tuple(Known(row["node_id"], _peer(row), True) for row in peers),
        "channel": tuple(Known(row["channel_id"], _channel(row), True) for row in channels),
        "invoice": tuple(Known(row["invoice"], _invoice(row)) for row in invoices if row["state"] == "open"),
        "setting": tuple(Known(row["key"], text("", f"{row['value']}, {row['source']}")) for row in settings),
        "names": tuple(Known(name, f"of {row['name']}") for row in plugins for name in row["providers"]),
        "plugin": tuple(Known(row["name"], text("", f"{row['status']} {row['path']}")) for row in plugins),
    }


def _peer(row: dict[str, Any]) -> str:  # Any: JSON values
    count = f"{row['channels']} channel{'' if row['channels'] == 1 else 's'}"
    return text("", f"{row['address'] or 'not connected'}, {count}")


def _channel(row: dict[str, Any]) -> str:  # Any: JSON values
    ours, theirs = text("_msat", row["ours_msat"]), text("_msat", row["theirs_msat"])
    return f"{row['state']}, ours {ours}, theirs {theirs} sat, {row['peer'][:8]}"


def _invoice(row: dict[str, Any]) -> str:  # Any: JSON values
    amount = "any amount" if row["amount_msat"] is None else f"{text('_msat', row['amount_msat'])} sat"
    return text("", f"{amount}, {row['description']}")


def _of_plugins(node: Client, gone: Collection[str]) -> tuple[tuple[Command, ...], Added]:
    try:
        return understood(node.call("help"), gone)
    except (msgspec.ValidationError, LookupError, TypeError):
        return (), {}  # the node's own commands are known without it
