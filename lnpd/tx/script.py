"""What is an output's script, byte for byte, and how can it be satisfied?

`Compiler` turns the four kinds of script expression into a scriptPubKey, a witness script and every way to spend it.
BOLT 3's scripts are rows of TEMPLATES; miniscript is compiled in miniscript.py, a taproot tree put together in
taproot.py.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Final

import msgspec
from embit.hashes import hash160 as _hash160
from embit.hashes import ripemd160 as _ripemd160
from lnpd_sdk.script import (
    BytesSlot,
    Key,
    LateSlot,
    Miniscript,
    Script,
    Sighash,
    SignatureSlot,
    SpendPath,
    Taproot,
    Template,
)
from lnpd_sdk.types import CommitmentKeys
from msgspec.structs import replace

from lnpd.crypto.schnorr import x_only
from lnpd.errors import InvalidPoint, ScriptRefused
from lnpd.tx import miniscript, taproot
from lnpd.tx.names import names_of

MAX_DATA_CARRIER: Final = 80
PUSH_BYTES: Final = 75  # from 76 on the length of a push has a byte of its own
MAX_BLOCKS: Final = 0xFFFF  # of a relative lock (BIP 68)
FIRST_TIMESTAMP: Final = 500_000_000  # an absolute lock from here on is a time, not a height

_EMPTY: Final = BytesSlot(b"")
_ONE: Final = BytesSlot(b"\x01")


class Compiled(msgspec.Struct, frozen=True):
    """A script in bytes. `witness_script` is empty for P2WPKH, for taproot (a path has its own script there) and for
    data carriers (which have no path)."""

    script_pubkey: bytes
    witness_script: bytes
    paths: tuple[SpendPath, ...]


Ran = tuple[bytes, tuple[SpendPath, ...]]  # a leaf's script, and the ways to satisfy it


def hash160(data: bytes) -> bytes:
    """RIPEMD160 of SHA256."""
    return bytes(_hash160(data))


def push_number(number: int) -> bytes:
    """The shortest push of a number from 0 to 2^31-1, as script means it."""
    if number <= 16:
        return b"\0" if number == 0 else bytes((0x50 + number,))
    encoded = number.to_bytes((number.bit_length() + 8) // 8, "little")
    return bytes((len(encoded),)) + encoded


def push(data: bytes) -> bytes:
    """The push of up to 255 bytes of data."""
    return (bytes((len(data),)) if len(data) <= 75 else bytes((0x4C, len(data)))) + data


def pay_to_script(witness_script: bytes) -> bytes:
    """The scriptPubKey of P2WSH (BIP 141)."""
    return b"\0\x20" + sha256(witness_script).digest()


def pay_to_key(public_key: bytes) -> bytes:
    """The scriptPubKey of P2WPKH (BIP 141)."""
    return b"\0\x14" + hash160(public_key)


def data_carrier(content: bytes) -> bytes:
    """OP_RETURN with one push."""
    return b"\x6a" + push(content)


def carried(script_pubkey: bytes) -> bytes:
    """What such an OP_RETURN holds."""
    return script_pubkey[2:] if script_pubkey[1] <= PUSH_BYTES else script_pubkey[3:]


def script_code(script_pubkey: bytes, witness_script: bytes) -> bytes:
    """What a signature for this output commits to as its script (BIP 143)."""
    if witness_script:
        return witness_script
    return b"\x76\xa9\x14" + script_pubkey[2:] + b"\x88\xac"


def public_key_of(name: str, keys: CommitmentKeys) -> bytes:
    """The point that a slot's key names, by role or in hex; raises ScriptRefused."""
    try:
        return bytes(getattr(keys, Key(name)))
    except ValueError:
        pass
    try:
        return bytes.fromhex(name)
    except ValueError:
        raise ScriptRefused(f"{name} is neither the name of a key nor a point in hex.") from None


