"""Which rules of relay does a spend break that only running its script shows?

The kernel's interpreter knows consensus rules alone. This walks the scripts of segwit version 0 (and the signatures of
older kinds) after the kernel has accepted them, looking for: strict DER, low S, known sighash types, compressed keys,
minimal IF arguments, empty signatures where one fails, minimal pushes. It knows the opcodes that Lightning's scripts
and miniscript use; at any other it stops and says nothing. Tapscript has these rules in consensus.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha1, sha256  # OP_SHA1 is part of the language
from typing import Final

from embit.hashes import hash160, ripemd160

from lnpd.chain.scripts import OP_16, OP_PUSHDATA4, Kind, kind_of, operations
from lnpd.chain.transaction import Transaction
from lnpd.crypto import secp
from lnpd.errors import InvalidSignature, TransactionMalformed
from lnpd.tx.transaction import Tx, TxIn, TxOut, hash256

NOT_DER: Final = "Non-canonical DER signature"
HIGH_S: Final = "Non-canonical signature: S value is unnecessarily high"
HASH_TYPE: Final = "Signature hash type missing or not understood"
KEY_TYPE: Final = "Using non-compressed keys in segwit"
MINIMAL_IF: Final = "OP_IF/NOTIF argument must be minimal"
NULL_FAIL: Final = "Signature must be zero for failed CHECK(MULTI)SIG operation"
MINIMAL_DATA: Final = "Data push larger than necessary"

_NONE: Final = 2
_ANYONECANPAY: Final = 0x80
_OP_CHECKSIG: Final = 0xAC
_MAX_NUMBER_BYTES: Final = 5


class RuleBroken(Exception):
    """Bitcoin Core's words for what is broken; it does not leave this file."""


class _Unknown(Exception):
    """From here on nothing is said."""


def broken_rule(tx: Transaction, index: int, program: bytes, value_sat: int) -> str | None:
    """Bitcoin Core's words for the first rule that input `index` breaks though the kernel accepts it; None if none is.

    `program` is what the witness satisfies (policy.program_of).
    """
    used, kind = tx.inputs[index], kind_of(program)
    try:
        if kind is Kind.WITNESS_PUBKEY_HASH:
            script = b"\x76\xa9\x14" + program[2:] + b"\x88\xac"
            _Machine(tx, index, value_sat, script, list(used.witness)).run()
        elif kind is Kind.WITNESS_SCRIPT_HASH:
            _Machine(tx, index, value_sat, used.witness[-1], list(used.witness[:-1])).run()
        elif not used.witness:
            _check_old_signatures(used.script_sig)
    except RuleBroken as broken:
        return str(broken)
    except (_Unknown, IndexError, TransactionMalformed):
        return None  # an opcode that is not in the table; the kernel has judged the rest
    return None


def check_signature_form(signature: bytes) -> None:
    """Raises RuleBroken unless a signature with its sighash byte is strict DER with a low s and a known type."""
    try:
        compact = secp.from_der(signature[:-1])
    except InvalidSignature:
        raise RuleBroken(NOT_DER) from None
    if int.from_bytes(compact[32:], "big") > secp.ORDER // 2:
        raise RuleBroken(HIGH_S)
    if not 1 <= signature[-1] & ~_ANYONECANPAY <= 3:
        raise RuleBroken(HASH_TYPE)


def _check_old_signatures(script_sig: bytes) -> None:
    for opcode, pushed, _ in operations(script_sig):
        _check_minimal_push(opcode, pushed)
        if 9 <= len(pushed) <= 73 and pushed[0] == 0x30 and pushed[1] + 3 == len(pushed):
            check_signature_form(pushed)


def _check_minimal_push(opcode: int, pushed: bytes) -> None:
    if opcode > OP_PUSHDATA4:
        return
    small = len(pushed) == 1 and (1 <= pushed[0] <= 16 or pushed[0] == 0x81)
    length = len(pushed)
    least = length if length < 0x4C else 0x4C if length <= 0xFF else 0x4D if length <= 0xFFFF else 0x4E
    if small or opcode != least:
        raise RuleBroken(MINIMAL_DATA)


