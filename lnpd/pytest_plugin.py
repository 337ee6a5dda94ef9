"""Which fixture does pytest find where lnpd is installed? `pair`: two nodes with the test's plugin in both.

    # pyproject.toml:  [tool.pytest.ini_options]  lnpd_plugin = "memo.py"

    def test_my_output(pair):
        pair.open()
        ...

A mark names another one, below the folder of the test's file: `@pytest.mark.lnpd_plugin("other.py")`; what is granted
follows, in place of all that the plugin asks for. Nothing of the node is loaded before a test uses the fixture.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from lnpd.testing.pair import Pair

NAME: Final = "lnpd_plugin"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The setting that names the plugin."""
    parser.addini(NAME, "the plugin that the fixture `pair` runs in both nodes, below the folder of the settings")


def pytest_configure(config: pytest.Config) -> None:
    """The mark that names another plugin."""
    config.addinivalue_line("markers", f"{NAME}(path, *grants): the plugin that the fixture `pair` runs in both nodes")


@pytest.fixture
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    """Two nodes, alice and bob, on an embedded regtest chain, with the plugin of the test in both."""
    from lnpd.testing.pair import paired

    mark = request.node.get_closest_marker(NAME)
    named = str(mark.args[0]) if mark else str(request.config.getini(NAME) or "")
    if not named:
        raise pytest.UsageError(f"`pair` has no plugin: name it by {NAME} in pyproject.toml, or by a mark of the test")
    folder = request.path.parent if mark else request.config.rootpath
    grants = tuple(map(str, mark.args[1:])) if mark and len(mark.args) > 1 else None
    with paired(tmp_path, folder / named, grants) as found:
        yield found
