"""How does an author try a plugin by hand? `lnp plugin run PATH`: two nodes, a channel, a shell, a reload at each save.

    manifest, as a node checks it -> chain, alice, bob -> channel -> lines of the shell ... -> Ctrl-D, Ctrl-C: all ends
                                                                     each save -> `plugin reload` on both nodes

A line is a command for alice; `bob` before it asks bob. The plugin has all that it asks for, and test mode is on.
"""

import asyncio
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Final

from prompt_toolkit import PromptSession
from prompt_toolkit.patch_stdout import patch_stdout

from lnpd.cli.arguments import Common
from lnpd.cli.exits import OK
from lnpd.cli.plugin.daemons import NAMES, Daemons
from lnpd.cli.shell.desk import Desk
from lnpd.cli.shell.own import LEAVING
from lnpd.cli.shell.perform import Leave, Performer, Settings
from lnpd.cli.shell.session import Suggesting
from lnpd.errors import LnpdError
from lnpd.services.plugins.alone import manifest_of

LOOK_SECONDS: Final = 0.3


def run(path: Path) -> int:
    """Runs until the lines end. Raises PluginNotFound, ManifestRefused, NodeUnavailable and what the nodes refuse."""
    manifest = asyncio.run(manifest_of(path))
    with tempfile.TemporaryDirectory(prefix="lnp-run-") as folder, _ending():
        daemons = Daemons(Path(folder), path, manifest)
        try:
            daemons.start()
            _welcome(daemons, manifest.name)
            with _watched(Watch(daemons, path, manifest.name)):
                _lines({name: Common(daemons.directory(name)) for name in NAMES})
        except KeyboardInterrupt:
            print()
        finally:
            daemons.stop()
    return OK


def _welcome(daemons: Daemons, plugin: str) -> None:
    print(f"alice and bob run {plugin}; their logs and data are in {daemons.folder} until this ends.")
    if daemons.channel:
        print(f"Their channel: {daemons.channel}")
    print("A line is a command for alice, `bob COMMAND` is one for bob. Save the plugin and it is loaded again. Ctrl-D"
          " ends.", flush=True)  # fmt: skip


def _lines(nodes: Mapping[str, Common]) -> None:
    if not sys.stdin.isatty():
        for line in sys.stdin:
            _do(line, nodes)
        return
    desk = Desk(nodes["alice"], {"alias": "alice"})
    desk.knowledge.start()
    session: PromptSession[str] = PromptSession("alice> ", completer=Suggesting(desk), complete_while_typing=False)
    with patch_stdout(raw=True), suppress(EOFError):  # raw: answers are coloured
        while (line := session.prompt()).strip() not in LEAVING:
            _do(line, nodes)


def _do(line: str, nodes: Mapping[str, Common]) -> None:
    name, _, rest = line.strip().partition(" ")
    if name in nodes:
        line = rest
    with suppress(Leave):
        Performer(nodes.get(name, nodes["alice"]), Settings(confirm=False)).perform(line)


@contextmanager
def _ending() -> Iterator[None]:
    """SIGTERM, and the end of the terminal, end as Ctrl-C does."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Watch:
    """Looks at the plugin's files, and at what it says in the nodes' logs."""

    def __init__(self, daemons: Daemons, path: Path, plugin: str) -> None:
        self._daemons, self._path, self._plugin = daemons, path, plugin
        self._logs = {name: daemons.log(name) for name in NAMES}
        self._seen = self._times()
        self.stop = threading.Event()

    def run(self) -> None:
        """Until `stop` is set."""
        while not self.stop.wait(LOOK_SECONDS):
            self._tell()
            if (times := self._times()) != self._seen:
                self._seen = times
                self._load()
        for log in self._logs.values():
            log.close()

    def _times(self) -> dict[Path, int]:
        """When each Python file beside the plugin, and in the package of its name, was written last."""
        files = [self._path, *self._path.parent.glob("*.py"), *self._path.with_suffix("").rglob("*.py")]
        found = {}
        for file in files:
            with suppress(OSError):  # an editor may be writing it
                found[file] = file.stat().st_mtime_ns
        return found

    def _load(self) -> None:
        for name in NAMES:
            try:
                row = self._daemons.ask(name, "plugin.reload", plugin=self._plugin)
                print(f"{name}: {row['name']} {row['version']} is registered", flush=True)
            except LnpdError as error:
                print(f"{name}: {self._plugin} is not loaded again: {' '.join(str(error).split())}", flush=True)

    def _tell(self) -> None:
        for name, log in self._logs.items():
            for line in log.readlines():
                if f"plugin {self._plugin}: " in line:
                    print(f"{name}: {line.strip()}", flush=True)


@contextmanager
def _watched(watch: Watch) -> Iterator[None]:
    thread = threading.Thread(target=watch.run, name="watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        watch.stop.set()
        thread.join()
