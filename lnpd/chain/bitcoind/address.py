"""Where does bitcoind answer, and what opens the door: a password or its cookie?

A URL says it (`http://user:password@host:port`, `http://host:port`), or the data directory does: bitcoin.conf and the
cookie in it are read as bitcoind reads them. A password is never part of a text that is shown.
"""

from __future__ import annotations

import os
import re
from base64 import b64encode
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import msgspec

from lnpd.errors import BitcoindNotFound

MAX_COOKIE_BYTES: Final = 1_000
MAX_CONF_BYTES: Final = 1_000_000
MAX_PASSWORD_CHARACTERS: Final = 500
AUTO: Final = "auto"
"""Stands for a URL: look into the usual data directory."""

URL: Final = re.compile(
    r"http://(?:([^\s:@/]{1,200}):([^\s@/]{0,500})@)?(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::([0-9]{1,5}))?/?"
)
SETTING: Final = re.compile(r"([a-z0-9]+)=(.*)")


class Chain(msgspec.Struct, frozen=True):
    """What bitcoind calls a network: its `-chain` name, the folder below its data directory, the port of its RPC."""

    name: str
    folder: str
    port: int


CHAINS: Final = {
    "bitcoin": Chain("main", "", 8332),
    "testnet": Chain("test", "testnet3", 18332),
    "signet": Chain("signet", "signet", 38332),
    "regtest": Chain("regtest", "regtest", 18443),
}


class Login(msgspec.Struct, frozen=True):
    """A user and a password, or the cookie file that bitcoind writes anew at each start."""

    user: str = ""
    password: str = ""
    cookie: Path | None = None

    def __repr__(self) -> str:
        return f"Login(cookie={self.cookie})" if self.cookie else "Login(...)"

    def header(self) -> str:
        """The value of an Authorization header (RFC 7617). Raises BitcoindNotFound if there is no cookie now."""
        pair = f"{self.user}:{self.password}".encode() if self.cookie is None else _read_cookie(self.cookie)
        return f"Basic {b64encode(pair).decode()}"


class BitcoindAddress(msgspec.Struct, frozen=True):
    """Where a bitcoind answers. Shown, it has no password in it."""

    host: str
    port: int
    login: Login

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def default_directory() -> Path:
    """Where bitcoind keeps its data unless told otherwise."""
    return Path(os.path.expanduser("~")) / ".bitcoin"


def read_url(word: str) -> str:
    """The URL itself, or `auto`. Raises ValueError with what is expected, and never with a password."""
    match = URL.fullmatch(word)
    if word != AUTO and (not match or int(match[4] or 1) not in range(1, 65_536)):
        raise ValueError("http://[USER:PASSWORD@]HOST[:PORT] or auto")
    return word


def find(network: str, url: str = AUTO, directory: Path | None = None) -> BitcoindAddress:
    """The bitcoind of a network. What the URL leaves open is read in bitcoind's data directory, or is the usual.

    Raises BitcoindNotFound.
    """
    chain, directory = CHAINS[network], directory or default_directory()
    match = URL.fullmatch(url)
    if match and match[1]:
        login = Login(unquote(match[1]), unquote(match[2]))
        return BitcoindAddress(match[3].strip("[]"), int(match[4] or chain.port), login)
    settings = _settings(directory / "bitcoin.conf", chain)
    below = Path(settings.get("datadir", directory)) / chain.folder
    try:
        port = int(settings.get("rpcport", chain.port))
    except ValueError:
        raise BitcoindNotFound(f"The rpcport in {directory}/bitcoin.conf is no number.") from None
    host = match[3].strip("[]") if match else settings.get("rpcconnect", "127.0.0.1")
    if "rpcpassword" in settings and not match:
        login = Login(settings.get("rpcuser", ""), settings["rpcpassword"])
    else:
        login = Login(cookie=below / settings.get("rpccookiefile", ".cookie"))
    address = BitcoindAddress(host, int(match[4]) if match and match[4] else port, login)
    if login.cookie is not None and not match and not below.is_dir():
        raise BitcoindNotFound(f"There is no bitcoind for {network} in {directory}: say --bitcoind=URL.")
    return address


def _read_cookie(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            pair = file.read(MAX_COOKIE_BYTES).strip()
    except OSError as error:
        raise BitcoindNotFound(
            f"bitcoind's cookie {path} cannot be read ({error.strerror}): does bitcoind run, and may this user read it?"
        ) from None
    if b":" not in pair or len(pair) == MAX_COOKIE_BYTES:
        raise BitcoindNotFound(f"{path} is not a cookie of bitcoind.")
    return pair


def _settings(path: Path, chain: Chain) -> dict[str, str]:
    """The settings of bitcoin.conf that count for a chain; of several, the first, as bitcoind has it.

    Ports of another chain than the main one count in its own section only.
    """
    try:
        with path.open(errors="replace") as file:
            lines = file.read(MAX_CONF_BYTES).splitlines()
    except OSError:
        return {}
    outside: dict[str, str] = {}
    inside: dict[str, str] = {}
    section = ""
    for line in (line.partition("#")[0].strip() for line in lines):
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif (match := re.fullmatch(SETTING, re.sub(r"\s*=\s*", "=", line, count=1))) and section in ("", chain.name):
            (inside if section else outside).setdefault(match[1], match[2])
    if chain.name != "main":
        outside.pop("rpcport", None)
    return {**outside, **inside}
