"""How does something of Python's become Markdown: a table, a class with its fields, a function with its parameters?

What stands in the source is printed: names, types and defaults as they are written there, docstrings, and the comment
beside a field or a member.
"""

import ast
import inspect
import io
import re
import tokenize
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import ModuleType
from typing import Any, Final

NOTE: Final = "Printed by `make docs` from the code; a test compares the two.\n"


def page(title: str, *parts: str) -> str:
    """A whole page. Outside of code one empty line is enough."""
    pieces = "\n".join([f"# {title}\n", NOTE, *parts]).split("```")
    pieces[::2] = [re.sub(r"\n{3,}", "\n\n", piece) for piece in pieces[::2]]
    return "```".join(pieces).rstrip("\n") + "\n"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table without the columns that are empty in every row."""
    lines = [tuple(row) for row in rows]
    kept = [n for n in range(len(heads)) if any(line[n] for line in lines)]
    shown = [[heads[n] for n in kept], ["---"] * len(kept), *([line[n] for n in kept] for line in lines)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in shown) + "\n"


def code(text: str) -> str:
    """A word as code; nothing stays nothing."""
    return f"`{text}`" if text else ""


def line_of(thing: object) -> str:
    """A docstring as one line."""
    return " ".join((inspect.getdoc(thing) or "").split())


def prose(thing: object) -> str:
    """A docstring as it stands."""
    return (inspect.getdoc(thing) or "") + "\n"


def block(text: str) -> str:
    """Lines to be shown as they are."""
    return f"```\n{text.strip(chr(10))}\n```\n"


def comments(source: str) -> dict[int, str]:
    """The comment beside each line of a source, by its line's number; what is meant for tools is left out."""
    found = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and token.line[: token.start[1]].strip():
            found[token.start[0]] = token.string.split("# noqa")[0].strip("# ").strip()
    return found


class Member:
    """A field of a class or a member of an enumeration, as written."""

    def __init__(self, name: str, kind: str, value: str, comment: str) -> None:
        self.name, self.kind, self.value, self.comment = name, kind, value, comment


def members(cls: type) -> list[Member]:
    """The fields or members of a class, in the order of its source."""
    source = inspect.cleandoc("\n" + inspect.getsource(cls))
    beside = comments(source)
    (body,) = (node.body for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
    found = []
    for node in body:
        comment = beside.get(node.lineno, "")
        match node:
            case ast.AnnAssign(target=ast.Name(id=name)):
                value = ast.unparse(node.value) if node.value else ""
                found.append(Member(name, ast.unparse(node.annotation), value, comment))
            case ast.Assign(targets=[ast.Name(id=name)]):
                found.append(Member(name, "", ast.unparse(node.value), comment))
    return found


def fields_table(cls: type) -> str:
    """A class's fields or members."""
    rows = [(code(m.name), code(m.kind), code(m.value), m.comment) for m in members(cls)]
    return table(("name", "type", "value" if not any(r[1] for r in rows) else "default", ""), rows) if rows else ""


def classes(module: ModuleType) -> list[type]:
    """The public classes that a module defines, in the order of its source."""
    named = [value for name, value in vars(module).items() if isinstance(value, type) and not name.startswith("_")]
    own = [cls for cls in named if cls.__module__ == module.__name__]
    return sorted(own, key=lambda cls: inspect.getsourcelines(cls)[1])


def methods(cls: type) -> Iterator[tuple[str, Callable[..., Any]]]:  # Any: they are only read
    """The public methods that a class itself defines."""
    for name, value in vars(cls).items():
        function = value.__func__ if isinstance(value, staticmethod | classmethod) else value
        if inspect.isfunction(function) and not name.startswith("_"):
            yield name, function


def signature(function: Callable[..., Any]) -> str:  # Any: it is only read
    """Name, parameters and answer, as written, without `self`."""
    (node,) = ast.parse(inspect.cleandoc("\n" + inspect.getsource(function))).body
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    arguments = ast.unparse(node.args).removeprefix("self, ").removeprefix("self")
    answer = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{'async ' if isinstance(node, ast.AsyncFunctionDef) else ''}{node.name}({arguments}){answer}"


def aliases(module: ModuleType) -> list[str]:
    """The lines of a module that give a type another name."""
    tree = ast.parse(inspect.getsource(module))
    assigned = [node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign)]
    names = [(node.targets[0] if isinstance(node, ast.Assign) else node.target, node) for node in assigned]
    is_type = [node for name, node in names if isinstance(name, ast.Name) and name.id[:1].isupper()]
    return [ast.unparse(node) for node in is_type if not ast.unparse(node).split(":")[0].split(" =")[0].isupper()]
