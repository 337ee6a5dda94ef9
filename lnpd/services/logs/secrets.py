"""Which words may never stand in a log, whoever puts them there?

Whoever learns a secret names it here, once, before anything can be said of it. Beside these words there are forms that
are secrets wherever they come from: a password in a URL, an extended private key, an Authorization header.
"""

import re
from base64 import b64encode
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

SHORTEST: Final = 4  # a shorter word is no secret, and would be found everywhere
MASK: Final = "(hidden)"
FORMS: Final = (
    re.compile(r"(?<=://)[^\s/@:\[\"'<>]{0,256}:[^\s\"'<>]{1,256}(?=@)"),  # whoever forgot to quote / and @, too
    re.compile(r"(?<=://)[^\s/@:\[\"'<>]{8,256}(?=@)"),  # a token alone
    re.compile(r"(?i)(?<=bearer )[a-z0-9._~+/-]{8,}=*"),
    *(
        re.compile(rf"""(?i)(?<={name}=)(?:"[^"\n]*"?|'[^'\n]*'?|[^\s"']+)""")
        for name in ("password", "passwd", "passphrase", "token")
    ),
    re.compile(r"\b[xtuvyzUVYZ]prv[1-9A-HJ-NP-Za-km-z]{40,}"),
    re.compile(r"(?i)(?<=basic )[a-z0-9+/]{8,}={0,2}"),
    re.compile(r"(?<=__cookie__:)[0-9a-f]{16,}"),
)


class Secrets:
    """The words that are masked."""

    def __init__(self) -> None:
        self._longest_first: tuple[str, ...] = ()

    def add(self, *secrets: str | bytes | None) -> None:
        """Masks these from now on: a text as it is, quoted as in a URL and in base64; bytes in hex and as printed."""
        words = {form for secret in secrets if secret for form in _forms(secret) if len(form) >= SHORTEST}
        self._longest_first = tuple(sorted({*self._longest_first, *words}, key=len, reverse=True))

    def masked(self, text: str) -> str:
        """A text without any of them."""
        for form in FORMS:
            text = form.sub(MASK, text)
        # Few lines have any; one pattern of all words would be compiled anew, and grow, with each node of a process.
        if found := [re.escape(word) for word in self._longest_first if word in text]:
            text = re.sub("|".join(found), MASK, text)
        return text


def _forms(secret: str | bytes) -> Iterable[str]:
    if isinstance(secret, bytes):
        return secret.hex(), secret.hex().upper(), repr(secret)[2:-1]
    return secret, quote(secret, safe=""), repr(secret)[1:-1], b64encode(secret.encode()).decode().rstrip("=")


SECRETS: Final = Secrets()
"""Those of this process, whose log is one."""
