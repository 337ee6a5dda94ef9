"""How are `lnp doctor` and `lnp report` done? They need no node, and no configuration that lnpd would take."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from lnpd.cli import arguments
from lnpd.cli.arguments import Common
from lnpd.cli.doctor.run import doctor
from lnpd.cli.tools import REPORT
from lnpd.errors import ConfigRefused
from lnpd.rpc.commands import COMMANDS

TABLE = (*COMMANDS, REPORT)


def perform(words: Sequence[str], before: argparse.Namespace) -> int:
    """Does what the words of a command line say, behind the options before them; the exit code. Raises LnpdError."""
    command, rest = arguments.find(words, TABLE)
    params, parsed = arguments.params(command, rest)
    given = {flag: getattr(parsed, flag) or getattr(before, flag) for flag, _, _ in arguments.COMMON}
    try:
        common = arguments.common(argparse.Namespace(**given))
    except ConfigRefused:
        common = None  # which is one of the things that they tell
    return done(command.name, params, given, common, bool(given["--json"]))


def done(
    name: str,
    params: Mapping[str, Any],  # Any: JSON values
    given: Mapping[str, Any],  # Any: what argparse found
    common: Common | None,
    as_json: bool,
) -> int:
    """Does it. `given` are the common options; `common` what they mean, None if the configuration is refused."""
    if name == REPORT.name:
        from lnpd.cli.report.write import report  # the doctor need not load it

        return report(params, given, common, as_json)
    return doctor(given, common, as_json)
