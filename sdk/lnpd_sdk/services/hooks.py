"""How does a plugin call the hooks that it offers to other plugins?"""

from typing import Any

import msgspec

from lnpd_sdk.services.base import Asks


class HookAsked(msgspec.Struct, frozen=True):
    """What `call_hook` takes."""

    name: str
    fields: dict[str, Any]  # Any: of the types that the offer names


class HtlcSettled(msgspec.Struct, frozen=True):
    """What `settle` takes."""

    htlc: str
    preimage: str = ""


class HtlcFailed(msgspec.Struct, frozen=True):
    """What `fail` takes."""

    htlc: str
    code: str


class HookAsks(Asks):
    """`Node`'s methods for hooks."""

    async def call_hook(self, name: str, /, **fields: str | int | bool | bytes) -> list[Any]:
        """Calls one of the hooks that the plugin offers (`Plugin.offer`), with all of its fields.

        The answers that are not None: of a gather hook everybody's, in their order, of a chain hook at most one. They
        come from other plugins: check them. Whoever is late or raises is left out, and so is whoever waits for the
        answer itself, because this call comes of a question to this plugin that it caused. HookNotOwned,
        HookFieldsWrong.
        """
        answers: list[Any] = await self._ask("call_hook", HookAsked(name, fields), list[Any])
        return answers

    async def settle(self, htlc: str, preimage: str = "") -> None:
        """Ends the wait of an HTLC that the plugin holds (`HoldHtlc`): with its preimage, 32 bytes in hex.

        It is then booked as a payment received. Without one the node judges it by its own rules, as if nobody had been
        asked: its invoice is paid, or it is passed on. Needs `hook:htlc_accepted`. HtlcNotHeld, HtlcVerdictRefused.
        """
        await self.call("settle", HtlcSettled(htlc, preimage))

    async def fail(self, htlc: str, code: str = "temporary_node_failure") -> None:
        """Fails an HTLC that the plugin holds, with one of the codes of `FailHtlc`.

        Needs `hook:htlc_accepted`. HtlcNotHeld, HtlcVerdictRefused.
        """
        await self.call("fail", HtlcFailed(htlc, code))
