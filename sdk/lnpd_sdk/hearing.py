"""How does an author hear of what happens in the node, and tell others what happens in the plugin?

    lit = plugin.topic("lamp/lit", "A lamp was lit.")

    @plugin.on("payment_received", "lamp/lit")
    async def heard(node: Node, event: Event) -> None:
        print(event.sequence, event.topic, event.fields())

Events come in their order, one after the other, each at least once: the node goes on behind the last one that was
handled, also after a restart of either. One whose function raises is given again, five times in all.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from lnpd_sdk.functions import check_call
from lnpd_sdk.manifest import TopicSpec
from lnpd_sdk.questions import Event, Heard, Notifications

F = TypeVar("F", bound=Callable[..., Any])  # Any: an author's function has its own parameters


class Hearing:
    """What a plugin declares about events."""

    node: Any  # the Node of lnpd_sdk.plugin, which builds upon this file

    def __init__(self) -> None:
        super().__init__()
        self._listeners: dict[str, Callable[..., object]] = {}
        self._topics: dict[str, TopicSpec] = {}
        self._hearing = asyncio.Lock()
        self._heard = 0

    def on(self, *topics: str) -> Callable[[F], F]:
        """Decorator: called for each event of these topics, in their order; `function(node, event)`.

        A topic is one of the node's (its page of events; for any other word the node refuses the plugin), or
        PLUGIN/TOPIC of another plugin. At its first start a plugin hears of what happens from then on. An event may
        come twice, if the plugin or the node died in between: `event.sequence` tells. `missed`, a topic of its own,
        tells of a plugin that was behind for so long that the node may have forgotten events: 100,000 of its own, and
        10,000 of each plugin, are kept.
        """

        def register(function: F) -> F:
            check_call(function, "node", "event")
            for topic in topics:
                if topic in self._listeners:
                    raise TypeError(f"two functions hear of {topic}")
                self._listeners[topic] = function
            return function

        return register

    def topic(self, name: str, help: str) -> str:
        """Declares a topic that the plugin publishes (`Node.publish`): PLUGIN/TOPIC, and what it says. Returns the
        name. Plugins and `lnp events` hear of it."""
        if name in self._topics:
            raise TypeError(f"the topic {name} is declared twice")
        self._topics[name] = TopicSpec(name, help)
        return name

    @property
    def notifications(self) -> tuple[str, ...]:
        """The topics that it hears of."""
        return tuple(name for name in self._listeners if name != "missed")

    @property
    def topics(self) -> tuple[TopicSpec, ...]:
        """The topics that it publishes."""
        return tuple(self._topics.values())

    async def hear(self, given: Notifications) -> Heard:
        """Handles a batch; how far it came. A batch that comes again while one is handled waits for it."""
        async with self._hearing:
            if given.missed and given.events:
                await self._tell(Event(given.events[0].sequence - 1, "missed", 0, b"{}"))
            for event in given.events:
                if event.sequence <= self._heard:
                    continue
                try:
                    await self._tell(event)
                except Exception as error:  # the author's code may raise anything
                    return Heard(event.sequence - 1, f"{type(error).__name__}: {error}"[:500])
                self._heard = event.sequence
        return Heard(max(self._heard, given.events[-1].sequence if given.events else 0))

    async def _tell(self, event: Event) -> None:
        function = self._listeners.get(event.topic)
        answer = function(self.node, event) if function else None
        if isinstance(answer, Awaitable):
            await answer
