"""Which shell is it: of a terminal, a plain one, or the lines of a script?"""

import os
import sys
from typing import TYPE_CHECKING, Final

from lnpd.cli import arguments
from lnpd.cli.arguments import Common
from lnpd.cli.remote import told
from lnpd.rpc.client import Client

if TYPE_CHECKING:
    from lnpd.cli.shell.desk import Desk
    from lnpd.cli.shell.perform import Performer

GREETING: Final = "{alias} on {network}, height {height}. Tab completes, help lists, Ctrl-D ends."


def shell(common: Common) -> int:
    """Runs the shell; returns the exit code. Raises NodeUnavailable if there is no node to begin with."""
    with told(common.remote_origin), Client(common.place) as node:
        info = node.call("info", {}, arguments.DEFAULT_TIMEOUT_SECONDS)
    if not sys.stdin.isatty():
        from lnpd.cli.shell.script import script

        return script(sys.stdin, common)
    from lnpd.cli.shell.desk import Desk
    from lnpd.cli.shell.perform import Performer

    print(GREETING.format(**info))
    if common.remote is not None:
        print(f"At {common.remote}{common.remote_origin}.")
    desk = Desk(common, info)
    performer = Performer(common, desk.settings, lambda: desk.knowledge.state)
    try:
        if is_plain(common):
            desk.knowledge.start()
            return _plain(desk, performer)
        from lnpd.cli.shell.session import Session  # prompt-toolkit takes longer to load than all the rest

        return Session(desk).run(performer)
    finally:
        desk.knowledge.stop()


def is_plain(common: Common) -> bool:
    """Whether the terminal, or the person, wants no moving cursor."""
    return common.plain or not sys.stdout.isatty() or os.environ.get("TERM", "") in ("", "dumb")


def _plain(desk: "Desk", performer: "Performer") -> int:
    from lnpd.cli.shell.plain import plain

    waiting: list[str] = []
    desk.on_line = lambda line: waiting.append(line.text)

    def news() -> list[str]:
        taken, waiting[:] = waiting[:], []
        return taken

    prompt, done = f"{desk.prompt}> ", desk.knowledge.poke
    return plain(prompt, performer, desk.remembered(), desk.keep, desk.suggest, news, done)
