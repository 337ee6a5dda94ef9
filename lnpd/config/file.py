"""What does a configuration file say? TOML: the options' keys, a section for each network, and other files.

    include = ["fees.toml"]          read first; this file goes over it
    alias = "alice"                  a key is the option's name, with _ for -
    plugins = ["./hello.py"]         a path is seen from the file's folder

    [regtest]                        over the common keys of all files, on this network alone
    listen = "none"

    [plugin.hello]                   the options of a plugin
    greeting = "hi"

Whatever is wrong is refused by file, line and key, of the other networks' sections too.
"""

import os
import re
import stat
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from lnpd_sdk.nearest import nearest

from lnpd.config.build import read
from lnpd.config.given import Given, Settled
from lnpd.config.model import NETWORKS
from lnpd.config.table import BY_KEY, OPTIONS, Option
from lnpd.errors import ConfigRefused

MAX_BYTES: Final = 1 << 20
MAX_FILES: Final = 64
MAX_DEPTH: Final = 8
INCLUDE: Final = "include"
NETWORK: Final = "network"
COMMON: Final = ""

Table = dict[str, Any]  # Any: what TOML can say


class Document(msgspec.Struct, frozen=True):
    """One file: its text, for the lines that refusals name, and what it says."""

    path: Path
    text: str
    data: Table
    mode: int

    def place(self, section: str, key: str) -> str:
        """The file and the line of a key."""
        line = line_of(self.text, section, key)
        return f"{self.path}, line {line}" if line else f"{self.path}, [{section}]" if section else str(self.path)


class Contents(msgspec.Struct, frozen=True):
    """What files say, the included ones as well, by section; COMMON are the keys of no section."""

    files: tuple[Path, ...] = ()
    sections: dict[str, Settled] = {}

    def of(self, network: str) -> Settled:
        """What counts for a network."""
        return {**self.sections.get(COMMON, {}), **self.sections.get(network, {})}

    @property
    def network(self) -> str | None:
        """The network that it names, as it stands there."""
        given = self.sections.get(COMMON, {}).get(NETWORK)
        return given.words if given is not None and isinstance(given.words, str) else None


def read_file(path: Path) -> Contents:
    """What a file and those that it includes say. Raises ConfigRefused with file, line and key."""
    documents = tuple(_documents(path, ()))
    sections: dict[str, Settled] = {}
    for document in documents:
        for section, table in _sections(document):
            sections.setdefault(section, {}).update(_said(document, section, table))
    return Contents(tuple(dict.fromkeys(document.path for document in documents)), sections)


# --- files into documents


def _documents(path: Path, above: tuple[Path, ...]) -> Iterator[Document]:
    """A file after those that it includes, for later ones go over earlier ones."""
    real = Path(os.path.realpath(path))
    if real in above:
        circle = " includes ".join(map(str, (*above[above.index(real) :], real)))
        raise ConfigRefused(f"Configuration files include each other: {circle}.")
    if len(above) > MAX_DEPTH:
        raise ConfigRefused(f"{path}: configuration files include each other more than {MAX_DEPTH} deep.")
    document, count = _document(path, above), 0
    for word in _included(document):
        for each in _documents(_seen_from(document, word), (*above, real)):
            count += 1
            if count > MAX_FILES:
                raise ConfigRefused(f"{path} includes more than {MAX_FILES} files.")
            yield each
    yield document


def _document(path: Path, above: tuple[Path, ...]) -> Document:
    try:
        with open(path, "rb", opener=_at_once) as file:
            mode = os.fstat(file.fileno()).st_mode
            raw = file.read(MAX_BYTES + 1) if stat.S_ISREG(mode) else b""
    except OSError as error:
        by = f", which {above[-1]} includes," if above else ""
        raise ConfigRefused(f"The configuration file {path}{by} cannot be read: {error.strerror}.") from None
    if not stat.S_ISREG(mode):
        raise ConfigRefused(f"The configuration file {path} is no file.")
    if mode & stat.S_IWOTH:
        raise ConfigRefused(f"{path} can be written by everybody, and names programs to run: chmod o-w {path}.")
    if len(raw) > MAX_BYTES:
        raise ConfigRefused(f"{path} has more than {MAX_BYTES} bytes: that is no configuration file.")
    try:
        text = raw.decode()
        return Document(path, text, tomllib.loads(text), mode)
    except UnicodeDecodeError:
        raise ConfigRefused(f"{path} is no text in UTF-8.") from None
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ConfigRefused(f"{path} is no TOML: {why}.") from None


def _at_once(path: str, flags: int) -> int:
    """Opens a file; a FIFO to which nobody writes is not waited for."""
    return os.open(path, flags | os.O_NONBLOCK)


def _included(document: Document) -> list[str]:
    asked = document.data.get(INCLUDE, [])
    words = [asked] if isinstance(asked, str) else asked
    if not isinstance(words, list) or not all(isinstance(word, str) and word for word in words):
        raise ConfigRefused(f"{document.place(COMMON, INCLUDE)}: include takes paths of files, not {_brief(asked)}.")
    return words


def _seen_from(document: Document, word: str) -> Path:
    return Path(os.path.normpath(document.path.parent / os.path.expanduser(word)))


# --- documents into values


