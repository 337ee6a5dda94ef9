"""How is a command done that needs no node? Each of the table's has a function here."""

import argparse
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from lnpd.cli.exits import OK, REFUSED
from lnpd.rpc.commands import Command


def perform(command: Command, params: Mapping[str, Any], parsed: argparse.Namespace, as_json: bool) -> int:  # Any: JSON
    """Does it; the exit code. Raises LnpdError."""
    logging.getLogger("lnpd").addHandler(logging.NullHandler())  # what a node would log is in what is printed
    return DONE_BY[command.name](params, parsed, as_json)


def _key(params: Mapping[str, Any], parsed: argparse.Namespace, as_json: bool) -> int:  # Any: JSON values
    from lnpd.bus.curve import new_or_private_keys  # with ZeroMQ, which other commands need not load

    public = new_or_private_keys(Path(params["file"])).public.hex()
    print(json.dumps({"public_key": public}) if as_json else public)
    return OK


def _new(params: Mapping[str, Any], parsed: argparse.Namespace, as_json: bool) -> int:  # Any: JSON values
    from lnpd.cli.plugin.new import write_new

    given = getattr(parsed, "--directory")
    files = write_new(params["name"], Path(given) if given else Path(params["name"]))
    if as_json:
        print(json.dumps([str(path) for path in files]))
    else:
        print("\n".join([*map(str, files), f"Go on with: cd {files[0].parent} && pytest"]))
    return OK


def _check(params: Mapping[str, Any], parsed: argparse.Namespace, as_json: bool) -> int:  # Any: JSON values
    from lnpd.cli.plugin.check import check  # with much of lnpd, which other commands need not load

    report = check(Path(params["path"]))
    print(json.dumps(report.json(), indent=2) if as_json else report.text())
    return REFUSED if report.findings else OK


def _run(params: Mapping[str, Any], parsed: argparse.Namespace, as_json: bool) -> int:  # Any: JSON values
    from lnpd.cli.plugin.run import run

    return run(Path(params["path"]))


def _replay(params: Mapping[str, Any], parsed: argparse.Namespace, as_json: bool) -> int:  # Any: JSON values
    import asyncio

    from lnpd.services.plugins.golden import replayed

    count, found = asyncio.run(replayed(Path(params["path"]), Path(params["golden"])))
    if as_json:
        rows = [{"line": each.line, "name": each.name, "was": each.was, "now": each.now} for each in found]
        print(json.dumps({"asked": count, "differences": rows}, indent=2))
    else:
        print("\n".join([*map(str, found), f"{count} questions asked again, {len(found)} answered differently"]))
    return REFUSED if found else OK


DONE_BY: Final[Mapping[str, Callable[[Mapping[str, Any], argparse.Namespace, bool], int]]] = {
    "key": _key,
    "plugin new": _new,
    "plugin check": _check,
    "plugin run": _run,
    "plugin replay": _replay,
}
