"""webhook: an HTTP POST with a little JSON for each payment that comes in.

lnpd --plugin=plugins/examples/webhook.py --option webhook.url=http://127.0.0.1:8080/paid
"""

import asyncio
import json
import urllib.request

from lnpd_sdk.plugin import Node, Plugin

TRIES = 5

plugin = Plugin("webhook", "0.1.0", "Tells a web server of payments.")
url = plugin.option("url", str, "", "where to POST to; nothing is sent without it", dynamic=True)
sending: set[asyncio.Task[None]] = set()


def check(address: str) -> None:
    """ValueError unless it is a web address."""
    if address and not address.startswith(("http://", "https://")):
        raise ValueError(f"{address} does not begin with http:// or https://")


@plugin.on_option
async def changed(node: Node, name: str, value: str) -> None:
    """A value that is none is refused, and the old one stays."""
    check(value)


def post(address: str, body: bytes) -> None:
    """One request; whatever goes wrong is raised."""
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})  # noqa: S310  it was checked
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310


async def deliver(node: Node, address: str, payload: dict[str, object]) -> None:
    """Some tries, with growing pauses, in a thread: the plugin answers meanwhile."""
    for attempt in range(TRIES):
        try:
            await asyncio.to_thread(post, address, json.dumps(payload).encode())
            return
        except OSError as error:
            await node.log("warning", f"{address}: {error}")
            await asyncio.sleep(0.2 * 4**attempt)


@plugin.hook("payment_received")
async def paid(node: Node, payment_hash: str, amount_msat: int) -> None:
    """The hook does not wait for the web server."""
    if url.value:
        check(url.value)
        task = asyncio.create_task(deliver(node, url.value, {"payment_hash": payment_hash, "amount_msat": amount_msat}))
        sending.add(task)
        task.add_done_callback(sending.discard)


if __name__ == "__main__":
    plugin.run()
