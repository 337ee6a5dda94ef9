"""How do several nodes share one regtest chain? `lnpd regtest` serves it; each node has `--chain` with its endpoint.

Blocks are mined on command, by any of the nodes: `lnp mine`.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lnpd.cli import options
from lnpd.cli.logs import set_up
from lnpd.config import LOG_LEVELS, MAX_DIRECTORY_BYTES, read_endpoint, read_path
from lnpd.errors import ConfigRefused

DESCRIPTION: Final = "Serve one embedded regtest chain to several nodes. Mine its blocks with `lnp mine`."
ENDPOINT_HELP: Final = "where nodes reach it (default: ipc://DIRECTORY/chain.sock)"


def main(words: Sequence[str]) -> int:
    """The program `lnpd regtest`; returns its exit code. Raises LnpdError."""
    parser = options.parser("lnpd regtest", DESCRIPTION)
    parser.add_argument("--endpoint", metavar="ipc://PATH", help=ENDPOINT_HELP)
    given = vars(parser.parse_args(list(words)))
    level = given["--log-level"] or "info"
    try:
        directory = read_path(given["--directory"]) if given["--directory"] else Path.home() / ".lnpd" / "chain"
        endpoint = read_endpoint(given["endpoint"] or f"ipc://{directory}/chain.sock")
    except ValueError as error:
        raise ConfigRefused(f"--endpoint and --directory: {error}.") from None
    if level not in LOG_LEVELS:
        raise ConfigRefused(f"--log-level takes one of {', '.join(LOG_LEVELS)}, not {level[:40]!r}.")
    if len(str(directory).encode()) > MAX_DIRECTORY_BYTES:
        raise ConfigRefused(f"The path of --directory has more than {MAX_DIRECTORY_BYTES} bytes.")
    set_up(level)
    from lnpd.services.chain_process import run  # with the kernel's library, which --help need not load

    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    asyncio.run(run(directory, endpoint))
    return 0
