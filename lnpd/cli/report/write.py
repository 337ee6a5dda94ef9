"""How does a report become a file? One text, to be read before it is sent: its user alone may read it."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import msgspec

from lnpd.cli.arguments import Common
from lnpd.cli.doctor.outside import Outside, seen
from lnpd.cli.exits import OK
from lnpd.cli.report.clean import LEAST_WORD, Cleaner, values_of
from lnpd.cli.report.gather import now_words, sections
from lnpd.errors import ParameterRefused

HEAD: Final = """lnpd report, {when} UTC
No seed, key, preimage, passphrase, password or invoice should stand in here: please look before you send it.
{how}
"""
NAMED: Final = "Ids of nodes, channels and transactions, and amounts, are as they are; --anonymous replaces them."
ANONYMOUS: Final = "Ids, addresses and amounts are replaced by pseudonyms, the same one for the same thing."
LONGEST_LINE_BYTES: Final = 4096


def report(
    params: Mapping[str, Any],  # Any: JSON values
    given: Mapping[str, Any],  # Any: what argparse found
    common: Common | None,
    as_json: bool,
) -> int:
    """Writes the report; prints where it is. Raises ParameterRefused."""
    if common is not None and common.remote is not None:
        raise ParameterRefused("A report is written on the node's own machine, without --remote.")
    outside = seen(given, common)
    anonymous = bool(params.get("anonymous"))
    path = Path(params.get("file") or os.path.abspath(f"lnpd-report-{now_words(outside.now_unix_seconds)}.txt"))
    text = text_of(outside, anonymous)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ParameterRefused(f"The report {path} cannot be written: {error.strerror}.") from None
    told = {"file": str(path), "bytes": path.stat().st_size, "anonymous": anonymous}
    print(
        msgspec.json.encode(told).decode() if as_json else f"{path}: {told['bytes']:,} bytes. Look before you send it."
    )
    return OK


def text_of(outside: Outside, anonymous: bool = False) -> str:
    """The whole report."""
    cleaner = Cleaner(outside.directory, _secrets(outside), anonymous)
    found = list(sections(outside))
    for _, value in found:
        cleaner.learn(value)
    head = HEAD.format(when=now_words(outside.now_unix_seconds), how=ANONYMOUS if anonymous else NAMED)
    parts = [f"== {title} ==\n\n{cleaner.clean(_shown(value))}\n" for title, value in found]
    return "\n".join([head, *parts])


def _shown(value: object) -> str:
    if isinstance(value, str):
        return value
    return msgspec.json.format(msgspec.json.encode(value), indent=1).decode()


def _secrets(outside: Outside) -> Iterator[str]:
    """Words that are secrets and can be known here, so that they are masked wherever they stand."""
    yield from values_of(outside.settings)
    config = outside.config
    if config is not None:  # the line that starts the node has them, and which are secrets is the plugins' to say
        yield from (value for _, _, value in config.plugin_options if len(value) >= LEAST_WORD)
    if config is not None and config.bitcoind is not None:
        login = urlsplit(config.bitcoind.word)
        yield from (unquote(word) for word in (login.username, login.password) if word)
    passphrase = outside.path("passphrase_file")
    try:
        if passphrase is not None:
            with passphrase.open("rb") as file:
                yield file.read(LONGEST_LINE_BYTES).decode("utf-8", "replace").partition("\n")[0].strip()
    except OSError:
        return  # a file that cannot be read unlocks nothing
