"""storage: a box in which each peer may leave one small parcel, and gets it back when it asks.

lnpd --plugin=plugins/examples/storage.py --grant storage=messages
lnp storage-leave NODE_ID 00112233
lnp storage-fetch NODE_ID
"""

import asyncio
from typing import Any

from lnpd_sdk.plugin import Node, Plugin

MOST_PEERS, MOST_BYTES = 100, 60_000

plugin = Plugin("storage", "0.1.0", "Keeps a parcel for each peer, and has peers keep ours.", ("messages",))
plugin.messages("message,40021,storage_leave\ndata,u16,len\ndata,len*byte,parcel")
plugin.messages("message,40023,storage_fetch")
plugin.messages("message,40025,storage_parcel\ndata,u16,len\ndata,len*byte,parcel")
waiting: dict[str, asyncio.Future[bytes]] = {}


@plugin.message("storage_leave")
async def keep(node: Node, node_id: str, fields: dict[str, Any]) -> None:
    """The last parcel counts; whoever comes when the shelf is full is not served."""
    known, shelf = await node.kv_get(node_id), await node.kv_list(limit=MOST_PEERS)
    if (known or len(shelf.rows) < MOST_PEERS) and len(fields["parcel"]) <= MOST_BYTES:
        await node.kv_put(node_id, fields["parcel"])


@plugin.message("storage_fetch")
async def give(node: Node, node_id: str, fields: dict[str, Any]) -> None:
    """Its own parcel, and nobody else's."""
    row = await node.kv_get(node_id)
    await node.send(node_id, "storage_parcel", {"parcel": row.value if row else b""})


@plugin.message("storage_parcel")
async def receive(node: Node, node_id: str, fields: dict[str, Any]) -> None:
    """What it is worth is ours to know: sign or encrypt what you leave."""
    if (asked := waiting.pop(node_id, None)) and not asked.done():
        asked.set_result(fields["parcel"])


@plugin.rpc("Leaves a parcel with a peer.", example="lnp storage-leave 02eec7... 00112233")
async def leave(node: Node, node_id: str, parcel: bytes) -> None:
    """At most 60,000 bytes."""
    await node.send(node_id, "storage_leave", {"parcel": parcel})


@plugin.rpc("What a peer keeps for us, in hex.", example="lnp storage-fetch 02eec7...")
async def fetch(node: Node, node_id: str) -> str:
    """It has ten seconds to answer."""
    asked = waiting[node_id] = asyncio.get_running_loop().create_future()
    await node.send(node_id, "storage_fetch", {})
    return (await asyncio.wait_for(asked, 10)).hex()


if __name__ == "__main__":
    plugin.run()
