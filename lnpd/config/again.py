"""With which command line is a node started again as it was, or with other options than before?

What a file says is said by the file again; arguments and variables are repeated. A password is not: LNPD_BITCOIND has
it, where somebody gave it as an argument. Nor is an option of a plugin, which may be a secret: VALUE stands for it.
Options for tests are left out.
"""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from lnpd.config.given import Given
from lnpd.config.model import Config
from lnpd.config.places import NO_FILE, default_file
from lnpd.config.readers import read_path
from lnpd.config.table import BY_KEY, Option
from lnpd.errors import ConfigRefused

PROGRAM: Final = "lnpd"
OF_PLUGINS: Final = "plugin_options"


def command_line(config: Config, other: Mapping[str, tuple[str, ...]] | None = None) -> str:
    """One line for a shell. `other` are the words of options, by key, that take the place of those that it had; those
    of a list that ends up empty are said by its variable, for an argument cannot say nothing."""
    other = other or {}
    arguments, variables = [*_file(config)], dict[str, list[Given]]()
    for each in config.given:
        row = BY_KEY[each.key.partition(".")[0]]
        if each.key in other or row.developer or not row.said:
            continue
        if each.source == "argument":
            arguments += _argument(row, each)
        elif each.source == "environment" and not _is_hidden(row, each.words):
            variables.setdefault(row.key, []).append(each)
    before = [f"{BY_KEY[key].variable}={_variable(BY_KEY[key], said)}" for key, said in variables.items()]
    for key, words in other.items():
        row = BY_KEY[key.partition(".")[0]]
        arguments += [part for word in words for part in (row.flag, shlex.quote(word))]
        before += [f"{row.variable}="] * (not words)
    return " ".join([*before, PROGRAM, *arguments])


def _file(config: Config) -> tuple[str, ...]:
    """--config, if it has to be said which file is read."""
    read = config.files[-1] if config.files else None  # those that it includes are read before it
    try:
        usual = default_file()
    except ConfigRefused:  # there are two
        usual = None
    if read == usual:
        return ()
    return ("--config", NO_FILE if read is None else shlex.quote(str(read)))


def _argument(row: Option, given: Given) -> list[str]:
    if isinstance(given.words, bool):
        return [row.flag]
    if row.field == OF_PLUGINS:
        return [part for word in _listed(given) for part in (row.flag, f"{word.partition('=')[0]}=VALUE")]
    if _is_hidden(row, given.words):
        return [row.flag, f'"${{{row.variable}:-{_without_password(str(given.words))}}}"']
    return [part for word in _listed(given) for part in (row.flag, shlex.quote(_whole(row, word)))]


def _variable(row: Option, said: list[Given]) -> str:
    """What a variable holds: of a table it is all of its entries."""
    words = said[0].words
    if isinstance(words, bool):
        return str(words).lower()
    if isinstance(words, str):
        return shlex.quote(_whole(row, words))
    return shlex.quote(shlex.join(_whole(row, word) for each in said for word in _listed(each)))


def _listed(given: Given) -> tuple[str, ...]:
    assert not isinstance(given.words, bool), "a flag has one word"
    return (given.words,) if isinstance(given.words, str) else given.words


def _without_password(url: str) -> str:
    return f"{url.partition('//')[0]}//{url.rpartition('@')[2]}"


def _is_hidden(row: Option, words: object) -> bool:
    return row.field == OF_PLUGINS or (row.secret and isinstance(words, str) and "@" in words)


def _whole(row: Option, word: str) -> str:
    """A path as it is seen from everywhere."""
    name, is_entry, rest = word.partition("=") if row.depth else (word, "", "")
    if is_entry and "/" in name:
        return f"{read_path(name)}={rest}"
    value = row.read(word)
    return str(value) if isinstance(value, Path) else word
