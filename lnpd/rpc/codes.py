"""Which code does the RPC give to an error? The name of its class goes with it, in `data`.

A code stands for a family of errors and never changes; the name says exactly which. What is no LnpdError is a fault of
ours: the log has it, the client learns only that it happened.
"""

import re
from typing import Any, Final

from lnpd import errors

_TO_TYPE: Final = re.compile(r"(: lnp |--[a-z])[^.]*$|@HOST:PORT$|=[A-Z_]+$")
PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
NO_SUCH_METHOD: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603

CODES: Final[dict[type[BaseException], int]] = {
    errors.RequestMalformed: INVALID_REQUEST,
    errors.RequestTooLong: INVALID_REQUEST,
    errors.NoSuchMethod: NO_SUCH_METHOD,
    errors.ParameterRefused: INVALID_PARAMS,
    errors.RpcError: 1,
    errors.LnpdError: 2,
    errors.CommandRefused: 10,
    errors.ListenRefused: 11,
    errors.PeerUnreachable: 12,
    errors.WrongNodeId: 13,
    errors.PeerNotConnected: 14,
    errors.UnknownPeer: 15,
    errors.UnknownChannel: 16,
    errors.InsufficientFunds: 17,
    errors.AddressRefused: 18,
    errors.ChannelRefused: 19,
    errors.CloseBlocked: 20,
    errors.OnlyOnRegtest: 21,
    errors.InvoiceExpired: 22,
    errors.PaymentFailed: 23,
    errors.PaymentPending: 24,
    errors.ClosePending: 25,
    errors.OpenTimedOut: 26,
    errors.AlreadyClosed: 27,
    errors.InvoiceError: 30,
    errors.PluginFault: 40,
    errors.CapabilityMissing: 41,
    errors.OptionRefused: 42,
    errors.ReloadRefused: 43,
    errors.PluginNotRunning: 44,
    errors.PluginNotFound: 45,
    errors.SettingRefused: 46,
    errors.SignerRefused: 50,
    errors.StoreError: 60,
    errors.ChainError: 70,
    errors.ProtocolError: 80,
    errors.DeadlineMissed: 90,
    errors.LinkOverflow: 91,
}


def code_of(error: BaseException) -> int:
    """The code of an error: its class's, or that of the nearest class above it."""
    return next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), INTERNAL_ERROR)


def error_object(error: BaseException) -> dict[str, Any]:  # Any: a JSON object
    """The `error` of a JSON-RPC 2.0 response."""
    if not isinstance(error, errors.LnpdError):
        return {
            "code": INTERNAL_ERROR,
            "message": "The node failed in a way of its own; its log says how.",
            "data": {"name": "InternalError"},
        }
    return {"code": code_of(error), "message": sentence(str(error)), "data": {"name": type(error).__name__}}


def sentence(text: str) -> str:
    """A text in one line that ends like a sentence, unless it ends with something to type: plugins write them too."""
    line = " ".join(text.split())
    return line if not line or line[-1] in ".!?:" or _TO_TYPE.search(line) else f"{line}."
