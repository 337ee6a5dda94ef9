"""It declares more commands than anybody could want."""

from lnpd_sdk.plugin import Plugin

plugin = Plugin("long-manifest", version="1")
for number in range(101):
    plugin.rpc("One of many.", name=f"many-{number}")(lambda node: None)

if __name__ == "__main__":
    plugin.run()
