"""Which colour has each word of a line while it is typed? What is wrong is red, but not before it is known to be.

The word under the cursor may still become right: it is wrong once nothing that begins so could be.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from lnpd.cli.arguments import COMMON
from lnpd.cli.qr import FLAG, QR_OF
from lnpd.cli.shell.completion import Knows, command_of, positionals
from lnpd.cli.shell.words import Word, words_of
from lnpd.errors import ParameterRefused
from lnpd.rpc.commands import Command, Parameter
from lnpd.rpc.kinds import read_word

COMMAND, OPTION, ID, AMOUNT, VALUE, WRONG, COMMENT = "command", "option", "id", "amount", "value", "wrong", "comment"

# What kinds of parameter are; of others a word is a VALUE.
KIND_COLOURS: Final[dict[str, str]] = {
    **dict.fromkeys(("peer", "channel", "peer_address", "invoice", "bitcoin_address", "hex", "hops"), ID),
    **dict.fromkeys(("sat", "msat", "per_kw", "integer", "seconds", "blocks"), AMOUNT),
}
# What a word of a kind looks like before it is whole.
_BEGUN: Final[dict[str, re.Pattern[str]]] = {
    **dict.fromkeys(("peer", "channel", "hex"), re.compile(r"[0-9a-fA-F]*")),
    **dict.fromkeys(("sat", "msat"), re.compile(r"(?:[0-9_]+(?:\.[0-9]*)?[a-z]{0,4})?")),
    **dict.fromkeys(("per_kw", "integer", "seconds", "blocks"), re.compile(r"[0-9_]*")),
}
_ANY: Final = re.compile(r".*", re.DOTALL)
_ASKED: Final = frozenset({"peer", "channel"})  # where the node knows all that may be given

Piece = tuple[int, int, str]
"""From where to where a colour goes, and which."""


def pieces(line: str, commands: Sequence[Command], known: Knows) -> list[Piece]:
    """The coloured parts of a line, in order."""
    found, comment = words_of(line)
    rest = [(comment, len(line), COMMENT)] if comment < len(line) else []
    if not found:
        return rest
    typing = found[-1] if found[-1].end == len(line) else None
    return [*_coloured(found, typing, commands, known), *rest]


def _coloured(found: list[Word], typing: Word | None, commands: Sequence[Command], known: Knows) -> Iterator[Piece]:
    for lead in ("lnp", "help", "watch"):
        if found and found[0].text == lead and (len(found) > 1 or typing is None):
            yield found[0].start, found[0].end, COMMAND
            found = found[1:]
    if not found:
        return
    words = [word.text for word in found]
    command = command_of(words, commands)
    if command is None:
        yield from _unknown(found, typing, [each.name for each in commands])
        return
    length = len(command.name.split())
    yield from ((word.start, word.end, COMMAND) for word in found[:length])
    yield from _parameters(command, found[length:], typing, known)


def _unknown(found: list[Word], typing: Word | None, names: Sequence[str]) -> Iterator[Piece]:
    """No command yet: perhaps its beginning, else its first word is wrong."""
    text = " ".join(word.text for word in found[:2])
    may_be = any(name.startswith(f"{text} " if typing is None else text) for name in names)
    colour = COMMAND if may_be and len(found) <= 2 else WRONG
    yield from ((word.start, word.end, colour) for word in found[:2])


def _parameters(command: Command, found: list[Word], typing: Word | None, known: Knows) -> Iterator[Piece]:
    options = {p.flag: p for p in command.parameters if not p.required}
    common = {flag: metavar for flag, metavar, _ in COMMON}
    bare = [p for p in command.parameters if p.required or p.bare]
    places = {number: place for place, number in enumerate(positionals([word.text for word in found], options))}
    for number, word in enumerate(found):
        before = found[number - 1].text if number else ""
        if number in places:
            place = places[number]
            many = bare[-1] if bare and bare[-1].kind in ("names", "hops") else None
            parameter = bare[place] if place < len(bare) else many
            yield word.start, word.end, _value(parameter, word, word is typing, known) if parameter else WRONG
        elif before in options and options[before].kind != "boolean":
            yield word.start, word.end, _value(options[before], word, word is typing, known)
        elif common.get(before):
            yield word.start, word.end, VALUE
        else:
            flags = (*options, *common, "--help", *([FLAG] if command.method in QR_OF else []))
            fits = word.text in flags or (word is typing and any(flag.startswith(word.text) for flag in flags))
            yield word.start, word.end, OPTION if fits else WRONG


def _value(parameter: Parameter, word: Word, is_typed: bool, known: Knows) -> str:
    right = KIND_COLOURS.get(parameter.kind, VALUE)
    if parameter.kind in _ASKED:
        values = known(parameter.kind)
        if values and not any(each.value.startswith(word.text.lower()) for each in values):
            return WRONG
    if is_typed:
        return right if _BEGUN.get(parameter.kind, _ANY).fullmatch(word.text) else WRONG
    try:
        read_word(parameter.name, parameter.kind, word.text)
    except ParameterRefused:
        return WRONG
    return right
