"""It speaks a version of the contract that nobody has written yet."""

import msgspec
from lnpd_sdk.plugin import Plugin


class Bad(Plugin):
    def manifest(self):  # type: ignore[no-untyped-def]
        return msgspec.structs.replace(super().manifest(), contract=99)


plugin = Bad("future-contract", version="1")

if __name__ == "__main__":
    plugin.run()