class Compiler:
    """Compiles the scripts of one commitment. What recurs (keys, revocation branches, paths) is prepared once.

    `to_self_delay` is that of the commitment's holder, in blocks.
    """

    def __init__(self, keys: CommitmentKeys, to_self_delay: int) -> None:
        if not 1 <= to_self_delay <= MAX_BLOCKS:
            raise ScriptRefused(f"A to_self_delay is 1 to {MAX_BLOCKS} blocks, not {to_self_delay}.")
        self.keys = keys
        self.to_self_delay = to_self_delay
        self._known: dict[Script, Compiled] = {}
        self.revoke_htlc = SpendPath(
            "revocation", (SignatureSlot(Key.REVOCATION), BytesSlot(keys.revocation)), older=0, after=0
        )
        # DUP HASH160 <revocation> EQUAL IF CHECKSIG ELSE <counterparty> SWAP SIZE 32 EQUAL
        self.htlc_start = b"".join(
            (
                b"\x76\xa9\x14",
                hash160(keys.revocation),
                b"\x87\x63\xac\x67",
                push(keys.counterparty_htlc),
                b"\x7c\x82\x01\x20\x87",
            )
        )
        self.htlc_joint = b"\x52\x7c" + push(keys.holder_htlc) + b"\x52\xae"  # 2 SWAP <holder> 2 CHECKMULTISIG

    def compile(self, script: Script) -> Compiled:
        """The script in bytes, with its paths; the same object for an equal script. Raises ScriptRefused."""
        compiled = self._known.get(script)
        if compiled is None:
            compiled = self._known[script] = self._compile(script)
        return compiled

    def _compile(self, script: Script) -> Compiled:
        if isinstance(script, Template):
            row = TEMPLATES.get(script.name)
            if row is None:
                raise ScriptRefused(f"There is no script template named {script.name!r}.")
            return row(self, script)
        if isinstance(script, Miniscript):
            witness_script, paths = miniscript.compile_expression(script.expression, names_of(self.keys))
            return Compiled(pay_to_script(witness_script), witness_script, paths)
        if isinstance(script, Taproot):
            leaves = [self._leaf(leaf.script) for leaf in script.leaves]
            return compile_tree(script, taproot.internal_point(script.internal_key, names_of(self.keys)), leaves)
        if not 1 <= script.length <= MAX_DATA_CARRIER:
            raise ScriptRefused(f"A data carrier holds 1 to {MAX_DATA_CARRIER} bytes, not {script.length}.")
        return Compiled(data_carrier(bytes(script.length)), b"", ())

    def _leaf(self, script: Template | Miniscript) -> Ran:
        if isinstance(script, Miniscript):
            return miniscript.compile_expression(script.expression, names_of(self.keys), taproot=True)
        row = LEAF_TEMPLATES.get(script.name)
        if row is None:
            raise ScriptRefused(f"There is no template of a leaf named {script.name!r}.")
        return row(self)


def compile_tree(script: Taproot, internal: bytes, leaves: Sequence[Ran]) -> Compiled:
    """A taproot output of this internal point and these leaves, in bytes. Raises ScriptRefused."""
    try:
        depths = [leaf.depth for leaf in script.leaves]
        tree = taproot.grow(internal, list(zip(depths, [code for code, _ in leaves], strict=True)))
    except InvalidPoint as error:
        raise ScriptRefused(f"The internal key of a taproot output is none: {error}") from None
    paths = [
        replace(path, leaf=code, control=control)
        for (code, found), control in zip(leaves, tree.controls, strict=True)
        for path in found
    ]
    if script.internal_key not in taproot.NUMS_POINTS:
        name = str(script.internal_key)
        paths.insert(0, SpendPath(name, (SignatureSlot(name),), tweak=tree.tweak))
    if len({path.name for path in paths}) < len(paths) or not 1 <= len(paths) <= miniscript.MAX_PATHS:
        raise ScriptRefused(
            f"A taproot output has 1 to {miniscript.MAX_PATHS} ways to be spent, no two of which alike."
        )
    return Compiled(taproot.pay_to_taproot(tree.output_key), b"", tuple(paths))


# A commitment is built by the channel and checked by the signer: its scripts are compiled once.
@lru_cache(maxsize=8)
def compiler_of(keys: CommitmentKeys, to_self_delay: int) -> Compiler:
    """The compiler of these values; it remembers what it compiled. Raises ScriptRefused."""
    return Compiler(keys, to_self_delay)


def compile_script(script: Script, keys: CommitmentKeys, to_self_delay: int) -> Compiled:
    """One script on its own; raises ScriptRefused."""
    return Compiler(keys, to_self_delay).compile(script)


# The table's rows (BOLT 3, "Commitment Transaction Outputs")


def _to_local(context: Compiler, _: Template) -> Compiled:
    delay = context.to_self_delay
    script = b"".join(
        (
            b"\x63",
            push(context.keys.revocation),
            b"\x67",
            push_number(delay),
            b"\xb2\x75",
            push(context.keys.delayed),
            b"\x68\xac",
        )
    )
    paths = (
        SpendPath("revocation", (SignatureSlot(Key.REVOCATION), _ONE)),
        SpendPath("delayed", (SignatureSlot(Key.DELAYED), _EMPTY), older=delay),
    )
    return Compiled(pay_to_script(script), script, paths)


def _to_remote(context: Compiler, _: Template) -> Compiled:
    key = context.keys.counterparty_payment
    path = SpendPath("payment", (SignatureSlot(Key.COUNTERPARTY_PAYMENT), BytesSlot(key)))
    return Compiled(pay_to_key(key), b"", (path,))


