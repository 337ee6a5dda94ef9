"""Is the server at the other end of a TLS connection the one of before?

A certificate that the system's authorities vouch for is believed, and from then on nothing less is. Any other one is
believed at the first meeting, and from then on only that one: whoever sits in between at the first meeting stays
unnoticed until lnpd comes by another way.
"""

from __future__ import annotations

import os
import ssl
from hashlib import sha256
from pathlib import Path
from typing import Final

from lnpd.chain.electrum.address import ElectrumAddress
from lnpd.errors import CertificateChanged

VOUCHED_FOR: Final = "vouched-for"
MAX_FILE_BYTES: Final = 1_000_000


class Certificates:
    """What is known of servers' certificates, kept in a file of lines `host:port what`, if there is a path."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: dict[str, str] = {}
        if path is not None and path.exists():
            with path.open() as file:
                lines = file.read(MAX_FILE_BYTES).splitlines()
            self._known = {words[0]: words[1] for line in lines if len(words := line.split()) == 2}

    def vouched_for(self, address: ElectrumAddress) -> None:
        """An authority vouches for the server's certificate."""
        self._remember(address, VOUCHED_FOR)

    def check(self, address: ElectrumAddress, certificate: bytes) -> None:
        """Nobody vouches for this certificate, in DER: is it the one of before? Raises CertificateChanged."""
        known, now = self._known.get(str(address)), sha256(certificate).hexdigest()
        if known not in (None, now):
            before = "had one that an authority vouched for" if known == VOUCHED_FOR else "had another one"
            raise CertificateChanged(
                f"The Electrum server {address} shows a certificate that nobody vouches for, and it {before}. If its "
                f"owner says that this is right, delete its line in {self._path or 'the file of certificates'}."
            )
        self._remember(address, now)

    def _remember(self, address: ElectrumAddress, what: str) -> None:
        if self._known.get(str(address)) == what:
            return
        self._known[str(address)] = what
        if self._path is not None:
            text = "".join(f"{server} {each}\n" for server, each in self._known.items())
            fresh = self._path.with_suffix(".new")
            fresh.write_text(text)
            os.replace(fresh, self._path)


def strict_context() -> ssl.SSLContext:
    """Takes only what an authority of this system vouches for."""
    return ssl.create_default_context()


def any_context() -> ssl.SSLContext:
    """Takes every certificate, which `Certificates.check` then judges."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
