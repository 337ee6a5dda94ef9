"""It claims a command of the node's."""

from lnpd_sdk.plugin import Plugin

plugin = Plugin("claims-the-nodes-method", version="1")
plugin.rpc("Mine now.", name="pay")(lambda node: None)

if __name__ == "__main__":
    plugin.run()
