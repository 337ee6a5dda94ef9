"""Does a signer that refuses hold up what the chain did to a channel?"""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lnpd.channel.queries import SoldSecret
from lnpd.crypto.hd import ChannelIndex
from lnpd.errors import LnpdError, SignerRefused
from lnpd.services.channels.queries import Queries
from lnpd.services.signer.refusals import Rule, refuse
from tests.tx.test_adaptors import POINT, extension, graph_of

GRAPH = graph_of(extension(POINT))


class Refusing:
    """A signer that knows nothing of this channel, or does not answer."""

    def __init__(self, answers: bool = True) -> None:
        self.answers = answers

    async def sold_secret(self, *_asked: object) -> bytes:
        if self.answers:
            refuse(Rule.NOT_RESUMED, "its numbers were not compared")
        raise LnpdError("it is gone")


def asked(signer: Refusing) -> object:
    parts, batch = SimpleNamespace(signer=signer), SimpleNamespace(channel=SimpleNamespace(key="k"))
    queries = Queries(cast(Any, parts), cast(Any, batch), ChannelIndex(1, 2, 3))
    return asyncio.run(queries.answer(SoldSecret(GRAPH, 0, ())))


def test_a_secret_that_is_not_told_is_said_and_nothing_waits_for_it(caplog: pytest.LogCaptureFixture) -> None:
    assert asked(Refusing()) == b""
    assert "the secret that commitment 42 sold is not learned" in caplog.text
    with pytest.raises(LnpdError) as error:
        asked(Refusing(answers=False))
    assert not isinstance(error.value, SignerRefused), "it is asked again with the next block"
