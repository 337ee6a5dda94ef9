"""It claims a number of lnpd's own wire messages."""

from lnpd_sdk.plugin import Plugin

plugin = Plugin("bad", version="1")
plugin.messages("message,33025,bad_update\ndata,u64,what")

if __name__ == "__main__":
    plugin.run()
