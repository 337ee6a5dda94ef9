"""Does a report hold what helps, and no secret in whatever form, though a plugin shouts all of them into the log?"""

import json
import os
import re
import stat
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from lnpd.cli.doctor.outside import Outside
from lnpd.cli.report.clean import Cleaner
from lnpd.cli.report.write import text_of
from lnpd.config import Config
from lnpd.config.again import command_line
from lnpd.config.given import Given
from lnpd.config.listing import HIDDEN, Setting
from lnpd.rpc.client import Client
from tests.cli.test_whole import WORDS, Daemon, run

LEAKY = Path(__file__).parent / "leaky.py"
NODE_KEY = bytes(range(1, 33))
SECRETS: dict[str, bytes] = {
    "a preimage": bytes(range(100, 132)),
    "a developer's node key": NODE_KEY,
    "the seed's entropy": b"\x07" * 16,
    "the seed": bytes(range(64)),
    "the bitcoind's password": b"correct-horse-battery",
    "the passphrase": b"Tr0ub4dor and three",
    "a plugin's key": b"sk-live-51H8xQ2eZvKYlo2C",
}
TEXTS = {
    "the words": WORDS,
    "an extended key": "tprv8ZgxMBicQKsPd9TeAdPADNnSyH9SSUUbTVeFszDE23Ki6TBB5nCefAdHkK8Fm3qMQR6sHwA56zqRmKmxnHk37Jki",
    "an invoice": f"lnbcrt210n1{'pq' * 100}",
    "a URL": "http://ada:lovelace-1815@127.0.0.1:18443",
}
TITLES = "versions doctor configuration info channels peers plugin.list backup log metrics schema"
PUBLIC, OTHER, TXID = "02" + "a1" * 32, "03" + "b2" * 32, "d4" * 32


def forms(secret: bytes) -> set[str]:
    """How a secret may be written: hex, base64, and, if it is a text, itself."""
    found = {secret.hex(), secret.hex().upper(), b64encode(secret).decode().rstrip("=")}
    return found | ({secret.decode()} if secret.isascii() and secret.decode().isprintable() else set())


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    pytest.importorskip("pbk")  # the embedded chain
    place = tmp_path_factory.mktemp("report")
    passphrase = place / "passphrase"
    passphrase.write_bytes(SECRETS["the passphrase"] + b"\n")
    passphrase.chmod(0o600)
    directory = place / "node"
    words = ["--directory", directory, "--passphrase-file", passphrase]
    assert run("lnpd", "init", *words, "--words", stdin=WORDS).returncode == 0
    plugin = ["--plugin", LEAKY, "--option", "leaky.api_key=" + SECRETS["a plugin's key"].decode()]
    developer = ["--developer", "--dev-node-key", NODE_KEY.hex(), "--passphrase-file", passphrase]
    running = Daemon(directory, *plugin, *developer, "--log-level", "debug")
    try:
        yield running
    finally:
        running.end()


def reported(directory: Path, *words: str) -> str:
    """The report that the real program writes."""
    file = directory.parent / f"report{len(words)}.txt"
    password = SECRETS["the bitcoind's password"].decode()
    login = f"http://ada:{password}@127.0.0.1:1"
    passphrase = str(directory.parent / "passphrase")
    environment = {**os.environ, "LNPD_BITCOIND": login, "LNPD_PASSPHRASE_FILE": passphrase}
    line = [sys.executable, "-m", "lnpd.cli.lnp", "report", str(file), "--directory", str(directory), *words]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again = subprocess.run(line, capture_output=True, text=True, timeout=60, env=environment)
    assert again.returncode == 2 and "File exists" in again.stderr  # nothing is written over
    return file.read_text()


def test_no_secret_is_in_it_and_what_helps_is(daemon: Daemon) -> None:
    with Client(daemon.directory) as node:
        for name, secret in SECRETS.items():
            for form in sorted(forms(secret)):
                node.call("leak", {"text": f"{name} <{form}> key={form}"})
        for name, text in TEXTS.items():
            node.call("leak", {"text": f"{name}: {text}"})
        invoice = node.invoice("a bicycle")
        node.call("leak", {"text": invoice.invoice})
        node_id = node.info().node_id
    whole = reported(daemon.directory)
    hidden = {form for secret in SECRETS.values() for form in forms(secret)} | set(TEXTS.values()) | {invoice.invoice}
    found = [form for form in hidden if form.lower() in whole.lower()]
    assert not found
    assert not re.search(r"abandon\s+abandon", whole) and "lovelace" not in whole
    titles = re.findall(r"(?m)^== (.*) ==$", whole)
    assert " ".join(titles) == TITLES
    helps = ("logged: a preimage", "printed: the words", node_id, "CREATE TABLE", 'log_level = "debug"', "msgspec ")
    assert [words for words in helps if words not in whole] == []
    assert str(daemon.directory) not in whole and str(daemon.directory.parent) not in whole
    anonymous = reported(daemon.directory, "--anonymous")
    assert node_id not in anonymous and "node-1" in anonymous


