"""Does `lnpd init` make a seed that opens again, show words once, and refuse what it must, each in one line?"""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from lnpd.cli.exits import LNPD_EXITS
from lnpd.errors import WrongPassphrase
from lnpd.services.signer.seed import open_seed

WORDS = "abandon " * 11 + "about"
XPRV = "xprv9s21ZrQH143K3GJpoapnV8SFfukcVBSfeCficPSGfubmSFDxo1kuHnLisriDvSnRRuL2Qrg5ggqHKNVpxR86QEC8w35uxmGoggxtQTPvfUu"
SECONDS = 20


def lnpd(*words: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "lnpd", *map(str, words)]
    return subprocess.run(line, input=stdin, capture_output=True, text=True, timeout=60)


def spawn(*words: object) -> "pexpect.spawn[str]":
    return pexpect.spawn(sys.executable, ["-m", "lnpd", *map(str, words)], encoding="utf-8", timeout=SECONDS)


def ended(child: "pexpect.spawn[str]") -> int:
    child.expect(pexpect.EOF)
    child.close()
    return int(child.exitstatus or 0)


@pytest.fixture
def passphrase_file(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_text("correct horse\n")
    path.chmod(0o600)
    return path


def test_new_words_are_printed_and_open_the_file(tmp_path: Path, passphrase_file: Path) -> None:
    directory = tmp_path / "node"
    done = lnpd("init", "--directory", directory, "--passphrase-file", passphrase_file)
    assert done.returncode == 0, done.stderr
    printed = [word for _, word in sorted((int(n), w) for n, w in re.findall(r"\b(\d+) ([a-z]+)", done.stdout))]
    seed = open_seed(directory / "seed", "correct horse")
    assert seed.text.split() == printed and len(printed) == 24
    with pytest.raises(WrongPassphrase):
        open_seed(directory / "seed", "wrong horse")
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((directory / "seed").stat().st_mode) == 0o600


@pytest.mark.parametrize(("flag", "text"), [("--words", WORDS), ("--xpriv", XPRV)])
def test_a_given_seed_is_kept_and_not_printed(tmp_path: Path, passphrase_file: Path, flag: str, text: str) -> None:
    words = ["init", "--directory", tmp_path / "n", "--passphrase-file", passphrase_file, flag]
    done = lnpd(*words, stdin=f"{text}\n")
    assert done.returncode == 0, done.stderr
    assert open_seed(tmp_path / "n" / "seed", "correct horse").text == text
    assert text not in done.stdout + done.stderr


def test_without_a_passphrase_only_where_it_is_said(tmp_path: Path) -> None:
    assert lnpd("init", "--directory", tmp_path / "n", "--plain-seed", "--words", stdin=WORDS).returncode == 0
    assert open_seed(tmp_path / "n" / "seed", None, plain=True).text == WORDS


REFUSED: dict[str, tuple[list[str], str, int, str]] = {
    "no passphrase": (["init"], "", 13, "name a --passphrase-file"),
    "no passphrase file": (["init", "--passphrase-file", "{}/none"], "", 2, "cannot be read"),
    "a directory for a passphrase": (["init", "--passphrase-file", "{}"], "", 2, "cannot be read"),
    "open passphrase file": (["init", "--passphrase-file", "{}/open"], "", 1, "make it private"),
    "empty passphrase": (["init", "--passphrase-file", "{}/empty"], "", 13, "line of text"),
    "wrong words": (["init", "--plain-seed", "--words"], "abandon " * 12, 1, "no BIP 39 words"),
    "too few words": (["init", "--plain-seed", "--words"], "abandon about", 1, "12, 15, 18, 21 or 24"),
    "no words": (["init", "--plain-seed", "--words"], "", 1, "12, 15, 18, 21 or 24"),
    "a public key": (["init", "--plain-seed", "--xpriv"], "xpub6CUGRUo", 1, "no extended private key"),
    "words and key": (["init", "--plain-seed", "--words", "--xpriv"], "", 2, "not allowed with"),
    "words as an argument": (["init", "--plain-seed", "--words", "abandon"], "", 2, "abandon"),
    "mainnet in plain": (["init", "--network", "bitcoin", "--experimental-mainnet", "--plain-seed"], "", 2, "required"),
    "mainnet unasked": (["init", "--network", "bitcoin"], "", 2, "--experimental-mainnet"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_one_line_and_nothing_is_written(tmp_path: Path, case: str) -> None:
    words, stdin, code, sentence = REFUSED[case]
    for name, text, mode in (("open", "x\n", 0o644), ("empty", "\n", 0o600)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)
    done = lnpd(*(word.format(tmp_path) for word in words), "--directory", tmp_path / "n", stdin=stdin)
    assert (done.returncode, done.stderr.count("\n")) == (code, 1), done.stderr
    assert done.stderr.startswith("lnpd init: ") and sentence in done.stderr
    assert code in LNPD_EXITS
    assert not (tmp_path / "n" / "seed").exists()


def test_a_seed_is_never_written_over(tmp_path: Path) -> None:
    words = ["init", "--directory", tmp_path / "n", "--plain-seed", "--words"]
    assert lnpd(*words, stdin=WORDS).returncode == 0
    before = (tmp_path / "n" / "seed").read_bytes()
    done = lnpd(*words, stdin=WORDS)
    assert done.returncode == 18 and "has a seed already" in done.stderr
    assert (tmp_path / "n" / "seed").read_bytes() == before


def test_on_a_terminal_the_passphrase_is_typed_twice_and_three_words_are_asked(tmp_path: Path) -> None:
    child = spawn("init", "--directory", tmp_path / "n")
    child.expect("New passphrase: ")
    child.sendline("battery staple")
    child.expect("The same again: ")
    child.sendline("battery staple")
    child.expect("Press Enter")
    shown = dict(re.findall(r"\b(\d+) ([a-z]+)", child.before or ""))
    assert len(shown) == 24
    child.sendline("")
    child.expect_exact("\x1b[2J")
    for _ in range(3):
        child.expect(r"Word (\d+): ")
        child.sendline(shown[str(child.match[1])])  # type: ignore[index,union-attr]  # it matched
    child.expect("The seed is in")
    assert ended(child) == 0
    assert open_seed(tmp_path / "n" / "seed", "battery staple").text.split() == [shown[str(n + 1)] for n in range(24)]


def test_a_wrong_word_writes_nothing(tmp_path: Path) -> None:
    child = spawn("init", "--directory", tmp_path / "n", "--plain-seed")
    child.expect("Press Enter")
    child.sendline("")
    child.expect(r"Word (\d+): ")
    child.sendline("nonsense")
    child.expect("Nothing was written")
    assert ended(child) == 1
    assert os.listdir(tmp_path / "n") == []


def test_two_different_passphrases_write_nothing(tmp_path: Path) -> None:
    child = spawn("init", "--directory", tmp_path / "n")
    for prompt, line in (("New passphrase: ", "one"), ("The same again: ", "two")):
        child.expect(prompt)
        child.sendline(line)
    child.expect("not the same")
    assert ended(child) == 13
    assert not (tmp_path / "n" / "seed").exists()


def test_an_extended_key_is_typed_without_echo(tmp_path: Path) -> None:
    child = spawn("init", "--directory", tmp_path / "n", "--plain-seed", "--xpriv")
    child.expect("not shown")
    child.waitnoecho()
    child.sendline(XPRV)
    child.expect("The seed is in")
    assert XPRV not in (child.before or "")
    assert ended(child) == 0


def test_ctrl_c_is_no_traceback(tmp_path: Path) -> None:
    child = spawn("init", "--directory", tmp_path / "n")
    child.expect("New passphrase: ")
    child.sendintr()
    child.expect(pexpect.EOF)
    assert "Traceback" not in (child.before or "")
    child.close()
    assert child.exitstatus == 130
