"""How is a node's seed made? `lnpd init`: new words, given words, or an extended key, under a passphrase.

passphrase twice -> new words: shown once -> Enter -> three of them asked -> seed file
"""

import random
import sys
from collections.abc import Sequence
from typing import Final

from lnpd.cli import options
from lnpd.cli.directory import prepare_directory
from lnpd.cli.secrets import new_passphrase, typed
from lnpd.cli.told import tell
from lnpd.config import SEED_RULES, Config
from lnpd.config.places import default_file
from lnpd.errors import SeedFileExists, SeedInvalid
from lnpd.services.signer.seed import (
    Seed,
    create_seed,
    new_seed,
    seed_from_extended_key,
    seed_from_words,
)

ASKED_WORDS: Final = 3
CLEAR_SCREEN: Final = "\x1b[2J\x1b[3J\x1b[H"
DESCRIPTION: Final = "Make the seed of a new node: new words (BIP 39), unless some are given."

# Beside the options that all programs share; at most one of them.
OWN_OPTIONS: Final = (
    ("--words", "", "type 12 to 24 words of an earlier seed"),
    ("--xpriv", "", "type an extended private key (xprv or tprv), unseen"),
)


def main(words: Sequence[str]) -> int:
    """The program `lnpd init`; returns its exit code. Raises LnpdError."""
    parser = options.parser("lnpd init", DESCRIPTION)
    given = parser.add_mutually_exclusive_group()
    for flag, _, help in OWN_OPTIONS:
        given.add_argument(flag, action="store_true", help=help)
    parsed = parser.parse_args(list(words))
    config = options.config_of(parsed, SEED_RULES)
    if config.seed_path.exists():
        raise SeedFileExists(f"{config.directory} has a seed already; it is never written over.")
    prepare_directory(config.directory)
    passphrase = new_passphrase(config)
    seed = _seed(parsed.words, parsed.xpriv, shows=not options.as_json(parsed))
    create_seed(config.seed_path, seed, passphrase, plain=config.plain_seed)
    kept = "as it is: whoever reads the file has the money" if passphrase is None else "under your passphrase"
    made = {
        "seed": str(config.seed_path),
        "encrypted": passphrase is not None,
        "words": None if parsed.words or parsed.xpriv else seed.text,
        "start": start_command(config),
    }
    text = f"The seed is in {config.seed_path}, {kept}.\nStart the node: {start_command(config)}"
    tell(made, text, options.as_json(parsed))
    return 0


def start_command(config: Config) -> str:
    """The command that starts this node."""
    more = "" if config.network == "regtest" else f" --network {config.network}"
    more += " --experimental-mainnet" if config.experimental_mainnet else ""
    more += " --plain-seed" if config.plain_seed else ""
    more += f" --passphrase-file {config.passphrase_file}" if config.passphrase_file else ""
    named = config.files[-1:] if config.files and config.files[-1] != default_file() else ()
    more += "".join(f" --config {file}" for file in named)
    return f"lnpd --directory {config.directory}{more}"


def _seed(words: bool, xpriv: bool, shows: bool) -> Seed:
    if xpriv:
        return seed_from_extended_key(typed("Extended private key (not shown): ", hidden=True))
    if words:
        return seed_from_words(typed("Words: ", hidden=False))
    seed = new_seed()
    if shows:
        _show(seed.text.split())
    return seed


def _show(words: Sequence[str]) -> None:
    """Shows new words; on a terminal once, and three of them are asked for."""
    print("These words are the node's seed. Write them down; whoever has them has the money.\n")
    for row in range(0, len(words), 4):
        print("  ".join(f"{n + 1:>2} {words[n]:<9}" for n in range(row, min(row + 4, len(words)))).rstrip())
    print(flush=True)
    if not sys.stdin.isatty():
        return
    input("Press Enter when they are on paper: they are not shown again. ")
    print(CLEAR_SCREEN, end="", flush=True)
    for place in sorted(random.SystemRandom().sample(range(len(words)), ASKED_WORDS)):
        if input(f"Word {place + 1}: ").strip().lower() != words[place]:
            raise SeedInvalid(f"That is not word {place + 1}. Nothing was written; begin again for new words.")
