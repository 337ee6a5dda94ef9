"""Do the plugins of two whole nodes sign together, wherever the signer runs, and after a restart?"""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from lnpd_sdk.envelope import CallFailed
from lnpd_sdk.plugin import Plugin
from lnpd_sdk.types import ACCEPTOR, OPENER

from lnpd.chain.verify import first_failure
from lnpd.crypto.musig import Group
from lnpd.crypto.schnorr import tagged_hash, verify_schnorr, x_only
from lnpd.crypto.secp import public_key
from lnpd.errors import LnpdError
from lnpd.services.node.node import Node
from lnpd.testing import Network, until
from lnpd.tx.script import pay_to_key
from lnpd.tx.sighash import TAPROOT_PREFIX
from lnpd.tx.transaction import Tx, TxIn, TxOut, parse
from plugins import lockbox

LOCKBOX = Path(lockbox.__file__)
KEYSMITH = Path(__file__).parents[1] / "plugins" / "keysmith.py"
WITH_KEYS: dict[str, Any] = {"plugins": (KEYSMITH,), "grants": (("keysmith", "sign:vault"),)}
HIDDEN = b"\x44" * 32
TX = Tx((TxIn(b"\x01" * 32, 0),), (TxOut(1_000, b"\x51"),)).serialise()


async def call(node: Node, method: str, **params: object) -> Any:  # Any: a plugin's values are its own
    """A call of the keysmith's."""
    return await node.api.call_plugin(f"keysmith-{method}", params)


def spends(script: bytes, *witness: str) -> bool:
    """Whether the kernel takes TX with this witness, where it spends this script."""
    signed = parse(TX).with_witness(0, tuple(map(bytes.fromhex, witness)))
    return first_failure(signed.serialise(), ((2_000, script),)) is None


async def session_of(*nodes: Node) -> tuple[list[int], dict[str, object]]:
    """A nonce of each node, and what they sign with them."""
    keys = [await call(node, "key") for node in nodes]
    given = [await call(node, "nonce") for node in nodes]
    script = TAPROOT_PREFIX + x_only(Group(tuple(map(bytes.fromhex, keys))).taproot().key)
    nonces = ",".join(each["nonce"] for each in given)
    shown = {"tx": TX.hex(), "value_sat": 2_000, "script": script.hex(), "keys": ",".join(keys), "nonces": nonces}
    return [each["session"] for each in given], shown


@pytest.mark.parametrize("apart", [False, True])
def test_two_plugins_sign_alone_and_together_over_a_restart(tmp_path: Path, apart: bool) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice = await network.node("alice", signer_process=apart, **WITH_KEYS)
            bob = await network.node("bob", **WITH_KEYS)
            key = await call(alice, "key")
            assert key != await call(bob, "key")
            script = pay_to_key(bytes.fromhex(key))
            shown = {"tx": TX.hex(), "value_sat": 2_000, "script": script.hex()}
            assert spends(script, await call(alice, "sign", **shown), key)
            with pytest.raises(LnpdError, match="--grant keysmith=sign:never-granted"):
                await call(alice, "sign", **shown, purpose="never-granted")
            rain = tagged_hash("lnpd/plugin/keysmith/weather", b"rain")
            assert verify_schnorr(bytes.fromhex(key)[1:], rain, bytes.fromhex(await call(alice, "attest")))

            for adaptor, secret in (("", ""), (public_key(HIDDEN).hex(), HIDDEN.hex())):
                sessions, shown = await session_of(alice, bob)
                shown["adaptor"] = adaptor
                pairs = zip((alice, bob), sessions, strict=True)
                parts = [await call(node, "part", session=session, **shown) for node, session in pairs]
                made = await call(bob, "combine", **shown, parts=",".join(parts), secret=secret)
                assert spends(bytes.fromhex(str(shown["script"])), made)

            sessions, shown = await session_of(alice, bob)
            alice = await network.restart(alice)
            await until(lambda: alice.plugins.ready("keysmith"), "its start")
            assert await call(alice, "key") == key
            with pytest.raises(LnpdError, match="nonce_lost"):
                await call(alice, "part", session=sessions[0], **shown)
            await call(bob, "part", session=sessions[1], **shown)
            sessions, shown = await session_of(alice, bob)
            with pytest.raises(LnpdError, match="nonce_used"):
                await call(alice, "part", session=sessions[0], **shown)
                await call(alice, "part", session=sessions[0], **shown, adaptor=public_key(HIDDEN).hex())

    asyncio.run(main())


@pytest.mark.parametrize("apart", [False, True])
def test_a_plugin_spends_within_its_day_over_a_restart(tmp_path: Path, apart: bool) -> None:
    async def main() -> None:
        grants = (("keysmith", "sign:vault"), ("keysmith", "spend:100000"))
        async with Network(tmp_path) as network:
            node = await network.node("alice", signer_process=apart, plugins=(KEYSMITH,), grants=grants)
            await network.fund(node, 500_000)
            await network.fund(node, 510_000)
            script = pay_to_key(bytes.fromhex(await call(node, "key"))).hex()
            funded = await call(node, "fund", amount_sat=60_000, script=script)
            signed = await call(node, "sign-psbt", psbt=funded["psbt"])
            assert signed["cost_sat"] == 60_000 + funded["fee_sat"]
            node = await network.restart(node)
            with pytest.raises(LnpdError, match="of 100,000 a day 60,"):
                await call(node, "fund", amount_sat=40_000, script=script)
            more = await call(node, "fund", amount_sat=38_000, script=script)
            await call(node, "release", reservation=more["reservation"])
            with pytest.raises(LnpdError, match="fund_psbt"):
                await call(node, "sign-psbt", psbt=more["psbt"])
            await network.seen(await call(node, "send", psbt=funded["psbt"]))
            await network.mine()
            assert (await node.wallet.balance()).confirmed_sat == 1_010_000 - signed["cost_sat"]
            node = await network.restart(node, grants=grants[:1])
            with pytest.raises(LnpdError, match="--grant keysmith=spend:SAT"):
                await call(node, "fund", amount_sat=1_000, script=script)

    asyncio.run(main())


def test_a_channels_public_keys_are_told_to_those_whom_it_pins(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice"), await network.node("bob", plugins=(LOCKBOX,))
            await alice.plugins.add_in_process(lockbox.plugin)
            stranger = Plugin("stranger", "1")
            await alice.plugins.add_in_process(stranger)
            channel = await network.channel(alice, bob, kind="lockbox/anchors_zero_fee_htlc_tx")
            known = alice.channels.driver_of(channel).channel
            assert lockbox.plugin.node is not None and stranger.node is not None
            for party in (OPENER, ACCEPTOR):
                key = await lockbox.plugin.node.channel_key(channel, "funding", party)
                assert key == known.terms[party].funding_key
                htlc = await lockbox.plugin.node.channel_key(channel, "htlc", party)
                assert htlc == known.terms[party].htlc_basepoint
            for node, party in ((stranger.node, OPENER), (lockbox.plugin.node, 2)):
                with pytest.raises(CallFailed, match="pins a provider of yours"):
                    await node.channel_key(channel, "funding", party)

    asyncio.run(main())
