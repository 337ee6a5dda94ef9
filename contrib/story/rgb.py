"""What happens in the story of an asset, step by step? (`make demo-rgb`) Every token is counted at its end.

bitcoind and Electrum -> an asset -> a channel that holds some -> payments in it -> a close -> both wallets
"""

import asyncio
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from embit.script import address_to_scriptpubkey

from contrib.regtest.bitcoind import Bitcoind
from contrib.regtest.electrum import ElectrumServer
from contrib.story.processes import Node, Program
from contrib.story.telling import Teller, agree, sat, shortened, wait
from lnpd.chain.bitcoind.regtest import RegtestBitcoind
from lnpd.cli.render import look_of, render
from lnpd.hooks.registry import asked_by
from lnpd.services.plugins.alone import manifest_of

Row = dict[str, Any]  # Any: JSON values, as the RPC gives them

PLUGIN: Final = Path(__file__).parents[2] / "plugins" / "rgb.py"
DEPTH: Final = 3  # lnpd's own default
COINS_SAT: Final = 5_000_000
CAPACITY_SAT: Final = 1_000_000
PUSH_SAT: Final = 200_000  # of the sat: an output that holds tokens needs some
ISSUED: Final = 100_000
FUNDED: Final = 5_000
THERE, BACK = 1_200, 300
TICKER: Final = "USDX"
PICTURE_COLUMNS: Final = 80
SLOW_SECONDS: Final = 90.0


