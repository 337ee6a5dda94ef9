"""How are the story's programs started, stopped, killed, and asked?

Each runs in a session of its own, so that Ctrl-C reaches the story alone, which then stops them all.
"""

import json
import os
import signal
import subprocess
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, Final

from contrib.story.telling import StoryFailed, Teller, wait
from lnpd.errors import NodeUnavailable
from lnpd.rpc.client import Client

STOP_SECONDS: Final = 12.0  # a daemon takes 8 at most
ASK_SECONDS: Final = 20.0
LOG_LINES: Final = 15
ENDING_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def installed(program: str) -> str:
    """The path of one of the project's commands, as it was installed for this interpreter."""
    return str(Path(sysconfig.get_path("scripts")) / program)


@contextmanager
def undisturbed() -> Iterator[None]:
    """A signal that ends the story is heard a moment later: no process is begun that nobody knows of."""
    heard: list[int] = []

    def hear(number: int, _frame: FrameType | None) -> None:
        heard.append(number)

    before = {number: signal.signal(number, hear) for number in ENDING_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if heard:
        raise KeyboardInterrupt


class Program:
    """A process and its log. `ready` is what a line of the log begins with once it is up."""

    def __init__(self, name: str, words: Sequence[str], log: Path, ready: str) -> None:
        self.name, self.log = name, log
        self._skipped = log.stat().st_size if log.exists() else 0
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
            )
        self._ready = ready

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def ready(self) -> str:
        """The line that says that it is up, once it is there."""

        def line() -> str | None:
            if (status := self._process.poll()) is not None:
                raise StoryFailed(f"{self.name} ended with status {status} before it was ready.")
            with self.log.open(errors="replace") as file:
                file.seek(self._skipped)
                return next((line.strip() for line in file if line.startswith(self._ready)), None)

        return wait(f"{self.name}'s line {self._ready!r}", line)

    def pause(self) -> None:
        """Stops it where it stands (SIGSTOP): it lives and does nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """Asks it to end (SIGTERM); one that is paused may go on to do so."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.send_signal(signal.SIGCONT)

    def ended(self) -> None:
        """Waits for its end; kill -9 if it takes too long. Nothing of its session is left."""
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def tail(self) -> list[str]:
        """The last lines of its log."""
        return self.log.read_text(errors="replace").splitlines()[-LOG_LINES:]


class Pending:
    """A command that is still waiting for its answer."""

    def __init__(self, name: str, process: "subprocess.Popen[str]") -> None:
        self._name, self._process = name, process

    @property
    def waits(self) -> bool:
        """Whether there is no answer yet."""
        return self._process.poll() is None

    def answer(self, seconds: float) -> Any:  # Any: a JSON value
        """What the node answered. Raises StoryFailed if it refused, or said nothing in time."""
        try:
            out, refusal = self._process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise StoryFailed(f"{self._name} has no answer within {seconds:g} s.") from None
        if self._process.returncode:
            raise StoryFailed(f"{self._name} was refused: {refusal.strip()}")
        return json.loads(out)

    def end(self) -> None:
        """Waits no longer."""
        self._process.kill()
        self._process.wait()


class Node:
    """One daemon, with its directory, its log, and the plugin that it was started with."""

    def __init__(self, name: str, folder: Path, options: Sequence[str], teller: Teller) -> None:
        self.name, self.directory = name, folder / name
        self._log = folder / f"{name}.log"
        self._options = options
        self._teller = teller
        self._pending: list[Pending] = []
        self._listen = "127.0.0.1:0"
        self.program: Program | None = None
        self.id = ""

    # --- its life
    def init(self) -> None:
        """`lnpd init`: new words, kept without a passphrase since this is play money."""
        words = ("lnpd", "init", "--directory", str(self.directory), "--plain-seed")
        self._teller.command("", words)
        done = subprocess.run(
            [installed(words[0]), *words[1:]], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise StoryFailed(f"lnpd init was refused: {done.stderr.strip()}")

    def begin(self) -> None:
        """Starts `lnpd`, and does not wait until it is ready."""
        words = ("lnpd", "--directory", str(self.directory), "--alias", self.name, "--plain-seed",
                 "--listen", self._listen, *self._options)  # fmt: skip
        self._teller.command("", words)
        with undisturbed():
            self.program = Program(self.name, [installed(words[0]), *words[1:]], self._log, "lnpd is ready:")

    def ready(self) -> dict[str, Any]:  # Any: JSON values
        """Waits until it is ready; what it says of itself."""
        assert self.program is not None
        self.program.ready()
        info: dict[str, Any] = self.ask("info")
        self.id, self._listen = info["node_id"], info["addresses"][0]
        return info

    @property
    def address(self) -> str:
        """Where peers reach it."""
        return f"{self.id}@{self._listen}"

    def plugin(self) -> dict[str, Any]:  # Any: JSON values
        """The row of its one plugin."""
        (row,) = self.ask("plugin.list")
        return dict(row)

    def stop_waiting(self) -> None:
        """Ends the commands that still wait."""
        for pending in self._pending:
            pending.end()

    # --- what it is asked
    def ask(self, method: str, **params: Any) -> Any:  # Any: JSON values
        """A look that the story does not tell of."""
        with Client(self.directory) as client:
            return client.call(method, params, ASK_SECONDS)

    def begin_lnp(self, *words: str) -> Pending:
        """Runs `lnp` with this node, and does not wait for its answer."""
        self._teller.command(self.name, ("lnp", *words))
        with undisturbed():
            process = subprocess.Popen(
                [installed("lnp"), "--directory", str(self.directory), "--json", *words],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                start_new_session=True,
            )  # fmt: skip
            self._pending.append(Pending(f"{self.name}'s lnp {words[0]}", process))
        return self._pending[-1]

    def lnp(self, *words: str) -> Any:  # Any: a JSON value
        """Runs `lnp` with this node; its answer. Raises StoryFailed if it is refused."""
        return self.begin_lnp(*words).answer(ASK_SECONDS)

    def refusal(self, *words: str) -> str:
        """Runs `lnp` with this node, which has to refuse; its sentence."""
        try:
            answer = self.lnp(*words)
        except StoryFailed as refused:
            try:
                return str(json.loads(str(refused).partition("was refused: ")[2])["error"]["message"])
            except (ValueError, KeyError, TypeError):
                raise refused from None
        raise StoryFailed(f"lnp {words[0]} was not refused: {answer}")

    def channel(self) -> dict[str, Any]:  # Any: JSON values
        """Its one channel."""
        (row,) = self.ask("channels")
        return dict(row)

    def waits_for(self, what: str, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:  # Any: JSON values
        """The channel's row as soon as the condition holds of it."""

        def row() -> dict[str, Any] | None:
            try:
                found = self.channel()
            except (NodeUnavailable, ValueError):  # it is starting, or the channel is not there yet
                return None
            return found if condition(found) else None

        return wait(f"{self.name}: {what}", row)


def lives(pid: int) -> bool:
    """Whether a process runs (one that ended and that nobody has asked about does not)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")
