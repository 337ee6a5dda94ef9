"""Is a record of the log one line, whoever wrote its words?"""

import logging
import sys

from lnpd.cli.logs import MAX_CHARACTERS, LineFormatter

FORMAT = LineFormatter("%(levelname)s %(message)s")


def formatted(message: str, *args: object, fails: bool = False) -> str:
    error = sys.exc_info() if fails else None
    return FORMAT.format(logging.LogRecord("lnpd", logging.INFO, "here", 1, message, args, error))


def test_a_stranger_adds_no_line() -> None:
    assert formatted("refused: %s", "x\nERROR forged\x1b[2J") == "INFO refused: x\\nERROR forged\\x1b[2J"


def test_a_record_ends() -> None:
    assert len(formatted("%s", "x" * 100_000)) == len("INFO ") + MAX_CHARACTERS


def test_a_tracebacks_lines_do_not_look_like_records() -> None:
    try:
        raise ValueError("a\nERROR forged\x1b[2J")
    except ValueError:
        first, *rest = formatted("it failed", fails=True).split("\n")
    assert first == "INFO it failed"
    assert rest and all(line.startswith("    ") and line.isprintable() for line in rest)
