"""What can a person tell an LDK node to do, and what does it say of itself?

Each row of COMMANDS is a word of the prompt: what it takes, what it does, and who does it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from contrib.ldk.driver import Ldk, Refused, Row
from contrib.regtest.bitcoind import Bitcoind, RpcError
from lnpd.wire.features import BOLT9

SAT: Final = 1000
FIRST_BLOCKS: Final = 101  # a coinbase can be spent a hundred blocks later
COINS_BTC: Final = "5.0"
WALLET: Final = "miner"
MOST_BLOCKS: Final = 1000
FOLLOW_SECONDS: Final = 0.3
TICKS: Final = 30  # of those, between two ticks of LDK's own clock: it follows feerates, and asks again
NAMES: Final = {row.bit: row.name.removeprefix("option_") for row in BOLT9.features.values()}
CONNECT_TRIES: Final = 50
CONNECT_SECONDS: Final = 0.1


class Unclear(Exception):
    """What was typed cannot be done; the text says why."""


@dataclass(frozen=True)
class Desk:
    """An LDK node and its bitcoind, and where its words go."""

    ldk: Ldk
    bitcoind: Bitcoind
    say: Callable[[str], None]

    async def node(self, method: str, *params: object, wallet: str = "") -> object:
        """A call of bitcoind's."""
        return await asyncio.to_thread(self.bitcoind.call, method, *params, wallet=wallet)

    async def furnish(self) -> None:
        """A chain with coins that can be spent, some of them LDK's."""
        await self.node("createwallet", WALLET)
        await self.mine(FIRST_BLOCKS)
        for _ in range(3):
            own = bytes.fromhex(await self.ldk("script"))
            decoded = await self.node("decodescript", own.hex())
            assert isinstance(decoded, dict)
            await self.node("sendtoaddress", decoded["address"], COINS_BTC, wallet=WALLET)
        await self.mine(1)

    async def mine(self, blocks: int) -> int:
        """New blocks; the height afterwards, where LDK is too."""
        address = await self.node("getnewaddress", wallet=WALLET)
        await self.node("generatetoaddress", blocks, address)
        return int(await self.ldk("sync"))

    async def follow(self) -> None:
        """Keeps LDK at the chain's tip and tells what happens to it, until it is cancelled."""
        told = ticks = 0
        while True:
            await self.ldk("sync")
            if not (ticks := (ticks + 1) % TICKS):
                await self.ldk("tick")
            for row in self.ldk.events[told:]:
                if row["event"] in TOLD:
                    self.say(TOLD[row["event"]](row))
            told = len(self.ldk.events)
            await asyncio.sleep(FOLLOW_SECONDS)

    async def obey(self, line: str) -> None:
        """Does what a line says. Raises Unclear, with a sentence."""
        name, *words = line.split()
        command = COMMANDS.get(name)
        if command is None:
            raise Unclear(f"There is no command {name!r}: {', '.join(COMMANDS)}.")
        least, most = command.words
        if not least <= len(words) <= most:
            raise Unclear(f"It is: {name} {command.takes}".rstrip() + ".")
        try:
            await command.run(self, words)
        except Refused as error:
            raise Unclear(f"LDK says: {error}") from error
        except RpcError as error:
            raise Unclear(f"bitcoind says: {error}") from error

    async def channel(self, beginning: str) -> Row:
        """The one channel whose id begins so."""
        found = [row for row in await self.ldk("channels") if row["channel"].startswith(beginning)]
        if len(found) != 1:
            raise Unclear(f"{len(found) or 'No'} channels of LDK's begin with {beginning}; `channels` lists them.")
        return dict(found[0])


def amount_of(word: str, what: str = "An amount", most: int = 21 * 10**14) -> int:
    """A whole number above zero, with or without commas. Raises Unclear."""
    digits = word.removesuffix("sat").replace(",", "").replace("_", "")
    if not (digits.isascii() and digits.isdigit() and 0 < int(digits) <= most):
        raise Unclear(f"{what} is a whole number from 1 to {most:,}, not {word!r}.")
    return int(digits)


async def _connect(desk: Desk, words: list[str]) -> None:
    peer, _, place = words[0].partition("@")
    host, _, port = place.rpartition(":")
    if not (len(peer) == 66 and set(peer) <= set("0123456789abcdef") and host and port.isdigit()):
        raise Unclear("A node's address is ID@HOST:PORT; `lnp info` says it.")
    if not await desk.ldk("peer", peer=peer):
        await desk.ldk("connect", peer=peer, host=host, port=int(port))
    for _ in range(CONNECT_TRIES):
        if await desk.ldk("peer", peer=peer):
            return
        await asyncio.sleep(CONNECT_SECONDS)
    raise Unclear(f"Nobody of that id answers at {place}.")


async def _open(desk: Desk, words: list[str]) -> None:
    sat = amount_of(words[1])
    await _connect(desk, words)
    await desk.ldk("open", peer=words[0].partition("@")[0], sat=sat)
    desk.say("LDK asks for a channel; its funding is broadcast once the peer agrees. Then: mine 6")


