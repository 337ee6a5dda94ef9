"""What becomes of a line? The shell's own commands are done here, all others asked of the node; a code comes back."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from lnpd.cli.arguments import Common
from lnpd.cli.ask import do, explain, refusal
from lnpd.cli.exits import INTERRUPTED, OK, exit_of
from lnpd.cli.progress import can_move
from lnpd.cli.shell import history
from lnpd.cli.shell.own import KEYS, LEAVING, ON_OFF, OWN, OWN_NAMES
from lnpd.cli.shell.status import State, sentences
from lnpd.cli.shell.words import split, without_name
from lnpd.errors import LnpdError, ParameterRefused

SHOWN_LINES: Final = 30
CLEAR: Final = "\x1b[H\x1b[2J\x1b[3J"  # what has scrolled away, too
KEY_MARGIN: Final = max(len(key) for key, _ in KEYS) + 1


class Settings(msgspec.Struct):
    """What `set` changes, until the shell ends."""

    confirm: bool = True
    events: bool = True


class Leave(Exception):
    """The shell is to end."""


def nothing_known() -> State:
    """What a shell without a bar knows."""
    return State(why="Ask `info`: this shell has no bar.")


class Performer:
    """Does lines. `state` is what the bar shows."""

    def __init__(
        self, common: Common, settings: Settings | None = None, state: Callable[[], State] = nothing_known
    ) -> None:
        self._common, self.settings, self._state = common, settings or Settings(), state

    def perform(self, line: str) -> int:
        """Does one line and says what went wrong; returns what `lnp` would have returned. Raises Leave."""
        try:
            words = without_name(split(line))
            if words:
                self._do(words)
        except LnpdError as error:
            print(refusal(error, self._common.json), file=sys.stderr)
            return exit_of(error)
        except SystemExit:
            return OK  # it was asked for help
        except KeyboardInterrupt:
            return INTERRUPTED  # what goes on was said
        finally:
            sys.stdout.flush()
        return OK

    def _do(self, words: list[str]) -> None:
        if words[0] in LEAVING and len(words) == 1:
            raise Leave
        if words[0] == "?":
            words = ["help", *words[1:]]
        name = next((n for n in (" ".join(words[:2]), words[0]) if n in OWN_NAMES), "")
        if words[0] == "set" and not name:
            self._settings(words[1:])
        elif not name or words[-1] in ("-h", "--help"):
            do(words, replace(self._common, yes=self._common.yes or not self.settings.confirm, in_shell=True))
        else:
            self._own(name, words[len(name.split()) :])

    def _own(self, name: str, rest: list[str]) -> None:
        if name == "help" and rest == ["keys"]:
            print("\n".join(f"  {key:<{KEY_MARGIN}} {does}" for key, does in KEYS))
        elif name == "help":
            print(explain(rest, self._common, "", OWN))
        elif name.startswith("set "):
            self._settings([name.removeprefix("set "), *rest])
        elif rest:
            raise ParameterRefused(f"{name} takes no words after it, not {rest[0][:40]!r}.")
        elif name.startswith("events "):
            self._settings(name.split())
        elif name == "status":
            print("\n".join(sentences(self._state())))
        elif name == "clear":
            if can_move(self._common.plain) and sys.stdout.isatty():
                print(CLEAR, end="", flush=True)
        elif name == "history":
            print("\n".join(_remembered(self._common.directory)))

    def _settings(self, words: list[str]) -> None:
        names = [field for field in self.settings.__struct_fields__ if not words or words[0] == field]
        if not names:
            raise ParameterRefused(f"There is nothing to set called {words[0][:40]!r}: set confirm, set events.")
        if len(words) > 1:
            if len(words) > 2 or words[1] not in ON_OFF:
                raise ParameterRefused(f"The setting {names[0]} takes on or off, not {' '.join(words[1:])[:40]!r}.")
            setattr(self.settings, names[0], words[1] == "on")
        for name in names:
            print(f"{name} is {ON_OFF[not getattr(self.settings, name)]}")


def _remembered(directory: Path) -> list[str]:
    path = history.place(directory)
    return history.lines(path)[-SHOWN_LINES:] if path is not None else []
