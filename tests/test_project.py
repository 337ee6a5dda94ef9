"""Does the project keep its house rules: no foreign paths, documented names, short files, one version?"""

import ast
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# What no file may hold: places that exist on one machine only, and package registries by name (whoever installs
# chooses them). A character class keeps each pattern from matching itself.
FORBIDDEN: dict[str, re.Pattern[str]] = {
    "a path of one machine": re.compile(r"/[w]ork/|/[r]oot/|/[o]pt/(?:pypi|wheels)|\.[l]ibrary\b|\.[m]irror\b"),
    "a folder beside the project, other than the vectors": re.compile(r"\b[s]hared/(?!vectors\b)|\b[p]rototypes/"),
    "a note that a reader cannot open": re.compile(r"\b(?:[d]ecisions|[e]xtension-points|[p]lugin-designs)\.md"),
    "a package registry": re.compile(
        r"https?://[^\s)]*(?:[p]ypi|[n]pmjs|[c]rates|[d]eb\.)|\b[p]ypi\.org|[p]ythonhosted|[p]roxy\.golang"
    ),
}
PLANTED = {
    "a path of one machine": ["/{}ork/main", "w"],
    "a folder beside the project, other than the vectors": ["../{}hared/notes", "s"],
    "a note that a reader cannot open": ["see {}ecisions.md", "d"],
    "a package registry": ["https://{}ypi.example/simple", "p"],
}

GENERATED = ROOT / "lnpd" / "wire" / "messages.py"  # its rows name their BOLT; a test compares it with them

# Files of more than 400 lines, each with the reason why it answers one question all the same.
LONG_FILES: dict[str, str] = {
    "lnpd/wire/messages.py": "generated from the rows: one class for each message of the catalogue",
    "lnpd/rpc/methods.py": "generated from the table: one method for each command",
    "lnpd/rpc/methods_async.py": "the same, awaited",
}
MAX_LINES = 400


def files() -> list[Path]:
    """Every file that git tracks or would add, whatever its kind."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def python_files(*folders: str) -> list[Path]:
    """The Python files below these folders of the project, or all."""
    inside = tuple(ROOT / folder for folder in folders or (".",))
    return [path for path in files() if path.suffix == ".py" and any(path.is_relative_to(top) for top in inside)]


def undocumented(tree: ast.Module) -> Iterator[str]:
    """Names of the module's public classes and functions that have no docstring, `module` for its own."""
    if ast.get_docstring(tree) is None or not isinstance(tree.body[0], ast.Expr):
        yield "module"
    for node in tree.body:
        if (
            isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and not node.name.startswith("_")
            and not any(getattr(decorator, "id", "") == "overload" for decorator in node.decorator_list)
            and ast.get_docstring(node) is None
        ):
            yield node.name


def test_no_file_names_what_only_one_machine_knows() -> None:
    found = []
    for path in files():
        text = path.read_bytes().decode("utf-8", errors="replace")
        for what, pattern in FORBIDDEN.items():
            found += [f"{path.relative_to(ROOT)}: {what}: {match.group()}" for match in pattern.finditer(text)]
    assert not found, "\n".join(["", *found])


@pytest.mark.parametrize("what", FORBIDDEN)
def test_each_forbidden_pattern_finds_what_is_planted(what: str) -> None:
    sample, letter = PLANTED[what]
    assert FORBIDDEN[what].search(sample.format(letter))
    assert not FORBIDDEN[what].search("load('../shared/vectors/bolt1-tlv.json') for a node")


def test_every_public_name_is_documented() -> None:
    paths = [path for path in python_files("lnpd", "sdk", "plugins") if path != GENERATED]
    trees = {path: ast.parse(path.read_text()) for path in paths}
    missing = [f"{path.relative_to(ROOT)}: {name}" for path, tree in trees.items() for name in undocumented(tree)]
    assert len(trees) > 15, "the folders have moved and nothing was read"
    assert not missing, "\n".join(["no docstring:", *missing])


def test_every_file_says_its_question_first() -> None:
    others = [path for path in python_files("tests", "contrib") if path.read_text().strip()]
    silent = [str(path.relative_to(ROOT)) for path in others if "module" in undocumented(ast.parse(path.read_text()))]
    assert not silent, f"no docstring at the top: {silent}"


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ('"""Doc."""\ndef f():\n    """Doc."""\n', []),
        ("import os\n", ["module"]),
        ('"""Doc."""\ndef f(): ...\nclass C: ...\nasync def g(): ...\ndef _h(): ...\n', ["f", "C", "g"]),
        ('"""Doc."""\n@overload\ndef f(): ...\n', []),
    ],
)
def test_a_missing_docstring_is_found(source: str, names: list[str]) -> None:
    assert list(undocumented(ast.parse(source))) == names


