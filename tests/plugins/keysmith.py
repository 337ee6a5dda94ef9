"""keysmith: signs with keys of its own, alone or with another node's; what the tests of the signer's services run."""

from lnpd_sdk.plugin import Node, Plugin
from lnpd_sdk.services.signing import SIGHASH_DEFAULT, KeyName, KeyPath, Spending, Together, WitnessKey

plugin = Plugin("keysmith", "1", capabilities=("sign:vault", "sign:never-granted", "spend:100000"))
VAULT = KeyName("vault", 1)


@plugin.rpc("The plugin's key.")
async def key(node: Node, purpose: str = "vault") -> str:
    return (await node.derive_public_key(KeyName(purpose, 1))).hex()


@plugin.rpc("Signs the only input of a transaction that spends P2WPKH of a key.")
async def sign(node: Node, tx: bytes, value_sat: int, script: bytes, purpose: str = "vault") -> str:
    spending = Spending(tx, ((value_sat, script),), 0, WitnessKey())
    return (await node.sign(KeyName(purpose, 1), spending)).hex()


@plugin.rpc("Says that it rains.")
async def attest(node: Node) -> str:
    return (await node.sign_message(VAULT, "weather", b"rain")).hex()


@plugin.rpc("A nonce.")
async def nonce(node: Node) -> dict[str, object]:
    made = await node.musig_nonce(VAULT)
    return {"session": made.session, "nonce": made.nonce}


def _together(tx: bytes, value_sat: int, script: bytes, keys: str, nonces: str, adaptor: str) -> Together:
    spending = Spending(tx, ((value_sat, script),), 0, KeyPath(), SIGHASH_DEFAULT)
    parts = tuple(bytes.fromhex(each) for each in keys.split(",")), tuple(map(bytes.fromhex, nonces.split(",")))
    return Together(*parts, spending, bytes.fromhex(adaptor))


@plugin.rpc("A part of a signature of two.")
async def part(
    node: Node, session: int, tx: bytes, value_sat: int, script: bytes, keys: str, nonces: str, adaptor: str = ""
) -> str:
    return (await node.musig_partial(session, _together(tx, value_sat, script, keys, nonces, adaptor))).hex()


@plugin.rpc("The signature of two, and what the adaptor's secret makes of it.")
async def combine(
    node: Node,
    tx: bytes,
    value_sat: int,
    script: bytes,
    keys: str,
    nonces: str,
    parts: str,
    adaptor: str = "",
    secret: str = "",
) -> str:
    together = _together(tx, value_sat, script, keys, nonces, adaptor)
    made = await node.musig_combine(together, tuple(map(bytes.fromhex, parts.split(","))))
    if not adaptor:
        return made.hex()
    assert await node.adaptor_verify(together.spending, together.adaptor, made)
    whole = await node.adaptor_complete(together.spending, bytes.fromhex(secret), made)
    assert await node.adaptor_secret(together.adaptor, made, whole) == bytes.fromhex(secret)
    return whole.hex()


@plugin.rpc("Reserves coins for an output.")
async def fund(node: Node, amount_sat: int, script: bytes) -> dict[str, object]:
    funded = await node.fund_psbt(((amount_sat, script),), 1_000)
    return {"psbt": funded.psbt, "reservation": funded.reservation, "fee_sat": funded.fee_sat}


@plugin.rpc("Signs a PSBT with the wallet's coins.")
async def sign_psbt(node: Node, psbt: bytes) -> dict[str, object]:
    signed = await node.sign_psbt(psbt)
    return {"psbt": signed.psbt, "cost_sat": signed.cost_sat}


@plugin.rpc("Signs and broadcasts a PSBT.")
async def send(node: Node, psbt: bytes) -> str:
    return (await node.send_psbt(psbt)).txid


@plugin.rpc("Frees coins.")
async def release(node: Node, reservation: str) -> None:
    await node.release_psbt(reservation)


if __name__ == "__main__":
    plugin.run()
