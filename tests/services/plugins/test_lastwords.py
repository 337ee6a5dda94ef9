"""Is the line found that tells why a plugin ended, whatever is printed around it?"""

import pytest

from lnpd.services.plugins.lastwords import LastWords

IMPORT = """Traceback (most recent call last):
  File "/home/me/lamp.py", line 3, in <module>
    @plugin.provider
  File "/home/me/env/lib/lnpd_sdk/plugin.py", line 79, in provider
    check_provider(kind)
TypeError: the provider lamp has a method close, which is never asked"""
SYNTAX = """  File "/home/me/lamp.py", line 12
    def lit(:
            ^
SyntaxError: invalid syntax"""
NODE = """file:///home/me/lamp.mjs:7
throw new Error("no light")
      ^

Error: no light
    at lit (file:///home/me/lamp.mjs:7:7)
    at file:///home/me/lamp.mjs:20:1

Node.js v20.19.2"""
NOTES = """{IMPORT}

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/home/me/lamp.py", line 9, in <module>
    f()
msgspec.ValidationError: Expected `int`
  with another line""".replace("{IMPORT}", IMPORT)
SAID = {
    "nothing": ("lamp.py", "", ""),
    "a word": ("lamp.py", "one\nbroken", "broken"),
    "a line that is deep in the SDK": (
        "lamp.py",
        IMPORT,
        "TypeError: the provider lamp has a method close, which is never asked (lamp.py, line 3)",
    ),
    "no Python": ("lamp.py", SYNTAX, "SyntaxError: invalid syntax (lamp.py, line 12)"),
    "another file": ("room.py", SYNTAX, "SyntaxError: invalid syntax"),
    "an exception of an exception": ("lamp.py", NOTES, "msgspec.ValidationError: Expected `int` (lamp.py, line 9)"),
    "JavaScript": ("lamp.mjs", NODE, "Error: no light (lamp.mjs, line 7)"),
    "an exception long ago": ("lamp.py", IMPORT + "\nit goes on\nI am going now", "I am going now"),
}


@pytest.mark.parametrize("what", SAID)
def test_the_line_that_tells_why(what: str) -> None:
    file, printed, why = SAID[what]
    words = LastWords(f"/home/me/{file}")
    for line in filter(str.strip, printed.splitlines()):
        words.hear(line)
    assert words.why == why
