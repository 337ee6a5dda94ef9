"""How is a node fuzzed once: alone with an honest peer and one who is not, from a seed, for so many rounds?"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import NamedTuple

from lnpd.services.node.node import Node
from lnpd.testing import Network
from tests.fuzz import stranger
from tests.fuzz.mallory import Attack, slipping
from tests.fuzz.witness import no_failures, pays, served

CAPACITY_SAT = 1_000_000

Rounds = Callable[[int], Awaitable[object]]


async def _mallory(network: Network, node: Node, chance: Random, _channel_id: bytes) -> Rounds:
    attack = Attack(network, node, await network.node("mallory", minimum_depth=1), chance)
    await attack.prepare()
    return attack.rounds


async def _messages(_network: Network, node: Node, chance: Random, channel_id: bytes) -> Rounds:
    return partial(stranger.messages, node, chance, channel_id)


async def _handshakes(_network: Network, node: Node, chance: Random, _channel_id: bytes) -> Rounds:
    return partial(stranger.handshakes, node, chance)


class Run(NamedTuple):
    """Who sends, made ready, and how many rounds take about five seconds of one processor."""

    ready: Callable[[Network, Node, Random, bytes], Awaitable[Rounds]]
    rounds: int


RUNS = {"mallory": Run(_mallory, 40), "messages": Run(_messages, 800), "handshakes": Run(_handshakes, 180)}


async def run(folder: Path, kind: str, seeds: Sequence[str], rounds: int) -> None:
    """Runs of several seeds beside each other: who waits for a lost word takes no processor. AssertionError, with the
    seeds, if a node is harmed."""
    began = time.monotonic(), time.process_time()
    try:
        with no_failures(), slipping():
            runs = [_run(folder / str(number), kind, seed, rounds) for number, seed in enumerate(seeds)]
            ended = await asyncio.gather(*runs, return_exceptions=True)
            if failures := [each for each in ended if isinstance(each, BaseException)]:
                raise failures[0]
    except AssertionError as error:
        raise AssertionError(f"{kind}, seeds {seeds!r}, {rounds} rounds: {error}") from error
    wall, processor = time.monotonic() - began[0], time.process_time() - began[1]
    print(f"{kind}, seeds {seeds!r}: {rounds} rounds each in {wall:.0f} s ({processor:.0f} s of a processor)")


async def _run(folder: Path, kind: str, seed: str, rounds: int) -> None:
    async with Network(folder) as network:
        node = await network.node("bob", minimum_depth=1)
        honest = await network.node("alice", minimum_depth=1)
        channel = await network.channel(honest, node, CAPACITY_SAT, push_sat=CAPACITY_SAT // 2)
        await pays(honest, node)
        fuzz = await RUNS[kind].ready(network, node, Random(f"{kind} {seed}"), bytes.fromhex(channel))
        async with served(node, honest) as tally:
            await fuzz(rounds)
    beside = f"{tally.payments} payments beside it, the slowest in {tally.slowest_seconds:.1f} s"
    print(f"{kind}, seed {seed!r}: {beside}")
