"""What the file beside it says, it does when its provider is asked: raise, die, hang, or answer with garbage.

The file has two words: the function that is asked (`second_stage` is `seal` of one), and what is done instead. Without
it the plugin is a good one.
"""

import os
import sys
import time
from pathlib import Path

from lnpd_sdk.envelope import decode
from lnpd_sdk.manifest import ChannelTypeSpec
from lnpd_sdk.plugin import Plugin
from lnpd_sdk.questions import PROVIDER_METHODS, ProviderQuestion
from lnpd_sdk.script import DataCarrier
from lnpd_sdk.types import (
    ChildTx,
    Closable,
    Folded,
    OutputSpec,
    Phase,
    ProviderBase,
    ProviderSpec,
    Reject,
    Transaction,
    Update,
    View,
)

MOOD = Path(sys.argv[0] + ".mood")
PHASES = ("validate", "fold", "contribute", "attach", "seal", "descend", "close")


def fail() -> object:
    raise ValueError("my bug")


WAYS = {
    "raises": fail,
    "dies": lambda: os._exit(7),
    "hangs": lambda: time.sleep(1000),
    "errs": lambda: {"what": ["is", "this"]},
    "shortens": lambda: bytes(31),
}


class Moody(Plugin):
    def ask(self, question: ProviderQuestion, before: object = None) -> object:
        words = MOOD.read_text().split() if MOOD.exists() else []
        asked = {question.method}
        if question.method == "seal":
            _, _, transaction = decode(question.arguments, PROVIDER_METHODS["seal"].arguments)
            asked.add(transaction.purpose)
        return WAYS[words[1]]() if words and words[0] in asked else super().ask(question, before)


plugin = Moody("moody", version="1")
plugin.channel_type(ChannelTypeSpec("moody/static_remotekey", "static_remotekey", (("moody", 1),)))


@plugin.provider
class Good(ProviderBase):
    """An output of no value in every commitment, and in every second stage."""

    spec = ProviderSpec(
        "moody", (1,), tuple(map(Phase, PHASES)), observes=("*",), seal_length=32, seals=("second_stage",)
    )

    def validate(self, view: View, state: bytes, update: Update) -> Reject | None:
        return None

    def fold(self, view: View, state: bytes, update: Update) -> Folded:
        return Folded(state)

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        return (OutputSpec("moody", "1", "seal", 0, DataCarrier(32), trim="never"),)

    def attach(self, view: View, state: bytes, survivors: tuple[OutputSpec, ...]) -> tuple[OutputSpec, ...]:
        return ()

    def seal(self, view: View, state: bytes, transaction: Transaction) -> bytes:
        return bytes(32)

    def descend(self, view: View, state: bytes, transaction: Transaction) -> tuple[ChildTx, ...]:
        return ()

    def close(self, view: View, state: bytes) -> Closable:
        return Closable()


if __name__ == "__main__":
    plugin.run()
