"""Does every import point down? (reads the imports of each file with ast; ARCHITECTURE.md draws the layers)"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STDLIB = frozenset(sys.stdlib_module_names)

# From the bottom to the top. An import may stay in its own unit or point to a lower row, never up or to a sibling.
LAYERS: tuple[tuple[str, ...], ...] = (
    (
        "lnpd_sdk",
        "lnpd_sdk.types",
        "lnpd_sdk.script",
        "lnpd_sdk.envelope",
        "lnpd_sdk.functions",
        "lnpd_sdk.life",
        "lnpd_sdk.manifest",
        "lnpd_sdk.moves",
        "lnpd_sdk.nearest",
        "lnpd_sdk.questions",
        "lnpd_sdk.hooks",
        "lnpd_sdk.services",
    ),
    ("lnpd",),  # lnpd/__init__.py, which runs before each of the others
    ("lnpd.errors",),
    ("lnpd.wire", "lnpd.crypto"),
    ("lnpd.tx",),
    ("lnpd.channel", "lnpd.peer", "lnpd.routing"),
    ("lnpd.providers",),
    ("lnpd.hooks",),
    ("lnpd.store", "lnpd.chain", "lnpd.bus"),
    ("lnpd.config", "lnpd.rpc"),
    ("lnpd.services",),
    ("lnpd.cli", "lnpd.testing"),
    ("lnpd.__main__", "lnpd.pytest_plugin"),
)
# A unit that only these may import; elsewhere rows may be skipped (`tx` may import `errors`).
ONLY_FOR = {"lnpd.config": ("lnpd.services", "lnpd.cli", "lnpd.testing")}

# What else the SDK holds, its sockets and tools, has no row: nothing in lnpd imports it.
SDK_PURE = LAYERS[0]

# No I/O, no clock, no randomness, no logging, no asyncio; and no way around the tables of this file.
PURE = (
    *SDK_PURE,
    "lnpd",
    "lnpd.errors",
    "lnpd.wire",
    "lnpd.crypto",
    "lnpd.tx",
    "lnpd.channel",
    "lnpd.peer",
    "lnpd.routing",
    "lnpd.providers",
)
# Packages beside the plugins, which each plugin may import; and the pure ones with what each imports beside msgspec.
PACKAGES = tuple(f"plugins.{path.parent.name}" for path in (ROOT / "plugins").glob("*/__init__.py"))
PURE_PACKAGES: dict[str, tuple[str, ...]] = {"plugins.nia": (), "plugins.rgb_channel": ("lnpd_sdk", "nia")}
IMPURE = {
    "files": ("os", "io", "pathlib", "shutil", "glob", "tempfile", "fileinput", "mmap", "sqlite3", "dbm", "shelve"),
    "sockets": ("socket", "socketserver", "select", "selectors", "ssl", "http", "urllib"),
    "the machine": ("sys", "platform", "locale", "getpass", "ctypes", "gc", "atexit", "signal", "subprocess"),
    "a clock": ("time", "datetime"),
    "randomness": ("random", "secrets", "uuid"),
    "logging": ("logging", "warnings"),
    "concurrency": ("asyncio", "threading", "_thread", "multiprocessing", "concurrent"),
    "code that this test cannot read": ("importlib", "runpy", "builtins", "pickle"),
}
IMPURE_CALLS = frozenset({"open", "print", "input", "exec", "eval", "compile", "breakpoint", "__import__"})

# Libraries with one home. msgspec, the values, is at home everywhere.
HOMES: dict[str, tuple[str, ...]] = {
    "peewee": ("lnpd.store",),
    "playhouse": ("lnpd.store",),
    "zmq": ("lnpd.bus", "lnpd_sdk.client"),
    "pluggy": ("lnpd.hooks",),
    "pbk": ("lnpd.chain",),
    "prompt_toolkit": ("lnpd.cli",),
    "segno": ("lnpd.cli",),
    "rgb_lib": ("plugins.rgb_engine.binding",),
}
# What else a pure unit may import from outside the standard library.
PURE_LIBRARIES: dict[str, frozenset[str]] = {
    "lnpd.crypto": frozenset({"coincurve", "noise", "cryptography"}),
    "lnpd.tx": frozenset({"embit"}),  # addresses and scripts
    "lnpd.routing": frozenset({"embit"}),  # bech32 and the fallback addresses of an invoice
}

# Files that live in a pure folder and are no part of the layer, each with its reason. Arrows bind them like all others.
COMMANDS = {
    "lnpd.wire.generate": "`make generate`: reads the rows and writes the typed classes; nothing imports it",
}

# Names of impure modules that do no I/O, each with its reason.
IN_MEMORY = {
    "io.BytesIO": "embit parses from a stream; this one is in memory",
}

RANK = {unit: rank for rank, row in enumerate(LAYERS) for unit in row}


def unit_of(module: str) -> str | None:
    """The row entry that a dotted name belongs to, None if the table knows no such unit."""
    parts = module.split(".")
    if parts[0] == "lnpd" and len(parts) > 1 and not (parts[1].startswith("__") and parts[1] != "__main__"):
        name = f"lnpd.{parts[1]}"
        return name if name in RANK else None
    if parts[0] == "lnpd_sdk" and len(parts) > 1:
        name = f"lnpd_sdk.{parts[1]}"
        return name if name in RANK else None
    return parts[0] if parts[0] in RANK else None


def imports(module: str, tree: ast.AST, is_package: bool = False) -> Iterator[tuple[int, str]]:
    """(line, absolute dotted name) of each import, wherever it stands: in functions and under TYPE_CHECKING too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                here = parts[: len(parts) - node.level + is_package]
                base = ".".join([*here, *([node.module] if node.module else [])])
            # `from lnpd import wire` imports lnpd.wire: the name is what tells the unit.
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__") and node.args:
            match node.args[0]:
                case ast.Constant(value=str(name)):
                    yield node.lineno, name
                case _:
                    yield node.lineno, "?"


