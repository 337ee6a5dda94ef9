"""Which configurations are refused? RULES is the one table of what may not go together, whoever said it."""

import os
import re
from collections.abc import Callable
from typing import Final

from lnpd.config.model import LOOPBACK, MAINNET, MAINNET_MAX_CHANNEL_SAT, MAINNET_MAX_TOTAL_SAT, Config
from lnpd.errors import ConfigRefused

MAX_DIRECTORY_BYTES: Final = 80  # a unix socket's path has at most 107, and ours lie in the directory
_FLAG: Final = re.compile(r"--[a-z][a-z-]+")


def _on_mainnet(rule: Callable[[Config], bool]) -> Callable[[Config], bool]:
    return lambda config: config.network == MAINNET and rule(config)


def _all_differ(pins: tuple[tuple[str, bytes], ...]) -> bool:
    return len({name for name, _ in pins}) == len(pins) == len({key for _, key in pins})


Rule = tuple[Callable[[Config], bool], str]

# What may not be, with the sentence that says so. The first rules bind whoever makes a seed as well.
SEED_RULES: Final[tuple[Rule, ...]] = (
    (
        _on_mainnet(lambda c: not c.experimental_mainnet),
        "--network bitcoin is real money and lnpd is experimental: say --experimental-mainnet as well.",
    ),
    (_on_mainnet(lambda c: c.developer is not None), "--developer is refused on --network bitcoin."),
    (_on_mainnet(lambda c: c.plain_seed), "--plain-seed is refused on --network bitcoin: a passphrase is required."),
    (
        _on_mainnet(lambda c: c.limits.max_channel_sat > MAINNET_MAX_CHANNEL_SAT),
        f"--max-channel-sat is at most {MAINNET_MAX_CHANNEL_SAT} on --network bitcoin.",
    ),
    (
        _on_mainnet(lambda c: c.limits.max_total_sat > MAINNET_MAX_TOTAL_SAT),
        f"--max-total-sat is at most {MAINNET_MAX_TOTAL_SAT} on --network bitcoin.",
    ),
    (
        lambda c: c.experimental_mainnet and c.network != MAINNET,
        "--experimental-mainnet goes with --network bitcoin only.",
    ),
    (
        lambda c: c.developer is not None and bool(c.developer.seed) and c.signer_process,
        "--dev-seed needs --signer in-process: a signer's own process opens the seed file.",
    ),
    (lambda c: bool(c.chain) and c.chain_process, "--chain and --chain-process exclude each other."),
    (
        lambda c: c.limits.min_feerate_per_kw > c.limits.max_feerate_per_kw,
        "--min-feerate-per-kw is above --max-feerate-per-kw.",
    ),
    (lambda c: c.limits.min_channel_sat > c.limits.max_channel_sat, "--min-channel-sat is above --max-channel-sat."),
    (lambda c: c.limits.max_channel_sat > c.limits.max_total_sat, "--max-channel-sat is above --max-total-sat."),
    (
        lambda c: c.htlc_minimum_msat > c.htlc_maximum_msat,
        "--htlc-minimum-msat is above --htlc-maximum-msat.",
    ),
    (
        lambda c: c.plain_seed and c.passphrase_file is not None,
        "--plain-seed and --passphrase-file exclude each other.",
    ),
    (
        lambda c: len(os.fsencode(c.directory)) > MAX_DIRECTORY_BYTES,
        f"The path of --directory has more than {MAX_DIRECTORY_BYTES} bytes: the sockets in it could not be opened.",
    ),
)
RULES: Final[tuple[Rule, ...]] = (
    *SEED_RULES,
    (
        lambda c: bool(c.plugin_listen) != bool(c.remote_plugins),
        "--plugin-listen and --remote-plugin go together: where to connect, and who may.",
    ),
    (
        lambda c: len(dict(c.remote_plugins)) != len(c.remote_plugins),
        "--remote-plugin names a plugin twice.",
    ),
    (
        lambda c: (c.rpc_listen is not None) != bool(c.rpc_clients or c.rpc_readers),
        "--rpc-listen goes together with --rpc-client or --rpc-reader: where to ask, and who may.",
    ),
    (
        lambda c: not _all_differ(c.rpc_clients + c.rpc_readers),
        "--rpc-client and --rpc-reader name a program, or a key, twice.",
    ),
    (
        lambda c: c.rpc_listen is not None and not 0 < c.rpc_listen.port < 65_535,
        "--rpc-listen takes a port from 1 to 65534: events are published at the next one.",
    ),
    (
        lambda c: c.metrics is not None and c.metrics.host not in LOOPBACK,
        "--metrics is for this machine: 127.0.0.1:PORT or [::1]:PORT.",
    ),
    (
        lambda c: c.network != "regtest" and c.chain_process,
        "The embedded chain is a regtest chain: --chain-process needs --network regtest.",
    ),
    (
        lambda c: c.names_bitcoind and (bool(c.chain) or c.chain_process),
        "--bitcoind and --bitcoind-directory exclude --chain and --chain-process.",
    ),
    (
        lambda c: bool(c.electrum) and (c.names_bitcoind or bool(c.chain) or c.chain_process),
        "--electrum excludes --bitcoind, --bitcoind-directory, --chain and --chain-process.",
    ),
)


def checked(config: Config, rules: tuple[Rule, ...] = RULES) -> Config:
    """The configuration itself, if it breaks no rule. Raises ConfigRefused with the first that it breaks."""
    for broken, sentence in rules:
        if broken(config):
            raise ConfigRefused(" ".join((sentence, *_origins(config, sentence))))
    return config


def _origins(config: Config, sentence: str) -> list[str]:
    """Who said what a sentence names, unless it was typed."""
    named = set(_FLAG.findall(sentence))
    return [f"{each.flag} {each.origin}." for each in config.given if each.flag in named and each.origin]
