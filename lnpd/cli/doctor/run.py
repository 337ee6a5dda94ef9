"""How does `lnp doctor` end? All findings, the worst first, each with its command; and an exit code.

What is wrong from the outside comes first in the table: it may be why the node does not run. What the node found of
itself follows, if it runs.
"""

import asyncio
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from lnpd.cli.arguments import Common
from lnpd.cli.doctor import of_files, of_start
from lnpd.cli.doctor.outside import ANSWER_SECONDS, Outside, seen
from lnpd.cli.exits import OK, WRONG
from lnpd.cli.render import look_of
from lnpd.cli.render.style import Look
from lnpd.config import NETWORKS
from lnpd.config.places import is_default
from lnpd.rpc.answers import SEVERITIES, Finding
from lnpd.rpc.client import Client
from lnpd.services.doctor.check import Check, found_by

LOCAL_CHECKS: Final[tuple[Check[Outside], ...]] = (*of_start.CHECKS, *of_files.CHECKS)
UNWELL: Final = ("danger", "warning")
STYLES: Final = {"danger": "bad", "warning": "wait", "hint": "key", "ok": "good"}
OF_A_DIRECTORY: Final = ("init", "check")  # programs of lnpd that the doctor names, without their options
LEAST_WIDTH: Final = 40


def diagnosis(outside: Outside) -> tuple[Finding, ...]:
    """Everything, the worst first, in the order of the tables."""
    with ThreadPoolExecutor(1) as thread:  # whoever asks may be in an event loop of its own, as the shell is
        local = thread.submit(lambda: asyncio.run(found_by(LOCAL_CHECKS, outside))).result()
    found = (*local, *outside.findings)
    named = [replace(each, command=_for(outside, each.command)) for each in found]
    return _worst_first(named)


def _worst_first(found: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(found, key=lambda each: SEVERITIES.index(each.severity)))


def _for(outside: Outside, command: str) -> str:
    """A command for the node that was looked at: whoever asked of another than the usual one wants that mended. The
    line that starts it (Outside.lnpd) says everything already."""
    return " && ".join(_part(outside, part) for part in command.split(" && "))


def _part(outside: Outside, command: str) -> str:
    program, _, rest = command.partition(" ")
    usual = is_default(outside.directory, NETWORKS[0])
    if "--directory" in command or not (program == "lnp" or (program == "lnpd" and rest.startswith(OF_A_DIRECTORY))):
        return command
    network = outside.config.network if outside.config is not None and program == "lnpd" else NETWORKS[0]
    of_network = "" if network == NETWORKS[0] or "--network" in command else f" --network {network}"
    return command + of_network + ("" if usual else f" --directory {shlex.quote(str(outside.directory))}")


def doctor(given: Mapping[str, Any], common: Common | None, as_json: bool) -> int:  # Any: what argparse found
    """Prints what is wrong. The exit code is OK while there are hints at most."""
    if common is not None and common.remote is not None:  # its files and its disk are on another machine
        with Client(common.remote, common.timeout_seconds or ANSWER_SECONDS) as node:
            found = _worst_first(node.doctor())
    else:
        found = diagnosis(seen(given, common))
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
        print("\n".join(lines(found, width, look_of(sys.stdout, common is not None and common.plain))))
    return WRONG if any(each.severity in UNWELL for each in found) else OK


def lines(found: Sequence[Finding], width: int = 0, look: Look | None = None) -> list[str]:
    """What a person reads: a line for each finding, its command below it, and a verdict. width 0: nothing is broken."""
    look = look or Look()
    margin = max(len(each.check) for each in found)
    told: list[str] = []
    for each in found:
        head = f"{look.paint(f'{each.severity:<7}', STYLES[each.severity])}  {each.check:<{margin}}  "
        indent = 7 + 2 + margin + 2
        text = _wrapped(each.text, width - indent if width - indent >= LEAST_WIDTH else 0)
        told.append(head + text[0])
        told += [" " * indent + more for more in text[1:]]
        if each.command:
            told.append(" " * indent + look.paint(each.command, "key"))
    counts = {name: sum(each.severity == name for each in found) for name in SEVERITIES}
    wrong = [f"{counts[name]} {name}{'s' if counts[name] != 1 else ''}" for name in SEVERITIES[:-1] if counts[name]]
    return [*told, "", f"{', '.join(wrong) or 'All is well'}; {counts['ok']} of {len(found)} are well."]


def _wrapped(text: str, width: int) -> list[str]:
    if not width:
        return [text]
    import textwrap

    return textwrap.wrap(text, width, break_on_hyphens=False) or [""]
