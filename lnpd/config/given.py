"""Who said which value of an option, and in which words?

    default  <  file (common keys  <  the network's section)  <  environment  <  argument  <  set at run time

An option that is a table (plugins' options, grants, ...) is said entry by entry: `plugin.hello.greeting` of the file
stands beside `plugin.hello.name` of an argument.
"""

from pathlib import Path
from typing import Literal

import msgspec

Source = Literal["default", "file", "environment", "argument", "set"]
VARIABLE_PREFIX = "LNPD_"


class Given(msgspec.Struct, frozen=True):
    """A value as it was said. `words` are what the option's reader reads; a flag's is a bool.

    `key` is the option's, with the entry's name behind a dot if it is a table; `place` is where: a file and its line,
    or a variable. `file` is the file alone.
    """

    key: str
    flag: str
    words: str | tuple[str, ...] | bool
    source: Source
    place: str = ""
    file: Path | None = None

    def __repr__(self) -> str:
        return f"Given({self.key})"  # the words may be a password

    @property
    def name(self) -> str:
        """What a refusal calls it."""
        match self.source:
            case "file":
                return f"{self.place}: {self.key}"
            case "environment":
                return self.place
            case "set":
                return f"{self.key}, set by `lnp config set`,"
        return self.flag

    @property
    def origin(self) -> str:
        """Where a person finds it, in words; empty for what was typed."""
        words = {"file": f"stands in {self.place}", "environment": f"is {self.place} of the environment",
                 "set": "was set by `lnp config set`"}  # fmt: skip
        return words.get(self.source, "")


Settled = dict[str, Given]
"""What counts, by key."""
