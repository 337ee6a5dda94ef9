"""chat: a few words to a peer that has this plugin too, in wire messages of its own.

lnpd --plugin=plugins/examples/chat.py --grant chat=messages
lnp chat-say NODE_ID "good morning"
lnp chat-heard
"""

from typing import Any

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("chat", "0.1.0", "Exchanges a few words with peers.", ("messages",))
plugin.messages(
    """
    message,40011,chat_line
    data,u64,number
    data,u16,len
    data,len*utf8,words
    message,40013,chat_seen
    data,u64,number
    """
)
heard: list[dict[str, Any]] = []
seen: set[int] = set()


@plugin.rpc("Says something to a peer.", example='lnp chat-say 02eec7... "good morning"')
async def say(node: Node, node_id: str, words: str) -> int:
    """Its number, which is among the `seen` once the peer's plugin has it."""
    last = await node.kv_get("last")
    number = 1 + (int(last.value) if last else 0)
    await node.kv_put("last", str(number).encode(), last.version if last else 0)
    await node.send(node_id, "chat_line", {"number": number, "words": words})
    return number


@plugin.message("chat_line")
async def line(node: Node, node_id: str, fields: dict[str, Any]) -> None:
    """A peer says something: it is told that we have it."""
    heard.append({"from": node_id, "words": fields["words"]})
    del heard[:-100]
    await node.send(node_id, "chat_seen", {"number": fields["number"]})


@plugin.message("chat_seen")
async def confirmed(node: Node, node_id: str, fields: dict[str, Any]) -> None:
    """A peer has what we said."""
    seen.add(fields["number"])


@plugin.rpc("What peers said since the plugin started, and which of ours they have seen.", name="chat-heard")
async def lines(node: Node) -> dict[str, Any]:
    """The last hundred."""
    return {"heard": heard, "seen": sorted(seen)[-100:]}


if __name__ == "__main__":
    plugin.run()
