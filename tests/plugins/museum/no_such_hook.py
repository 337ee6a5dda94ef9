"""It subscribes to a hook that does not exist."""

from lnpd_sdk.plugin import Plugin

plugin = Plugin("no-such-hook", version="1")
plugin.hook("before_everything")(lambda node: None)

if __name__ == "__main__":
    plugin.run()
