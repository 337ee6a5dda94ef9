"""Its answers are no frames."""

from lnpd_sdk.client import Client
from lnpd_sdk.envelope import Answer, Frame
from lnpd_sdk.plugin import Plugin

plugin = Plugin("replies-with-garbage", version="1")


def garbage(self: Client, frame: Frame, send=Client._send) -> None:  # type: ignore[no-untyped-def]
    if isinstance(frame, Answer):
        self._socket.send(b"\xc1\x00nonsense")
    else:
        send(self, frame)


Client._send = garbage  # type: ignore[method-assign]  # what a plugin in another language may do


if __name__ == "__main__":
    plugin.run()
