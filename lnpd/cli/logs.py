"""Where does a daemon's log go, and how does a line of it read? To standard error, for a person."""

import logging
import sys

from lnpd.errors.words import one_line

MAX_CHARACTERS = 12_000  # a plugin's line, which may have 10,000, and what the node says of it


class LineFormatter(logging.Formatter):
    """One record is one line, whoever wrote its words; only a traceback has more, and none begins as a record does."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # logging's name
        """The line of a record."""
        record.message = one_line(record.message, MAX_CHARACTERS)
        return super().formatMessage(record)

    def formatException(self, ei: object) -> str:  # logging's name
        """A traceback, indented."""
        text = super().formatException(ei)  # type: ignore[arg-type]  # as logging passes it
        return "\n".join(f"    {one_line(line, MAX_CHARACTERS)}" for line in text.splitlines())


def set_up(level: str) -> None:
    """Logs of lnpd at `level` and above; of libraries, warnings only."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%Y-%m-%d %H:%M:%S"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("lnpd").setLevel(level.upper())
