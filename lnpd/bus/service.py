"""How does a service live in another process, without its callers noticing?

A service is a class of async methods with typed parameters and results (its interface). `serve` answers the
interface's methods over the bus; `remote` makes an object with the same methods that asks such a server. Where a
service runs is thereby an endpoint: in the same process it is used directly.
"""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

import msgspec
from lnpd_sdk import envelope
from lnpd_sdk.envelope import BadFrame, CallFailed, Notice

import lnpd.errors
from lnpd.bus.link import Identity
from lnpd.bus.peer import BusPeer
from lnpd.errors import LnpdError, NoSuchMethod, RemoteFault

I = TypeVar("I")  # noqa: E741  the interface
DEADLINE_SECONDS = 30.0


class Signature(msgspec.Struct, frozen=True):
    """The types of one method: its parameters as one tuple, and its result."""

    parameters: Any  # a tuple type that msgspec decodes into
    result: Any


def methods(interface: type) -> dict[str, Signature]:
    """The public async methods of an interface, by name."""
    table: dict[str, Signature] = {}
    for name, function in inspect.getmembers(interface, inspect.iscoroutinefunction):
        if name.startswith("_"):
            continue
        hints = get_type_hints(function)
        result = hints.pop("return", type(None))
        kinds = tuple(hints[p] for p in list(inspect.signature(function).parameters)[1:])
        table[name] = Signature(tuple.__class_getitem__(kinds) if kinds else tuple[()], result)
    return table


def serve(service: object, interface: type, endpoint: str) -> BusPeer:
    """Answers the interface's methods at an endpoint. Close the returned peer to stop."""
    table = methods(interface)

    async def answer(_identity: Identity, method: str, params: msgspec.Raw) -> object:
        signature = table.get(method)
        if signature is None:
            raise NoSuchMethod(f"{interface.__name__} has no method {method[:100]!r}")
        arguments = envelope.decode(params, signature.parameters)
        return await getattr(service, method)(*arguments)

    return BusPeer(answer).bind(endpoint)


def _raised(error: CallFailed) -> Exception:
    """The error of lnpd.errors that the server raised, by its class name."""
    kind = getattr(lnpd.errors, error.code, None)
    if isinstance(kind, type) and issubclass(kind, LnpdError):
        known = kind.__new__(kind)  # the text is all that travels; a class with more fields has its defaults
        known.args = (str(error),)
        return known
    return RemoteFault(f"{error.code}: {error}")


def remote(
    interface: type[I],
    endpoint: str,
    noticed: Callable[[Notice], None] | None = None,
    deadline_seconds: float = DEADLINE_SECONDS,
) -> tuple[I, BusPeer]:
    """An object with the interface's methods, answered by the server at an endpoint, and the peer to close.

    Its methods raise what the server raised if that is one of lnpd.errors, else RemoteFault; DeadlineMissed,
    LinkOverflow and, as soon as the server has ended, LinkGone if it does not answer.
    """
    peer = BusPeer(noticed=(lambda _identity, notice: noticed(notice)) if noticed else None).connect(endpoint)

    def method(name: str, signature: Signature) -> Callable[..., Any]:
        async def call(_self: object, *arguments: object) -> object:
            try:
                answer = await peer.call(name, arguments, deadline_seconds)
            except CallFailed as error:
                raise _raised(error) from None
            try:
                return envelope.decode(answer, signature.result)
            except BadFrame as error:
                raise RemoteFault(f"the answer to {name} is not understood: {error}") from None

        return call

    table = methods(interface)
    body = {name: method(name, signature) for name, signature in table.items()}
    proxy = type(f"Remote{interface.__name__}", (), body)()
    return proxy, peer