def _called(node: ast.Call) -> str:
    """The last word of what is called: `b` in a.b(), "" if it has no name."""
    match node.func:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return str(name)
    return ""


def violations(module: str, source: str, is_package: bool = False) -> list[str]:
    """Every broken rule in one file's source, as lines for a person; empty if it keeps them all."""
    tree = ast.parse(source)
    problems = [
        f"{module}:{line}: imports {name}: {why}"
        for line, name in imports(module, tree, is_package)
        if (why := _library_rule(module, name) or _arrow_rule(module, name))
    ]
    if is_pure(module):
        problems += [
            f"{module}:{node.lineno}: calls {_called(node)}: a pure layer has no I/O and no code made of text"
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS
        ]
    return problems


def is_pure(module: str) -> bool:
    """Is it a file of a pure layer or of a pure package?"""
    package = ".".join(module.split(".")[:2])
    return package in PURE_PACKAGES or (unit_of(module) in PURE and module not in COMMANDS)


def _library_rule(module: str, name: str) -> str | None:
    """The broken rule about the standard library or a third party's, if there is one."""
    top = name.split(".")[0]
    if top in HOMES:
        at_home = any(module == home or module.startswith((f"{home}.", f"{home}_")) for home in HOMES[top])
        return None if at_home else f"only {' and '.join(HOMES[top])} may"
    unit = unit_of(module) or ""
    if not is_pure(module) or top in ("lnpd", "lnpd_sdk", "?"):
        return None
    if name in IN_MEMORY:
        return None
    for what, modules in IMPURE.items():
        if top in modules:
            return f"a pure layer has no business with {what}"
    known = ("msgspec", *beside(module)) if module.startswith("plugins.") else ("msgspec",)
    foreign = top not in (*STDLIB, *known) and top not in PURE_LIBRARIES.get(unit, ())
    return "not among the libraries of a pure layer (PURE_LIBRARIES)" if foreign else None


