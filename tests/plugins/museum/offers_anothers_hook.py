"""It offers a hook in the guest's name."""

import msgspec
from lnpd_sdk.manifest import HookOffer
from lnpd_sdk.plugin import Plugin


class Bad(Plugin):
    def manifest(self):  # type: ignore[no-untyped-def]
        offers = (HookOffer("guest/lit", "chain"),)
        return msgspec.structs.replace(super().manifest(), offers=offers)


plugin = Bad("offers-anothers-hook", version="1")

if __name__ == "__main__":
    plugin.run()
