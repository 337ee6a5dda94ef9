"""It starts a process that is to outlive it, as far from it as a process can get."""

import os
import sys
import time
from pathlib import Path

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("leaves-children", version="1")


@plugin.rpc("Forks.", name="bad-command")
async def command(node: Node) -> int:
    told = Path(sys.argv[0] + ".child")
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for stream in range(3):
                os.close(stream)
            told.with_suffix(".new").write_text(str(os.getpid()))
            told.with_suffix(".new").rename(told)
            time.sleep(1000)
        os._exit(0)
    while not told.exists():
        time.sleep(0.01)
    return int(told.read_text())


if __name__ == "__main__":
    plugin.run()