def _arrow_rule(module: str, name: str) -> str | None:
    """The broken rule about the direction of an import within the project, if there is one."""
    if name == "?":
        return "a computed name, so that nobody can tell which layer it is"
    if module.startswith("plugins."):
        return _plugin_rule(module, name)
    top = name.split(".")[0]
    if top in ("plugins", "tests", "contrib"):
        return "the project's programs and tests are no library"
    if top not in ("lnpd", "lnpd_sdk"):
        return None
    if name in COMMANDS or any(name.startswith(f"{command}.") for command in COMMANDS):
        return "a command, which nothing imports"
    if module.startswith("lnpd_sdk"):
        if top == "lnpd":
            return "the SDK is below lnpd"
        impure = _is_sdk_module(name) and unit_of(name) is None
        return "the SDK's pure modules are below its others" if unit_of(module) is not None and impure else None
    here, there = unit_of(module), _target(name)
    if here is None or there is None:
        return f"{module if here is None else name} has no row in LAYERS"
    if there == here:
        return None
    if here not in ONLY_FOR.get(there, (here,)):
        return f"only {', '.join(ONLY_FOR[there])} may"
    if RANK[there] == RANK[here]:
        return f"{there} is a sibling of {here}"
    return f"{there} is above {here}" if RANK[there] > RANK[here] else None


def _plugin_rule(module: str, name: str) -> str | None:
    """A plugin imports the SDK (with its msgspec), the standard library, what has its own name, and packages beside it.

    A pure package imports msgspec, the standard library, itself and what its row names.
    """
    top = name.split(".")[0]
    own = ".".join(module.split(".")[:2])
    if (
        top in ("msgspec", *beside(module))
        or top in STDLIB
        or module in HOMES.get(top, ())
        or name == own
        or name.startswith(f"{own}.")
    ):
        return None
    return "a plugin imports the SDK and the standard library only"


def beside(module: str) -> tuple[str, ...]:
    """What a file of a plugin, or of a package beside the plugins, may import by name: its own, and its row's."""
    package = ".".join(module.split(".")[:2])
    every = ("lnpd_sdk", *(each.split(".")[1] for each in PACKAGES))
    return (package.split(".")[1], *PURE_PACKAGES.get(package, every))


def _target(name: str) -> str | None:
    """Like unit_of, but `from lnpd_sdk import Amount` is an import of lnpd_sdk: a capital is a class, no module."""
    parent, _, last = name.rpartition(".")
    return unit_of(parent) if parent in ("lnpd", "lnpd_sdk") and last[:1].isupper() else unit_of(name)


def _is_sdk_module(name: str) -> bool:
    parts = name.split(".")
    return len(parts) > 1 and not parts[1][:1].isupper()


def sources() -> Iterator[tuple[str, Path, bool]]:
    """(dotted name, path, is a package's __init__) of each Python file of lnpd, the SDK and the plugins."""
    for base, folder in ((ROOT, "lnpd"), (ROOT / "sdk", "lnpd_sdk"), (ROOT, "plugins")):
        for path in sorted((base / folder).rglob("*.py")):
            parts = path.relative_to(base).with_suffix("").parts
            is_package = parts[-1] == "__init__"
            yield ".".join(parts[:-1] if is_package else parts), path, is_package


def test_every_import_of_the_project_points_down() -> None:
    files = list(sources())
    problems = [line for name, path, package in files for line in violations(name, path.read_text(), package)]
    assert len(files) > 15, "the folders have moved and nothing was read"
    assert not problems, "\n".join(["imports against the layers:", *problems])


def test_every_row_is_in_use_or_awaited() -> None:
    folders = {f"lnpd.{path.name}" for path in (ROOT / "lnpd").iterdir() if (path / "__init__.py").exists()}
    assert folders - set(RANK) == set(), "a folder without a row in LAYERS"
    assert len(RANK) == sum(map(len, LAYERS)), "a unit stands in two rows"
    assert set(PURE) <= set(RANK)


