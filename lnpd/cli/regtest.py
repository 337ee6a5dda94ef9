"""How do several nodes share one regtest chain? `lnpd regtest` serves it; each node has `--chain` with its endpoint.

Blocks are mined on command, by any of the nodes: `lnp mine`.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from lnpd.cli import options
from lnpd.cli.directory import prepare_directory
from lnpd.config import SEED_RULES, default_directory, read_endpoint
from lnpd.config.places import WHERE_DATA
from lnpd.errors import ConfigRefused

DESCRIPTION: Final = "Serve one embedded regtest chain to several nodes. Mine its blocks with `lnp mine`."
HELPS: Final = {"--directory": f"the chain's directory (default: {WHERE_DATA.replace('NETWORK', 'chain')})"}
# Beside the options that all programs share.
OWN_OPTIONS: Final = (("--endpoint", "ipc://PATH", "where nodes reach it (default: ipc://DIRECTORY/chain.sock)"),)


def main(words: Sequence[str]) -> int:
    """The program `lnpd regtest`; returns its exit code. Raises LnpdError."""
    parser = options.parser("lnpd regtest", DESCRIPTION, helps=HELPS)
    for flag, metavar, help in OWN_OPTIONS:
        parser.add_argument(flag, metavar=metavar, help=help)
    parsed = parser.parse_args(list(words))
    config = options.config_of(parsed, SEED_RULES)
    directory = config.directory if getattr(parsed, "--directory") else default_directory("chain")
    try:
        endpoint = read_endpoint(parsed.endpoint or f"ipc://{directory}/chain.sock")
    except ValueError as error:
        raise ConfigRefused(f"--endpoint takes {error}, not {parsed.endpoint[:60]!r}.") from None
    from lnpd.services.chain.process import run  # with the kernel's library, which --help need not load
    from lnpd.services.logs.outlets import set_up

    set_up(config, files=False)

    prepare_directory(directory)
    asyncio.run(run(directory, endpoint, as_json=options.as_json(parsed)))
    return 0
