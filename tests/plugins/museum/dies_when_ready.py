"""It ends as soon as it is ready, each time."""

import asyncio
import os

from lnpd_sdk.plugin import Plugin


class Bad(Plugin):
    def attach(self, *way):  # type: ignore[no-untyped-def]
        super().attach(*way)
        asyncio.get_running_loop().call_later(0.2, os._exit, 9)


plugin = Bad("dies-when-ready", version="1")

if __name__ == "__main__":
    plugin.run()
