"""Which values count, of all that the file, the environment and the arguments say?"""

import difflib
import shlex
from collections.abc import Mapping, Sequence
from typing import Final

from lnpd.config.file import Contents, read_file
from lnpd.config.given import VARIABLE_PREFIX, Given, Settled, Source
from lnpd.config.model import NETWORKS
from lnpd.config.places import VARIABLE, file_of
from lnpd.config.table import OPTIONS, Option
from lnpd.errors import ConfigRefused

FLAGS: Final = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
LIKENESS: Final = 0.8  # of a variable that is refused: others' variables may begin as ours do

Arguments = Mapping[str, str | Sequence[str] | bool | None]
"""What a command line says, by flag; an option that it has not is absent, one that was not said None or False."""


def settle(arguments: Arguments, environment: Mapping[str, str], config: str | None = None) -> tuple[Settled, Contents]:
    """What counts, and what the file says, named by `config`. Options that the program has not are left out.

    Raises ConfigRefused.
    """
    typed = _typed(arguments)
    variables = of_environment(environment)
    path = file_of(config, environment)
    contents = read_file(path) if path is not None else Contents()
    named = typed.get("network") or variables.get("network")
    network = named.words if named is not None else contents.network or NETWORKS[0]
    settled = {**contents.of(str(network)), **variables, **typed}
    return {key: each for key, each in settled.items() if each.flag in arguments}, contents


def of_environment(environment: Mapping[str, str]) -> Settled:
    """What variables say: a list's words as a shell would read them, a table's each as NAME=VALUE.

    Raises ConfigRefused, also for a variable that is very like one of ours.
    """
    rows = {row.variable: row for row in OPTIONS}
    settled: Settled = {}
    for name, word in environment.items():
        row = rows.get(name)
        if row is None:
            _refuse_misspelt(name, [*(row.variable for row in OPTIONS if row.said), VARIABLE])
        elif not row.said:
            raise ConfigRefused(f"{name} is for tests, and an argument only: {row.flag}.")
        else:
            settled |= _given(row, _words_of(row, name, word), "environment", name)
    return settled


def _refuse_misspelt(name: str, known: Sequence[str]) -> None:
    if not name.startswith(VARIABLE_PREFIX) or name in known:
        return
    bare = {each.removeprefix(VARIABLE_PREFIX): each for each in known}
    found = difflib.get_close_matches(name.removeprefix(VARIABLE_PREFIX)[:100], bare, 1, LIKENESS)
    if found:
        raise ConfigRefused(f"There is no variable {name[:100]}; did you mean {bare[found[0]]}?")


def _words_of(row: Option, name: str, word: str) -> str | tuple[str, ...] | bool:
    if not row.metavar:
        if word.lower() not in FLAGS:
            raise ConfigRefused(f"{name} takes true or false, not {word[:60]!r}.")
        return FLAGS[word.lower()]
    if not row.repeatable:
        return word
    try:
        return tuple(shlex.split(word))
    except ValueError as error:
        raise ConfigRefused(f"{name} takes words as a shell reads them: {error}.") from None


def _typed(arguments: Arguments) -> Settled:
    settled: Settled = {}
    for row in OPTIONS:
        words = arguments.get(row.flag)
        if words is None or words is False:
            continue
        settled |= _given(row, words if isinstance(words, str | bool) else tuple(words), "argument", "")
    return settled


def _given(row: Option, words: str | tuple[str, ...] | bool, source: Source, place: str) -> Settled:
    if not row.depth or not isinstance(words, tuple):
        return {row.key: Given(row.key, row.flag, words, source, place)}
    entries: dict[str, tuple[str, ...]] = {}
    for word in words:
        name = f"{row.key}.{word.partition('=')[0]}"
        entries[name] = (*entries.get(name, ()), word)
    return {name: Given(name, row.flag, each, source, place) for name, each in entries.items()}
