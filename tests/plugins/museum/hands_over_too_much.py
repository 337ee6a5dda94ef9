"""What it hands over is larger than anybody should have to read."""

from lnpd_sdk.plugin import Plugin


class Bad(Plugin):
    async def live(self, moment, params):  # type: ignore[no-untyped-def]
        return bytes(2_000_000) if moment == "handover" else await super().live(moment, params)


plugin = Bad("hands-over-too-much", version="1")

if __name__ == "__main__":
    plugin.run()
