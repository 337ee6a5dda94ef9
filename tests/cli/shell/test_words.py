"""Are lines split as a shell splits them, half lines too?"""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnpd.cli.shell.words import split, without_name, words_of
from lnpd.errors import ParameterRefused

WHOLE: dict[str, list[str]] = {
    "": [],
    "  peers ": ["peers"],
    "invoice 'a cup of tea' --amount-msat 21sat": ["invoice", "a cup of tea", "--amount-msat", "21sat"],
    'invoice "say \\"hi\\" \\n"': ["invoice", 'say "hi" \\n'],
    r"invoice a\ b": ["invoice", "a b"],
    "invoice a'b c'd": ["invoice", "ab cd"],
    "pay x # a comment": ["pay", "x"],
    "# nothing": [],
    "pay x#y": ["pay", "x#y"],
    "invoice ''": ["invoice", ""],
}


@pytest.mark.parametrize("line", WHOLE)
def test_a_whole_line(line: str) -> None:
    assert split(line) == WHOLE[line]


@pytest.mark.parametrize("line", ["invoice 'a cup", 'invoice "a cup', "invoice a\\", "a 'b\" c", "a'b c"])
def test_half_a_line_has_an_open_word_and_is_refused_whole(line: str) -> None:
    found, comment = words_of(line)
    assert found[-1].is_open and found[-1].end == comment == len(line)
    with pytest.raises(ParameterRefused, match="quote"):
        split(line)


@given(st.text(st.sampled_from("ab '\"\\#\t\N{SNOWMAN}"), max_size=20))
def test_any_line_is_split_as_shlex_does_or_refused(line: str) -> None:
    words, comment = words_of(line)
    assert all(0 <= word.start < word.end <= len(line) for word in words)
    assert [word.start for word in words] == sorted(word.start for word in words)
    try:
        wanted = shlex.split(line[:comment])
    except ValueError:
        assert words[-1].is_open
        return
    assert split(line) == wanted


def test_the_programs_name_may_stand_before_it() -> None:
    assert without_name(["lnp", "peers"]) == without_name(["peers"]) == ["peers"]