def test_without_a_node_there_is_a_report_too(tmp_path: Path) -> None:
    done = run("lnpd.cli.lnp", "report", tmp_path / "r.txt", "--directory", tmp_path / "none", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["file"] == str(tmp_path / "r.txt")
    far = ("--remote", "tcp://127.0.0.1:1", "--server-key", "ab" * 32, "--key-file", tmp_path / "key")
    refused = run("lnpd.cli.lnp", "report", tmp_path / "far.txt", *far)
    assert refused.returncode and not (tmp_path / "far.txt").exists(), refused.stderr
    assert "There is no data directory DIRECTORY" in (tmp_path / "r.txt").read_text()


CLEANED: dict[str, tuple[str, str]] = {
    "a path": ("no such file: /home/ada/secret/place/file.txt.", "no such file: .../file.txt."),
    "a traceback of lnpd": ('File "/usr/lib/python3/lnpd/store/x.py"', 'File ".../lnpd/store/x.py"'),
    "the directory": ("/data/node/lnpd.sqlite3 is damaged", "DIRECTORY/lnpd.sqlite3 is damaged"),
    "an id that is known": (f"peer {PUBLIC} of {TXID}:0", f"peer {PUBLIC} of {TXID}:0"),
    "words in a row": ("x legal winner thank year wave sausage y", "x (word) (word) (word) (word) (word) (word) y"),
    "numbered words": (
        "1. LEGAL 2. Winner 3. thank 4. year 5. wave 6. sausage",
        " ".join(f"{n}. (word)" for n in range(1, 7)),
    ),
    "a sentence": ("the plugin does not run and the node is not ready yet", ""),
    "a URL": ("at http://127.0.0.1:18443/x", ""),
    "a class": ("ChannelPreimageMissing: DIRECTORY/run/plugin-0-17", ""),
    "base64": (f"key={b64encode(bytes(range(16))).decode()}", "key=(base64)"),
    "pairs of hex digits": (f"key {bytes(range(200, 232)).hex(':')}.", "key (bytes)."),
    "a list of numbers": (f"key {list(range(32))}", "key [(bytes)]"),
    "bytes as Python prints them": (f"preimage {bytes(range(32))!r}", "preimage (bytes)"),
    "bytes with a quote": (f"preimage {bytes(range(30, 60))!r}", "preimage (bytes)"),
    "a CURVE key": ("key D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs", "key (z85)"),
    "a scid": ("539268x845x1 at height 1000000", ""),
}


@pytest.mark.parametrize("case", CLEANED)
def test_a_text_is_cleaned(case: str) -> None:
    text, expected = CLEANED[case]
    cleaner = Cleaner(Path("/data/node"))
    cleaner.learn([{"node_id": PUBLIC, "funding": f"{TXID}:0", "why": "e5" * 32}])
    assert cleaner.clean(text) == (expected or text)
    assert "e5e5" not in cleaner.clean("e5" * 32)


def test_equal_things_have_equal_pseudonyms() -> None:
    cleaner = Cleaner(Path("/data/node"), anonymous=True)
    cleaner.learn([{"node_id": PUBLIC, "peer": OTHER, "channel_id": TXID}])
    text = f"{PUBLIC} pays 1,000 sat to {OTHER} at 8.8.8.8:9735 over {TXID[:16]}; {PUBLIC} has 1000 sat at 127.0.0.1"
    expected = (
        "node-1 pays amount-1 sat to node-2 at address-1:9735 over channel-1; node-1 has amount-1 sat at 127.0.0.1"
    )
    assert cleaner.clean(text) == expected
    row = '"alias": "ada", "amount_msat": 1000, "capacity_sat": 7'
    assert cleaner.clean(row) == '"alias": "alias-1", "amount_msat": amount-1, "capacity_sat": amount-2'
    same = "ab" * 32
    first, second = cleaner.clean(same), cleaner.clean(f"{same} {'cd' * 32}").split(") ")
    assert first == f"{second[0]})" != second[1]


def test_what_plugins_were_told_stands_in_no_line_that_starts_the_node(tmp_path: Path) -> None:
    """The node hides a secret option's value, so that it is known from the configuration alone."""
    given = (Given("plugin.mood.word", "--option", ("mood.word=xyzzy-plugh",), "argument"),)
    config = Config(directory=tmp_path, plugin_options=(("mood", "word", "xyzzy-plugh"),), given=given)
    assert "xyzzy" not in command_line(config)
    shown = (Setting("plugin.mood.word", HIDDEN, "argument", "", True, ""),)
    report = text_of(Outside(tmp_path, {row.key: row for row in shown}, config))
    assert "mood.word" in report and "xyzzy" not in report