def test_long_files_are_listed_with_a_reason() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in python_files()}
    unlisted = {name: length for name, length in lengths.items() if length > MAX_LINES and name not in LONG_FILES}
    assert not unlisted, f"over {MAX_LINES} lines: {unlisted}"
    short = {name for name in LONG_FILES if name in lengths and lengths[name] <= MAX_LINES}
    assert not short, f"listed as long without need: {short}"
    assert all(LONG_FILES.values())


def test_both_distributions_have_one_version() -> None:
    node = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    sdk = tomllib.loads((ROOT / "sdk" / "pyproject.toml").read_text())["project"]
    assert node["version"] == sdk["version"]
    assert f"{sdk['name']}=={sdk['version']}" in node["dependencies"]
    assert node["requires-python"] == sdk["requires-python"]
    assert f"## {node['version']}" in (ROOT / "CHANGELOG.md").read_text()


def test_mypy_and_wheels_cover_both_distributions() -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    assert tool["mypy"]["strict"] is True
    assert tool["mypy"]["files"] == [
        "lnpd",
        "sdk/lnpd_sdk",
        "plugins/nia",
        "plugins/rgb_channel",
        "plugins/rgb_engine",
        "plugins/rgb_node",
    ]
    assert (ROOT / "lnpd" / "py.typed").exists()
    assert (ROOT / "sdk" / "lnpd_sdk" / "py.typed").exists()


def test_the_readme_names_the_two_commands_and_make_knows_them() -> None:
    readme, makefile = (ROOT / "README.md").read_text(), (ROOT / "Makefile").read_text()
    for target in ("run", "test"):
        assert f"make {target}" in readme
    for target in ("run", "test", "quick", "lint", "bench", "crash", "docs", "generate", "clean", "help"):
        assert re.search(rf"^{target}:.*## ", makefile, re.MULTILINE), f"`make {target}` is missing from the menu"


PROGRAMS = (
    ".ci/run",
    "contrib/setup",
    "contrib/get-npm",
    "contrib/regtest/get-bitcoind",
    "contrib/ldk/get-ldk",
    "contrib/examples/get-javascript",
    "contrib/examples/javascript/scribe.mjs",
)


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_are_executable(program: str) -> None:
    assert os.access(ROOT / program, os.X_OK)


def test_an_unsuitable_python_is_refused_in_one_line() -> None:
    outcome = subprocess.run(
        [ROOT / "contrib" / "setup"], env=os.environ | {"PYTHON": "/bin/false"}, capture_output=True, text=True
    )
    assert outcome.returncode == 1
    assert outcome.stderr == "setup: PYTHON=/bin/false is not a Python 3.11, 3.12 or 3.13\n"


def test_without_ensurepip_and_root_the_one_command_is_named(tmp_path: Path) -> None:
    python, tools = tmp_path / "python3.12", tmp_path / "bin"
    python.write_text('#!/bin/sh\ncase "$2" in *ensurepip*) exit 1 ;; *print*) echo 3.12.99 ;; esac\n')
    python.chmod(0o755)
    tools.mkdir()
    for name in ("sh", "dirname", "cat", "sha256sum", "sed", "id", "flock"):  # and no apt-get
        if found := shutil.which(name):
            (tools / name).symlink_to(found)
    outcome = subprocess.run(
        [ROOT / "contrib" / "setup"], env={"PATH": str(tools), "PYTHON": str(python)}, capture_output=True, text=True
    )
    assert outcome.returncode == 1
    command = "sudo apt-get install -y python3.12-venv"
    assert outcome.stderr == f"setup: {python} has no ensurepip. Run this once, then make again: {command}\n"


@pytest.mark.parametrize(("given", "seen"), [(None, "true"), ("false", "false")])
def test_ci_says_that_it_is_ci_unless_told_otherwise(tmp_path: Path, given: str | None, seen: str) -> None:
    """A vector file that is missing fails then; elsewhere its tests are skipped."""
    (tmp_path / "make").write_text('#!/bin/sh\necho "$1 with CI=$CI"\n')
    (tmp_path / "make").chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    environment |= {"PATH": f"{tmp_path}:{environment['PATH']}"} | ({"CI": given} if given else {})
    outcome = subprocess.run([ROOT / ".ci" / "run"], env=environment, capture_output=True, text=True)
    assert (outcome.returncode, outcome.stdout) == (0, f"test with CI={seen}\n")
