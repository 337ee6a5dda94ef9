"""Which keys has a plugin, and what do they sign?

The signer knows a plugin's keys by its name, which is put in here. A nonce's row is stored before the nonce is shown,
and again before it signs. What needs no secret is computed here.
"""

from typing import Final

from lnpd_sdk.services.signing import (
    AdaptorCheck,
    AdaptorComplete,
    AdaptorSecret,
    AdaptorSign,
    ChannelKey,
    KeyName,
    KeyPath,
    MusigCombine,
    MusigPartial,
    PublicNonce,
    Role,
    Sign,
    SignMessage,
    Spending,
)
from lnpd_sdk.types import PARTIES

from lnpd.crypto import adaptor, adaptor_ecdsa
from lnpd.crypto.musig import Group, combine_nonces, combine_partials, verify_partial
from lnpd.crypto.secp import from_der, to_der
from lnpd.errors import CapabilityMissing, ChannelNotPinned, InvalidPartialSignature
from lnpd.services.plugins.calls import Plugin
from lnpd.services.plugins.offers.offer import Desk, Offer, there
from lnpd.services.records import SignerRecords
from lnpd.services.signer.spending import Shown, read, wants_taproot
from lnpd.store.write import Write

ROLES: Final[dict[Role, str]] = {
    "funding": "funding_key",
    "revocation": "revocation_basepoint",
    "payment": "payment_basepoint",
    "delayed_payment": "delayed_payment_basepoint",
    "htlc": "htlc_basepoint",
}


async def derive_public_key(desk: Desk, plugin: Plugin, key: KeyName) -> bytes:
    """Of the plugin's own."""
    return await there(desk.signer).plugin_key(plugin.name, key)


async def channel_key(desk: Desk, plugin: Plugin, wanted: ChannelKey) -> bytes:
    """ChannelNotPinned for a channel that is none of the plugin's, or that is not known at all."""
    rows = await there(desk.recall).rows(plugin.providers, closed=False)
    if wanted.party not in PARTIES or wanted.channel_id not in {row["channel_id"] for row in rows}:
        raise ChannelNotPinned(f"No channel {wanted.channel_id[:64]} of party {wanted.party} pins a provider of yours.")
    terms = there(desk.backend).driver_of(wanted.channel_id).channel.terms[wanted.party]
    point: bytes = getattr(terms, ROLES[wanted.role])
    return point


async def sign(desk: Desk, plugin: Plugin, wanted: Sign) -> bytes:
    """Only for a purpose that was granted."""
    _require_purpose(desk, plugin, wanted.key)
    return await there(desk.signer).plugin_sign(plugin.name, wanted.key, wanted.spending)


async def sign_message(desk: Desk, plugin: Plugin, wanted: SignMessage) -> bytes:
    """Only for a purpose that was granted."""
    _require_purpose(desk, plugin, wanted.key)
    return await there(desk.signer).plugin_sign_message(plugin.name, wanted.key, wanted.tag, wanted.message)


def _require_purpose(desk: Desk, plugin: Plugin, key: KeyName) -> None:
    if not desk.registry.allows(plugin.name, f"sign:{key.purpose}"):
        raise CapabilityMissing(
            f"The plugin {plugin.name} may not sign for {key.purpose[:64]!r}: start lnpd with --grant"
            f" {plugin.name}=sign:{key.purpose[:64]}, which its manifest has to ask for too."
        )


# Adaptors


async def adaptor_sign(desk: Desk, plugin: Plugin, wanted: AdaptorSign) -> bytes:
    """Only for a purpose that was granted."""
    _require_purpose(desk, plugin, wanted.key)
    return await there(desk.signer).plugin_adaptor_sign(plugin.name, wanted.key, wanted.spending, wanted.point)


async def adaptor_verify(_desk: Desk, _plugin: Plugin, wanted: AdaptorCheck) -> bool:
    """A pure function."""
    shown, key = _signed_by(wanted.spending, wanted.key)
    check = adaptor.adaptor_verify if shown.is_taproot else adaptor_ecdsa.ecdsa_adaptor_verify
    return check(key, shown.digest, wanted.point, wanted.pre_signature)


async def adaptor_complete(_desk: Desk, _plugin: Plugin, wanted: AdaptorComplete) -> bytes:
    """A pure function."""
    shown, key = _signed_by(wanted.spending, wanted.key)
    if shown.is_taproot:
        return adaptor.adaptor_complete(key, shown.digest, wanted.secret, wanted.pre_signature) + shown.suffix
    made = adaptor_ecdsa.ecdsa_adaptor_complete(key, shown.digest, wanted.secret, wanted.pre_signature)
    return to_der(made) + shown.suffix


async def adaptor_secret(_desk: Desk, _plugin: Plugin, wanted: AdaptorSecret) -> bytes:
    """A pure function; the signature is as a witness carries it."""
    if len(wanted.pre_signature) == adaptor_ecdsa.PRE_SIGNATURE_BYTES:
        signature = from_der(wanted.signature[:-1])
        return adaptor_ecdsa.ecdsa_adaptor_secret(wanted.point, wanted.pre_signature, signature)
    return adaptor.adaptor_secret(wanted.point, wanted.pre_signature, wanted.signature[:64])


