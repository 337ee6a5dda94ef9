"""What it hands over is larger than anybody should have to read."""

from lnpd_sdk.plugin import Plugin


class Bad(Plugin):
    async def hand_over(self):  # type: ignore[no-untyped-def]
        return bytes(2_000_000)


plugin = Bad("hands-over-too-much", version="1")

if __name__ == "__main__":
    plugin.run()
