"""What do the shell on a terminal and the plain one share? What is known, what completes, what is remembered."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from lnpd.cli.arguments import Common
from lnpd.cli.ask import TABLE
from lnpd.cli.shell import feed, history
from lnpd.cli.shell.completion import Known, Suggestion, suggestions
from lnpd.cli.shell.knowledge import Knowledge
from lnpd.cli.shell.own import OWN, OWN_NAMES
from lnpd.cli.shell.perform import Settings
from lnpd.cli.shell.status import State
from lnpd.cli.tools import HERE
from lnpd.rpc.answers import Event
from lnpd.rpc.commands import Command

NODES: Final = tuple(command for command in TABLE if command not in HERE and command.name not in OWN_NAMES)
"""The commands that a shell asks the node for; `help` is its own."""


class Desk:
    """Of one shell. `info` is what the node has said of itself."""

    def __init__(self, common: Common, info: Mapping[str, Any]) -> None:  # Any: JSON values
        self.prompt, self.settings = str(info["alias"]), Settings()
        self.on_line: Callable[[feed.Line], None] = lambda _line: None
        self.on_change: Callable[[], None] = lambda: None
        self._history = history.place(common.directory)
        self.knowledge = Knowledge(common.place, self._heard, lambda: self.on_change())
        self.knowledge.state = State(info)
        self._commands = tuple(command for command in (*NODES, *OWN))

    def _heard(self, event: Event) -> None:
        if self.settings.events:
            width = shutil.get_terminal_size().columns - 1
            line = feed.line_of(event.topic, event.unix_seconds, event.payload, width)
            if line is not None:
                self.on_line(line)

    def commands(self) -> Sequence[Command]:
        """All that can be typed now, the commands of plugins that run included."""
        return self.knowledge.with_plugins(self._commands)

    def known(self, kind: str) -> Sequence[Known]:
        """What the node knows of a kind of parameter."""
        return self.knowledge.known(kind)

    def suggest(self, line: str) -> list[Suggestion]:
        """What may come next in a line."""
        return suggestions(line, self.commands(), self.known)

    def remembered(self) -> list[str]:
        """The lines of earlier shells."""
        return history.lines(self._history) if self._history is not None else []

    def keep(self, line: str) -> None:
        """Remembers a line."""
        if self._history is not None:
            history.add(self._history, [line])
