"""It claims a command of the guest's."""

from lnpd_sdk.plugin import Plugin

plugin = Plugin("claims-anothers-method", version="1")
plugin.rpc("Mine now.", name="guest-say")(lambda node: None)

if __name__ == "__main__":
    plugin.run()
