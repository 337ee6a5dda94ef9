"""Which of a report's words may leave the machine? Those that are known to be public; what looks like a secret may not.

forms of secrets (a password in a URL, an extended key, an invoice, twelve words of BIP 39)    -> named
hex and base64 as long as a key   -> only what the node's own answers call an id; else a mark, equal for equal bytes
paths                             -> from the data directory on, or their last name
anonymous: ids, addresses, amounts -> pseudonyms, the same one for the same thing
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from embit.bip39 import WORDLIST

from lnpd.config.listing import HIDDEN
from lnpd.services.logs.secrets import Secrets

LEAST_WORD: Final = 6  # of what a plugin was told: a shorter one is no key, and stands everywhere
LEAST_SEED_WORDS: Final = 6
LEAST_PREFIX: Final = 8
INVOICE: Final = re.compile(r"(?i)\bln(?:bcrt|bc|tbs|tb)[0-9]*[munp]?1[a-z0-9]{50,}")
HEX: Final = re.compile(r"(?i)(?<![0-9a-f])[0-9a-f]{8,}(?![0-9a-f])")
KEY_HEX_DIGITS: Final = 32  # 16 bytes, the least that a seed may have
BASE64: Final = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{22,}={0,2}")  # of 16 bytes and more
BYTES: Final = re.compile(
    r"(?i)(?<![0-9a-f])(?:[0-9a-f]{2}[:, -]){15,}[0-9a-f]{2}(?![0-9a-f])"  # pairs of hex digits
    r"|\b(?:[0-9]{1,3}, ?){15,}[0-9]{1,3}\b"  # numbers
    r"|\bb(?:'(?:[^'\\\n]|\\.){8,}'|\"(?:[^\"\\\n]|\\.){8,}\")"  # as Python prints them
)
Z85: Final = re.compile(r"[0-9A-Za-z.:+=^!/*?&<>()\[\]{}@%$#-]{40,}")  # of 32 bytes: a CURVE key
Z85_MARKS: Final = (re.compile("[0-9]"), re.compile("[a-z]"), re.compile("[A-Z]"), re.compile("[]^!*?&{}@%$#[]"))
NAME: Final = re.compile(r"(?:[A-Z][a-z]{2,})+|DIRECTORY.*")  # of a class, or of a file of the node's
PATH: Final = re.compile(r"(?<![\w./:-])(?:~|/)(?:[\w.@+-]+/)*[\w.@+-]+/?")
ADDRESS: Final = re.compile(
    r"\b(?!127\.)(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b|\[[0-9a-fA-F:.]{3,45}\]|\b[a-z2-7]{16,56}\.onion\b"
)
BECH32: Final = re.compile(r"\b(?:bc|tb|bcrt)1[a-z0-9]{20,87}\b")
AMOUNT: Final = re.compile(r"\b[0-9][0-9,]*(?= m?sat\b)|(?<=_sat=)[0-9]+|(?<=_msat=)[0-9]+|(?<=sat\": )[0-9]+")
ALIAS: Final = re.compile(r'(?<=alias": ")[^"]*|(?<=alias = ")[^"]*')
WORD_RUN: Final = re.compile(r"(?i)\b[a-z]{3,8}(?:[^a-z]{1,6}[a-z]{3,8}){5,}\b")
IDS: Final = frozenset(
    ("node_id", "peer", "channel_id", "funding", "closing_txid", "claim", "outpoint", "block_hash", "payment_hash")
)
KINDS: Final = (("alias", ALIAS), ("address", ADDRESS), ("bitcoin-address", BECH32), ("amount", AMOUNT))
ID: Final = re.compile(r"([0-9a-f]{64}|[0-9a-f]{66})(?::[0-9]+)?")


class Cleaner:
    """Cleans a report's texts. `secrets` are words that are known to be some; `directory` is the node's."""

    def __init__(self, directory: Path, secrets: Iterable[str] = (), anonymous: bool = False) -> None:
        self._directory, self._anonymous = str(directory), anonymous
        self._secrets = Secrets()
        self._secrets.add(*secrets)
        self._public: dict[str, str] = {}  # id: its pseudonym
        self._names: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}

    def learn(self, answer: object) -> None:
        """The ids that an answer of the node's names as such are public: its peers and the chain know them."""
        for key, word in _words(answer):
            match = ID.fullmatch(word)
            if match is None or match[1] in self._public or key not in IDS:
                continue
            kind = "node" if len(match[1]) == 66 else "channel" if key == "channel_id" else "id"
            self._public[match[1]] = self._pseudonym(kind, match[1])

    def clean(self, text: str) -> str:
        """A text that may be shown to anybody."""
        text = self._secrets.masked(text)
        text = INVOICE.sub("(invoice)", text)
        text = WORD_RUN.sub(_seed_words, text)
        text = text.replace(self._directory, "DIRECTORY")
        text = Z85.sub(_z85, BYTES.sub("(bytes)", text))
        text = PATH.sub(lambda match: _shortened(match[0]), text)
        text = HEX.sub(lambda match: self._hex(match[0].lower()), text)
        text = BASE64.sub(_base64, text)
        return self._without_names(text) if self._anonymous else text

    def _without_names(self, text: str) -> str:
        for kind, pattern in KINDS:
            text = pattern.sub(self._replacing(kind), text)
        return text

    def _replacing(self, kind: str) -> Callable[[re.Match[str]], str]:
        return lambda match: self._pseudonym(kind, match[0].replace(",", ""))

    def _pseudonym(self, kind: str, what: str) -> str:
        name = self._names.get((kind, what))
        if name is None:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            name = self._names[kind, what] = f"{kind}-{self._counts[kind]}"
        return name

    def _hex(self, digits: str) -> str:
        known = self._public.get(digits)
        if known is None and len(digits) < KEY_HEX_DIGITS:
            return self._prefix(digits)
        if known is None:
            return f"(hex {hashlib.sha256(digits.encode()).hexdigest()[:8]})"
        return known if self._anonymous else digits

    def _prefix(self, digits: str) -> str:
        """The begin of an id, as the node's sentences write it; anything else may be a number or a word."""
        if not self._anonymous:
            return digits
        return next((name for whole, name in self._public.items() if whole.startswith(digits)), digits)


