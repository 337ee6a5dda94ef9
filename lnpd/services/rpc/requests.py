"""What does a line ask, and what is answered to it, however it came?"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from lnpd.errors import LnpdError, RequestMalformed
from lnpd.rpc.codes import PARSE_ERROR, error_object

log = logging.getLogger("lnpd.rpc")

LINE_BYTES: Final = 1 << 20
MAX_CALLS: Final = 32
"""Calls at once on one connection, or of one key; further lines wait unread, or are refused."""

Id = str | int | None


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request of JSON-RPC 2.0; without an id it is a notification, which is not answered."""

    jsonrpc: str
    method: str
    params: Any = {}  # a JSON value; its command checks it
    id: Id | msgspec.UnsetType = msgspec.UNSET


_request = msgspec.json.Decoder(Request)
encode: Final = msgspec.json.Encoder().encode


def parse(line: bytes) -> Request:
    """A request from its line. Raises RequestMalformed."""
    try:
        request = _request.decode(line)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        if line.lstrip().startswith(b"["):
            raise RequestMalformed("There are no batches here: send each request as a line of its own.") from None
        raise RequestMalformed(f"This is no request of JSON-RPC 2.0: {error}.") from None
    if request.jsonrpc != "2.0":
        raise RequestMalformed('A request says "jsonrpc": "2.0".')
    if isinstance(request.id, str) and len(request.id) > 100:
        raise RequestMalformed("An id has at most 100 characters.")
    return request


async def answered(line: bytes, call: Callable[[Request], Awaitable[object]]) -> bytes | None:
    """The response to a line, without the line's end; None to a notification. `call` does what a request asks for."""
    try:
        request = parse(line)
    except RequestMalformed as error:
        return unread(line, error)
    try:
        data = encode({"jsonrpc": "2.0", "id": _id(request), "result": await call(request)})
    except Exception as error:
        if not isinstance(error, LnpdError):
            log.exception("%s failed", request.method[:60])
        data = encode({"jsonrpc": "2.0", "id": _id(request), "error": error_object(error)})
    return None if request.id is msgspec.UNSET else data


def unread(line: bytes, error: LnpdError) -> bytes:
    """The response to a line that is no request, or is not read."""
    told = error_object(error)
    if isinstance(error, RequestMalformed) and not _is_json(line):
        told["code"] = PARSE_ERROR
    return encode({"jsonrpc": "2.0", "id": None, "error": told})


def _is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return False
    return True


def _id(request: Request) -> Id:
    return None if isinstance(request.id, msgspec.UnsetType) else request.id