class _Machine:
    """A script on its way: stack, alternative stack, and the branches that it is in."""

    def __init__(self, tx: Transaction, index: int, value_sat: int, script: bytes, stack: list[bytes]) -> None:
        self.tx, self.index, self.value_sat = tx, index, value_sat
        self.script, self.stack, self.alt, self.branches = script, stack, list[bytes](), list[bool]()

    def run(self) -> None:
        """Raises RuleBroken or _Unknown."""
        for opcode, pushed, _ in operations(self.script):
            if opcode in _FLOW:
                _FLOW[opcode](self)
            elif all(self.branches):
                self._do(opcode, pushed)

    def _do(self, opcode: int, pushed: bytes) -> None:
        if opcode <= OP_PUSHDATA4:
            _check_minimal_push(opcode, pushed)
            self.stack.append(pushed)
        elif opcode == 0x4F or 0x51 <= opcode <= OP_16:
            self.stack.append(_encode(opcode - 0x50))
        elif opcode in _SHUFFLES:
            self._shuffle(*_SHUFFLES[opcode])
        elif opcode in _ACTIONS:
            _ACTIONS[opcode](self)
        else:
            raise _Unknown

    def _shuffle(self, taken: int, order: tuple[int, ...]) -> None:
        if len(self.stack) < taken:
            raise _Unknown
        items = self.stack[len(self.stack) - taken :]
        del self.stack[len(self.stack) - taken :]
        self.stack += [items[place] for place in order]

    def begin(self, *, wanted: bool) -> None:
        """IF and NOTIF."""
        taken = all(self.branches)
        if taken:
            argument = self.stack.pop()
            if argument not in (b"", b"\x01"):
                raise RuleBroken(MINIMAL_IF)
            taken = bool(argument) is wanted
        self.branches.append(taken)

    def turn(self) -> None:
        """ELSE."""
        self.branches[-1] = not self.branches[-1]

    def number(self) -> int:
        """Pops a number."""
        return _decode(self.stack.pop())

    def push(self, value: bool | int) -> None:
        """Pushes a number or a truth."""
        self.stack.append(_encode(int(value)))

    def change(self, function: Callable[[bytes], bytes]) -> None:
        """Replaces the top."""
        self.stack.append(function(self.stack.pop()))

    def calculate(self, function: Callable[[int, int], int]) -> None:
        """Two numbers to one."""
        right, left = self.number(), self.number()
        self.push(function(left, right))

    def check_signature(self) -> None:
        """CHECKSIG: what it answers, and whether all is in form."""
        key, signature = self.stack.pop(), self.stack.pop()
        good = self._is_good(signature, key)
        if not good and signature:
            raise RuleBroken(NULL_FAIL)
        self.push(good)

    def check_signatures(self) -> None:
        """CHECKMULTISIG: keys and signatures are matched in order, from the last."""
        keys = [self.stack.pop() for _ in range(self.number())]
        signatures = [self.stack.pop() for _ in range(self.number())]
        self.stack.pop()  # the dummy, empty by consensus
        wanted = list(signatures)
        while wanted and len(wanted) <= len(keys):
            if self._is_good(wanted[0], keys.pop(0)):
                wanted.pop(0)
        if wanted and any(signatures):
            raise RuleBroken(NULL_FAIL)
        self.push(not wanted)

    def _is_good(self, signature: bytes, key: bytes) -> bool:
        if len(key) != secp.POINT_BYTES or key[0] not in (2, 3):
            raise RuleBroken(KEY_TYPE)
        if not signature:
            return False
        check_signature_form(signature)
        if signature[-1] & ~_ANYONECANPAY == _NONE:
            raise _Unknown  # lnpd.tx signs nothing with NONE and has no digest for it
        digest = _as_made(self.tx).sighash(self.index, self.script, self.value_sat, signature[-1])
        return secp.is_point(key) and secp.verify(key, digest, secp.from_der(signature[:-1]))


def _as_made(tx: Transaction) -> Tx:
    """The same transaction as lnpd.tx has it, which knows the digests."""
    inputs = tuple(TxIn(*i.point, i.sequence) for i in tx.inputs)
    return Tx(inputs, tuple(TxOut(o.value_sat, o.script) for o in tx.outputs), tx.locktime, tx.version)


def _encode(number: int) -> bytes:
    if not number:
        return b""
    size = abs(number).bit_length() // 8 + 1
    data = bytearray(abs(number).to_bytes(size, "little"))
    data[-1] |= 0x80 if number < 0 else 0
    return bytes(data)