class RgbStory:
    """Two nodes, an asset, and what becomes of 100,000 of it. Raises Missing where bitcoind or e-x cannot be had."""

    def __init__(self, folder: Path, teller: Teller) -> None:
        self.folder, self.teller = folder, teller
        self.bitcoind = Bitcoind(folder / "bitcoind", "-txindex=1")
        self.electrum = ElectrumServer(folder / "electrum", self.bitcoind)
        (folder / "electrum").mkdir()
        self._runner = asyncio.Runner()
        self._hand: RegtestBitcoind | None = None
        self._nodes: list[Node] = []
        self.asset_id = self.channel_id = self.funding = ""

    @property
    def alice(self) -> Node:
        """Who issues, and opens."""
        return self._nodes[0]

    @property
    def bob(self) -> Node:
        """Who never had a token."""
        return self._nodes[1]

    @property
    def programs(self) -> list[Program]:
        """The daemons."""
        return [node.program for node in self._nodes if node.program is not None]

    def run(self) -> None:
        """Tells it all. Raises StoryFailed."""
        chapters: tuple[tuple[str, Callable[[], None]], ...] = (
            ("A bitcoind, an Electrum server, and two nodes with plugins/rgb.py", self.begin),
            (f"Alice issues {ISSUED:,} {TICKER}", self.issue),
            (f"A channel opens that holds {FUNDED:,} of them", self.open),
            ("They pay each other in it", self.pay),
            ("The channel is closed, and the tokens come home", self.close),
        )
        for title, chapter in chapters:
            with self.teller.chapter(title):
                chapter()

    def stop(self) -> None:
        """Ends every process that was started."""
        with ExitStack() as last_first:  # each is done, whatever becomes of the others
            last_first.callback(self._runner.close)
            last_first.callback(self.bitcoind.kill)
            last_first.callback(self.electrum.kill)
            if self._hand is not None:
                last_first.callback(self._runner.run, self._hand.close())
            for move in (Program.ended, Program.end):
                for program in self.programs:
                    last_first.callback(move, program)
            for node in self._nodes:
                last_first.callback(node.stop_waiting)

    # --- 1
    def begin(self) -> None:
        """Two servers and two daemons."""
        say = self.teller.say
        self.bitcoind.start()
        self._hand = self._runner.run(self.bitcoind.view(notify=False))
        self._mine(1)
        self.electrum.start()
        self._runner.run(self.electrum.answers())
        say(f"bitcoind on regtest, and an Electrum server upon it: tcp://{self.electrum.tcp}")
        options = ("--config", str(self._configuration()))
        for name in ("alice", "bob"):
            node = Node(name, self.folder, options, self.teller)
            node.init()
            node.begin()
            self._nodes.append(node)
        for node in self._nodes:
            info = node.ready()
            row = wait(f"{node.name}'s plugin", lambda node=node: self._plugin(node))  # type: ignore[misc]
            say(f"{node.name:<7} process {info['process']}, its plugin {row['name']}: process {row['process']}")
        told = self.alice.lnp("rgb", "info")
        agree("what is wrong with RGB here", told.get("problem", ""), "")
        say(f"{told['library']}. Experimental: {told['experimental']}")

    def _configuration(self) -> Path:
        """What both nodes are started with: the plugin, and what the user grants it."""
        asked = asked_by(self._runner.run(manifest_of(PLUGIN)))
        grants = ", ".join(f'"{each}"' for each in asked)
        path = self.folder / "both.toml"
        path.write_text(
            f'bitcoind = "http://{self.electrum.tcp.host}:{self.bitcoind.rpc_port}"\n'
            f'bitcoind_directory = "{self.bitcoind.directory}"\nplugins = ["{PLUGIN}"]\n'
            f'plugin_network = ["rgb"]\n[grants]\nrgb = [{grants}]\n'
            f'[plugin.rgb]\nelectrum = "tcp://{self.electrum.tcp}"\n'
        )
        path.chmod(0o600)
        return path

    def _plugin(self, node: Node) -> Row | None:
        return row if (row := node.plugin())["status"] == "ready" else None

    def _mine(self, blocks: int) -> None:
        assert self._hand is not None
        self._runner.run(self._hand.mine(blocks))

    # --- 2
    def issue(self) -> None:
        """Satoshi for the wallet of assets, then an asset."""
        address = self.alice.lnp("rgb", "address")["address"]
        assert self._hand is not None
        self._runner.run(self._hand.fund(bytes(address_to_scriptpubkey(address).data), COINS_SAT))
        self._mine(1)
        self.teller.say(f"the faucet pays {sat(COINS_SAT)} to {address}")
        wait("alice's satoshi", lambda: self.alice.ask("rgb.balance")["free_sat"] == COINS_SAT)
        issued = self.alice.lnp("rgb", "issue", TICKER, str(ISSUED))
        self._mine(1)
        self.asset_id = issued["asset_id"]
        self.bob.lnp("rgb", "accept", self.asset_id)
        self.teller.say(f"{ISSUED:,} {TICKER}, whose id is {self.asset_id}; bob takes channels in them")

    # --- 3
    def open(self) -> None:
        """The funding output holds sat and tokens."""
        self.alice.lnp("connect", self.bob.address)
        opened = self.alice.lnp(
            "open", self.bob.id, str(CAPACITY_SAT), "--asset", f"{TICKER}:{FUNDED}", "--push-msat", f"{PUSH_SAT}sat"
        )
        self.channel_id, self.funding = opened["channel_id"], opened["funding"]
        self.teller.say(f"bob read the consignment, had it judged by rgb-lib, and both signed: {self.funding}")
        self._mine(DEPTH)
        for node in self._nodes:
            node.waits_for("an active channel", lambda row: row["state"] == "normal" and row["connected"])
        self._agreed(FUNDED, 0)
        self.teller.command("alice", ("lnp", "commitment", self.channel_id))
        answer = self.alice.ask("commitment", channel=self.channel_id)
        self.teller.title(render("commitment", answer, PICTURE_COLUMNS, look_of(sys.stdout)))

    def _agreed(self, alice: int, bob: int) -> None:
        """Both nodes say so, once nothing is in flight."""

        def quiet(node: Node) -> Row | None:
            (row,) = node.ask("rgb.channels")
            return row if not row["in_flight"] else None

        rows = [wait("no tokens in flight", lambda node=node: quiet(node)) for node in self._nodes]  # type: ignore[misc]
        agree("the tokens, as alice sees them", (rows[0]["ours"], rows[0]["theirs"]), (alice, bob))
        agree("the tokens, as bob sees them", (rows[1]["theirs"], rows[1]["ours"]), (alice, bob))
        self.teller.say(f"tokens in the channel, on which both agree: alice {alice:,}, bob {bob:,}")

    # --- 4
    def pay(self) -> None:
        """There and back, by invoices that ask for tokens."""
        for payer, payee, amount in ((self.alice, self.bob, THERE), (self.bob, self.alice, BACK)):
            made = payee.lnp("rgb", "invoice", self.asset_id, str(amount))
            paid = payer.lnp("rgb", "pay", made["invoice"])
            agree("what was asked for and what was paid", amount, paid["amount"])
            preimage = shortened(paid["preimage"])
            self.teller.say(f"{payer.name} paid {payee.name} {amount:,} {TICKER}; preimage {preimage}")
        self._agreed(FUNDED - THERE + BACK, THERE - BACK)

    # --- 5
    def close(self) -> None:
        """Each wallet of assets has in the end what its node had in the channel."""
        closed = self.alice.lnp("close", self.channel_id)
        self.teller.say(f"closing transaction {closed['txid']}: its first output says where the tokens are")
        expected = {"alice": ISSUED - THERE + BACK, "bob": THERE - BACK}

        def home(node: Node) -> bool:
            self._mine(1)
            rows = node.ask("rgb.balance")["assets"]
            return [row["settled"] for row in rows] == [expected[node.name]]

        for node in self._nodes:
            wait(f"{node.name}'s tokens", lambda node=node: home(node), SLOW_SECONDS)  # type: ignore[misc]
            self.teller.say(f"in {node.name}'s wallet of rgb-lib, settled: {expected[node.name]:>7,} {TICKER}")
        agree("all tokens", sum(expected.values()), ISSUED)
        self.teller.say(f"{'together':<36}{ISSUED:>7,} {TICKER}: none is lost, none was made")