def _to_remote_anchors(context: Compiler, _: Template) -> Compiled:
    script = push(context.keys.counterparty_payment) + b"\xad\x51\xb2"
    path = SpendPath("payment", (SignatureSlot(Key.COUNTERPARTY_PAYMENT),), older=1)
    return Compiled(pay_to_script(script), script, (path,))


def _anchor(context: Compiler, template: Template) -> Compiled:
    key = Key.COUNTERPARTY_FUNDING if template.counterparty else Key.HOLDER_FUNDING
    script = push(public_key_of(key, context.keys)) + b"\xac\x73\x64\x60\xb2\x68"
    paths = (SpendPath("owner", (SignatureSlot(key),)), SpendPath("anyone", (_EMPTY,), older=16))
    return Compiled(pay_to_script(script), script, paths)


def _joint(sighash: Sighash) -> tuple[BytesSlot, SignatureSlot, SignatureSlot]:
    return (_EMPTY, SignatureSlot(Key.COUNTERPARTY_HTLC, sighash), SignatureSlot(Key.HOLDER_HTLC))


def _htlc_end(anchors: bool) -> tuple[bytes, Sighash, int]:
    """The script's last bytes, the sighash of a second stage, and the relative lock: an anchor type has 1 CSV DROP."""
    return (b"\x51\xb2\x75\x68", Sighash.SINGLE_ANYONECANPAY, 1) if anchors else (b"\x68", Sighash.ALL, 0)


def _hash_of(template: Template) -> tuple[bytes, LateSlot]:
    if len(template.payment_hash) != 32:
        raise ScriptRefused(f"A payment hash has 32 bytes, not {len(template.payment_hash)}.")
    name = f"sha256:{template.payment_hash.hex()}"
    return b"\xa9\x14" + bytes(_ripemd160(template.payment_hash)) + b"\x88", LateSlot(name)


def _offered_htlc(context: Compiler, template: Template) -> Compiled:
    end, sighash, older = _htlc_end(template.name == "offered_htlc_anchors")
    check_hash, preimage = _hash_of(template)
    # NOTIF DROP <joint> ELSE <hash> CHECKSIG ENDIF
    script = b"".join((context.htlc_start, b"\x64\x75", context.htlc_joint, b"\x67", check_hash, b"\xac\x68", end))
    paths = (
        context.revoke_htlc,
        SpendPath("timeout", (*_joint(sighash), _EMPTY), older=older),
        SpendPath("preimage", (SignatureSlot(Key.COUNTERPARTY_HTLC), preimage), older=older),
    )
    return Compiled(pay_to_script(script), script, paths)


def _received_htlc(context: Compiler, template: Template) -> Compiled:
    if not 1 <= template.cltv_expiry < FIRST_TIMESTAMP:
        raise ScriptRefused(f"{template.cltv_expiry} is no block height.")
    end, sighash, older = _htlc_end(template.name == "received_htlc_anchors")
    check_hash, preimage = _hash_of(template)
    expiry = push_number(template.cltv_expiry)
    # IF <hash> <joint> ELSE DROP <cltv_expiry> CLTV DROP CHECKSIG ENDIF
    script = b"".join(
        (context.htlc_start, b"\x63", check_hash, context.htlc_joint, b"\x67\x75", expiry, b"\xb1\x75\xac\x68", end)
    )
    paths = (
        context.revoke_htlc,
        SpendPath("success", (*_joint(sighash), preimage), older=older),
        SpendPath("expired", (SignatureSlot(Key.COUNTERPARTY_HTLC), _EMPTY), older=older, after=template.cltv_expiry),
    )
    return Compiled(pay_to_script(script), script, paths)


TEMPLATES: Final[dict[str, Callable[[Compiler, Template], Compiled]]] = {
    "to_local": _to_local,
    "to_remote": _to_remote,
    "to_remote_anchors": _to_remote_anchors,
    "offered_htlc": _offered_htlc,
    "offered_htlc_anchors": _offered_htlc,
    "received_htlc": _received_htlc,
    "received_htlc_anchors": _received_htlc,
    "anchor": _anchor,
}


def _revocation_leaf(context: Compiler) -> Ran:
    """<delayed> DROP <revocation> CHECKSIG: who sees it spent knows the delayed key, and so the other leaf."""
    script = push(x_only(context.keys.delayed)) + b"\x75" + push(x_only(context.keys.revocation)) + b"\xac"
    return script, (SpendPath("revocation", (SignatureSlot(Key.REVOCATION),)),)


LEAF_TEMPLATES: Final[dict[str, Callable[[Compiler], Ran]]] = {
    "revocation_leaf": _revocation_leaf,
}
