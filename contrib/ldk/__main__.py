"""How does a person get a Lightning node that is not ours, to open a channel with (`make peer`)?

    python -m contrib.ldk

A bitcoind on regtest and an LDK node on it, in a folder of their own, and a prompt at which LDK does as it is told.
What lnpd is started with beside them is printed. With the prompt all of it ends, and the folder is removed.
"""

import asyncio
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.patch_stdout import patch_stdout

from contrib.ldk.desk import COMMANDS, Desk, Unclear
from contrib.ldk.driver import Ldk, Refused
from contrib.regtest.bitcoind import Bitcoind, Missing, a_bitcoind, program
from lnpd.testing import LOCAL, free_port

WALLETS: Final = ("-disablewallet=0", "-addresstype=bech32")
INTERRUPTED: Final = 130
NODES: Final = ("alice", "bob")

WELCOME: Final = """
A bitcoind on regtest at height {height}, and an LDK node:

{node_id}@{local}:{port}

Nodes of yours on the same chain, each in a terminal of its own (alice.toml and
bob.toml say what they are started with), and a shell for each:

  {lnpd} --config {folder}/alice.toml
  {lnp} --config {folder}/alice.toml

  {lnpd} --config {folder}/bob.toml
  {lnp} --config {folder}/bob.toml

Tab completes, `help` lists. Ctrl-D ends bitcoind and LDK, and removes the
folder with the nodes' data: end the nodes first.
"""

CONFIG: Final = """# What is {name} started with?
directory = "{folder}/{name}"
alias = "{name}"
listen = ["{local}:{port}"]
plain_seed = true                          # play money
bitcoind = "{url}"
bitcoind_directory = "{bitcoind}"
plugins = []                               # ["~/jar/jar.py"]
[grants]
# jar = ["updates:1000000"]
"""


def main() -> int:
    """Its exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="lnpd-ldk-"))
    try:
        print("Getting bitcoind and LDK; the first time that takes a minute.", flush=True)
        program()
        asyncio.run(_play(folder))
    except Missing as why:
        print(f"There is no peer to play with: {why}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as failed:
        print(f"{Path(failed.cmd[0]).name} would not begin: it says why above.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("bitcoind and LDK are stopped; the folder is removed.")
    return 0


async def _play(folder: Path) -> None:
    async with a_bitcoind(folder, *WALLETS) as bitcoind:
        ldk = await Ldk.start("ldk", bitcoind)
        desk = Desk(ldk, bitcoind, lambda text: print(text, flush=True))
        try:
            await desk.furnish()
            scripts = Path(sysconfig.get_path("scripts"))
            for name in NODES:
                await asyncio.to_thread(_prepare, name, folder, bitcoind, scripts / "lnpd")
            shown = WELCOME.format(
                height=await ldk("sync"), node_id=ldk.node_id, local=LOCAL, port=ldk.port, folder=folder,
                lnpd=_short(scripts / "lnpd"), lnp=_short(scripts / "lnp"),
            )  # fmt: skip
            print(shown, flush=True)
            following = asyncio.create_task(desk.follow())
            try:
                await (_prompt(desk) if sys.stdin.isatty() else _script(desk))
            finally:
                following.cancel()
                with suppress(asyncio.CancelledError, Refused):
                    await following
        finally:
            await ldk.stop()


def _prepare(name: str, folder: Path, bitcoind: Bitcoind, lnpd: Path) -> None:
    """A configuration file and a seed for a node of the person's."""
    path = folder / f"{name}.toml"
    url = f"http://{LOCAL}:{bitcoind.rpc_port}"
    text = CONFIG.format(folder=folder, name=name, local=LOCAL, port=free_port(), url=url, bitcoind=bitcoind.directory)
    path.write_text(text)
    subprocess.run([lnpd, "init", "--config", path], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)


def _short(path: Path) -> str:
    """A path as it is typed here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


async def _prompt(desk: Desk) -> None:
    session: PromptSession[str] = PromptSession("ldk> ", completer=WordCompleter(list(COMMANDS), sentence=True))
    with patch_stdout():
        while True:
            try:
                line = await session.prompt_async()
            except KeyboardInterrupt:
                print("Ctrl-D ends LDK and its chain.")
                continue
            except EOFError:
                return
            await _do(desk, line)


async def _script(desk: Desk) -> None:
    """What comes in lines from elsewhere than a terminal."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        await _do(desk, line)


async def _do(desk: Desk, line: str) -> None:
    if not line.strip():
        return
    try:
        await desk.obey(line)
    except Unclear as why:
        print(why, flush=True)


if __name__ == "__main__":
    sys.exit(main())
