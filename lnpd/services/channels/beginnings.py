"""What do this node's plugins say of the states in which a channel's providers begin?"""

from typing import Final

from lnpd_sdk.types import OPENER, Reject

from lnpd.channel.beginning import InitialStates, States
from lnpd.channel.state import Channel
from lnpd.errors.words import one_line
from lnpd.hooks.dispatch import Answered, Hooks
from lnpd.hooks.registry import Registry
from lnpd.services.channels.opening import ALIASED
from lnpd.services.channels.view import type_name
from lnpd.tx.states import MAX_STATE_BYTES, feerate_of

HOOK: Final = "initial_states"


class Beginnings:
    """Asks them. The answers are a stranger's."""

    def __init__(self, hooks: Hooks, registry: Registry) -> None:
        self._hooks, self._registry = hooks, registry

    async def of(self, query: InitialStates) -> States | Reject:
        """The state of each provider, or why there is no channel."""
        channel = query.channel
        funding = channel.fundings[0]
        answers = await self._hooks.every(
            HOOK,
            None,
            channel_type=self._type_of(channel),
            node_id=channel.peer.hex(),
            opener=channel.us == OPENER,
            channel_id=channel.id.hex(),
            funding_txid=funding.txid[::-1].hex(),
            funding_vout=funding.vout,
            funding_sat=channel.capacity_sat,
            push_msat=channel.push_msat,
            feerate_per_kw=feerate_of(channel.base.states),
        )
        return self._joined(query, answers)

    def _type_of(self, channel: Channel) -> str:
        plain = type_name(channel).removesuffix(ALIASED)
        if channel.funding_type is not None:
            return plain
        return self._registry.type_of(plain, tuple((e.name, e.format) for e in channel.extensions)) or plain

    def _joined(self, query: InitialStates, answers: list[Answered]) -> States | Reject:
        found = dict[str, bytes]()
        for plugin, given in answers:
            if isinstance(given, str):
                return Reject(one_line(given))
            for provider, text in given.states.items():
                if why := self._wrong(query, plugin, provider, text):
                    return Reject(why)
                found[provider] = bytes.fromhex(text)
        for name in query.providers:
            if name not in found:
                return Reject(f"no plugin of this node says in which state {name} begins.")
        return tuple(found.items())

    def _wrong(self, query: InitialStates, plugin: str, provider: str, text: str) -> str:
        """Why a plugin's word on a provider cannot be taken; empty if it can."""
        owner, shown = self._registry.provider(provider), provider[:40]
        if provider not in query.providers:
            return f"{plugin} says in which state {shown!r} begins, which nobody is asked for."
        if owner is None or owner[0] != plugin:
            return f"{plugin} says in which state {shown!r} begins, which is another plugin's."
        if len(text) > 2 * MAX_STATE_BYTES:
            return f"{plugin} begins {shown!r} with more than {MAX_STATE_BYTES} bytes."
        try:
            bytes.fromhex(text)
        except ValueError:
            return f"{plugin} begins {shown!r} with what is not in hex."
        return ""
