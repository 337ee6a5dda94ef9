"""Does `lnp log` show and follow a real node's log, and is no secret in it, wherever it goes and what goes wrong?"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from lnpd.services.signer.seed import create_seed, seed_from_entropy
from tests.cli.test_whole import Daemon, run

pytest.importorskip("pbk")  # the embedded chain

ENTROPY, NODE_KEY = bytes(range(16, 32)), bytes(range(101, 133))
CHANNEL_SECRETS = tuple(bytes([each]) * 31 + b"\x07" for each in range(0xA1, 0xA7))
PASSPHRASE, PASSWORD = "a/rather long: Passphrase", "hunter2%2Fhunter2"
SEED = seed_from_entropy(ENTROPY)

SAYS_ALL = """
import logging, pathlib
from lnpd_sdk.plugin import Node, Plugin
plugin = Plugin("tattler", "1")

@plugin.rpc("Logs and raises what it should not know.", name="tattle")
async def tattle(node: Node) -> str:
    words = pathlib.Path(__file__).with_name("secrets.txt").read_text()
    logging.getLogger("x").error("said: %s", words)
    raise ValueError(words)

plugin.run()
"""


def forms(secret: str | bytes) -> set[str]:
    if isinstance(secret, bytes):
        return {secret.hex(), secret.hex().upper(), repr(secret), b64encode(secret).decode()}
    return {secret, b64encode(secret.encode()).decode()}


SECRETS: dict[str, set[str]] = {
    "the passphrase": forms(PASSPHRASE),
    "the seed's words": {SEED.text, " ".join(SEED.text.split()[:6])},
    "the seed": forms(ENTROPY),
    "the node's key": forms(NODE_KEY),
    **{f"a channel's secret {n}": forms(each) for n, each in enumerate(CHANNEL_SECRETS)},
}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("log")
    (folder / "a").mkdir()
    create_seed(folder / "a" / "seed", SEED, PASSPHRASE)
    (folder / "passphrase").write_text(PASSPHRASE)
    (folder / "passphrase").chmod(0o600)
    (folder / "tattler.py").write_text(SAYS_ALL)
    told = [PASSPHRASE, SEED.text, NODE_KEY.hex(), repr(NODE_KEY), *(each.hex() for each in CHANNEL_SECRETS)]
    (folder / "secrets.txt").write_text(" ".join(told))
    running = Daemon(
        folder / "a", "--passphrase-file", folder / "passphrase", "--log-level", "debug", "--log-file", "node.log",
        "--log-format", "json", "--log-level-of", "chain=warning", "--plugin", folder / "tattler.py",
        "--plugin-sandbox", "never", "--developer", "--dev-node-key", NODE_KEY.hex(),
        "--dev-channel-secrets", ",".join(each.hex() for each in CHANNEL_SECRETS),
    )  # fmt: skip
    yield running
    assert running.end() == 0


def lnp(node: Daemon, *words: str) -> "subprocess.CompletedProcess[str]":
    return run("lnpd.cli.lnp", "--directory", node.directory, *words)


def test_no_secret_is_in_it_whatever_goes_wrong(node: Daemon) -> None:
    for words in (
        ["tattle"],
        ["pay", "lnbcrt1" + "q" * 50],
        ["plugin", "start", "/nowhere.py"],
        ["open", "02" * 33, "5"],
    ):
        assert lnp(node, *words).returncode in (1, 2)
    shown = lnp(node, "log", "--lines", "1000").stdout
    file, standard = (node.directory / "node.log").read_text(), node.log.read_text()
    for where, text in {"lnp log": shown, "the file": file, "standard error": standard}.items():
        assert text.count("(hidden)") >= 5, f"{where}: the plugin's words are there"
        found = [what for what, words in SECRETS.items() if any(word in text for word in words)]
        assert not found, f"{where}: {found}"
    lines = [json.loads(line) for line in file.splitlines()]
    assert {"time", "level", "subsystem", "message"} <= set(lines[-1])
    assert "said: (hidden)" in file


def test_the_last_lines_are_shown_and_chosen(node: Daemon) -> None:
    lnp(node, "tattle")
    every = lnp(node, "log").stdout.splitlines()
    assert every and all(re.match(r"[0-9-]{10} [0-9:]{8} [A-Z]+ +[a-z]+: |    ", line) for line in every)
    rows = json.loads(
        "[" + ",".join(lnp(node, "log", "--of", "plugins", "--level", "error", "--json").stdout.split("\n")[:-1]) + "]"
    )
    assert rows and {(row["subsystem"], row["level"]) for row in rows} == {("plugins", "error")}
    assert len(lnp(node, "log", "--lines", "1").stdout.splitlines()) == 1
    refused = lnp(node, "log", "--of", "plugin")
    assert refused.returncode == 2 and "did you mean 'plugins'?" in refused.stderr
    assert lnp(node, "log", "--lines", "0").returncode == 2 and lnp(node, "log", "--level", "loud").returncode == 2


def test_it_is_followed_until_it_is_interrupted_and_levels_change_meanwhile(node: Daemon) -> None:
    line = [
        sys.executable,
        "-m",
        "lnpd.cli.lnp",
        "--directory",
        str(node.directory),
        "log",
        "--follow",
        "--of",
        "plugins",
    ]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as following:
        try:
            assert following.stdout is not None and following.stderr is not None
            seen: list[str] = []
            for _ in range(2):
                lnp(node, "tattle")
                while "said: (hidden)" not in (told := following.stdout.readline()):
                    seen.append(told)
                    assert told, following.stderr.read()
            assert lnp(node, "config", "set", "log_levels.plugins", "error").returncode == 0
            assert "log_levels.plugins" in lnp(node, "config", "log_levels").stdout
            assert lnp(node, "config", "unset", "log_levels.plugins").returncode == 0
        finally:
            following.send_signal(signal.SIGINT)
        assert following.wait(20) == 130 and following.stderr.read() == ""


def test_bitcoinds_password_is_in_no_line_either(tmp_path: Path) -> None:
    class Refuses(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(500)
            self.end_headers()
            self.wfile.write(f"no {PASSWORD} {self.headers['Authorization']}".encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Refuses)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        create_seed(tmp_path / "seed", SEED, None, plain=True)
        url = f"http://alice:{PASSWORD}@127.0.0.1:{server.server_port}"
        words = ["--directory", str(tmp_path), "--plain-seed", "--log-level", "debug", "--log-file", "l"]
        environment = {**os.environ, "LNPD_BITCOIND": url}
        line = [sys.executable, "-m", "lnpd", *words]
        done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60)
        shown = subprocess.run([*line, "--check-config"], env=environment, capture_output=True, text=True, timeout=60)
    finally:
        server.shutdown()
        server.server_close()
    assert done.returncode == 19 and shown.returncode == 0, done.stderr
    secrets = forms("hunter2/hunter2") | {PASSWORD, b64encode(b"alice:hunter2/hunter2").decode()}
    for text in (done.stderr, done.stdout, shown.stdout, shown.stderr, (tmp_path / "l").read_text()):
        assert not [secret for secret in secrets if secret in text], text
