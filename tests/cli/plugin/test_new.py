"""Does `lnp plugin new` write a plugin whose own tests pass, and which a node finds nothing wrong with?"""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lnpd.cli import lnp
from lnpd.cli.plugin.check import check
from lnpd.cli.plugin.new import named

ROOT = Path(__file__).resolve().parents[3]


def test_its_tests_pass_and_nothing_is_wrong_with_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new"
    assert lnp.main(["plugin", "new", "my-memo", "--directory", str(folder)]) == 0
    assert "pytest" in capsys.readouterr().out
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md", "my_memo.py", "pyproject.toml", "test_my_memo.py"
    ]  # fmt: skip
    assert "jar" not in "".join(path.read_text().lower() for path in folder.iterdir())
    settings = tomllib.loads((folder / "pyproject.toml").read_text())
    assert settings["project"]["dependencies"] == ["lnpd-sdk"]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'sdk'}"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "lnpd.pytest_plugin"],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0 and "2 passed" in done.stdout, done.stdout + done.stderr
    report = check(folder / "my_memo.py")
    assert report.findings == () and report.not_tried == [], report.text()
    assert (report.plugin, report.tried["paths"] > 10) == ("my-memo", True)


@pytest.mark.parametrize("name", ["Memo", "1memo", "", "a" * 33, "lnpd", "logging", "class", "../x", "a b"])
def test_a_name_that_cannot_be_is_refused(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert lnp.main(["plugin", "new", name, "--directory", str(tmp_path / "new")]) == 2
    assert "cannot be a plugin's name" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_what_is_there_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").write_text("mine")
    assert lnp.main(["plugin", "new", "memo", "--directory", str(tmp_path)]) == 2
    assert "not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_the_example_takes_any_name() -> None:
    assert named("jar.py Jar jar-fill ajar `jar/x`", "a-b") == "a_b.py AB a-b-fill ajar `a-b/x`"
