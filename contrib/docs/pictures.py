"""How are the pictures of channels and commitments read? (the pictures are those that the tests hold the program to)"""

from pathlib import Path
from typing import Final

from contrib.docs.markdown import page

GOLDEN: Final = Path(__file__).parents[2] / "tests" / "cli" / "render" / "golden"


def _picture(name: str) -> str:
    return f"```\n{(GOLDEN / f'{name}.txt').read_text()}```\n"


def pictures() -> str:
    """The page."""
    return page(
        "Pictures",
        """`lnp` draws for the terminal that it finds: lines and blocks where it speaks UTF-8, colours unless NO_COLOR
is set. On a dumb terminal and in a pipe there is nothing but ASCII. `--json` has the same as data.
""",
        "## Channels\n",
        """`lnp channels`. The bar is all of a channel's money: ours, what is pending in HTLCs, and the peer's. A mark
shows how far each side's reserve goes. What somebody should look at stands below a channel.
""",
        _picture("channels-80"),
        "In a narrow terminal the least important columns give way, and none of them wraps:\n",
        _picture("channels-40"),
        "In a wide one there is room for more:\n",
        _picture("channels-200"),
        "Ids are cut to what tells them apart, and commands take them so. In a pipe everything is whole:\n",
        _picture("channels-pipe"),
        "## A commitment transaction\n",
        """`lnp commitment CHANNEL` draws the last commitment that we could broadcast, `--theirs` the peer's:

- `●` an output, by its number; its colour is that of who contributed it, and its name stands behind the amount: the
  node's own `base`, `htlc` and `anchors`, or a plugin. `▷` a transaction that is signed ahead.
- Below it who can spend it, and when, soonest first. All of that is read from the compiled script, so it holds for what
  a plugin contributed as for HTLCs. `↓` takes the transaction below.
- `fee` is what no output holds: what was too small for an output is named.
""",
        _picture("commitment-80"),
        "From 140 columns on, what is said of an output stands beside it, with addresses and scripts:\n",
        _picture("commitment-200"),
        "A plugin's transaction that is signed ahead may be gated, and sell a secret:\n",
        _picture("commitment-gated"),
        "Where outputs are taproot trees, of a plugin that shapes the whole commitment:\n",
        _picture("commitment-tree"),
        "A plugin's bytes may be sealed into what others claim, and into their second stages:\n",
        _picture("commitment-sealed"),
        "## Codes to scan\n",
        """`lnp address --qr` and `lnp invoice "a coffee" --amount-msat 21sat --qr` show a QR code below the answer.
Where there are colours it is black on white; without them ink is light, as on a dark terminal. In a pipe it is `##`.
""",
    )
