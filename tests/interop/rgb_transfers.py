"""Which transfers does rgb-lib make, of any shape, and what does it say of each?

A `Maker` is a wallet of rgb-lib's that has issued some assets. It prepares transfers without making them, which costs
milliseconds: the PSBT of each carries the bytes of its transitions, the bundles' ids, the entropy and the commitment.
Transfers that it does make give whole consignments, and are what later ones build upon.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

from nia.genesis import ChainNet
from nia.names import contract_id_of, contract_name, script_recipient, secret_of, secret_recipient
from nia.seals import Assignment, Seal
from nia.strict import Reader
from nia.transaction import Tx, parse_tx, read_size
from nia.transition import Opout, Transition

RECIPIENT_SAT, COIN_SAT = 1_000, 2_000_000
FEERATE_PER_VBYTE = 2
EXPIRES = 4_102_444_800  # in the year 2100
EDGES = (0, 1, 2**63, 2**64 - 1)  # blinding factors

ANYONE = b"\x51"  # the script of an output that anybody may spend
ANYONE_SCRIPT = b"\0\x20" + sha256(ANYONE).digest()

# Keys of a PSBT's maps: the proprietary type, a name behind its length, a kind, and the key's own data.
TRANSITION, BUNDLE, ENTROPY, COMMITMENT = b"\xfc\x03RGB\x01", b"\xfc\x03MPC\x00", b"\xfc\x03MPC\x01", b"\xfc\x03MPC\x10"


@dataclass(frozen=True)
class Said:
    """What rgb-lib says of one transfer. `transitions` are values as its JSON has them, by contract and id."""

    transitions: Mapping[bytes, Mapping[bytes, Transition]]
    encoded: Mapping[bytes, bytes]
    lines: Mapping[bytes, Mapping[str, str]]
    bundle_ids: Mapping[bytes, bytes]
    entropy: int
    commitment: bytes
    depth: int
    cofactor: int
    tx: Tx


@dataclass(frozen=True)
class Part:
    """A recipient: an amount, for an output of the transaction with this blinding factor, or for a concealed seal."""

    amount: int
    blinding: int | None = None
    secret: bytes = b""
    script: bytes = ANYONE_SCRIPT


def said(psbt: str, fascia: Mapping[str, Any]) -> Said:
    """All of it, from the PSBT and from the JSON beside it."""
    maps = list(_maps(b64decode(psbt)))
    rows = {key: value for each in maps for key, value in each.items()}
    block = fascia["sealWitness"]["merkleBlock"]
    bundles = {contract_id_of(name): each for name, each in fascia["bundles"].items()}
    return Said(
        {contract_id: dict(_known(contract_id, each)) for contract_id, each in bundles.items()},
        _of(rows, TRANSITION),
        {contract_id: each["inputMap"] for contract_id, each in bundles.items()},
        _of(rows, BUNDLE),
        int.from_bytes(rows[ENTROPY], "little"),
        rows[COMMITMENT],
        block["depth"],
        block["cofactor"],
        parse_tx(maps[0][b"\0"]),
    )


def _of(rows: Mapping[bytes, bytes], kind: bytes) -> dict[bytes, bytes]:
    return {key.removeprefix(kind): value for key, value in rows.items() if key.startswith(kind)}


def _maps(data: bytes) -> Iterator[dict[bytes, bytes]]:
    reader = Reader(data)
    assert reader.take(5) == b"psbt\xff"
    while reader.left:
        found: dict[bytes, bytes] = {}
        while length := read_size(reader):
            key = reader.take(length)
            found[key] = reader.take(read_size(reader))
        yield found


def _known(contract_id: bytes, bundle: Mapping[str, Any]) -> Iterator[tuple[bytes, Transition]]:
    for known in bundle["knownTransitions"]:
        each = known["transition"]
        assert (each["ffv"], each["transitionType"], each["metadata"], each["globals"]) == (0, 10000, {}, {})
        assert contract_id_of(each["contractId"]) == contract_id
        ((kind, assigned),) = each["assignments"].items()
        assert (kind, assigned["type"]) == ("4000", "fungible")
        inputs = [Opout(bytes.fromhex(opout.split("/")[0]), int(opout.split("/")[2])) for opout in each["inputs"]]
        yield (
            bytes.fromhex(known["opid"]),
            Transition.spending(contract_id, inputs, map(_assigned, assigned["items"]), each["nonce"]),
        )


def _assigned(item: Mapping[str, Any]) -> Assignment:
    seal = item["seal"]
    if isinstance(seal, str):
        return Assignment(item["state"], bytes.fromhex(seal))
    txid = bytes.fromhex(seal["txid"])[::-1] if seal["txid"] else None
    return Assignment(item["state"], Seal(seal["vout"], seal["blinding"], txid))


class Maker:
    """A wallet that asks an Electrum server; mining and satoshi are its user's business.

    Contracts that share an output have to move together: rgb-lib loses what it leaves behind.
    """

    def __init__(self, library: Any, folder: Path, electrum: str, per_output: int) -> None:  # Any: it ships no types
        self.rgb_lib = library
        folder.mkdir()
        network, version = library.BitcoinNetwork.REGTEST, library.WitnessVersion.TAPROOT
        keys = library.generate_keys(network, version)
        data = library.WalletData(
            data_dir=str(folder), bitcoin_network=network, database_type=library.DatabaseType.SQLITE,
            max_allocations_per_utxo=per_output, supported_schemas=[library.AssetSchema.NIA],
        )  # fmt: skip
        own = library.SinglesigKeys(
            account_xpub_vanilla=keys.account_xpub_vanilla, account_xpub_colored=keys.account_xpub_colored,
            vanilla_keychain=None, master_fingerprint=keys.master_fingerprint, mnemonic=keys.mnemonic,
            witness_version=version,
        )  # fmt: skip
        self.wallet = library.Wallet(data, own)
        options = library.OnlineOptions(indexer_url=electrum, skip_consistency_check=True, vanilla_sync_lookback=20)
        self.online = self.wallet.go_online(options)
        self.assets: list[str] = []

    def address(self) -> str:
        """Where it wants satoshi."""
        return str(self.wallet.get_address())

    def make_room(self, count: int) -> None:
        """New outputs that can hold assets."""
        self.wallet.create_utxos(self.online, False, count, COIN_SAT, FEERATE_PER_VBYTE, False)

    def issue(self, ticker: str, amounts: Sequence[int]) -> bytes:
        """A new asset on as many outputs; its contract's id."""
        self.assets.append(self.wallet.issue_asset_nia(ticker, f"The asset {ticker}", 2, list(amounts)).asset_id)
        return contract_id_of(self.assets[-1])

    def concealed(self, count: int) -> list[bytes]:
        """New seals upon one output of its own, each for any amount of any asset."""
        wanted = self.rgb_lib.Assignment.ANY()
        given = [self.wallet.blind_receive(None, wanted, EXPIRES, [], 1) for _ in range(count)]
        return [secret_of(each.recipient_id, ChainNet.REGTEST) for each in given]

    def take(self, consignment: Path, contract_id: bytes) -> None:
        """Receives what a file assigns to such seals."""
        self.wallet.provide_out_of_band_consignment(self.online, str(consignment), [])
        self.assets.append(contract_name(contract_id))

    def refresh(self) -> None:
        """Asks the chain how its transfers are doing."""
        self.wallet.refresh(self.online, None, [], False)

    def spendable(self, asset: str) -> int:
        """How much of an asset can be spent."""
        return int(self.wallet.get_asset_balance(asset).spendable)

    def prepare(self, parts: Mapping[str, Sequence[Part]], dry_run: bool = True) -> tuple[str, Said]:
        """The PSBT of a transfer, and what rgb-lib says of it."""
        recipients = {asset: [self._recipient(each) for each in given] for asset, given in parts.items()}
        begun = self.wallet.send_begin(self.online, recipients, True, FEERATE_PER_VBYTE, 1, EXPIRES, dry_run)
        fascia = Path(begun.details.fascia_path).read_text()
        found = said(begun.psbt, json.loads(fascia))
        assert found.entropy == begun.details.entropy
        if not dry_run:
            inspected = self.wallet.inspect_rgb_transfer(begun.psbt, begun.details.fascia_path, found.entropy)
            assert inspected.commitment_hex == found.commitment.hex()
        return begun.psbt, found

    def make(self, parts: Mapping[str, Sequence[Part]]) -> tuple[Said, dict[bytes, bytes]]:
        """Broadcasts a transfer; what was said of it, and its consignments by contract."""
        psbt, found = self.prepare(parts, dry_run=False)
        txid = self.wallet.send_end(self.online, self.wallet.sign_psbt(psbt)).txid
        folder = Path(self.wallet.get_wallet_dir()) / "transfers" / txid
        files = {name: folder / name.removeprefix("rgb:") / "consignment_out" for name in parts}
        return found, {contract_id_of(name): path.read_bytes() for name, path in files.items()}

    def _recipient(self, part: Part) -> Any:  # Any: as above
        to = (
            secret_recipient(part.secret, ChainNet.REGTEST)
            if part.secret
            else script_recipient(part.script, ChainNet.REGTEST)
        )
        paid = self.rgb_lib.WitnessData(amount_sat=RECIPIENT_SAT, blinding=part.blinding)
        return self.rgb_lib.Recipient(
            recipient_id=to, witness_data=None if part.secret else paid,
            assignment=self.rgb_lib.Assignment.FUNGIBLE(part.amount), transport_endpoints=[],
        )  # fmt: skip


def split(rng: Random, amount: int, count: int) -> list[int]:
    """An amount in that many parts of one or more, at random."""
    cuts = sorted(rng.sample(range(1, amount), count - 1)) if count > 1 else []
    return [end - start for start, end in zip([0, *cuts], [*cuts, amount], strict=True)]


def parts(rng: Random, amount: int, count: int) -> list[Part]:
    """An amount for that many recipients: scripts of nobody's, concealed seals, odd blinding factors."""

    def part(share: int) -> Part:
        if rng.random() < 0.2:
            return Part(share, secret=Seal(rng.randrange(4), rng.getrandbits(64), rng.randbytes(32)).secret())
        blinding = rng.choice((*EDGES, rng.getrandbits(64), None))
        return Part(share, blinding, script=b"\0\x20" + rng.randbytes(32))

    return [part(share) for share in split(rng, amount, count)]
