"""Does every command of rgb.md do what the page says, typed word for word by two people?"""

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from embit.script import address_to_scriptpubkey

from contrib.story.processes import Node
from contrib.story.rgb import PLUGIN, RgbStory
from contrib.story.telling import Teller, wait
from tests.interop.rgb import rgb_world

PAGE: Final = (Path(__file__).parents[2] / "contrib" / "docs" / "pages" / "rgb.md").read_text()
LINE: Final = re.compile(r"^lnp ([^#\n]*[^#\s])(?: +# (\w+).*)?$", re.MULTILINE)
COINS_SAT: Final = 5_000_000
DEPTH: Final = 3
HOME_SECONDS: Final = 120.0


def blocks() -> list[str]:
    """What stands between the page's fences."""
    return re.findall(r"^```\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


class Quiet(Teller):
    """Says nothing."""

    def say(self, text: str = "") -> None:
        pass

    def title(self, text: str) -> None:
        pass


class PageStory(RgbStory):
    """The demonstration's two nodes, configured as the page says, whose users type what it says."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, Quiet())
        self.known: dict[str, str] = {}  # what the page's capital letters stand for by now
        self.said: dict[str, Any] = {}  # Any: JSON values

    def _configuration(self) -> Path:
        (block,) = [each for each in blocks() if each.startswith("# lnpd.toml")]
        shown = block.replace("plugins/rgb.py", str(PLUGIN)).replace("127.0.0.1:50001", str(self.electrum.tcp))
        bitcoind = f"http://{self.electrum.tcp.host}:{self.bitcoind.rpc_port}"
        path = self.folder / "both.toml"
        path.write_text(f'bitcoind = "{bitcoind}"\nbitcoind_directory = "{self.bitcoind.directory}"\n{shown}')
        path.chmod(0o600)
        return path

    def typed(self, block: str) -> Iterator[tuple[str, Node, Any]]:  # Any: JSON values
        """Types each line of a block where its comment says; the command, who typed it, and the answer."""
        both = self.alice, self.bob
        for line, who in LINE.findall(block):
            people = {"Alice": both[:1], "either": both[:1], "Bob": both[1:]}.get(who, both)
            for node in people:
                words = [self._meant(word) for word in shlex.split(line)]
                answer = node.lnp(*words)
                self.known |= {name: str(answer[key]) for name, key in KEYS.items() if key in answer}
                yield " ".join(words[: 2 if words[0] == "rgb" else 1]), node, answer

    def _meant(self, word: str) -> str:
        if word == "FILE":  # it comes to Bob somehow; a sandbox has no /dev/shm, where tests' folders may be
            return shutil.copy(self.known[word], self.bob.directory / "plugins" / "rgb" / "payment.rgb").as_posix()
        if re.fullmatch(r"rgb:\w+-\.\.\.", word):
            return self.known["ASSET"]
        for name, meant in self.known.items():
            word = word.replace("BOB@HOST:PORT", self.bob.address).replace("BOB", self.bob.id)
            word = meant if word == name else word
        return word

    def fund(self, address: str) -> None:
        """Coins for a wallet of assets."""
        assert self._hand is not None
        self._runner.run(self._hand.fund(bytes(address_to_scriptpubkey(address).data), COINS_SAT))
        self._mine(1)

    def balances(self) -> list[dict[str, Any]]:
        """The one row of each."""
        return [node.ask("rgb.balance")["assets"][0] for node in (self.alice, self.bob)]


KEYS: Final = {
    "INVOICE": "invoice",
    "FILE": "consignment",
    "ASSET": "asset_id",
    "CHANNEL": "channel_id",
    "TXID": "txid",
}


@pytest.fixture
def story(tmp_path: Path) -> Iterator[PageStory]:
    rgb_world()  # skips where it cannot be told
    told = PageStory(tmp_path)
    try:
        told.begin()
        yield told
    finally:
        told.stop()


def test_the_page_can_be_typed(story: PageStory) -> None:
    _, needs, moving, channels = blocks()
    for command, node, answer in story.typed(needs):
        if command == "rgb info":
            assert "problem" not in answer and answer["experimental"][:20] in " ".join(PAGE.split())
        elif node is story.alice:
            story.fund(answer["address"])
    names = {row["name"] for row in story.alice.ask("help")}
    rows = re.findall(r"^\| `lnp (.*?)(?: --asset)?` \|", PAGE, re.MULTILINE)
    assert len(rows) > 15 and set(rows) <= names

    for command, _, answer in story.typed(moving):
        if command == "rgb send":
            sent = answer
        elif command == "rgb receive":
            assert (answer[0]["txid"], answer[0]["amount"]) == (sent["txid"], 1_200)
            story._mine(1)
    wait("both balances", lambda: [row["settled"] for row in story.balances()] == [98_800, 1_200])
    assert story.alice.lnp("rgb", "consignment", sent["txid"])["consignment"] == sent["consignment"]

    for command, node, answer in story.typed(channels):
        if command == "open":
            story._mine(DEPTH)
            wait("the channel", lambda: all(each.ask("channels")[0]["state"] == "normal" for each in story._nodes))
            node.waits_for("the channel", lambda row: row["connected"])
        elif command == "rgb pay":
            assert answer["amount"] == 1_200
        elif command == "rgb channels":
            wait("rest", lambda node=node: not node.ask("rgb.channels")[0]["in_flight"])  # type: ignore[misc]

    def home() -> bool:
        story._mine(1)
        return [row["settled"] for row in story.balances()] == [97_600, 2_400]

    wait("all tokens at home", home, HOME_SECONDS)
    for node, row in zip(story._nodes, story.balances(), strict=True):
        rows = node.lnp("rgb", "history")
        assert sum(each["on_chain"] for each in rows) == row["all"]
        assert sum(each["in_channels"] for each in rows) == 0
    kept = story.alice.lnp("rgb", "backup")
    assert {Path(kept["backup"]).name, Path(kept["words"]).name} == {"rgb.backup", "words"}
    story.alice.lnp("plugin", "set", "rgb", "electrum", f"tcp://{story.electrum.tcp}")

    story.electrum.kill()
    assert "As of the last look" in story.alice.lnp("rgb", "balance")["problem"]
    assert len(story.alice.lnp("rgb", "history")) == 5
