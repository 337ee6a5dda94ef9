"""How do two nodes with one plugin come up on a chain of their own, and end with whoever started them?

Each program has a session of its own, so that Ctrl-C reaches `lnp plugin run` alone, which then ends them all.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TextIO

from lnpd_sdk.manifest import Manifest

from lnpd.errors import NodeUnavailable
from lnpd.hooks.registry import asked_by
from lnpd.rpc.client import Client
from lnpd.services.signer.seed import create_seed, new_seed

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 12.0
CALL_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.02
DEPTH: Final = 3
CAPACITY_SAT: Final = 1_000_000
PUSH_MSAT: Final = 200_000_000
NAMES: Final = ("alice", "bob")


class Program:
    """A program of lnpd's and its log. `ready` is what a line of the log begins with once it is up."""

    def __init__(self, name: str, words: Sequence[str], log: Path, ready: str) -> None:
        self.name, self.log, self._ready = name, log, ready
        with log.open("ab") as file:
            self._process = subprocess.Popen(  # noqa: S603  # our own program, and words of ours
                [sys.executable, "-m", "lnpd", *words],
                stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
            )  # fmt: skip

    def wait(self) -> None:
        """Returns once it is up. NodeUnavailable says what its log ends with."""

        def is_up() -> bool:
            lines = self.log.read_text(errors="replace").splitlines()
            if self._process.poll() is not None:
                raise NodeUnavailable(f"{self.name} ended: {lines[-1] if lines else 'it said nothing'}")
            return any(line.startswith(self._ready) for line in lines)

        wait_until(is_up, self.name)

    def end(self) -> None:
        """Asks it to end."""
        if self._process.poll() is None:
            self._process.terminate()

    def ended(self) -> None:
        """Returns once it has ended; it is made to after a time."""
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Returns once the condition holds; NodeUnavailable names what never came."""
    time_is_up = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > time_is_up:
            raise NodeUnavailable(f"{what}: not there after {START_SECONDS:.0f} s.")
        time.sleep(LOOK_SECONDS)


class Daemons:
    """A chain and two nodes with one plugin, below a folder. `channel` is the id of the one between them."""

    def __init__(self, folder: Path, plugin: Path, manifest: Manifest) -> None:
        self.folder, self._plugin, self._manifest = folder, plugin, manifest
        self.channel = ""
        self._programs: list[Program] = []

    def directory(self, name: str) -> Path:
        """A node's data directory."""
        return self.folder / name

    def ask(self, name: str, method: str, **params: Any) -> Any:  # Any: JSON values
        """Asks a node. Raises what Client raises."""
        with Client(self.directory(name)) as node:
            return node.call(method, params, CALL_SECONDS)

    def log(self, name: str) -> TextIO:
        """A node's log, from its beginning."""
        return (self.folder / f"{name}.log").open(errors="replace")

    def start(self) -> None:
        """Starts all, and opens a channel of the plugin's first type, if it has one. Raises NodeUnavailable, and what
        the nodes refuse."""
        endpoint = f"ipc://{self.folder}/c"
        chain = ("regtest", "--directory", str(self.folder / "chain"), "--endpoint", endpoint)
        self._begin("the chain", chain, "chain", "The regtest chain answers").wait()
        nodes = [self._begin(name, self._words(name, endpoint), name, "lnpd is ready:") for name in NAMES]
        for node in nodes:
            node.wait()
        if self._manifest.channel_types:
            self._open(self._manifest.channel_types[0].name)

    def _words(self, name: str, endpoint: str) -> tuple[str, ...]:
        directory = self.directory(name)
        directory.mkdir(mode=0o700)
        create_seed(directory / "seed", new_seed(), None, plain=True)
        grants = [word for each in asked_by(self._manifest) for word in ("--grant", f"{self._manifest.name}={each}")]
        return (
            "--directory", str(directory), "--alias", name, "--plain-seed", "--listen", "127.0.0.1:0",
            "--chain", endpoint, "--developer", "--dev-poll-seconds", "0.2", "--plugin", str(self._plugin), *grants,
        )  # fmt: skip

    def _begin(self, name: str, words: Sequence[str], log: str, ready: str) -> Program:
        program = Program(name, words, self.folder / f"{log}.log", ready)
        self._programs.append(program)
        return program

    def _open(self, kind: str) -> None:
        bob = self.ask("bob", "info")
        self.ask("alice", "connect", address=f"{bob['node_id']}@{bob['addresses'][0]}")
        self.ask("alice", "fund", amount_sat=2 * CAPACITY_SAT)
        wanted = {"peer": bob["node_id"], "amount_sat": CAPACITY_SAT, "push_msat": PUSH_MSAT, "channel_type": kind}
        self.channel = self.ask("alice", "open", **wanted)["channel_id"]
        self.ask("alice", "mine", blocks=DEPTH)
        for name in NAMES:
            wait_until(lambda name=name: self._is_usable(name), f"{name}'s channel")  # type: ignore[misc]

    def _is_usable(self, name: str) -> bool:
        return any(row["state"] == "normal" and not row["frozen"] for row in self.ask(name, "channels"))

    def stop(self) -> None:
        """Ends all of them."""
        for program in reversed(self._programs):
            program.end()
        for program in self._programs:
            program.ended()
