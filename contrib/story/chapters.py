"""What happens in the story, step by step? Every figure that is printed is held against another source of it.

chain and nodes -> coins and a channel -> payments -> lockbox -> kill -9 -> close -> every satoshi
"""

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from contrib.story.ledger import Ledger
from contrib.story.processes import Node, Program, installed, lives, undisturbed
from contrib.story.telling import StoryFailed, Teller, agree, sat, shortened, wait
from lnpd.cli.render import look_of, render

Row = dict[str, Any]  # Any: JSON values, as the RPC gives them

PLUGIN: Final = Path(__file__).parents[2] / "plugins" / "lockbox.py"
GRANT: Final = "lockbox=updates:1000000"
CHANNEL_TYPE: Final = "lockbox/anchors_zero_fee_htlc_tx"
DEPTH: Final = 3  # lnpd's own default

COINS_SAT: Final = 2_000_000
CAPACITY_SAT: Final = 1_000_000
THERE_SAT: Final = 250_000
BACK_SAT: Final = 40_000
BOX_SAT: Final = 25_000
CRASH_SAT: Final = 30_000
PICTURE_COLUMNS: Final = 80


class Story:
    """Two nodes, a chain, and what becomes of two million satoshi."""

    def __init__(self, folder: Path, teller: Teller) -> None:
        self.folder, self.teller = folder, teller
        self._socket = folder / "c"
        options = ("--chain", f"ipc://{self._socket}", "--plugin", os.path.relpath(PLUGIN), "--grant", GRANT)
        self.alice = Node("alice", folder, options, teller)
        self.bob = Node("bob", folder, options, teller)
        self._chain: Program | None = None
        self._ledger: Ledger | None = None
        self.channel_id = self.funding = self.faucet = self.closing = ""
        self.alice_sat, self.bob_sat = CAPACITY_SAT, 0  # what each should have in the channel

    @property
    def ledger(self) -> Ledger:
        """The chain, from chapter 1 on."""
        assert self._ledger is not None
        return self._ledger

    @property
    def programs(self) -> list[Program]:
        """Whatever was started, the last first."""
        return [program for program in (self.bob.program, self.alice.program, self._chain) if program is not None]

    def run(self) -> None:
        """Tells it all. Raises StoryFailed."""
        chapters: tuple[tuple[str, Callable[[], None]], ...] = (
            ("A chain of their own, and two nodes with a plugin each", self.begin),
            ("Alice gets coins and opens a channel with Bob", self.open),
            ("They pay each other", self.pay),
            ("A plugin puts an output of its own into both commitment transactions", self.lock),
            ("Bob is killed (kill -9) in the middle of a payment", self.crash),
            ("The channel is closed, but not while the box is open", self.close),
            ("Every satoshi is accounted for on chain", self.account),
        )
        for title, chapter in chapters:
            with self.teller.chapter(title):
                chapter()

    def stop(self) -> None:
        """Ends every process that was started."""
        with ExitStack() as last_first:  # each is done, whatever becomes of the others
            if self._chain is not None:
                last_first.callback(self._chain.ended)
                last_first.callback(self._chain.end)  # after the nodes, which take leave of it
            nodes = [node.program for node in (self.alice, self.bob) if node.program is not None]
            for move in (Program.ended, Program.end):  # both are asked before one is waited for
                for program in nodes:
                    last_first.callback(move, program)
            if self._ledger is not None:
                last_first.callback(self._ledger.close)
            for node in (self.alice, self.bob):
                last_first.callback(node.stop_waiting)

    # --- 1

    def begin(self) -> None:
        """A chain, and two daemons."""
        say = self.teller.say
        words = ("lnpd", "regtest", "--directory", str(self.folder / "chain"), "--endpoint", f"ipc://{self._socket}")
        self.teller.command("", words)
        with undisturbed():
            path = [installed(words[0]), *words[1:]]
            self._chain = Program("lnpd regtest", path, self.folder / "chain.log", "The regtest chain answers")
        for node in (self.alice, self.bob):
            node.init()
        self._chain.ready()
        self._ledger = Ledger(self._socket)
        say(f"chain   process {self._chain.pid}, height {self.ledger.height()}")
        say(f"        Bitcoin Core's consensus code checks each block (py-bitcoinkernel {version('py-bitcoinkernel')})")
        for node in (self.alice, self.bob):
            node.begin()
        for node in (self.alice, self.bob):
            info = node.ready()
            say(f"{node.name:<7} process {info['process']}, node id {info['node_id']}, listens at {node.address[67:]}")
            self._tell_plugin(node)

    def _tell_plugin(self, node: Node) -> Row:
        row = wait(f"{node.name}'s plugin", lambda: row if (row := node.plugin())["status"] == "ready" else None)
        self.teller.say(f"{'':<7} its plugin {row['name']}: process {row['process']}")
        return row

    # --- 2

    def open(self) -> None:
        """Coins, a connection, a channel that both can use."""
        say = self.teller.say
        address = self.alice.lnp("address")["address"]
        self.faucet = self.ledger.give(address, COINS_SAT)
        say(f"the faucet pays {sat(COINS_SAT)} to {address}: {self.faucet}")
        wait("alice's coins", lambda: self.alice.ask("funds")["confirmed_sat"] == COINS_SAT)
        self.alice.lnp("connect", self.bob.address)
        opened = self.alice.lnp("open", self.bob.id, str(CAPACITY_SAT), "--channel-type", CHANNEL_TYPE)
        self.channel_id, self.funding = opened["channel_id"], opened["funding"]
        say(f"channel {self.channel_id}, {sat(opened['capacity_sat'])}, type {CHANNEL_TYPE}")
        say(f"funding output {self.funding}")
        txid = self.funding.partition(":")[0]
        self._mine(DEPTH, f"which confirms {txid}")
        for node in (self.alice, self.bob):
            row = node.waits_for("an active channel", lambda row: row["state"] == "normal" and row["connected"])
            agree(f"{node.name}'s plugins in the channel", row["providers"], ["lockbox"])
        agree("the funding output", self.ledger.unspent_sat(self.funding), CAPACITY_SAT)
        say(f"the channel is active on both sides; funding fee {sat(self.ledger.confirmed(txid).fee_sat)}")
        self._balances()

    def _mine(self, blocks: int, why: str) -> None:
        self.teller.say(f"{blocks} block{'s' if blocks > 1 else ''} mined, {why}; height {self.ledger.mine(blocks)}")

    def _balances(self, besides: str = "") -> None:
        """Waits until nothing is in flight, and holds both nodes' figures against the story's own. What is in a box is
        its owner's."""
        expected = (1000 * self.alice_sat, 1000 * self.bob_sat)

        def settled(row: Row) -> bool:
            return not row["htlcs"] and sorted((row["ours_msat"], row["theirs_msat"])) == sorted(expected)

        mine, theirs = (
            node.waits_for(f"alice {sat(self.alice_sat)}, bob {sat(self.bob_sat)}", settled)
            for node in (self.alice, self.bob)
        )
        agree("alice's and bob's balances, as alice sees them", (mine["ours_msat"], mine["theirs_msat"]), expected)
        agree("alice's and bob's balances, as bob sees them", (theirs["theirs_msat"], theirs["ours_msat"]), expected)
        self.teller.say(f"balances, on which both agree: alice {sat(self.alice_sat)}{besides}, bob {sat(self.bob_sat)}")

    # --- 3

    def pay(self) -> None:
        """There and back, by BOLT 11 invoices."""
        self._pay(self.alice, self.bob, THERE_SAT, "a bicycle")
        self.alice_sat, self.bob_sat = self.alice_sat - THERE_SAT, self.bob_sat + THERE_SAT
        self._pay(self.bob, self.alice, BACK_SAT, "a lamp for it")
        self.alice_sat, self.bob_sat = self.alice_sat + BACK_SAT, self.bob_sat - BACK_SAT
        self._balances()

    def _invoice(self, payee: Node, amount_sat: int, description: str) -> str:
        made = payee.lnp("invoice", description, "--amount-msat", f"{amount_sat}sat")
        return str(made["invoice"])

    def _pay(self, payer: Node, payee: Node, amount_sat: int, description: str) -> None:
        paid = payer.lnp("pay", self._invoice(payee, amount_sat, description))
        agree("what was asked for and what was paid", 1000 * amount_sat, paid["amount_msat"])
        self._tell_paid(payer, payee, paid)

    def _tell_paid(self, payer: Node, payee: Node, paid: Row) -> None:
        self.teller.say(
            f"{payer.name} paid {payee.name} {sat(paid['amount_msat'] // 1000)} in {paid['seconds']:.2f} s; "
            f"preimage {shortened(paid['preimage'])}"
        )

    # --- 4

    def lock(self) -> None:
        """Both nodes name the same two outputs: one in each side's commitment transaction."""
        self.alice.lnp("lockbox-put", self.channel_id, str(BOX_SAT))
        seen = [self._boxes(node) for node in (self.alice, self.bob)]
        agree("the output in alice's commitment, as each side computed it", seen[0]["ours"], seen[1]["theirs"])
        agree("the output in bob's commitment, as each side computed it", seen[0]["theirs"], seen[1]["ours"])
        for name, (outpoint, amount_sat, script) in (("alice", seen[0]["ours"]), ("bob", seen[1]["ours"])):
            agree("the amount in the box", amount_sat, BOX_SAT)
            self.teller.say(f"in {name}'s commitment transaction: {outpoint}")
            self.teller.say(f"    {sat(amount_sat)}, provider lockbox, kind box, script {script}")
        plugins = " and ".join(f"{node.plugin()['process']} ({node.name}'s)" for node in (self.alice, self.bob))
        self.teller.say(f"each side computed both, with its own plugin: processes {plugins} agree to the byte")
        self._balances(f", {sat(BOX_SAT)} of it in the box")

    def _boxes(self, node: Node) -> dict[str, tuple[str, int, str]]:
        """Of each commitment, "ours" and "theirs": the box's outpoint, amount and script."""
        row = node.waits_for("a box in each commitment", lambda row: len(row["extension_outputs"]) == 2)
        found = row["extension_outputs"]
        agree("the outputs' provider and kind", *((o["provider"], o["kind"]) for o in found), ("lockbox", "box"))
        return {o["commitment"]: (o["outpoint"], o["amount_sat"], o["script"]) for o in found}

    # --- 5

    def _draw(self) -> None:
        """Bob's commitment, as alice has signed it: the box and the HTLC are in it."""
        self.teller.command("alice", ("lnp", "commitment", self.channel_id, "--theirs"))
        answer = self.alice.ask("commitment", channel=self.channel_id, theirs=True)
        self.teller.title(render("commitment", answer, PICTURE_COLUMNS, look_of(sys.stdout)))
        contributed = {output["provider"] for output in answer["outputs"]}
        agree("whose outputs are in bob's commitment", contributed, {"base", "htlc", "anchors", "lockbox"})

    def crash(self) -> None:
        """An HTLC hangs because bob does not answer; then bob is killed, and started again."""
        say, bob = self.teller.say, self.bob
        invoice = self._invoice(bob, CRASH_SAT, "paid through a crash")
        signed = self.alice.channel()["their_commitment"]
        plugin = bob.plugin()["process"]
        assert bob.program is not None
        bob.program.pause()
        say(f"bob's process {bob.program.pid} is paused (SIGSTOP): it answers nobody")
        paying = self.alice.begin_lnp("pay", invoice)
        row = self.alice.waits_for("a signed payment", lambda row: row["their_commitment"] > signed)
        states = [payment["state"] for payment in self.alice.ask("payments")]
        agree("the newest payment's state", states[0], "pending")
        if not paying.waits:
            raise StoryFailed("The payment was over before bob could be killed.")
        say(f"alice has signed bob's commitment {row['their_commitment']} with the HTLC; the payment is pending")
        self._draw()
        killed = bob.program.pid
        bob.program.kill()
        wait("the end of bob's plugin process, whose node is gone", lambda: not lives(plugin))
        say(f"kill -9 {killed}; bob's plugin process {plugin} ended by itself")
        bob.begin()
        info = bob.ready()
        say(f"bob is back: process {info['process']}; nobody helps from here on")
        self._tell_plugin(bob)
        self._tell_paid(self.alice, bob, paying.answer(60))
        self.alice_sat, self.bob_sat = self.alice_sat - CRASH_SAT, self.bob_sat + CRASH_SAT
        self._balances()
        agree("the boxes after the crash", self._boxes(self.alice)["ours"], self._boxes(bob)["theirs"])
        say("the box is still in both commitment transactions")

    # --- 6

    def close(self) -> None:
        """Refused by name; then the box is given away, and the close goes on."""
        say = self.teller.say
        refused = self.alice.refusal("close", self.channel_id)
        say(f"refused: {refused}")
        if "lockbox" not in refused:
            raise StoryFailed(f"The refusal does not name who blocks the close: {refused}")
        (box,) = self.alice.ask("lockbox-list")
        self.alice.lnp("lockbox-give", self.channel_id, str(box["box"]))
        self.alice_sat, self.bob_sat = self.alice_sat - BOX_SAT, self.bob_sat + BOX_SAT
        say(f"alice lets bob have what is in the box; now nothing blocks the close, and it goes on: alice "
            f"{sat(self.alice_sat)}, bob {sat(self.bob_sat)}")  # fmt: skip
        self.closing = wait("the closing transaction in the mempool", lambda: self.ledger.spender(self.funding))
        say(f"closing transaction {self.closing}")
        self._mine(1, "which confirms it")

    # --- 7

    def account(self) -> None:
        """What the faucet gave is what both wallets hold and what two transactions cost: the chain says so."""
        funding = self.ledger.confirmed(self.funding.partition(":")[0])
        closing = self.ledger.confirmed(self.closing)
        change_sat = COINS_SAT - CAPACITY_SAT - funding.fee_sat
        rows = [
            *self._coins(self.alice, change_sat + self.alice_sat - closing.fee_sat),  # she opened it: the fees are hers
            *self._coins(self.bob, self.bob_sat),
            (funding.fee_sat, "fee, funding", f"{funding.vbytes} vbytes, in block {funding.height}"),
            (closing.fee_sat, "fee, closing", f"{closing.vbytes} vbytes, in block {closing.height}"),
        ]
        total_sat = sum(amount_sat for amount_sat, _, _ in rows)
        self.teller.say(f"in  {'faucet':<16}{COINS_SAT:>12,} sat  {shortened(self.faucet)}")
        for amount_sat, name, where in rows:
            self.teller.say(f"out {name:<16}{amount_sat:>12,} sat  {where}")
        self.teller.say(f"    {'sum out':<16}{total_sat:>12,} sat")
        agree("what came in and what is there", COINS_SAT, total_sat)
        self.teller.say("nothing is missing")

    def _coins(self, node: Node, expected_sat: int) -> list[tuple[int, str, str]]:
        """A wallet's coins, the largest first, each of which the chain has to confirm."""
        wait(f"{sat(expected_sat)} in {node.name}'s wallet", lambda: node.ask("funds")["confirmed_sat"] == expected_sat)
        coins = {coin["outpoint"]: coin["amount_sat"] for coin in node.ask("funds")["coins"]}
        for outpoint, amount_sat in coins.items():
            agree(f"the coin {outpoint}, on chain and in the wallet", self.ledger.unspent_sat(outpoint), amount_sat)
        return [
            (amount_sat, f"{node.name}'s wallet", f"{shortened(outpoint)} unspent")
            for outpoint, amount_sat in sorted(coins.items(), key=lambda coin: -coin[1])
        ]
