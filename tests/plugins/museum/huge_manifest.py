"""Its manifest is larger than a frame may be."""

from lnpd_sdk.plugin import Plugin

plugin = Plugin("huge-manifest", version="1")
plugin.help = "x" * 5_000_000

if __name__ == "__main__":
    plugin.run()
