"""Does a command that is named exist, is it of a row of a table, and what would it do?

A command of lnp is parsed by lnp's own parser, one of lnpd by its programs' own; others are listed here.
"""

import re
import shlex
import subprocess

from lnpd.cli import arguments, init, options, started
from lnpd.cli.tools import HERE
from lnpd.config import Config
from lnpd.config.table import Program
from lnpd.rpc.commands import COMMANDS, Command

OTHERS = {
    "chmod", "chown", "mkdir", "rm", "kill", "tail", "timedatectl", "bitcoind", "bitcoin-cli", "git", "make", "find",
    "du", "sort", "pip", "sudo", "unset", "${EDITOR:-nano}",
}  # fmt: skip
FOR_CAPITALS = {
    "CHANNEL": "c3" * 32,
    "PEER": "02" + "a1" * 32,
    "PLUGIN": "lockbox",
    "ADDRESS": "127.0.0.1:9735",
    "LNPD": "lnpd --directory /tmp/node",
    "WHERE": "--directory /tmp/chain --endpoint ipc:///tmp/chain/chain.sock",
}
PROGRAMS: dict[str, tuple[Program, tuple[tuple[str, str, str], ...]]] = {
    "init": ("lnpd init", init.OWN_OPTIONS),
    "check": ("lnpd check", ()),
    "regtest": ("lnpd regtest", (("--endpoint", "ipc://PATH", ""),)),
}


def is_real(command: str) -> None:
    """Asserts that it could be typed."""
    line = (
        " ".join(FOR_CAPITALS.get(word, word) for word in command.split(" "))
        .replace("HOST:PORT", "127.0.0.1:1")
        .replace(":MAX_SAT", ":50000")
    )
    assert subprocess.run(["bash", "-n", "-c", line], check=False).returncode == 0, line
    for part in re.split(r" (?:&&|\|) ", line):
        words = shlex.split(part)
        if words[0] == "lnp":
            asked(part)
        elif "lnpd" in words:
            meant(part.removesuffix(" --check-config"))
        else:
            assert words[0] in OTHERS, command


def asked(line: str) -> tuple[Command, dict[str, object]]:
    """A command of lnp and its parameters, by lnp's own parser."""
    words = shlex.split(line)
    assert words.pop(0) == "lnp"
    found, rest = arguments.find(words, (*COMMANDS, *HERE))
    return found, arguments.params(found, rest)[0]


def meant(line: str) -> Config:
    """The configuration of a line that starts lnpd, or one of its programs, by their own parsers; 50,000 sat is what
    is granted."""
    words = shlex.split(line.replace(":MAX_SAT", ":50000"))
    after = words.index("lnpd") + 1
    if words[after : after + 1] and words[after] in PROGRAMS:
        name, more = PROGRAMS[words[after]]
        parser = options.parser(name, "")
        for flag, metavar, _ in more:
            parser.add_argument(flag, action="store" if metavar else "store_true")
        return options.config_of(parser.parse_args(words[after + 1 :]), ())
    return started.config_of(words)


def starts(command: str) -> str:
    """The line of a command that starts the node, after it was stopped or not."""
    return command.split(" && ")[-1]


def is_of(command: str, row: str) -> bool:
    """Whether a command is one of a row's, with something in the place of its capitals."""
    words = (r"\S.*" if re.fullmatch("[A-Z_]{3,}", word) else re.escape(word) for word in row.split(" "))
    return re.fullmatch(" ".join(words), command) is not None
