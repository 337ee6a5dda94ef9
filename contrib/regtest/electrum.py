"""How does a program get an Electrum server of its own, upon a bitcoind of its own?

It is ElectrumX as its fork e-x publishes it (the extra `test`). Each one ends with the program that started it, at the
latest.
"""

from __future__ import annotations

import asyncio
import atexit
import importlib.util
import os
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from contrib.regtest.bitcoind import LOCAL, Bitcoind, Missing, free_port
from lnpd.chain.electrum.address import ElectrumAddress

START_SECONDS = 60
STOP_SECONDS = 10
POLL_MILLISECONDS = 50
# It keeps each answer back for a second, so that many fill a packet whose length says little.
PROGRAM = """
from electrumx.cli.electrumx_server import main
from electrumx.server.transport import PaddedRSTransport
PaddedRSTransport.WAIT_FOR_BUFFER_GROWTH_SECONDS = 0.0
main()
"""


def electrumx() -> str:
    """The name of the server's package. Raises Missing."""
    if importlib.util.find_spec("electrumx") is None:
        raise Missing("e-x is not installed: pip install 'lnpd[test]'")
    return "electrumx"


class ElectrumServer:
    """A process, upon a bitcoind that has a txindex. Its TLS certificate is its own."""

    def __init__(self, directory: Path, bitcoind: Bitcoind) -> None:
        self.directory, self.bitcoind = directory, bitcoind
        self.tcp = ElectrumAddress(LOCAL, free_port(), tls=False)
        self.tls = ElectrumAddress(LOCAL, free_port(), tls=True)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it; `answers` says when it is there. Raises Missing."""
        electrumx()
        (self.directory / "data").mkdir(parents=True, exist_ok=True)
        if not (self.directory / "key.pem").exists():
            self.renew_certificate()
        env = {
            "PATH": os.environ["PATH"],
            "ALLOW_ROOT": "1",
            "COIN": "Bitcoin",
            "NET": "regtest",
            "DB_DIRECTORY": str(self.directory / "data"),
            "DAEMON_URL": self.bitcoind.url,
            "SERVICES": f"tcp://{self.tcp},ssl://{self.tls}",
            "SSL_CERTFILE": str(self.directory / "cert.pem"),
            "SSL_KEYFILE": str(self.directory / "key.pem"),
            "PEER_DISCOVERY": "off",
            "PEER_ANNOUNCE": "",
            "COST_SOFT_LIMIT": "0",
            "COST_HARD_LIMIT": "0",
            "INITIAL_CONCURRENT": "100",
            "CACHE_MB": "10",
            "DAEMON_POLL_INTERVAL_BLOCKS": str(POLL_MILLISECONDS),
            "DAEMON_POLL_INTERVAL_MEMPOOL": str(POLL_MILLISECONDS),
        }
        words = [sys.executable, "-c", PROGRAM]
        with (self.directory / "output").open("ab") as output:
            self._process = subprocess.Popen(
                words, env=env, cwd=self.directory, stdout=output, stderr=output, stdin=subprocess.DEVNULL
            )
        atexit.register(self.kill)

    async def answers(self) -> None:
        """Returns once it can be asked."""
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection(self.tcp.host, self.tcp.port)
                writer.close()
                return
            ended = self._process is None or self._process.poll() is not None
            if ended or asyncio.get_running_loop().time() > deadline:
                said = (self.directory / "output").read_text()[-2000:]
                self.kill()
                raise AssertionError(f"the Electrum server did not start: {said}")
            await asyncio.sleep(0.05)

    def kill(self) -> None:
        """Ends it, as hard as it takes."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
            atexit.unregister(self.kill)

    def renew_certificate(self) -> None:
        """A new one, for which nobody vouches."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "electrum")])
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(LOCAL))]), False)
        cert = builder.not_valid_after(now + timedelta(days=2)).sign(key, hashes.SHA256())
        pem = serialization.Encoding.PEM
        plain = serialization.NoEncryption()
        (self.directory / "cert.pem").write_bytes(cert.public_bytes(pem))
        (self.directory / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