BROKEN = {
    "up": ("lnpd.wire.fields", "import lnpd.channel.state", "above"),
    "up, from": ("lnpd.tx.script", "from lnpd.channel import state", "above"),
    "up, from the root": ("lnpd.tx.script", "from lnpd import providers", "above"),
    "up, relative": ("lnpd.tx.script", "from ..channel.state import Channel", "above"),
    "up, relative to the root": ("lnpd.errors", "from . import wire", "above"),
    "up, in a function": ("lnpd.channel.step", "def f() -> None:\n    from lnpd.services import peers\n", "above"),
    "up, for types only": (
        "lnpd.tx.script",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from lnpd.hooks.spec import Spec\n",
        "above",
    ),
    "up, by name": ("lnpd.services.peers", "import importlib\nimportlib.import_module('lnpd.cli.shell')", "above"),
    "computed name": ("lnpd.services.peers", "import importlib\nimportlib.import_module('lnpd.' + x)", "computed"),
    "sideways, wire": ("lnpd.wire.fields", "from lnpd.crypto import keys", "sibling"),
    "sideways, doors": ("lnpd.store.models", "import lnpd.bus.codec", "sibling"),
    "sideways, relative": ("lnpd.peer.session", "from ..channel import state", "sibling"),
    "root imports a layer": ("lnpd", "from lnpd.cli import daemon", "above"),
    "unknown unit": ("lnpd.tx.script", "import lnpd.helpers", "no row"),
    "unknown folder": ("lnpd.helpers.text", "import lnpd.errors", "no row"),
    "star from the root": ("lnpd.cli.lnp", "from lnpd import *", "no row"),
    "config below services": ("lnpd.store.models", "from lnpd.config import Config", "only lnpd.services"),
    "config from the command": ("lnpd.__main__", "from lnpd.config import Config", "only lnpd.services"),
    "testing beside cli": ("lnpd.testing", "from lnpd.cli import daemon", "sibling"),
    "a command imported": ("lnpd.wire.message", "from lnpd.wire.generate import write", "a command"),
    "a command's arrow": ("lnpd.wire.generate", "import lnpd.services", "above"),
    "sdk client from lnpd": ("lnpd.bus.rpc", "from lnpd_sdk.client import Plugin", "no row"),
    "sdk client from lnpd, from": ("lnpd.testing", "from lnpd_sdk import client", "no row"),
    "lnpd from sdk": ("lnpd_sdk.client", "import lnpd.errors", "below lnpd"),
    "sdk pure to its client": ("lnpd_sdk.types", "from . import client", "pure modules"),
    "sdk root to its client": (
        "lnpd_sdk",
        "def f() -> None:\n    from lnpd_sdk.client import Plugin\n",
        "pure modules",
    ),
    "plugin imports lnpd": ("plugins.rgb", "from lnpd.errors import LnpdError", "SDK and the standard"),
    "plugin imports a library": ("plugins.rgb", "import coincurve", "SDK and the standard"),
    "plugin imports another": ("plugins.rgb", "import plugins.dlc", "SDK and the standard"),
    "package of plugins imports the SDK": ("plugins.nia.seals", "from lnpd_sdk import Plugin", "SDK and the standard"),
    "package of plugins imports a plugin": ("plugins.nia.seals", "import rgb", "not among"),
    "clock in a package of plugins": ("plugins.nia.mpc", "import time", "a clock"),
    "open in a package of plugins": ("plugins.nia.consignment", "open('x')", "calls open"),
    "tests from lnpd": ("lnpd.services.peers", "from tests.vectors import load", "no library"),
    "zmq outside the bus": ("lnpd.services.plugins", "import zmq.asyncio", "only lnpd.bus"),
    "zmq in the scaffold": ("lnpd_sdk.scaffold", "import zmq", "only lnpd.bus"),
    "peewee outside the store": ("lnpd.services.peers", "from peewee import Model", "only lnpd.store"),
    "playhouse outside the store": ("lnpd.cli.lnp", "import playhouse.migrate", "only lnpd.store"),
    "pluggy outside the hooks": ("lnpd.services.plugins", "import pluggy", "only lnpd.hooks"),
    "kernel outside the chain": ("lnpd.services.chain", "import pbk", "only lnpd.chain"),
    "prompt outside the cli": ("lnpd.services.rpc", "import prompt_toolkit", "only lnpd.cli"),
    "clock in a pure layer": ("lnpd.channel.step", "import time", "a clock"),
    "entropy in a function": ("lnpd.crypto.keys", "def f() -> None:\n    import secrets\n", "randomness"),
    "os.path": ("lnpd.wire.catalogue", "from os.path import join", "files"),
    "asyncio in a provider": ("lnpd.providers.htlc", "import asyncio", "concurrency"),
    "logging in the sdk's types": ("lnpd_sdk.types", "import logging", "logging"),
    "library in a pure layer": ("lnpd.channel.step", "import coincurve", "PURE_LIBRARIES"),
    "open in a pure layer": ("lnpd.wire.catalogue", "open('bolt1.csv')", "calls open"),
    "exec in a pure layer": ("lnpd.tx.pipeline", "def f() -> None:\n    exec('import os')\n", "calls exec"),
}

