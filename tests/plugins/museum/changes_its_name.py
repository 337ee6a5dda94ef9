"""In its second life it calls itself otherwise."""

import os
import sys
from pathlib import Path

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("changes-its-name", version="1")
life = Path(sys.argv[0] + ".life")
if life.exists():
    plugin.name = "somebody-else"
life.touch()


@plugin.rpc("Ends it.")
def end(node: Node) -> None:
    os._exit(1)


if __name__ == "__main__":
    plugin.run()
