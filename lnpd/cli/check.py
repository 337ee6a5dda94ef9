"""Is a database consistent that no node has open? `lnpd check FILE`; a running node is asked with `lnp check`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lnpd.cli import options
from lnpd.cli.exits import OK, REFUSED

DESCRIPTION: Final = (
    "Check whether a copy of a node's database, or that of a node which does not run, is consistent: balances, HTLCs, "
    "revocation secrets, kept commitments. The file stays as it is."
)
FILE_HELP: Final = "the database: a copy that `lnp backup-database` made, or lnpd.sqlite3 in a data directory"


def main(words: Sequence[str]) -> int:
    """The program `lnpd check`; returns its exit code. Raises LnpdError."""
    parser = options.Parser("lnpd check", description=DESCRIPTION, allow_abbrev=False)
    parser.add_argument("file", metavar="FILE", help=FILE_HELP)
    path = Path(os.path.expanduser(parser.parse_args(list(words)).file))
    from lnpd.services.backup.copies import check_file  # with much of lnpd, which --help need not load

    found = check_file(path)
    for problem in found.problems:
        print(f"{problem.where}: {problem.what}. {problem.advice}")
    verdict = f"{len(found.problems)} problems" if found.problems else "consistent"
    print(f"{found.channels} channels and {found.commitments} commitments looked at: {verdict}")
    return REFUSED if found.problems else OK
