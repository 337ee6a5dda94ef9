"""It connects, and never says what it declares."""

import time

from lnpd_sdk.plugin import Plugin


class Bad(Plugin):
    def manifest(self):  # type: ignore[no-untyped-def]
        time.sleep(1000)


plugin = Bad("hangs-in-its-manifest", version="1")

if __name__ == "__main__":
    plugin.run()
