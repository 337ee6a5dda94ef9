"""Which configuration does a command line mean? Each program's parser, from the table of options, and its Config."""

import argparse
import os
from collections.abc import Mapping
from typing import Final, NoReturn

from lnpd.cli.told import AS_JSON
from lnpd.config import RULES, Config, Rule
from lnpd.config.build import built
from lnpd.config.places import NO_FILE, VARIABLE, WHERE_FILE
from lnpd.config.sources import settle
from lnpd.config.table import OPTIONS, Program
from lnpd.errors import ConfigRefused

CONFIG: Final = "--config"
CONFIG_HELP: Final = f"read this configuration file, or none; the variable {VARIABLE} says the same (default: if it is \
there, {WHERE_FILE})"
WITHOUT_FILE: Final = ("lnpd regtest",)  # a chain for tests: its directory is not the node's


class Parser(argparse.ArgumentParser):
    """An argparse parser whose refusals are errors of ours."""

    def error(self, message: str) -> NoReturn:
        """Raises ConfigRefused in place of an exit."""
        raise ConfigRefused(f"{message[:1].upper()}{message[1:]}. See {self.prog} --help.")


def parser(program: Program, description: str, epilog: str = "", helps: Mapping[str, str] | None = None) -> Parser:
    """The parser of one program, from the table; `helps` are the texts of options that mean something else in it."""
    made = Parser(
        program, description=description, epilog=epilog, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    developers = made.add_argument_group("developer options, refused without --developer")
    if program not in WITHOUT_FILE:
        made.add_argument(CONFIG, metavar="PATH", help=CONFIG_HELP, dest=CONFIG)
    flag, _, help = AS_JSON
    made.add_argument(flag, action="store_true", help=help, dest=flag)
    for row in OPTIONS:
        if program not in row.programs:
            continue
        target = developers if row.developer else made
        if row.metavar:
            action = "append" if row.repeatable else "store"
            help = (helps or {}).get(row.flag, row.help)
            target.add_argument(row.flag, metavar=row.metavar, help=help, action=action, dest=row.flag)
        else:
            target.add_argument(row.flag, help=row.help, action="store_true", dest=row.flag)
    if program != "lnpd":
        made._action_groups.remove(developers)  # these programs have none of them
    return made


def as_json(given: argparse.Namespace) -> bool:
    """Whether a program is to be answered."""
    return bool(vars(given)[AS_JSON[0]])


def config_of(given: argparse.Namespace, rules: tuple[Rule, ...] = RULES) -> Config:
    """The configuration that a parsed command line means, over the environment and the file, where the program has
    --config. Raises ConfigRefused."""
    arguments = vars(given)
    has_file = CONFIG in arguments
    settled, contents = settle(arguments, os.environ if has_file else {}, arguments[CONFIG] if has_file else NO_FILE)
    return built(settled, rules, contents.files)
