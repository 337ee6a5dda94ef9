"""What runs when the regtest chain has a process of its own? (`python -m lnpd.services.chain.process`, `lnpd regtest`)

It opens the chain of a directory, prints one line once it serves, and ends on SIGTERM, SIGINT, or the end of its
standard input if it was told to (`--until-eof`: then it does not outlive whoever started it).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from lnpd.chain.embedded import EmbeddedChain
from lnpd.errors import LnpdError
from lnpd.services.chain.service import serve_chain
from lnpd.services.logs.children import speak

READY = "The regtest chain answers at"


async def run(directory: Path, endpoint: str, until_eof: bool = False, as_json: bool = False) -> None:
    """Serves the chain of a directory until the process is asked to end. Raises what opening or binding raises."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    chain = await EmbeddedChain.open(directory)
    try:
        server = serve_chain(chain, endpoint)
        if until_eof:
            loop.add_reader(sys.stdin.fileno(), _read_input, stop)
        print(json.dumps({"endpoint": endpoint}) if as_json else f"{READY} {endpoint}", flush=True)
        await stop.wait()
        await server.close()
    finally:
        await chain.close()


def _read_input(stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 1 << 12):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        stop.set()


def main(arguments: Sequence[str] | None = None) -> int:
    """The program. Returns 1, with one line on standard error, if the chain cannot be served."""
    parser = argparse.ArgumentParser(prog="lnpd.services.chain.process", description=run.__doc__)
    parser.add_argument("--directory", type=Path, required=True, help="where the chain is kept")
    parser.add_argument("--endpoint", required=True, help="where it is served: ipc://path")
    parser.add_argument("--until-eof", action="store_true", help="end when standard input does")
    options = parser.parse_args(arguments)
    speak()
    try:
        asyncio.run(run(options.directory, options.endpoint, options.until_eof))
    except LnpdError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
