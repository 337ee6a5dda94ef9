"""It prints what is no text."""

import os

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("prints-junk", version="1")
os.write(1, bytes(range(256)) * 40 + b"\n\x1b]0;owned\x07\xff\xfe\n")


@plugin.rpc("Answers.", name="bad-command")
async def command(node: Node) -> str:
    os.write(2, os.urandom(100_000))
    return "all the same"


if __name__ == "__main__":
    plugin.run()