async def _channels(desk: Desk, words: list[str]) -> None:
    rows = await desk.ldk("channels")
    for row in rows:
        state = "usable" if row["usable"] else "not connected" if row["ready"] else "waits for blocks: mine 6"
        desk.say(f"{row['channel']}  {_type(row)}")
        desk.say(
            f"    {int(row['sat']):,} sat; can send {int(row['ours_msat']) // SAT:,}, "
            f"receive {int(row['theirs_msat']) // SAT:,}; {row['htlcs']} in flight; {state}"
        )
    if not rows:
        desk.say("LDK has no channel.")


async def _invoice(desk: Desk, words: list[str]) -> None:
    msat = SAT * amount_of(words[0]) if words else None
    desk.say((await desk.ldk("invoice", msat=msat, description=" ".join(words[1:]) or "from LDK"))["invoice"])


async def _pay(desk: Desk, words: list[str]) -> None:
    more = {"msat": SAT * amount_of(words[1])} if len(words) > 1 else {}
    await desk.ldk("pay", invoice=words[0], **more)
    desk.say("LDK pays.")


async def _hold(desk: Desk, words: list[str]) -> None:
    await desk.ldk("set", name="hold", value=True)
    desk.say("Payments to LDK hang from now on, until `claim` or `fail`.")


async def _settle(desk: Desk, how: str) -> None:
    hashes = {row["payment_hash"] for row in desk.ldk.heard("PaymentClaimable")}
    done = {row["payment_hash"] for row in desk.ldk.heard("PaymentClaimed")}
    for payment_hash in hashes - done:
        await desk.ldk(how, payment_hash=payment_hash)
    await desk.ldk("set", name="hold", value=False)


async def _claim(desk: Desk, words: list[str]) -> None:
    await _settle(desk, "claim")


async def _fail(desk: Desk, words: list[str]) -> None:
    await _settle(desk, "fail")


async def _mine(desk: Desk, words: list[str]) -> None:
    height = await desk.mine(amount_of(words[0], "The number of blocks", MOST_BLOCKS) if words else 1)
    desk.say(f"The chain is at height {height}.")


async def _close(desk: Desk, words: list[str]) -> None:
    await desk.ldk("close", channel=(await desk.channel(words[0]))["channel"])


async def _force(desk: Desk, words: list[str]) -> None:
    await desk.ldk("close", channel=(await desk.channel(words[0]))["channel"], force=True)


async def _help(desk: Desk, words: list[str]) -> None:
    for name, command in COMMANDS.items():
        desk.say(f"  {name + ' ' + command.takes:<25} {command.does}")


class Command(NamedTuple):
    """A word of the prompt: what it takes, in words and how many, what it does."""

    takes: str
    words: tuple[int, int]
    does: str
    run: Callable[[Desk, list[str]], Awaitable[None]]


ANY: Final = 99
COMMANDS: Final[Mapping[str, Command]] = {
    "channels": Command("", (0, 0), "LDK's channels, as LDK has them", _channels),
    "invoice": Command("[SAT [WORDS]]", (0, ANY), "an invoice of LDK's", _invoice),
    "pay": Command("INVOICE [SAT]", (1, 2), "LDK pays an invoice", _pay),
    "open": Command("ID@HOST:PORT SAT", (2, 2), "LDK opens a channel", _open),
    "close": Command("CHANNEL", (1, 1), "together; an id's beginning will do", _close),
    "force": Command("CHANNEL", (1, 1), "LDK closes it by itself", _force),
    "hold": Command("", (0, 0), "payments to LDK hang", _hold),
    "claim": Command("", (0, 0), "LDK takes them all", _claim),
    "fail": Command("", (0, 0), "LDK lets them all fail", _fail),
    "mine": Command("[BLOCKS]", (0, 1), "new blocks", _mine),
    "connect": Command("ID@HOST:PORT", (1, 1), "LDK connects to a node", _connect),
    "help": Command("", (0, 0), "this list", _help),
}


def _type(row: Row) -> str:
    """A channel's type by the names of its features."""
    return "+".join(NAMES.get(bit, str(bit)) for bit in row["type"] or ())


def _sat(row: Row) -> str:
    return f"{int(row['msat']) / SAT:,.3f}".rstrip("0").rstrip(".") + " sat"


# What is told of an event; those that have no row are LDK's own affair.
TOLD: Final[Mapping[str, Callable[[Row], str]]] = {
    "OpenChannelRequest": lambda row: f"A peer opens a channel of {int(row['sat']):,} sat, {_type(row)}.",
    "ChannelPending": lambda row: f"Channel {row['channel'][:12]} is funded by {row['funding']}.",
    "ChannelReady": lambda row: f"Channel {row['channel'][:12]} can be used.",
    "ChannelClosed": lambda row: f"Channel {row['channel'][:12]} is closed: {row['why']} {row['said']}".rstrip() + ".",
    "PaymentClaimable": lambda row: f"A payment of {_sat(row)} has come.",
    "PaymentClaimed": lambda row: f"LDK has received {_sat(row)}.",
    "PaymentSent": lambda row: f"LDK has paid; the preimage is {row['preimage'][:12]}…",
    "PaymentFailed": lambda row: f"LDK's payment has failed: {row['why']}.",
    "Swept": lambda row: f"LDK has its coins of a closed channel, in {row['txid']}.",
    "failure": lambda row: f"LDK could not: {row['why']}",
    "fatal": lambda row: f"LDK has ended: {row['why']}",
}
