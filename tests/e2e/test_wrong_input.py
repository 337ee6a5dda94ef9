"""Is each wrong wish of two nodes with a channel refused in one line, with its exit code, and does nothing change?

What keeps a daemon from starting (passphrase, port, directory, database, plugin, chain) is tests/cli/test_whole.py's.
Here run the real programs: a chain, and two daemons with a plugin; each row is one line of `lnp`.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lnpd.rpc.client import RpcClient
from tests.cli.test_whole import ROOT, Daemon, run

pytest.importorskip("pbk")  # the embedded chain

PATIENCE_SECONDS = 30.0
LOCKBOX = ("--plugin", ROOT / "plugins" / "lockbox.py", "--grant", "lockbox=updates:50000")
STRANGER = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
MAINNET_ADDRESS = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
MAINNET_INVOICE = (  # of BOLT 11's examples
    "lnbc1pvjluezsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygspp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rq"
    "wzqfqypqdpl2pkx2ctnv5sxxmmwwd5kgetjypeh2ursdae8g6twvus8g6rfwvs8qun0dfjkxaq9qrsgq357wnc5r2ueh7ck6q93dj32dlqnls087fx"
    "dwk8qakdyafkq3yap9us6v52vjjsrvywa6rt52cm9r9zqt8r2t7mlcwspyetp5h2tztugp9lfyql"
)


class Row(NamedTuple):
    """A line of alice's `lnp`; words in braces stand for values of the pair. `code` and `says` are the refusal's."""

    says: str
    code: int
    line: str


ROWS = (
    # peers
    Row("127.0.0.1:1 cannot be reached", 1, "connect {stranger}@127.0.0.1:1"),
    Row("most likely it is not {stranger}", 1, "connect {stranger}@{bob_address}"),
    Row("That is this node itself", 1, "connect {alice}@{alice_address}"),
    Row("lnp connect {stranger}@HOST:PORT", 1, "connect {stranger}"),
    Row("address must be", 2, "connect {stranger}@"),
    Row("No peer begins with 02ffff", 1, "connect 02ffffff"),
    Row("No peer begins with 03ffff", 1, "ping 03ffff"),
    Row("peer must be a node id", 2, "ping nobody"),
    Row("There is no connection to", 1, "ping {stranger}"),
    Row("There is no connection to", 1, "disconnect {stranger}"),
    Row("is in use", 1, "listen {bob_address}"),
    # the wallet
    Row("The wallet has 1,", 1, "send {address} 90000000"),
    Row("is no bitcoin address of the network regtest", 1, "send {mainnet_address} 10000"),
    Row("amount_sat must be", 2, "send {address} 1.5sat"),
    Row("too few", 1, "send {address} 1"),
    Row("blocks must be", 2, "mine --blocks 0"),
    # opening
    Row("The wallet has 1,", 1, "open {bob} 1400000"),
    Row("20,000 sat or more, not 19,999", 1, "open {bob} 19999"),
    Row("at most 2,000,000 sat (--max-channel-sat), not 2,000,001", 1, "open {bob} 2000001"),
    Row("at most 2,500,000 sat (--max-total-sat): 1,000,000 are in channels, so 1,500,000 are left", 1,
        "open {bob} 1500001"),
    Row("The peer sent an error: A channel holds at most 1,200,000 sat", 1, "open {bob} 1200001"),
    Row("cannot be given away", 1, "open {bob} 100000 --push-msat 100001sat"),
    Row("cannot pay the first commitment's fee", 1, "open {bob} 100000 --push-msat 100000sat"),
    Row("no channel type 'golden'", 1, "open {bob} 100000 --channel-type golden"),
    Row("No plugin here provides 'gold'.", 1, "open {bob} 100000 --providers gold"),
    Row("There is no connection to", 1, "open {stranger} 100000"),
    Row("feerate_per_kw must be", 2, "open {bob} 100000 --feerate-per-kw 1"),
    # invoices and payments
    Row("0 msat", 1, "invoice nothing --amount-msat 0"),
    Row("amount_msat must be", 2, "invoice debt --amount-msat -5"),
    Row("expiry_seconds must be", 2, "invoice gone --expiry-seconds 0"),
    Row("expired", 1, "pay {expired}"),
    Row("The checksum does not match", 1, "pay {altered}"),
    Row("The checksum does not match", 1, "decode {altered}"),
    Row("The invoice is our own", 1, "pay {own}"),
    Row("the network", 1, "pay {mainnet_invoice}"),
    Row("names its amount", 1, "pay {priced} --amount-msat 5sat"),
    Row("names no amount", 1, "pay {open_amount}"),
    Row("900,000 sat cannot be sent: 799,999 sat are ours", 1, "pay {dear}"),
    Row("invoice must be", 2, "pay money"),
    # channels
    Row("No channel begins with ffffff", 1, "close ffffff"),
    Row("channel must be a channel id", 2, "close mine"),
    Row("is no bitcoin address of the network regtest", 1, "close {channel} --destination {mainnet_address}"),
    Row("lockbox", 1, "lockbox-put {channel} 50001"),
    Row("No channel begins with ffffff", 1, "lockbox-put ffffff 1000"),
    # words
    Row("did you mean connect", 2, "conect {stranger}@127.0.0.1:1"),
    Row("arguments are required: AMOUNT_SAT", 2, "open {bob}"),
    Row("Unrecognized arguments", 2, "info --loud"),
)  # fmt: skip


class Pair:
    """A chain and two daemons, alice with a channel to bob. She has 800,000 sat in it, less a payment of 1 sat."""

    def __init__(self, folder: Path) -> None:
        line = [sys.executable, "-m", "lnpd", "regtest", "--directory", str(folder / "c")]
        self.chain = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.chain.stdout is not None
        self._usual = ("--plain-seed", "--chain", self.chain.stdout.readline().split()[-1])
        self.folder = folder
        limits = ("--max-channel-sat", "2000000", "--max-total-sat", "2500000")
        self.alice = self.daemon("a", *limits, *LOCKBOX)
        self.bob = self.daemon("b", "--max-channel-sat", "1200000", *LOCKBOX)
        self.values = {"stranger": STRANGER, "mainnet_address": MAINNET_ADDRESS, "mainnet_invoice": MAINNET_INVOICE}
        for name, node in (("alice", self.alice), ("bob", self.bob)):
            self.values[name] = self.asked(node, "info")["node_id"]
            self.values[f"{name}_address"] = node.address
        self.values["address"] = self.asked(self.alice, "address")["address"]

    def daemon(self, name: str, *words: object) -> Daemon:
        directory = self.folder / name
        if not directory.exists():
            made = run("lnpd", "init", "--directory", directory, "--plain-seed")
            assert made.returncode == 0, made.stderr
        return Daemon(directory, *self._usual, *words)

    def asked(self, node: Daemon, method: str, **params: object) -> Any:  # Any: JSON values
        with RpcClient(node.directory) as client:
            return client.call(method, params, PATIENCE_SECONDS)

    def begin(self) -> "Pair":
        self.asked(self.alice, "fund", amount_sat=2_300_000)
        self.asked(self.alice, "connect", address=f"{self.values['bob']}@{self.bob.address}")
        kind = "lockbox/anchors_zero_fee_htlc_tx"
        opened = self.asked(
            self.alice, "open", peer=self.values["bob"], amount_sat=1_000_000, push_msat=200_000_000, channel_type=kind
        )
        self.values["channel"] = opened["channel_id"]
        self.asked(self.alice, "mine", blocks=3)
        self.waits(lambda: all(self.usable(node) for node in (self.alice, self.bob)), "an active channel")
        for name, node, more in (
            ("paid", self.bob, {"amount_msat": 1000}),
            ("priced", self.bob, {"amount_msat": 21_000_000}),
            ("dear", self.bob, {"amount_msat": 900_000_000}),
            ("open_amount", self.bob, {}),
            ("own", self.alice, {"amount_msat": 1000}),
            ("expired", self.bob, {"amount_msat": 1000, "expiry_seconds": 1}),
        ):
            self.values[name] = self.asked(node, "invoice", description=name, **more)["invoice"]
        altered = self.values["priced"]
        self.values["altered"] = altered[:-1] + ("q" if altered[-1] != "q" else "p")
        self.asked(self.alice, "pay", invoice=self.values["paid"])
        self.waits(lambda: self.asked(self.alice, "decode", invoice=self.values["expired"])["expired"], "the expiry")
        return self

    def usable(self, node: Daemon) -> bool:
        (row,) = self.asked(node, "channels")
        return bool(row["state"] == "normal" and row["connected"] and not row["frozen"])

    def waits(self, condition: Any, what: str) -> None:  # Any: a function that is true one day
        until = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < until, f"never came true: {what}"
            time.sleep(0.02)

    def account(self) -> dict[str, Any]:  # Any: JSON values
        """Everything that a refused wish may not change, of both nodes."""
        looks = ("channels", "funds", "payments", "invoices", "peers")
        return {f"{n.directory.name} {m}": self.asked(n, m) for n in (self.alice, self.bob) for m in looks}

    def settled(self) -> dict[str, Any]:  # Any: JSON values
        """The account once both nodes have nothing in flight."""
        self.waits(lambda: not any(row["htlcs"] for n in (self.alice, self.bob) for row in self.asked(n, "channels")),
                   "no payment in flight")  # fmt: skip
        return self.account()

    def refuses(self, line: str, code: int, says: str) -> None:
        """Alice's `lnp` refuses a line, in one line that says why."""
        words = line.format(**self.values).split()
        done = run("lnpd.cli.lnp", "--directory", self.alice.directory, *words)
        assert (done.returncode, done.stdout) == (code, ""), done.stdout + done.stderr
        assert done.stderr.startswith("lnp: "), done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
        assert says.format(**self.values) in done.stderr, done.stderr
        for internal in ("Traceback", "InternalError", "way of its own"):
            assert internal not in done.stderr

    def end(self) -> None:
        logs = [node.log.read_text() for node in (self.alice, self.bob) if node.process.poll() is None]
        for node in (self.alice, self.bob):
            if node.process.poll() is None:
                node.end()
        self.chain.terminate()
        self.chain.wait(15)
        assert self.chain.stdout is not None
        self.chain.stdout.close()
        for log in logs:
            assert "Traceback" not in log, log
            assert "ERROR" not in log, log


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    made = Pair(tmp_path_factory.mktemp("wrong"))
    try:
        yield made.begin()
    finally:
        made.end()


