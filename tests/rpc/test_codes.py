"""Does a person read sentences where the node refuses something?"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import lnpd
from lnpd import errors
from lnpd.rpc.codes import error_object

SOURCE = Path(lnpd.__file__).parent
HEARD = (errors.CommandRefused, errors.RpcError, errors.CapabilityMissing, errors.ProposalRefused, errors.ConfigRefused)
COMMANDS = ("--", "=", "lnp ", "@HOST:PORT")  # a text may end with what can be typed


def refusals() -> Iterator[tuple[str, ast.expr]]:
    """Every text that is written into one of these errors, and where."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                kind = getattr(errors, node.func.id, None)
                if isinstance(kind, type) and issubclass(kind, HEARD):
                    yield f"{path.relative_to(SOURCE)}:{node.lineno}", node.args[0]


def ends(text: ast.expr) -> tuple[str, str]:
    """The literal beginning and end of a text; empty where a value stands."""
    parts = text.values if isinstance(text, ast.JoinedStr) else [text]
    first, last = (p.value if isinstance(p, ast.Constant) else "" for p in (parts[0], parts[-1]))
    return str(first), str(last)


def test_refusals_are_sentences() -> None:
    found = dict(refusals())
    assert len(found) > 80, "the walk misses them"
    for place, text in found.items():
        first, last = ends(text)
        assert not first[:1].islower(), f"{place}: {first!r} does not begin like a sentence"
        ended = not last or last[-1] in ".!?" or any(mark in last[-80:] for mark in COMMANDS)
        assert ended, f"{place}: {last!r} does not end like a sentence"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (errors.CommandRefused("No plugin can change this channel: it is being closed."), None),
        (errors.PluginRefused("there is no box 3"), "there is no box 3."),
        (errors.CommandRefused("Two\n lines  become one"), "Two lines become one."),
        (errors.PeerAddressUnknown("Say where it is: lnp connect 02aa@HOST:PORT"), None),
    ],
)
def test_what_a_client_is_told_ends_like_a_sentence(error: errors.LnpdError, told: str | None) -> None:
    assert error_object(error)["message"] == (told or str(error))
