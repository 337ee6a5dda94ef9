"""It declares a topic of the guest's."""

from lnpd_sdk.plugin import Plugin

plugin = Plugin("declares-anothers-topic", version="1")
plugin.topic("guest/word", "Mine now.")

if __name__ == "__main__":
    plugin.run()