KEPT = {
    "own unit": ("lnpd.channel.step", "from .state import Channel\nimport lnpd.channel.events"),
    "own unit, from its root": ("lnpd.wire", "from .fields import u16\nfrom lnpd.wire import tlv", True),
    "down": ("lnpd.channel.step", "from lnpd.tx import pipeline\nfrom lnpd.wire.messages import Init"),
    "down, skipping rows": ("lnpd.cli.lnp", "from lnpd.errors import LnpdError\nimport lnpd.config"),
    "down, relative": ("lnpd.tx.script", "from ..errors import LnpdError\nfrom .. import crypto"),
    "sdk's pure modules": ("lnpd.tx.script", "from lnpd_sdk.types import OutputSpec\nfrom lnpd_sdk import script"),
    "sdk's own": ("lnpd_sdk.client", "import zmq\nfrom .types import OutputSpec\nfrom . import scaffold"),
    "sdk's client in two files": ("lnpd_sdk.client_tcp", "import zmq"),
    "version of the root": ("lnpd.cli.lnp", "from lnpd import __version__"),
    "entry": ("lnpd.__main__", "from lnpd.cli.daemon import main"),
    "homes": ("lnpd.bus.rpc", "import zmq, asyncio, os"),
    "libraries of crypto": ("lnpd.crypto.noise", "import coincurve._libsecp256k1\nimport noise.connection, hashlib"),
    "values": ("lnpd.channel.state", "import msgspec, dataclasses, enum\nfrom typing import Any"),
    "a method named open": ("lnpd.channel.opening", "def f(channel: object) -> None:\n    channel.open()\n"),
    "a command": ("lnpd.wire.generate", "import pathlib, sys\nfrom . import catalogue\nprint(open('x'))"),
    "plugin": ("plugins.lockbox", "import asyncio\nfrom lnpd_sdk import Plugin\nfrom lnpd_sdk.client import run"),
    "plugin with a package beside it": ("plugins.rgb", "from nia.transition import Transition"),
    "package of plugins upon another": (
        "plugins.rgb_channel.colour",
        "from nia.mpc import Tree\nfrom lnpd_sdk.types import View\nfrom rgb_channel.state import State",
    ),
    "package of plugins": ("plugins.nia.mpc", "import msgspec\nfrom hashlib import sha256\nfrom nia.seals import Seal"),
    "plugin with a package": ("plugins.rgb.schema", "from . import contract\nimport rgb.contract"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_rule_is_found_and_named(case: str) -> None:
    module, source, words = BROKEN[case]
    is_package = module in ("lnpd", "lnpd_sdk")
    problems = violations(module, source, is_package)
    assert problems, f"not found: {source}"
    assert any(words in line for line in problems), problems


@pytest.mark.parametrize("case", KEPT)
def test_a_kept_rule_is_not_reported(case: str) -> None:
    module, source, *package = KEPT[case]
    assert violations(str(module), str(source), bool(package)) == []
