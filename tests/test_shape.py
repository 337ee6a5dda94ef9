"""Has the code its shape: no file that needs itself to be read first, no function that does not fit on a page?"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.test_layers import imports
from tests.test_project import ROOT, python_files

# Circles that are known, each to be mended: files that import each other, for types only too.
CIRCLES: dict[frozenset[str], str] = {}

# Functions of more than 40 lines, each with the reason why it is one all the same.
LONG_FUNCTIONS: dict[str, str] = {
    "contrib/bench/writes.py:measured": "one contest, whose contestants are closures over the stores that it opens",
    "contrib/docs/bitcoind.py:bitcoind": "the text of a page",
    "lnpd/services/channels/view.py:shown": "one row of the RPC, a line a field",
}
MAX_LINES = 40

Graph = Mapping[str, frozenset[str]]


def module_of(path: Path) -> str:
    """The dotted name of a file of lnpd or of the SDK."""
    inside = path.relative_to(ROOT / "sdk") if path.is_relative_to(ROOT / "sdk") else path.relative_to(ROOT)
    return ".".join(inside.with_suffix("").parts).removesuffix(".__init__")


def graph_of(sources: Mapping[str, tuple[str, bool]]) -> Graph:
    """Which files each file imports, wherever in it; by module, with its source and whether it is a package."""
    found = {}
    for module, (source, is_package) in sources.items():
        names = {name for _, name in imports(module, ast.parse(source), is_package)}
        # `from a.b import c` is told as a.b.c: the file is a.b.c, or a.b that has a name c
        files = {name if name in sources else name.rpartition(".")[0] for name in names}
        found[module] = frozenset(files & set(sources)) - {module}
    return found


def circles(graph: Graph) -> Iterator[frozenset[str]]:
    """Every largest set of files that all need each other."""
    reach = {module: reachable(graph, module) for module in graph}
    seen: set[str] = set()
    for module in sorted(graph):
        if module not in seen and module in reach[module]:
            circle = frozenset(other for other in reach[module] if module in reach[other])
            seen |= circle
            yield circle


def reachable(graph: Graph, module: str) -> set[str]:
    """Whatever a file needs, directly or not; itself if it is in a circle."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        new = graph[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def long_functions(tree: ast.AST, limit: int) -> Iterator[tuple[str, int]]:
    """Functions and methods over the limit, each with its lines: from `def` to its end, but for the docstring."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            said = node.body[0] if ast.get_docstring(node) is not None else None
            spoken = 0 if said is None else (said.end_lineno or said.lineno) - said.lineno + 1
            lines = (node.end_lineno or node.lineno) - node.lineno + 1 - spoken
            if lines > limit:
                yield node.name, lines


def test_no_files_import_each_other() -> None:
    paths = python_files("lnpd", "sdk/lnpd_sdk")
    graph = graph_of({module_of(path): (path.read_text(), path.name == "__init__.py") for path in paths})
    assert len(graph) > 100
    assert sum(map(len, graph.values())) > len(graph), "the arrows were not found"
    found = set(circles(graph))
    unknown = [" <-> ".join(sorted(circle)) for circle in found - set(CIRCLES)]
    assert not unknown, "\n".join(["files that import each other:", *unknown])
    assert set(CIRCLES) <= found, "a circle is gone: strike it out"


def test_long_functions_are_listed_with_a_reason() -> None:
    found = {
        f"{path.relative_to(ROOT)}:{name}": lines
        for path in python_files("lnpd", "sdk", "plugins", "contrib")
        for name, lines in long_functions(ast.parse(path.read_text()), MAX_LINES)
    }
    unlisted = {name: lines for name, lines in found.items() if name not in LONG_FUNCTIONS}
    assert not unlisted, f"over {MAX_LINES} lines: {unlisted}"
    assert set(LONG_FUNCTIONS) <= set(found), "a function is short now: strike it out"
    assert all(LONG_FUNCTIONS.values())


FILES: dict[str, tuple[dict[str, str], list[set[str]]]] = {
    "none": ({"a": "import b.c", "b": "", "b.c": "from b import d", "b.d": "import os"}, []),
    "two": ({"a": "import b", "b": "from a import name"}, [{"a", "b"}]),
    "for types only": (
        {"a": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from b import B\n", "b": "import a"},
        [{"a", "b"}],
    ),
    "in a function": ({"a": "def f():\n    import b\n", "b": "import a"}, [{"a", "b"}]),
    "relative": ({"p": "", "p.a": "from .b import x", "p.b": "from . import a"}, [{"p.a", "p.b"}]),
    "a long way round": (
        {"a": "import b", "b": "import c", "c": "import d", "d": "import b", "e": "import a"},
        [{"b", "c", "d"}],
    ),
    "two circles": ({"a": "import b", "b": "import a", "c": "import a, d", "d": "import c"}, [{"a", "b"}, {"c", "d"}]),
}


@pytest.mark.parametrize("what", FILES)
def test_a_circle_is_found(what: str) -> None:
    sources, expected = FILES[what]
    graph = graph_of({name: (text, name in ("p", "b") and f"{name}.a" in sources) for name, text in sources.items()})
    assert list(circles(graph)) == [frozenset(circle) for circle in expected]


@pytest.mark.parametrize("kind", ["def f():", "class C:\n  async def f(self):", "def g():\n  def f():"])
def test_a_long_function_is_found(kind: str) -> None:
    body = "\n".join("    x = 1" for _ in range(5))
    tree = ast.parse(f"{kind}\n{body}\n")
    assert ("f", 6) in list(long_functions(tree, 5))
    assert "f" not in dict(long_functions(tree, 6))
    documented = ast.parse(f'def f():\n    """What\n    it does."""\n{body}\n')
    assert list(long_functions(documented, 5)) == [("f", 6)]
