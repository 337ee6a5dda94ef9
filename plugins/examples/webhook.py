"""webhook: an HTTP POST with a little JSON for each payment that comes in, also for one that came while it did not run.

lnpd --plugin=plugins/examples/webhook.py --option webhook.url=http://127.0.0.1:8080/paid
"""

import asyncio
import json
import urllib.request

from lnpd_sdk.plugin import Node, Plugin
from lnpd_sdk.questions import Event

plugin = Plugin("webhook", "0.1.0", "Tells a web server of payments.")
url = plugin.option("url", str, "", "where to POST to; nothing is sent without it", dynamic=True)


@plugin.on_init
def begin(node: Node) -> None:
    """A bad address on the command line ends the plugin, with this sentence."""
    changed(node, "url", url.value)


@plugin.on_option
def changed(node: Node, name: str, value: str) -> None:
    """A bad address is refused, and the old one stays."""
    if value and not value.startswith(("http://", "https://")):
        raise ValueError(f"{value} does not begin with http:// or https://")


def post(address: str, body: bytes) -> None:
    """One request; whatever goes wrong is raised."""
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})  # noqa: S310  it was checked
    urllib.request.urlopen(request, timeout=4).close()  # noqa: S310


@plugin.on("payment_received")
async def paid(node: Node, event: Event) -> None:
    """In a thread: the plugin answers meanwhile. If it raises, the node gives the event again, a few times."""
    if url.value:
        body = json.dumps({"sequence": event.sequence, **event.fields()})
        await asyncio.to_thread(post, url.value, body.encode())


if __name__ == "__main__":
    plugin.run()
