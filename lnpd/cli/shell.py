"""What is `lnp` without a command? A shell: completion with descriptions, history, one line a command.

Without a terminal the lines of standard input are done one after the other, and the exit code is that of the first
that failed.
"""

import os
import shlex
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from lnpd.cli import arguments
from lnpd.cli.arguments import Common
from lnpd.cli.ask import do, explain, known_commands, refusal
from lnpd.cli.completion import Known, suggestions
from lnpd.cli.exits import OK, exit_of
from lnpd.errors import LnpdError, ParameterRefused
from lnpd.rpc.client import RpcClient
from lnpd.rpc.commands import Command

HISTORY_NAME: Final = "lnp_history"
FRESH_SECONDS: Final = 2.0
LOOK_SECONDS: Final = 1.0
LEAVING: Final = ("exit", "quit")

# Where the values of a kind of parameter come from: (method, field, fields that describe it)
KNOWN: Final[dict[str, tuple[str, str, tuple[str, ...]]]] = {
    "peer": ("peers", "node_id", ("address",)),
    "channel": ("channels", "channel_id", ("state", "capacity_sat")),
    "invoice": ("invoices", "invoice", ("state", "description")),
    "setting": ("config", "key", ("value", "source")),
    "names": ("plugin.list", "providers", ("name", "status")),
}


def shell(common: Common) -> int:
    """Runs the shell; returns the exit code. Raises NodeUnavailable if there is no node to begin with."""
    with RpcClient(common.directory) as node:
        info = node.call("info", {}, arguments.DEFAULT_TIMEOUT_SECONDS)
    if not sys.stdin.isatty():
        return script(sys.stdin, common)
    print(f"{info['alias']} on {info['network']}, height {info['height']}. Tab completes, help lists, Ctrl-D ends.")
    session: PromptSession[str] = PromptSession(
        f"{info['alias']}> ",
        history=history(common.directory),
        completer=NodeCompleter(common),
        complete_in_thread=True,
        complete_while_typing=False,
    )
    while True:
        try:
            line = session.prompt()
            if line.strip() in LEAVING:
                return OK
            perform(line, common)
        except KeyboardInterrupt:
            continue  # the line is given up
        except EOFError:
            return OK


def script(lines: Iterable[str], common: Common) -> int:
    """Does lines one after the other; the exit code is that of the first that failed."""
    codes = [perform(line, common) for line in lines]
    return next((code for code in codes if code != OK), OK)


def perform(line: str, common: Common) -> int:
    """Does one line and says what went wrong; returns what `lnp` would have returned."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError as error:
        words, refused = [], ParameterRefused(f"The line cannot be read: {error}.")
        return _refuse(refused, common)
    if words[:1] == ["lnp"]:
        words = words[1:]  # as texts and manuals write it
    try:
        if words[:1] in (["help"], ["?"]):
            print(explain(words[1:], common, ""))
        elif words:
            do(words, common)
    except LnpdError as error:
        return _refuse(error, common)
    except SystemExit:
        return OK  # it was asked for help
    except KeyboardInterrupt:
        print("\nNo longer waiting; what was begun goes on in the node.", file=sys.stderr)
    return OK


def _refuse(error: LnpdError, common: Common) -> int:
    print(refusal(error, common.json), file=sys.stderr)
    return exit_of(error)


def history(directory: Path) -> History:
    """The lines of earlier sessions, in a file for its user alone; in memory if it cannot be written."""
    path = directory / HISTORY_NAME
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        path.chmod(0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(path))


class NodeCompleter(Completer):
    """Completes commands, options and ids. What the node knows is asked for when needed, and kept for a moment."""

    def __init__(self, common: Common) -> None:
        self._common = common
        self._kept: dict[str, tuple[float, Any]] = {}  # Any: commands, or JSON values

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """What may come next at the cursor."""
        for found in suggestions(document.text_before_cursor, self._commands(), self._known):
            yield Completion(found.text, -found.length, display_meta=found.help)

    def _commands(self) -> Sequence[Command]:
        found: Sequence[Command] = self._fresh("commands", lambda: known_commands(self._common))
        return found

    def _known(self, kind: str) -> Sequence[Known]:
        if kind not in KNOWN:
            return ()
        method, field, described = KNOWN[kind]
        return [
            (value, " ".join(str(row.get(name, "")) for name in described))
            for row in self._fresh(method, lambda: self._ask(method))
            for value in (row[field] if isinstance(row[field], list) else [row[field]])
        ]

    def _ask(self, method: str) -> Any:  # Any: a JSON value
        try:
            with RpcClient(self._common.directory) as node:
                return node.call(method, {}, LOOK_SECONDS)
        except LnpdError:
            return []

    def _fresh(self, name: str, look: Any) -> Any:  # Any: what `look` answers
        at, value = self._kept.get(name, (-FRESH_SECONDS, None))
        if time.monotonic() - at > FRESH_SECONDS:
            value = look()
            self._kept[name] = (time.monotonic(), value)
        return value
