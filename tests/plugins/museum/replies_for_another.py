"""It answers questions that it was not asked yet, before its own."""

from lnpd_sdk import envelope
from lnpd_sdk.client import Client
from lnpd_sdk.envelope import Answer, Frame
from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("replies-for-another", version="1")


def for_others(self: Client, frame: Frame, send=Client._send) -> None:  # type: ignore[no-untyped-def]
    if isinstance(frame, Answer):
        for number in range(frame.id - 50, frame.id + 50):
            if number != frame.id:
                send(self, Answer(number, envelope.raw("an answer to nobody")))
    send(self, frame)


Client._send = for_others  # type: ignore[method-assign]  # what a plugin in another language may do


@plugin.rpc("Answers.", name="bad-command")
async def command(node: Node) -> str:
    return "its own answer"


if __name__ == "__main__":
    plugin.run()
