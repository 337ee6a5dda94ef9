"""How does a node come back whose data directory was lost? `lnpd restore FILE`: its words, a backup of its channels.

words -> the backup opens under their key -> passphrase -> seed file, database -> what to start, and what is lost
"""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lnpd.cli import options
from lnpd.cli.directory import prepare_directory
from lnpd.cli.init import start_command
from lnpd.cli.secrets import new_passphrase, typed
from lnpd.cli.told import tell
from lnpd.config import SEED_RULES, Config
from lnpd.crypto.hd import BITCOIN_COIN, TEST_COIN
from lnpd.errors import SeedFileExists
from lnpd.services.backup.restoring import Lost, check_backup, restore, restore_words
from lnpd.services.signer.keys import Keys
from lnpd.services.signer.seed import create_seed, seed_from_extended_key, seed_from_words

DESCRIPTION: Final = (
    "Bring back a node from its seed and a backup of its channels: peers are asked to close, and what they owe is "
    "claimed. Nothing is broadcast that could be revoked."
)
FILE_HELP: Final = (
    "the backup: channels.backup, or what --backup-file named; without one the wallet's coins, and what peers' closes "
    "paid to the seed's 1000 payment basepoints, are found from the words alone"
)
WORDS_ALONE: Final = """\
Restored from the words alone: the wallet's coins, and what peers' closes paid to any of the seed's 1000 payment
basepoints, are looked for on the chain. Peers are not known, and are not asked to close. Our own closes need the backup
of the channels; HTLCs and outputs of extensions need the database."""
OWN_OPTIONS: Final = (("--xpriv", "", "type an extended private key (xprv or tprv), unseen, in place of words"),)


def main(words: Sequence[str]) -> int:
    """The program `lnpd restore`; returns its exit code. Raises LnpdError."""
    parser = options.parser("lnpd restore", DESCRIPTION)
    parser.add_argument("file", metavar="FILE", nargs="?", help=FILE_HELP)
    for flag, _, help in OWN_OPTIONS:
        parser.add_argument(flag, action="store_true", help=help)
    parsed = parser.parse_args(list(words))
    config = options.config_of(parsed, SEED_RULES)
    if config.seed_path.exists():
        raise SeedFileExists(
            f"{config.directory} has a seed: a node is brought back in a directory of its own, so that nothing that is "
            "left of it is lost. Name another --directory."
        )
    if parsed.xpriv:
        seed = seed_from_extended_key(typed("Extended private key (not shown): ", hidden=True))
    else:
        seed = seed_from_words(typed("Words: ", hidden=False))
    keys = Keys(seed.master(BITCOIN_COIN if config.network == "bitcoin" else TEST_COIN))
    file = Path(os.path.expanduser(parsed.file)) if parsed.file else None
    content = check_backup(file, keys, config.network, config.directory) if file else None
    prepare_directory(config.directory)
    passphrase = new_passphrase(config)
    lost: tuple[Lost, ...] = ()
    if content is not None:
        lost = asyncio.run(restore(config.directory, keys, content))
    else:
        asyncio.run(restore_words(config.directory, config.network, config.wallet_birth_height or 0))
    create_seed(config.seed_path, seed, passphrase, plain=config.plain_seed)  # last: with it the directory is whole
    if options.as_json(parsed):
        tell(_answer(config, lost), "", True)
    else:
        _say(config, lost if content is not None else None)
    return 0


def _answer(config: Config, lost: Sequence[Lost]) -> dict[str, object]:
    channels = [
        {
            "channel_id": each.channel.id.hex(),
            "capacity_sat": each.channel.capacity_sat,
            "peer": each.channel.peer.hex(),
            "unclaimable": each.unclaimable,
        }
        for each in lost
    ]
    return {"lost_channels": channels, "start": start_command(config)}


def _say(config: Config, lost: Sequence[Lost] | None) -> None:
    if lost is None:
        print(WORDS_ALONE)
        print(f"Start it: {start_command(config)}")
        return
    print(f"{len(lost)} channel{'' if len(lost) == 1 else 's'} restored, as lost:")
    for each in lost:
        channel = each.channel
        print(f"  {channel.id.hex()}  {channel.capacity_sat:,} sat with {channel.peer.hex()}")
        print(f"      only the lost database could claim: {', '.join(each.unclaimable)}")
    print("Once started, the node asks these peers to close and claims our balances; it broadcasts no commitment.")
    print("What only the lost database could claim is named by `lnp channels --onchain` then, by amount and outpoint.")
    print(f"Start it: {start_command(config)}")
