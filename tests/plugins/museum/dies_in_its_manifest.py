"""It raises when it is asked what it declares."""

from lnpd_sdk.plugin import Plugin


class Bad(Plugin):
    def manifest(self):  # type: ignore[no-untyped-def]
        raise RuntimeError("nothing to declare")


plugin = Bad("dies-in-its-manifest", version="1")

if __name__ == "__main__":
    plugin.run()