def _words(value: object, key: str = "") -> Iterator[tuple[str, str]]:
    """Each text in a JSON value, with the key that it stands under."""
    match value:
        case str():
            yield key, value
        case Mapping():
            for name, each in value.items():
                yield from _words(each, str(name))
        case list() | tuple():
            for each in value:
                yield from _words(each, key)


def _seed_words(match: re.Match[str]) -> str:
    """Many words of BIP 39 in a row are a seed, or its part: no sentence has so many."""
    run, found, kept = re.split(r"([^A-Za-z]+)", match[0]), [], []
    for place in range(0, len(run), 2):
        if run[place].lower() in KNOWN_WORDS:
            found.append(place)
            continue
        kept += [found]
        found = []
    for part in [*kept, found]:
        if len(part) >= LEAST_SEED_WORDS:
            for place in part:
                run[place] = "(word)"
    return "".join(run)


KNOWN_WORDS: Final = frozenset(WORDLIST)


def _shortened(path: str) -> str:
    """Where a file is, is nobody's business; of lnpd's own files it says what failed."""
    if path.startswith("/") and path.count("/") == 1:
        return path  # a word behind a stroke, or a file of the root
    own = re.search(r"/((?:lnpd|lnpd_sdk|plugins)/.*)", path)
    return f".../{own[1] if own else path.rstrip('/').rpartition('/')[2]}"


def _z85(match: re.Match[str]) -> str:
    return "(z85)" if all(mark.search(match[0]) for mark in Z85_MARKS) else match[0]


def _base64(match: re.Match[str]) -> str:
    word = match[0]
    mixed = any(c.isupper() for c in word) and any(c.islower() for c in word)
    return "(base64)" if word.endswith("=") or (mixed and not NAME.fullmatch(word)) else word


def values_of(settings: Mapping[str, Any]) -> Iterator[str]:  # Any: rows of the configuration
    """What plugins were told: it may be a key of theirs, and then must stand nowhere."""
    for key, row in settings.items():
        if key.startswith("plugin."):
            values = row.value if isinstance(row.value, list) else [row.value]
            words = (value for value in values if isinstance(value, str) and value != HIDDEN)
            yield from (word for word in words if len(word) >= LEAST_WORD)
