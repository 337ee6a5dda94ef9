"""Is what a node has stored sound, while it does not run? `lnpd check`; a running node is asked with `lnp check`.

    the database of --directory, or FILE -> a copy of it, against itself -> against the chain, where one is named

No seed, no passphrase and no plugin is needed, and nothing is changed.
"""

import asyncio
import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lnpd.cli import options
from lnpd.cli.exits import LNPD_EXITS, OK, WRONG
from lnpd.cli.told import tell
from lnpd.config import Config
from lnpd.errors import ChainError, LnpdError, WrongChain, WrongNetwork

if TYPE_CHECKING:
    from lnpd.services.backup.check import Checked
    from lnpd.services.backup.problems import Problem

DESCRIPTION: Final = (
    "Check whether the database of a node that does not run, or a copy of one, is consistent: balances, HTLCs, kept "
    "commitments and their signatures, revocation secrets. With a chain it is asked of each funding whether it is "
    "unspent, or who spent it. The file stays as it is, and no seed is needed."
)
FILE_HELP: Final = "a database, such as a copy that `lnp backup-database` made (default: that of --directory)"


EXITS: Final = (OK, WRONG, 10, 11, 12, 16, 19)


def main(words: Sequence[str]) -> int:
    """The program `lnpd check`; returns its exit code. Raises LnpdError."""
    codes = "\n".join(f"  {code:>3}  {LNPD_EXITS[code][0]}" for code in EXITS)
    parser = options.parser("lnpd check", DESCRIPTION, f"exit codes:\n{codes}")
    parser.add_argument("file", metavar="FILE", nargs="?", help=FILE_HELP)
    parsed = parser.parse_args(list(words))
    config = options.config_of(parsed)
    from lnpd.store.database import DATABASE_NAME  # with much of lnpd, which --help need not load

    file = Path(os.path.expanduser(parsed.file)) if parsed.file else config.directory / DATABASE_NAME
    found, chain, silent = asyncio.run(_checked(config, file))
    problems = (*found.problems, *chain)
    if options.as_json(parsed):
        tell(_answer(found, problems, config.names_chain and silent is None), "", True)
    else:
        _say(found, problems, config.names_chain and silent is None)
    if silent is not None and not problems:
        raise silent
    return WRONG if problems else OK


def _answer(found: "Checked", problems: Sequence["Problem"], with_chain: bool) -> dict[str, object]:
    rows = [{"where": each.where, "what": each.what, "advice": each.advice} for each in problems]
    return {"channels": found.channels, "commitments": found.commitments, "with_chain": with_chain, "problems": rows}


def _say(found: "Checked", problems: Sequence["Problem"], with_chain: bool) -> None:
    for problem in problems:
        print(problem.line)
    against = "and against the chain" if with_chain else "and not against a chain"
    verdict = "consistent" if not problems else "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    print(f"{found.channels} channels and {found.commitments} commitments looked at, {against}: {verdict}")


async def _checked(config: Config, file: Path) -> tuple["Checked", tuple["Problem", ...], LnpdError | None]:
    """What the rows say, what the chain says, and why the chain said nothing."""
    from lnpd.services.backup.check import check
    from lnpd.services.backup.check_chain import check_chain
    from lnpd.services.backup.copies import opened
    from lnpd.services.node.belonging import check_chain as check_belonging
    from lnpd.services.node.places import open_chain

    with opened(file) as (store, network):
        found = await store.read(check)
        if not config.names_chain:
            return found, (), None
        if network != config.network:
            raise WrongNetwork(f"{file} belongs to the network {network}, and {config.network} was asked for.")
        try:
            async with AsyncExitStack() as stack:
                backend, _ = await open_chain(config, stack, lambda _error: None)
                await check_belonging(store, backend, config)
                return found, await check_chain(store.read, backend, running=False), None
        except (ChainError, WrongChain) as error:
            return found, (), error
