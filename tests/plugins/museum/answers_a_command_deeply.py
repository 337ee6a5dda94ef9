"""Its command's result is nested deeper than anybody can show."""

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("answers-a-command-deeply", version="1")


@plugin.rpc("Answers deeply.", name="bad-command")
async def command(node: Node) -> object:
    value: list[object] = []
    for _ in range(900):
        value = [value]
    return value


if __name__ == "__main__":
    plugin.run()
