"""How does a plugin ask its node for something?"""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from lnpd_sdk import envelope

Caller = Callable[[str, object], Awaitable[msgspec.Raw]]


class Asks:
    """What all families of services share: the way to the node."""

    def __init__(self, call: Caller) -> None:
        self._call = call

    async def call(self, method: str, params: object) -> msgspec.Raw:
        """Any host service by name; the msgpack of its result."""
        return await self._call(method, params)

    async def _ask(self, method: str, params: object, kind: Any) -> Any:  # Any: each service has its own result
        """A service's result as a value of `kind`. BadFrame if it is none."""
        return envelope.decode(await self._call(method, params), kind)
