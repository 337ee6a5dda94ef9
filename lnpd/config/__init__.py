"""How is a node configured, and which configurations are refused?

    model.py    what a node is told: Config, one frozen value
    readers.py  words into values
    rules.py    what may not go together
    table.py    the one table of options (not loaded here: `lnp` needs it rarely)
    places.py   where data is, unless a person says otherwise

No option holds a secret that guards money: a passphrase comes from the terminal or from a file, bitcoind's password
from its cookie or the environment; --dev-seed and --dev-node-key are for tests alone.
"""

from lnpd.config.model import (
    ANCHOR_RESERVE_SAT,
    CHANNEL_SECRETS,
    LOG_LEVELS,
    LOG_SUBSYSTEMS,
    LOOPBACK,
    MAINNET,
    NETWORKS,
    UPFRONT_NOWHERE,
    UPFRONT_WALLET,
    Address,
    Config,
    Developer,
    FailPoint,
    Network,
    Secret,
)
from lnpd.config.places import default_directory
from lnpd.config.readers import read_address, read_bitcoind, read_endpoint, read_path
from lnpd.config.rules import RULES, SEED_RULES, Rule, checked

__all__ = [
    "ANCHOR_RESERVE_SAT", "CHANNEL_SECRETS", "LOG_LEVELS", "LOG_SUBSYSTEMS", "LOOPBACK", "MAINNET", "NETWORKS", "RULES",
    "SEED_RULES", "UPFRONT_NOWHERE", "UPFRONT_WALLET", "Address", "Config", "Developer", "FailPoint", "Network", "Rule",
    "Secret", "checked", "default_directory", "read_address", "read_bitcoind", "read_endpoint", "read_path",
]  # fmt: skip