def _decode(data: bytes) -> int:
    if len(data) > _MAX_NUMBER_BYTES:
        raise _Unknown
    if not data:
        return 0
    magnitude = int.from_bytes(data[:-1] + bytes([data[-1] & 0x7F]), "little")
    return -magnitude if data[-1] & 0x80 else magnitude


def _is_true(item: bytes) -> bool:
    return any(item[:-1]) or item[-1:] not in (b"", b"\0", b"\x80")


def _verify(machine: _Machine) -> None:
    if not _is_true(machine.stack.pop()):
        raise _Unknown  # the kernel would have refused: this file misreads the script


def _equal(machine: _Machine) -> None:
    machine.push(machine.stack.pop() == machine.stack.pop())


def _then_verify(action: Callable[[_Machine], None]) -> Callable[[_Machine], None]:
    def both(machine: _Machine) -> None:
        action(machine)
        _verify(machine)

    return both


def _if_duplicate(machine: _Machine) -> None:
    if _is_true(machine.stack[-1]):
        machine.stack.append(machine.stack[-1])


_FLOW: Final[dict[int, Callable[[_Machine], None]]] = {
    0x63: lambda m: m.begin(wanted=True),
    0x64: lambda m: m.begin(wanted=False),
    0x67: lambda m: m.turn(),
    0x68: lambda m: _drop(m.branches.pop()),
}

# Opcode: how many items it takes, and which of them it leaves.
_SHUFFLES: Final[dict[int, tuple[int, tuple[int, ...]]]] = {
    0x61: (0, ()),  # NOP
    0x6D: (2, ()),  # 2DROP
    0x6E: (2, (0, 1, 0, 1)),  # 2DUP
    0x6F: (3, (0, 1, 2, 0, 1, 2)),  # 3DUP
    0x75: (1, ()),  # DROP
    0x76: (1, (0, 0)),  # DUP
    0x77: (2, (1,)),  # NIP
    0x78: (2, (0, 1, 0)),  # OVER
    0x7B: (3, (1, 2, 0)),  # ROT
    0x7C: (2, (1, 0)),  # SWAP
    0x7D: (2, (1, 0, 1)),  # TUCK
    0xB1: (1, (0,)),  # CHECKLOCKTIMEVERIFY
    0xB2: (1, (0,)),  # CHECKSEQUENCEVERIFY
}

_ACTIONS: Final[dict[int, Callable[[_Machine], None]]] = {
    0x69: _verify,
    0x6B: lambda m: m.alt.append(m.stack.pop()),
    0x6C: lambda m: m.stack.append(m.alt.pop()),
    0x73: _if_duplicate,
    0x74: lambda m: m.push(len(m.stack)),
    0x82: lambda m: m.push(len(m.stack[-1])),
    0x87: _equal,
    0x88: _then_verify(_equal),
    0x91: lambda m: m.push(m.number() == 0),
    0x92: lambda m: m.push(m.number() != 0),
    0x93: lambda m: m.calculate(lambda left, right: left + right),
    0x94: lambda m: m.calculate(lambda left, right: left - right),
    0x9A: lambda m: m.calculate(lambda left, right: bool(left) and bool(right)),
    0x9B: lambda m: m.calculate(lambda left, right: bool(left) or bool(right)),
    0x9C: lambda m: m.calculate(lambda left, right: left == right),
    0x9D: _then_verify(lambda m: m.calculate(lambda left, right: left == right)),
    0xA6: lambda m: m.change(lambda item: bytes(ripemd160(item))),
    0xA7: lambda m: m.change(lambda item: sha1(item).digest()),  # noqa: S324  as the script asks
    0xA8: lambda m: m.change(lambda item: sha256(item).digest()),
    0xA9: lambda m: m.change(lambda item: bytes(hash160(item))),
    0xAA: lambda m: m.change(hash256),
    _OP_CHECKSIG: lambda m: m.check_signature(),
    0xAD: _then_verify(lambda m: m.check_signature()),
    0xAE: lambda m: m.check_signatures(),
    0xAF: _then_verify(lambda m: m.check_signatures()),
}


def _drop(_value: object) -> None:
    """Nothing is done with a value."""