def _signed_by(spending: Spending, key: bytes) -> tuple[Shown, bytes]:
    """What is signed, and by which key: of a key path that of its output."""
    shown = read(spending)
    return shown, shown.spent.script_pubkey[2:] if isinstance(spending.path, KeyPath) else key


# MuSig2


async def musig_nonce(desk: Desk, plugin: Plugin, key: KeyName) -> PublicNonce:
    """Only for a purpose that was granted."""
    _require_purpose(desk, plugin, key)
    begun = await there(desk.signer).musig_nonce(plugin.name, key)

    def keep(write: Write) -> None:
        write.point("plugin-nonce-given")
        _put(write, begun.records)

    if begun.records:
        await there(desk.store).write(keep)
    return begun.nonce


async def musig_partial(desk: Desk, plugin: Plugin, wanted: MusigPartial) -> bytes:
    """With a nonce that was given for a granted purpose."""
    signer = there(desk.signer)
    records = await signer.prepare_partial(plugin.name, wanted.session, wanted.together)

    def keep(write: Write) -> None:
        write.point("plugin-nonce-used")
        _put(write, records)

    if records:
        await there(desk.store).write(keep)
    return await signer.musig_partial(plugin.name, wanted.session, wanted.together)


def _put(write: Write, records: SignerRecords) -> None:
    for record in records:
        write.put_signer_state(record.key, record.value)


async def musig_combine(_desk: Desk, _plugin: Plugin, wanted: MusigCombine) -> bytes:
    """A pure function."""
    together, parts = wanted.together, wanted.parts
    shown, group = wants_taproot(read(together.spending)), Group(together.keys)
    if shown.merkle_root is not None:
        group = group.taproot(shown.merkle_root)
    nonce = combine_nonces(together.nonces, together.adaptor)
    signature = combine_partials(parts, group, nonce, shown.digest)
    for place, (part, public, key) in enumerate(zip(parts, together.nonces, together.keys, strict=False)):
        if not verify_partial(part, public, key, group, nonce, shown.digest):
            raise InvalidPartialSignature(f"The part {place}, of the key {key.hex()}, is wrong.")
    return signature if together.adaptor else signature + shown.suffix


OFFERS: Final = (
    Offer(
        "derive_public_key",
        "",
        KeyName,
        bytes,
        "A public key of the plugin's own namespace.",
        'key = await node.derive_public_key(KeyName("vault", 0))',
        derive_public_key,
        early=True,
        dear=True,
    ),
    Offer(
        "channel_key",
        "",
        ChannelKey,
        bytes,
        "A party's public key of a channel that pins one of the plugin's providers.",
        'key = await node.channel_key(channel_id, "funding", 0)',
        channel_key,
    ),
    Offer(
        "sign",
        "sign",
        Sign,
        bytes,
        "Signs an input with a key of the plugin's, shown the whole transaction.",
        'signature = await node.sign(KeyName("vault", 0), Spending(tx, spent, 0, WitnessKey()))',
        sign,
        early=True,
        dear=True,
    ),
    Offer(
        "sign_message",
        "sign",
        SignMessage,
        bytes,
        "Signs a message under the plugin's own tag.",
        'signature = await node.sign_message(KeyName("oracle", 0), "weather", b"rain")',
        sign_message,
        early=True,
        dear=True,
    ),
    Offer(
        "adaptor_sign",
        "sign",
        AdaptorSign,
        bytes,
        "Signs an input so that a secret is missing.",
        'pre = await node.adaptor_sign(KeyName("swap", 0), spending, point)',
        adaptor_sign,
        early=True,
        dear=True,
    ),
    Offer(
        "adaptor_verify",
        "",
        AdaptorCheck,
        bool,
        "Whether a secret would complete a pre-signature.",
        "assert await node.adaptor_verify(spending, point, pre)",
        adaptor_verify,
        early=True,
        dear=True,
    ),
    Offer(
        "adaptor_complete",
        "",
        AdaptorComplete,
        bytes,
        "Completes a pre-signature with the secret.",
        "signature = await node.adaptor_complete(spending, secret, pre)",
        adaptor_complete,
        early=True,
        dear=True,
    ),
    Offer(
        "adaptor_secret",
        "",
        AdaptorSecret,
        bytes,
        "The secret, from a pre-signature and what was made of it.",
        "secret = await node.adaptor_secret(point, pre, signature)",
        adaptor_secret,
        early=True,
        dear=True,
    ),
    Offer(
        "musig_nonce",
        "sign",
        KeyName,
        PublicNonce,
        "A nonce for one signature that several keys make together.",
        'ours = await node.musig_nonce(KeyName("pool", 0))',
        musig_nonce,
        early=True,
        dear=True,
    ),
    Offer(
        "musig_partial",
        "sign",
        MusigPartial,
        bytes,
        "The plugin's part of that signature.",
        "part = await node.musig_partial(ours.session, together)",
        musig_partial,
        early=True,
        dear=True,
    ),
    Offer(
        "musig_combine",
        "",
        MusigCombine,
        bytes,
        "Makes the signature of all parts, each of which it checks.",
        "signature = await node.musig_combine(together, (part, theirs))",
        musig_combine,
        early=True,
        dear=True,
    ),
)
