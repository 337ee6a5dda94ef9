"""Is the tutorial true: is its code what `lnp plugin new` writes, and is each mistake found in those words?"""

import ast
from pathlib import Path

import pytest

from contrib.docs.tutorial import MISTAKES, Mistake, source, tutorial
from lnpd.cli.plugin.check import check


def test_its_code_is_the_new_plugins() -> None:
    blocks = tutorial().split("```python\n")[1:]
    written = source("jar.py") + source("test_jar.py")
    assert len(blocks) == 7
    for block in blocks:
        for part in block.split("\n```")[0].split("\n\n"):
            assert part in written


def test_without_a_mistake_nothing_is_found(tmp_path: Path) -> None:
    path = tmp_path / "jar.py"
    path.write_text(source("jar.py"))
    ast.parse(source("test_jar.py"))
    assert check(path).findings == ()


@pytest.mark.parametrize("mistake", MISTAKES, ids=[each.found.split(":")[0] for each in MISTAKES])
def test_a_mistake_is_found(tmp_path: Path, mistake: Mistake) -> None:
    text = source("jar.py")
    assert text.count(mistake.written) == 1
    path = tmp_path / "jar.py"
    path.write_text(text.replace(mistake.written, mistake.instead))
    assert mistake.found in check(path).text()
