"""How does a plugin call the hooks that it offers to other plugins?"""

from typing import Any

import msgspec

from lnpd_sdk.services.base import Asks


class HookAsked(msgspec.Struct, frozen=True):
    """What `call_hook` takes."""

    name: str
    fields: dict[str, Any]  # Any: of the types that the offer names


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
