"""It answers each question twice, the second time with something else."""

from lnpd_sdk import envelope
from lnpd_sdk.client import Client
from lnpd_sdk.envelope import Answer, Frame
from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("replies-twice", version="1")


def twice(self: Client, frame: Frame, send=Client._send) -> None:  # type: ignore[no-untyped-def]
    send(self, frame)
    if isinstance(frame, Answer):
        send(self, Answer(frame.id, envelope.raw("the second answer")))


Client._send = twice  # type: ignore[method-assign]  # what a plugin in another language may do


@plugin.rpc("Answers.", name="bad-command")
async def command(node: Node) -> str:
    return "the first answer"


if __name__ == "__main__":
    plugin.run()
