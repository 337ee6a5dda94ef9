"""Which of the lines that a plugin printed tells why it ended? The exception's, with its place in the plugin's file.

    Traceback (most recent call last):                 /home/me/lamp.mjs:7
      File "/home/me/lamp.py", line 7, in <module>     throw new Error("no")
        int("x")                                       Error: no
    ValueError: invalid literal ...                        at lit (/home/me/lamp.mjs:7:7)

Python puts the exception last, others first. Without one it is the last line. The lines are a stranger's: each is taken
as it is, and nothing of them is kept but these.
"""

import re
from pathlib import PurePath
from typing import Final

PYTHON_PLACE: Final = re.compile(r'\s*File "([^"]{1,1000})", line ([0-9]{1,9})')
OTHER_PLACE: Final = re.compile(r"([^\s():]{1,200}):([0-9]{1,9}):[0-9]{1,9}\)?$")
TAIL: Final = 250  # characters of a line in which its place is: a plugin may print a lot
EXCEPTION: Final = re.compile(r"(?:Uncaught )?[\w.]{0,200}(?:Error|Exception|Exit|Interrupt)\b(?::|$| \[)")
BEHIND: Final = re.compile(r"\s|Node\.js v|During handling of|The above exception")


class LastWords:
    """What a plugin at this path printed in one life, line by line."""

    def __init__(self, path: str) -> None:
        self._file = PurePath(path).name
        self._last = self._exception = ""
        self._place = ""
        self._in_python = False

    def hear(self, line: str) -> None:
        """One more line that is not empty."""
        self._last = line.strip()
        if found := PYTHON_PLACE.match(line):
            if not self._in_python:
                self._exception, self._place, self._in_python = "", "", True
            self._at(found)
        elif self._in_python and not line[:1].isspace():
            self._exception, self._in_python = self._last, False
        elif self._exception and self._last.startswith("at "):
            if found := OTHER_PLACE.search(line[-TAIL:]):
                self._at(found)
        elif EXCEPTION.match(line):
            self._exception, self._place = self._last, ""
        elif not BEHIND.match(line):
            self._exception = ""

    def _at(self, found: re.Match[str]) -> None:
        """The deepest place in its own file; of Python's it is the last, of others' the first."""
        if PurePath(found[1]).name == self._file and (self._in_python or not self._place):
            self._place = f"{self._file}, line {found[2]}"

    @property
    def why(self) -> str:
        """What it is about; empty if it said nothing."""
        if not self._exception:
            return self._last
        return f"{self._exception} ({self._place})" if self._place else self._exception
