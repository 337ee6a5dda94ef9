"""How are lines done that come from a file or a pipe? One after the other, up to the first that fails.

lnp < evening.lnp        # a comment
"""

import sys
from collections.abc import Iterable

from lnpd.cli.arguments import Common
from lnpd.cli.exits import OK
from lnpd.cli.shell.perform import Leave, Performer


def script(lines: Iterable[str], common: Common) -> int:
    """Does the lines; returns the exit code of the one that failed, whose number is said, or OK."""
    performer = Performer(common)
    for number, line in enumerate(lines, 1):
        try:
            code = performer.perform(line)
        except Leave:
            return OK
        if code != OK:
            print(f"lnp: stopped at line {number}: {' '.join(line.split())[:80]}", file=sys.stderr)
            return code
    return OK
