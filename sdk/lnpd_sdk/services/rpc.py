"""How does a plugin call the methods of the node's own RPC?"""

from typing import Any

import msgspec

from lnpd_sdk.services.base import Asks


class RpcWanted(msgspec.Struct, frozen=True):
    """What `rpc` takes: a method as `lnp help` lists it, and its parameters by name."""

    method: str
    params: dict[str, Any]  # Any: JSON values


class RpcAsks(Asks):
    """`Node`'s methods for the RPC."""

    async def rpc(self, method: str, **params: Any) -> Any:  # Any: JSON values
        """Calls a method of the node's RPC; its result as the RPC gives it, in JSON's values.

        Needs the capability `rpc:<methods>`: names separated by commas, or `read`, which is every method of the node's
        that changes nothing and shows no secret (preimages are left out). What moves money has to be named, and no
        other limit holds for it. RpcNotGranted says what would allow a method; streams of events are `Plugin.on`'s.
        Refused as the RPC refuses: ParameterRefused, and what the method raises. RpcAnswerTooLong for more than 512
        KiB.
        """
        return await self._ask("rpc", RpcWanted(method, params), Any)