def _sections(document: Document) -> Iterator[tuple[str, Table]]:
    yield COMMON, {key: value for key, value in document.data.items() if key not in (*NETWORKS, INCLUDE)}
    for network in NETWORKS:
        table = document.data.get(network, {})
        if not isinstance(table, dict):
            raise ConfigRefused(f"{document.place(COMMON, network)}: {network} is a section: [{network}].")
        yield network, table


def _said(document: Document, section: str, table: Table) -> Settled:
    said: Settled = {}
    for key, value in table.items():
        row = _row(document, section, key)
        for name, words in _entries(document, section, row, value):
            place = _place(document, section, key, name)
            given = Given(_key(document, key, name), row.flag, words, "file", place, document.path)
            _check(document, row, given)
            said[given.key] = given
    return said


def _row(document: Document, section: str, key: str) -> Option:
    row, place = BY_KEY.get(key), document.place(section, key)
    if row is not None and not row.said:
        raise ConfigRefused(f"{place}: {key} is for tests, and an argument only: {row.flag}.")
    if row is None or (section and key == NETWORK):
        known = [row.key for row in OPTIONS if row.said and not (section and row.key == NETWORK)]
        hint = nearest(key, known if section else [*known, *NETWORKS, INCLUDE])
        where = f" in [{section}]" if section else ""
        raise ConfigRefused(f"{place}: there is no option {key!r}{where}{hint or '.'}")
    return row


Words = str | tuple[str, ...] | bool


def _entries(document: Document, section: str, row: Option, value: object) -> Iterator[tuple[tuple[str, ...], Words]]:
    """The values of an option: itself, or the entries of its table, each with its name's parts."""
    place, what = document.place(section, row.key), _expected(row)
    if not row.depth:
        yield (), _words(document, row, value, f"{place}: {row.key} takes {what}")
        return
    for name, each in _flat(value, row.depth):
        if len(name) < row.depth:
            raise ConfigRefused(f"{place}: {row.key} takes {what}, not {_brief(value)}.")
        head = _key(document, "", name)[1:]
        parts = each if isinstance(each, list) and row.lists else [each]
        named = f"{_place(document, section, row.key, name)}: {'.'.join((row.key, *name))}"
        refusal = f"{named} takes {'texts' if row.lists else 'a text or a number'}"
        yield name, tuple(f"{head}={_word(part, refusal, flags=row.depth == 2)}" for part in parts)


def _place(document: Document, section: str, key: str, name: Sequence[str]) -> str:
    """Where an option stands, or an entry of its table."""
    path = (section, key, *name) if section else (key, *name)
    return document.place(".".join(path[:-1]), path[-1])


def _key(document: Document, key: str, name: Sequence[str]) -> str:
    """The key of an entry. A plugin may be named by its path, which is seen from the file's folder."""
    return ".".join((key, *(str(_seen_from(document, each)) if "/" in each else each for each in name)))


def _flat(value: object, depth: int) -> Iterator[tuple[tuple[str, ...], object]]:
    """The entries of tables in tables, each with the names that lead to it; fewer names where one is no table."""
    if not depth or not isinstance(value, dict):
        yield (), value
        return
    for name, each in value.items():
        yield from (((str(name), *names), found) for names, found in _flat(each, depth - 1))


def _expected(row: Option) -> str:
    if row.depth == 2:
        return f"a table for each plugin, [{row.key}.NAME] (which plugins are started, `plugins` says)"
    if row.depth:
        return f"a table, [{row.key}]"
    if not row.metavar:
        return "true or false"
    return f"a list of {row.metavar}" if row.repeatable else row.metavar


def _words(document: Document, row: Option, value: object, refusal: str) -> Words:
    if not row.metavar:
        if not isinstance(value, bool):
            raise ConfigRefused(f"{refusal}, not {_brief(value)}.")
        return value
    if not row.repeatable:
        return _placed(document, row, _word(value, refusal))
    values = value if isinstance(value, list) else [value]
    return tuple(_placed(document, row, _word(each, refusal)) for each in values)


def _word(value: object, refusal: str, flags: bool = False) -> str:
    if isinstance(value, bool):
        if flags:
            return str(value).lower()
    elif isinstance(value, str | int | float):
        return str(value)
    raise ConfigRefused(f"{refusal}, not {_brief(value)}.")


def _placed(document: Document, row: Option, word: str) -> str:
    """A path is seen from the folder of its file, not from where the node is started."""
    is_path = row.metavar == "PATH" or (row.metavar == "PLUGIN" and "/" in word)
    return str(_seen_from(document, word)) if word and is_path else word


def _check(document: Document, row: Option, given: Given) -> None:
    read(row, given)
    if row.secret and "@" in str(given.words) and document.mode & (stat.S_IRGRP | stat.S_IROTH):
        raise ConfigRefused(f"{given.name} holds a password, and others may read the file: chmod 600 {document.path}.")


def _brief(value: object) -> str:
    text = repr(value) if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


_HEADER: Final = re.compile(r"\s*\[\[?([^\]]+)\]\]?")


def line_of(text: str, section: str, key: str) -> int:
    """The line on which a key of a section stands, or its table begins; 0 if it is written in some other way."""
    here, quoted = "", rf"""["']?{re.escape(key)}["']?"""
    said, inside = re.compile(rf"\s*{quoted}\s*[=.]"), f"{section}.{key}".strip(".")
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            here = re.sub(r"[\s\"']", "", header[1])
            if here == inside or (here.startswith(f"{inside}.")):
                return number
        elif here == section and said.match(line):
            return number
    return 0
