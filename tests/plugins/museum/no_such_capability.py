"""It asks for a capability that does not exist."""

from lnpd_sdk.plugin import Plugin

plugin = Plugin("no-such-capability", version="1", capabilities=("everything",))

if __name__ == "__main__":
    plugin.run()
