"""Which nodes does a wrong wish meet? A chain, and two real daemons with a plugin, a channel and invoices."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from lnpd.rpc.client import Client
from tests.cli.test_whole import ROOT, Daemon, run
from tests.cli.wrong_rows import MAINNET_ADDRESS, TEST_NETWORK_ADDRESS

PATIENCE_SECONDS = 30.0
LOCKBOX = ("--plugin", ROOT / "plugins" / "lockbox.py", "--grant", "lockbox=updates:50000")
STRANGER = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
MAINNET_INVOICE = (  # of BOLT 11's examples
    "lnbc1pvjluezsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygspp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rq"
    "wzqfqypqdpl2pkx2ctnv5sxxmmwwd5kgetjypeh2ursdae8g6twvus8g6rfwvs8qun0dfjkxaq9qrsgq357wnc5r2ueh7ck6q93dj32dlqnls087fx"
    "dwk8qakdyafkq3yap9us6v52vjjsrvywa6rt52cm9r9zqt8r2t7mlcwspyetp5h2tztugp9lfyql"
)


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
        self.values = {"stranger": STRANGER, "mainnet_address": MAINNET_ADDRESS, "mainnet_invoice": MAINNET_INVOICE,
                       "test_address": TEST_NETWORK_ADDRESS, "folder": str(folder), "long": "x" * 151,
                       "hex": "a1" * 32}  # fmt: skip
        for name, node in (("alice", self.alice), ("bob", self.bob)):
            self.values[name] = self.asked(node, "info")["node_id"]
            self.values[f"{name}_address"] = node.address
        address = self.asked(self.alice, "address")["address"]
        self.values |= {"address": address, "address_garbled": address[:-1] + ("q" if address[-1] != "q" else "p")}
        self.values["bob_upper"] = self.values["bob"].upper()

    def daemon(self, name: str, *words: object) -> Daemon:
        directory = self.folder / name
        if not directory.exists():
            made = run("lnpd", "init", "--directory", directory, "--plain-seed")
            assert made.returncode == 0, made.stderr
        return Daemon(directory, *self._usual, *words)

    def asked(self, node: Daemon, method: str, **params: object) -> Any:  # Any: JSON values
        with Client(node.directory) as client:
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
