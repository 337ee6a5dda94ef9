"""How does the node call a hook, so that no plugin can delay or end it?"""

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any, get_type_hints

import msgspec
import pluggy

from lnpd.errors import PluginFault
from lnpd.hooks.kinds import KINDS, PROJECT, awaited, drop
from lnpd.hooks.spec import HookSpecs

log = logging.getLogger("lnpd.hooks")
MAX_TEXT = 500  # characters of a text that a hook answered: it is logged, and some are sent to peers


class Hooks:
    """The only way in which lnpd calls a hook. A plugin's fault is logged, and its answer left out."""

    def __init__(self) -> None:
        self.plugins = pluggy.PluginManager(PROJECT)
        self.plugins.add_hookspecs(HookSpecs)

    async def gather(self, name: str, **params: object) -> list[object]:
        """Every answer that is not None."""
        assert KINDS[name] == "gather", f"{name} is not a gather hook"
        pending = getattr(self.plugins.hook, name)(**params)
        answers = await asyncio.gather(*(self._one(name, value) for value in pending))
        return [answer for answer in answers if answer is not None]

    async def chain(self, name: str, **params: object) -> object:
        """The first answer that is not None, in order; those behind it are never asked.

        An answer of another type than the specification's is no answer.
        """
        assert KINDS[name] == "chain", f"{name} is not a chain hook"
        pending, kind = getattr(self.plugins.hook, name)(**params), get_type_hints(getattr(HookSpecs, name))["return"]
        try:
            while pending:
                if (answer := _fit(name, await self._one(name, pending.pop(0)), kind)) is not None:
                    return answer
        finally:
            drop(pending)
        return None

    async def _one(self, name: str, value: object) -> object:
        if not isinstance(value, Awaitable):
            return value
        try:
            return await awaited(value)
        except PluginFault as error:
            log.warning("hook %s: %s", name, error)
        return None


def _fit(name: str, answer: object, kind: Any) -> object:  # Any: msgspec takes types that `type` cannot express
    """A hook's answer as if a stranger had sent it; None where it is not what the hook asks for."""
    try:
        fit: object = msgspec.convert(answer, kind)
    except msgspec.ValidationError as error:
        log.warning("hook %s: a plugin answered with something else: %s", name, error)
        return None
    return fit[:MAX_TEXT] if isinstance(fit, str) else fit
