"""How does the program `lnpd` begin and end?

    lnpd [init | restore | check | regtest] [options]

    options -> seed there? -> passphrase -> node started -> "ready" -> SIGTERM, SIGINT or `lnp stop` -> drained -> end

Whatever keeps it from starting is one line on standard error and an exit code of its own.
"""

import asyncio
import gc
import logging
import signal
import socket
import sys
from collections.abc import Awaitable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from lnpd.cli import options, started
from lnpd.cli.directory import prepare_directory
from lnpd.cli.effect import answered, printed
from lnpd.cli.exits import INTERRUPTED, LNPD_EXITS, OK, REFUSED, daemon_exit_of
from lnpd.cli.loading import loading
from lnpd.cli.secrets import known_passphrase
from lnpd.cli.told import AS_JSON, failure, tell
from lnpd.config import Config
from lnpd.errors import ChainUnreachable, DeadlineMissed, LnpdError, PluginNotFound, SeedFileMissing
from lnpd.services.rpc.api import Running

log = logging.getLogger("lnpd.daemon")

STOP_SECONDS: Final = 5.0
MORE_SECONDS: Final = 3.0
"""For plugins and processes to end, after the mailboxes are drained."""

OWN_OPTIONS: Final = (
    ("--check-config", "", "print what would be in effect, and who said it, and end"),
    ("--version", "", "print the version, and end"),
)
PROGRAMS: Final = ("init", "restore", "check", "regtest")
DESCRIPTION: Final = "Run a Lightning node. `lnpd init` makes its seed, `lnpd restore` brings one back, \
`lnpd check` looks into a copy of its database, `lnpd regtest` is a chain for several nodes."


def main(words: Sequence[str] | None = None) -> int:
    """The program `lnpd`; returns its exit code."""
    words = list(sys.argv[1:] if words is None else words)
    name, as_json = f"lnpd {words[0]}" if words and words[0] in PROGRAMS else "lnpd", AS_JSON[0] in words
    try:
        return _program(words)
    except LnpdError as error:
        print(failure(name, error, _masked(error), as_json), file=sys.stderr)
        return daemon_exit_of(error)
    except (KeyboardInterrupt, EOFError):
        return INTERRUPTED
    except Exception as error:
        log.debug("%s ended by a defect", name, exc_info=error)
        text = f"failed in a way of its own, {type(error).__name__}: {_masked(error)}"
        print(failure(name, error, text, as_json), file=sys.stderr)
        return REFUSED
    finally:
        gc.freeze()  # the interpreter's end need not look for garbage in all that is loaded


def _masked(error: Exception) -> str:
    """What an error says, in one line and without a secret."""
    from lnpd.services.logs.secrets import SECRETS  # which --help need not load

    return SECRETS.masked(" ".join(str(error).split()))


def _program(words: Sequence[str]) -> int:
    if words[:1] == ["init"]:
        from lnpd.cli import init  # the programs do not load each other

        return init.main(words[1:])
    if words[:1] == ["restore"]:
        from lnpd.cli import restore

        return restore.main(words[1:])
    if words[:1] == ["check"]:
        from lnpd.cli import check

        return check.main(words[1:])
    if words[:1] == ["regtest"]:
        from lnpd.cli import regtest

        return regtest.main(words[1:])
    return daemon(words)


def daemon(words: Sequence[str]) -> int:
    """Runs a node until it is asked to end; returns the exit code. Raises LnpdError."""
    codes = "\n".join(f"  {code:>3}  {meaning}" for code, (meaning, _) in LNPD_EXITS.items())
    parser = options.parser("lnpd", DESCRIPTION, f"exit codes:\n{codes}")
    for flag, _, help in OWN_OPTIONS:
        parser.add_argument(flag, action="store_true", help=help)
    parsed = parser.parse_args(list(words))
    as_json = options.as_json(parsed)
    if parsed.version:
        tell({"version": version("lnpd")}, f"lnpd {version('lnpd')}", as_json)
        return OK
    config = options.config_of(parsed)
    if parsed.check_config:
        tell(answered(config), printed(config), as_json)
        return OK
    with loading():
        from lnpd.services.logs.outlets import set_up  # with what it needs, which --help need not load

        set_up(config, files=False)
        check_places(config)
        fixed = config.developer is not None and config.developer.seed
        if not fixed and not config.seed_path.exists():
            raise SeedFileMissing(f"{config.directory} has no seed yet: make one with `lnpd init`.")
        if not (fixed or config.plain_seed or config.signer_process):  # the signer's process alone opens its seed file
            from lnpd.services.signer.seed import refuse_plain  # with much of lnpd, which --help need not load

            refuse_plain(config.seed_path)
    passphrase = known_passphrase(config)
    prepare_directory(config.directory)
    started.write(config)
    set_up(config, passphrase)
    return asyncio.run(live(config, passphrase, as_json))


def check_places(config: Config) -> None:
    """Whether what was named is there, so that nobody waits for it. Raises PluginNotFound, ChainError."""
    if config.uses_bitcoind:
        from lnpd.services.node.places import find_bitcoind  # with much of lnpd, which --help need not load

        find_bitcoind(config)
    for path in config.plugins:
        if not path.is_file():
            raise PluginNotFound(f"There is no plugin at {path}.")
    if config.chain and not _is_listening(Path(config.chain.removeprefix("ipc://"))):
        raise ChainUnreachable(f"Nothing answers at {config.chain}: start a chain there with `lnpd regtest`.")


def _is_listening(path: Path) -> bool:
    """Whether a process listens at a unix socket; what it speaks is found out later."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


async def live(config: Config, passphrase: str | None, as_json: bool = False) -> int:
    """Starts a node, waits until it shall end, and ends it. Raises LnpdError."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    with loading():
        node = make_node(config, passphrase)
    if not await _first(node.start(), asked):
        await _stop(node)
        return INTERRUPTED
    try:
        info = await node.api.info()
        ready = {"node_id": info.node_id, "addresses": info.addresses}
        tell(ready, f"lnpd is ready: {info.node_id} at {', '.join(info.addresses) or 'no address'}", as_json)
        await _first(node.ended, asked)
    finally:
        await _stop(node)
    return OK


def make_node(config: Config, passphrase: str | None) -> Running:
    """The node of a configuration, not started yet. To be called in the event loop."""
    from lnpd.services.node.node import Node  # with all of lnpd, which --help need not load

    return Node(config, passphrase)


async def _first(work: Awaitable[None], asked: asyncio.Event) -> bool:
    """Whether the work ended before the program was asked to; what it raises is raised here."""
    task = asyncio.ensure_future(work)
    waiting = asyncio.create_task(asked.wait())
    await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not task.done():
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return False
    task.result()
    return True


async def _stop(node: Running) -> None:
    try:
        async with asyncio.timeout(STOP_SECONDS + MORE_SECONDS):
            await node.stop()
    except TimeoutError:
        raise DeadlineMissed(f"The node did not stop within {STOP_SECONDS + MORE_SECONDS:g} s.") from None


if __name__ == "__main__":
    sys.exit(main())