@pytest.mark.parametrize("row", ROWS, ids=[f"{n} {row.line.split(' {')[0]}" for n, row in enumerate(ROWS)])
def test_a_wrong_wish_is_refused_and_changes_nothing(pair: Pair, row: Row) -> None:
    before = pair.settled()
    pair.refuses(row.line, row.code, row.says)
    assert pair.settled() == before


def test_an_invoice_that_was_paid_is_not_paid_again_and_says_so(pair: Pair) -> None:
    before = pair.settled()
    done = run("lnpd.cli.lnp", "--directory", pair.alice.directory, "--json", "pay", pair.values["paid"])
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert "nothing was paid now" in told["note"]
    assert told["amount_msat"] == 1000
    assert pair.settled() == before


def test_a_refusal_for_a_program_has_a_code_and_a_name(pair: Pair) -> None:
    words = ("--directory", pair.alice.directory, "--json", "open", pair.values["bob"], "19999")
    done = run("lnpd.cli.lnp", *words)
    assert done.returncode == 1
    assert json.loads(done.stderr)["error"] | {"message": ""} == {"code": 19, "name": "ChannelTooSmall", "message": ""}


def test_what_keeps_a_close_is_named_each_time(pair: Pair) -> None:
    """Last of the pair: the refused close has begun, the plugin leaves, then bob, and only force is left."""
    channel = pair.values["channel"]
    pair.asked(pair.alice, "lockbox-put", channel_id=channel, amount_sat=25_000)
    pair.waits(lambda: all(pair.asked(n, "channels")[0]["extension_outputs"] for n in (pair.alice, pair.bob)), "a box")
    pair.refuses("close {channel}", 1, "cannot be closed by agreement yet: lockbox: 1 open, with 25000 sat in them")
    assert pair.bob.end() == 0
    assert "frozen" not in pair.bob.log.read_text()
    pair.waits(lambda: not pair.asked(pair.alice, "channels")[0]["connected"], "bob's absence")
    pair.refuses("close {channel}", 1, "The peer is not connected")
    pair.refuses("open {bob} 100000", 1, "There is no connection to")
    assert pair.alice.end() == 0
    pair.alice = pair.daemon("a")
    pair.refuses("close {channel}", 1, "The channel is frozen: no plugin here provides lockbox")
    pair.refuses("pay {priced}", 1, "No usable channel leads to")
    pair.refuses("close {channel} --force", 1, "lnp close {channel:.12} --force --not-restored")
    closed = pair.asked(pair.alice, "close", channel=channel, force=True, not_restored=True)
    assert closed["how"] == "forced"
    pair.asked(pair.alice, "mine", blocks=1)
    pair.waits(lambda: pair.asked(pair.alice, "channels")[0]["state"] == "on_chain", "the close on chain")
    pair.refuses("close {channel}", 1, f"on chain already, closed by {closed['txid']}")
    pair.refuses("close {channel} --force", 1, f"on chain already, closed by {closed['txid']}")
