"""talker: says something to another node that runs talker too, and remembers what it hears.

lnpd --plugin=tests/plugins/talker.py --grant talker=messages
lnp talker-say NODE_ID hello          an odd message: whoever does not know it ignores it
lnp talker-ask NODE_ID hello          an even one: only to who agreed; it is answered with a `say`
lnp talker-heard
"""

from typing import Any

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("talker", "0.1.0", "Talks to other talkers.", ("messages",))
plugin.messages("message,40001,talker_say\ndata,u8,len\ndata,len*utf8,words\ntlv_stream,talker_say_tlvs\ntype,1,loud")
plugin.messages("message,40002,talker_ask\ndata,u16,len\ndata,len*byte,question")
said: list[dict[str, Any]] = []


@plugin.rpc("Says something.")
async def say(node: Node, node_id: str, words: str, loud: bool = False) -> None:
    await node.send(node_id, "talker_say", {"words": words, "tlvs": {"loud": True} if loud else {}})


@plugin.rpc("Asks something.")
async def ask(node: Node, node_id: str, question: str) -> None:
    await node.send(node_id, "talker_ask", {"question": question.encode()})


@plugin.rpc("What was heard since the plugin started.")
async def heard(node: Node) -> list[dict[str, Any]]:
    return said


@plugin.message("talker_say")
async def on_say(node: Node, node_id: str, fields: dict[str, Any]) -> None:
    said.append({"from": node_id, **fields})


@plugin.message("talker_ask")
async def on_ask(node: Node, node_id: str, fields: dict[str, Any]) -> None:
    await node.send(node_id, "talker_say", {"words": f"you asked {fields['question'].decode()}"})


if __name__ == "__main__":
    plugin.run()
