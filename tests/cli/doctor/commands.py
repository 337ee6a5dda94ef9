"""Does a command that is named exist, and is it of a row of a table?

A command of lnp is parsed by lnp's own parser, one of lnpd by its options; of others the programs are listed here.
"""

import re
import shlex

from lnpd.cli import arguments
from lnpd.cli.tools import HERE
from lnpd.config.table import OPTIONS
from lnpd.rpc.commands import COMMANDS

OTHERS = {"chmod", "chown", "df", "ss", "kill", "tail", "timedatectl", "bitcoind", "bitcoin-cli", "pip"}
FOR_CAPITALS = {
    "CHANNEL": "c3" * 32,
    "PEER": "02" + "a1" * 32,
    "PLUGIN": "lockbox",
    "ADDRESS": "127.0.0.1:9735",
    "FILE": "/tmp/file",
}
PROGRAMS = ("init", "restore", "check", "regtest")


def is_real(command: str) -> None:
    """Asserts that it could be typed."""
    words = [FOR_CAPITALS.get(word, word) for word in shlex.split(command)]
    if words[0] == "lnp":
        found, rest = arguments.find(words[1:], (*COMMANDS, *HERE))
        arguments.params(found, rest)
    elif words[0] == "lnpd":
        flags = {row.flag for row in OPTIONS} | {"--check-config"}
        assert all(word in flags for word in words if word.startswith("-")), command
        plain = [word for word in words[1:2] if not word.startswith("-")]
        assert all(word in PROGRAMS for word in plain), command
    else:
        assert words[0] in OTHERS, command


def is_of(command: str, row: str) -> bool:
    """Whether a command is one of a row's, with something in the place of its capitals."""
    pattern = " ".join(r"\S.*" if word.isupper() else re.escape(word) for word in row.split(" "))
    return re.fullmatch(pattern, command) is not None
