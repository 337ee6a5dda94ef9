"""It claims the number of the guest's message."""

from lnpd_sdk.plugin import Plugin

plugin = Plugin("claims-anothers-message", version="1", capabilities=("messages",))
plugin.messages("message,41001,mine_now\ndata,u8,what")

if __name__ == "__main__":
    plugin.run()
