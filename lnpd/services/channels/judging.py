"""What do this node's plugins say of a channel that opens: may a peer open it, and what does it pay its funding to?"""

from lnpd_sdk.types import ACCEPTOR, OPENER, Party

from lnpd.errors import ChannelTypeUnknown, FundingRefused, MainRefused, ScriptRefused
from lnpd.hooks.dispatch import Hooks
from lnpd.services.channels.judges import Judges
from lnpd.services.channels.opening import ALIASED, Kind, Kinds
from lnpd.wire.messages import FundingType, OpenChannel


async def judged(
    judges: Judges, kinds: Kinds, node_id: bytes, message: OpenChannel, minimum_depth: int
) -> tuple[Kind, int]:
    """What a peer's open_channel asks for, and how deep its funding has to be. Raises ChannelTypeUnknown, and
    ProtocolError if a plugin refuses it."""
    proposed = message.tlvs.funding_type
    kind = kinds.offered(message.tlvs.channel_type, message.tlvs.extensions, proposed)
    depth = await judges.opening(node_id, message, kind, minimum_depth)
    return await with_funding(judges.hooks, kind, node_id, ACCEPTOR, proposed), depth


async def with_funding(hooks: Hooks, kind: Kind, node_id: bytes, us: Party, proposed: FundingType | None) -> Kind:
    """The kind with its own funding script and main outputs, whose keys this node's plugins name. `proposed` is the
    opener's, for the other side. Raises ChannelTypeUnknown."""
    if kind.funding is None and kind.main is None:
        return kind
    try:
        theirs = dict(zip(kind.keys, proposed.keys if proposed else (), strict=proposed is not None))
        shown = {name: point.hex() for name, point in theirs.items()}
        answer = await _asked(hooks, kind, node_id, us, shown) if kind.keys else {}
        made = kind.paying({name: bytes.fromhex(point) for name, point in answer.items()})
    except ValueError:
        raise ChannelTypeUnknown(
            f"{kind.name}: a key of the funding is not in hex, or there are too many or few."
        ) from None
    except (FundingRefused, MainRefused, ScriptRefused) as error:
        raise ChannelTypeUnknown(f"{kind.name}: {error}") from None
    if proposed is not None and made.funding_type != proposed:
        raise ChannelTypeUnknown(f"{kind.name}: this node would not pay to these scripts and keys.")
    return made


async def _asked(hooks: Hooks, kind: Kind, node_id: bytes, us: Party, shown: dict[str, str]) -> dict[str, str]:
    plain = kind.name.removesuffix(ALIASED)  # the variant has the same funding
    answer = await hooks.chain(
        "funding_keys", None, channel_type=plain, node_id=node_id.hex(), opener=us == OPENER, proposed=shown
    )
    if answer is None:
        raise ChannelTypeUnknown(f"{kind.name}: no plugin of this node names the keys of the funding.")
    return dict(answer)
