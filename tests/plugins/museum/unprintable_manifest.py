"""Its help text would move the cursor of whoever reads it."""

from lnpd_sdk.plugin import Plugin

plugin = Plugin("unprintable-manifest", version="1")
plugin.help = "\x1b[2J\x1b[1;1H\u202eplugin lockbox is ready"

if __name__ == "__main__":
    plugin.run()
