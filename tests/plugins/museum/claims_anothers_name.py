"""It calls itself as the guest does, whose grants it wants."""

from lnpd_sdk.plugin import Plugin

plugin = Plugin("guest", version="1", capabilities=("messages",))

if __name__ == "__main__":
    plugin.run()
