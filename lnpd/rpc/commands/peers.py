"""Which commands are there about peers? Rows of the one table."""

from typing import Final

from lnpd import errors
from lnpd.rpc import answers
from lnpd.rpc.commands.table import PEER, PEERS, Command, Parameter

PEERS_COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        "listen",
        PEERS,
        "Listen for peers at one more address until the node ends.",
        answers.Listening,
        (Parameter("address", "listen_address", "host:port"),),
        mutating=True,
        examples=("lnp listen 127.0.0.1:9735",),
        refused=(errors.ListenRefused,),
    ),
    Command(
        "connect",
        PEERS,
        "Connect to a peer.",
        answers.Connected,
        (Parameter("address", "peer_address", "node_id@host:port; the node id alone if it was connected to before"),),
        mutating=True,
        examples=("lnp connect 0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798@127.0.0.1:9735",),
        refused=(
            errors.PeerUnreachable,
            errors.WrongNodeId,
        ),
    ),
    Command(
        "ping",
        PEERS,
        "Send a ping and time its pong.",
        answers.Pong,
        (PEER,),
        examples=("lnp ping 0279be",),
        refused=(
            errors.UnknownPeer,
            errors.PeerNotConnected,
        ),
    ),
    Command("peers", PEERS, "List the peers.", tuple[answers.Peer, ...]),
    Command(
        "disconnect",
        PEERS,
        "End a connection.",
        answers.Done,
        (PEER,),
        mutating=True,
        examples=("lnp disconnect 0279be",),
        refused=(
            errors.UnknownPeer,
            errors.PeerNotConnected,
        ),
    ),
)
