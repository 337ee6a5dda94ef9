"""Is what a stranger wrote shown in one bounded line that steers no terminal?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnpd.errors import PluginFault, ProviderFault
from lnpd.errors.words import MAX_CHARACTERS, one_line

SHOWN: dict[str, tuple[str | bytes, str]] = {
    "nothing": (b"", ""),
    "plain bytes": (b"plain ~", "plain ~"),
    "a terminal's commands": (b"a\x1b[2J\n\x7f", "a\\x1b[2J\\n\\x7f"),
    "no UTF-8": (b"a\xff", "a\\xff"),
    "another script": ("Grüße", "Grüße"),
    "a turned direction": ("a\u202eb", "a\\u202eb"),
    "a lone surrogate": ("a\ud800", "a\\ud800"),
    "as long as it may be": ("x" * MAX_CHARACTERS, "x" * MAX_CHARACTERS),
    "too long": (b"x" * 2000, "x" * (MAX_CHARACTERS - 3) + "..."),
    "too long once it is escaped": ("\n" * 900, "\\n" * 498 + "\\..."),
}


@pytest.mark.parametrize(("text", "shown"), SHOWN.values(), ids=SHOWN.keys())
def test_each_text_is_one_line(text: str | bytes, shown: str) -> None:
    assert one_line(text) == shown


@given(st.one_of(st.binary(max_size=200), st.text(st.characters(), max_size=200)), st.integers(3, 60))
def test_whatever_it_is(text: str | bytes, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert line.isprintable()
    assert len(line.splitlines()) <= 1


@pytest.mark.parametrize("kind", [PluginFault, ProviderFault])
def test_a_plugins_fault_cannot_forge_a_line(kind: type[PluginFault]) -> None:
    error = kind("lockbox", "bad\nERROR lnpd.signer: all keys are lost\x1b[2J" + "x" * 5_000)
    assert str(error).startswith("lockbox: bad\\nERROR lnpd.signer: all keys are lost\\x1b[2J")
    assert len(str(error)) == MAX_CHARACTERS
    assert error.plugin == "lockbox"
