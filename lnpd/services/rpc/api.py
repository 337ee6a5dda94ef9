"""What can a person or a program ask a running node?

`Backend` is what the RPC needs of the node, in the values of answers.py. What arrives here was checked for its form (a
node id is 66 hex digits, an amount is not negative), never for its sense. What a method raises is a class of
lnpd.errors; its text is shown to the person who asked.
"""

from collections.abc import Awaitable, Sequence
from typing import Any, Protocol

from lnpd_sdk.manifest import RpcMethod

from lnpd.rpc.answers import (
    Address,
    Backup,
    Channel,
    ChannelId,
    Closed,
    Coin,
    Commitment,
    Connected,
    DatabaseCopy,
    Decoded,
    Done,
    Estimate,
    Event,
    Finding,
    Forward,
    Funded,
    Funds,
    GrantsShown,
    HookShown,
    Info,
    Invoice,
    Listening,
    Log,
    Mined,
    NodeId,
    Opened,
    Paid,
    Payment,
    Peer,
    Plugin,
    PluginOption,
    Pong,
    Relayed,
    Sent,
    Setting,
    StoreCheck,
)


class EventLog(Protocol):
    """The stored events, as a subscriber reads them: it keeps its own place, so no queue can overflow."""

    async def since(self, sequence: int, limit: int) -> Sequence[Event]:
        """At most `limit` events later than `sequence`, oldest first."""
        ...

    async def newer(self, sequence: int) -> None:
        """Returns once an event later than `sequence` is stored; at once if one is."""
        ...

    async def last(self) -> int:
        """The sequence of the last stored event, 0 if there is none."""
        ...


class Backend(Protocol):
    """What the node does for whoever asks over the RPC. A method may be called many times at once and be cancelled."""

    # --- the node

    async def info(self, features: bool = False, limits: bool = False) -> Info:
        """The node as a whole; with its features, and with its limits, if they are asked for."""
        ...

    async def doctor(self) -> tuple[Finding, ...]:
        """What is wrong, and what mends it, check by check."""
        ...

    async def history(self, since: int, limit: int) -> tuple[Event, ...]:
        """At most `limit` stored events later than `since`, oldest first."""
        ...

    async def stop(self) -> Done:
        """Begins to stop the node, as SIGTERM does, and returns at once: the answer still goes out."""
        ...

    async def backup(self) -> Backup:
        """Where the backups of the channels are, and what they hold."""
        ...

    async def backup_database(self, file: str) -> DatabaseCopy:
        """Copies the database to a file, for its user alone. DatabaseFailed."""
        ...

    async def check(self) -> StoreCheck:
        """Whether what is stored is consistent, and the chain says of each funding what its channel does."""
        ...

    async def log(self, lines: int, level: str | None, of: tuple[str, ...], since: int | None, follow: bool) -> Log:
        """The last lines of the log, or those later than `since`. ParameterRefused."""
        ...

    async def config(self, key: str | None) -> tuple[Setting, ...]:
        """What is in effect and who said it, of every option or of one. SettingRefused."""
        ...

    async def config_set(self, key: str, value: str) -> Setting:
        """Sets a dynamic option. SettingRefused, and for a plugin's as `plugin_set`."""
        ...

    async def config_unset(self, key: str) -> tuple[Setting, ...]:
        """Takes back what was set: what counts then, nothing for an entry that nobody else said. SettingRefused."""
        ...

    async def plugins(self) -> tuple[Plugin, ...]:
        """Every plugin, those too that did not start."""
        ...

    async def plugin_start(self, plugin: str) -> Plugin:
        """Starts a plugin by its path, or again by its name. PluginNotFound, PluginNotRunning."""
        ...

    async def plugin_stop(self, plugin: str) -> Plugin:
        """Stops a plugin. PluginNotFound."""
        ...

    async def plugin_reload(self, plugin: str) -> Plugin:
        """Puts a new process in the place of a plugin's. PluginNotFound, ReloadRefused."""
        ...

    async def plugin_options(self, plugin: str | None) -> tuple[PluginOption, ...]:
        """The options of the plugins that run, or of one. PluginNotFound, PluginNotRunning."""
        ...

    async def plugin_set(self, plugin: str, option: str, value: str) -> PluginOption:
        """Sets a dynamic option of a plugin that runs. PluginNotFound, PluginNotRunning, OptionRefused."""
        ...

    async def plugin_grants(self, plugin: str) -> GrantsShown:
        """What a plugin asked for, may do, and has done of it. PluginNotFound."""
        ...

    async def explain_hook(self, hook: str) -> HookShown:
        """Who takes part in a hook. NoSuchHook."""
        ...

    async def permit(self, method: str, params: dict[str, Any]) -> None:  # Any: each value has its parameter's kind
        """Whether a command that changes something may be run now. CommandVetoed says why not."""
        ...

    def plugin_methods(self) -> tuple[tuple[str, RpcMethod], ...]:
        """The RPC methods of the plugins that run now, each with its plugin's name."""
        ...

    async def call_plugin(self, method: str, params: dict[str, Any]) -> object:  # Any: a plugin's values are its own
        """Calls a plugin's RPC method; `params` were checked against its declaration."""
        ...

    # --- peers

    async def listen(self, address: str) -> Listening:
        """Listens at one more "host:port", until the node ends. ListenRefused if that is not possible."""
        ...

    async def connect(self, address: str) -> Connected:
        """Connects to "node_id@host:port" and exchanges `init`; at once if there is a connection.

        PeerUnreachable, WrongNodeId.
        """
        ...

    async def ping(self, peer: NodeId) -> Pong:
        """Sends a ping and waits for its pong. PeerNotConnected."""
        ...

    async def peers(self) -> tuple[Peer, ...]:
        """The peers that are connected or have channels with us."""
        ...

    async def disconnect(self, peer: NodeId) -> Done:
        """Ends the connection; one with channels is not made again until the peer or `connect` does.
        PeerNotConnected."""
        ...

    # --- the wallet

    async def address(self) -> Address:
        """A fresh address (P2WPKH)."""
        ...

    async def funds(self) -> Funds:
        """The wallet's coins and our balances in channels."""
        ...

    async def coins_release(self, outpoint: str, lose: bool) -> Coin:
        """Makes an ordinary coin of one that is held for a plugin; `lose` says that what the plugin has in it may be
        lost. CoinNotHeld, CoinHeld without `lose`."""
        ...

    async def rescan(self, from_height: int) -> Funds:
        """Reads the chain's past of every address again; what the wallet has then. ChainError."""
        ...

    async def send(
        self, address: str, amount_sat: int, feerate_per_kw: int | None, max_fee_sat: int | None = None
    ) -> Sent:
        """Pays from the wallet on chain, with at most `max_fee_sat` (None: what is modest for the amount).

        InsufficientFunds, FeeTooHigh, AddressRefused, ChainUnreachable.
        """
        ...

    async def mine(self, blocks: int) -> Mined:
        """Mines blocks on the regtest chain. OnlyOnRegtest, ChainUnreachable."""
        ...

    async def fund(self, amount_sat: int) -> Funded:
        """Lets the regtest faucet pay to our wallet, and mines what confirms it. OnlyOnRegtest, FaucetDry."""
        ...

    # --- channels

    async def open(
        self,
        peer: NodeId,
        amount_sat: int,
        push_msat: int,
        channel_type: str,
        providers: tuple[str, ...],
        feerate_per_kw: int | None,
        max_fee_sat: int | None = None,
    ) -> Opened:
        """Opens a channel; returns when its funding transaction is broadcast.

        `channel_type` is a name of BOLT 2 or of a plugin's type ("" chooses the best that both speak); `providers` are
        added to it, in order. The funding transaction pays at most `max_fee_sat` (None: what is modest for the amount).
        PeerNotConnected, InsufficientFunds, FeeTooHigh, ChainUnreachable, ChannelRefused with the peer's words.
        """
        ...

    async def channels(self, onchain: bool = False) -> tuple[Channel, ...]:
        """Every channel, until nothing of it is left to do on chain; with `onchain` those whose funding is spent."""
        ...

    async def commitment(self, channel: ChannelId, theirs: bool = False) -> Commitment:
        """The last commitment transaction that we hold, or the peer's. UnknownChannel, NoCommitment."""
        ...

    async def close(
        self,
        channel: ChannelId,
        force: bool,
        destination: str | None,
        not_restored: bool = False,
        max_fee_sat: int | None = None,
    ) -> Closed:
        """Closes a channel; returns when the closing transaction is broadcast.

        `destination` is an address for our balance, the wallet's if it is None. Without `force` the peer has to agree.
        With it, and before the peer was heard since the start, `not_restored` vouches that the database is no older
        copy. Of a channel that we opened, the close costs at most `max_fee_sat`. UnknownChannel, StateUnproven,
        CloseBlocked (names the provider that blocks it), PeerNotConnected, AddressRefused, FeeTooHigh.
        """
        ...

    async def relay(
        self,
        channel: ChannelId,
        fee_base_msat: int | None,
        fee_proportional_millionths: int | None,
        cltv_expiry_delta: int | None,
        htlc_minimum_msat: int | None,
        htlc_maximum_msat: int | None,
    ) -> Relayed:
        """What is asked for forwarding over a channel; what is given is set first, and told to the peer.

        UnknownChannel, RelayTermsRefused.
        """
        ...

    # --- payments

    async def invoice(self, amount_msat: int | None, description: str, expiry_seconds: int) -> Invoice:
        """Makes and stores an invoice."""
        ...

    async def invoices(self) -> tuple[Invoice, ...]:
        """Our last 100 invoices, newest first."""
        ...

    async def decode(self, invoice: str) -> Decoded:
        """Reads an invoice. An InvoiceError says what is wrong with it."""
        ...

    async def pay(
        self,
        invoice: str,
        amount_msat: int | None,
        timeout_seconds: int,
        route: tuple[str, ...] = (),
        max_fee_msat: int | None = None,
    ) -> Paid:
        """Pays an invoice; returns when it is paid. `amount_msat` is for an invoice that names none. `route` are the
        hops in order (routing/route, HOP_FORM), the payee last unless a hint of the invoice leads to it.

        PaymentFailed with the reason; PaymentPending if it is neither paid nor failed after `timeout_seconds`: it goes
        on, and to ask again waits for the same payment and never pays twice. InvoiceExpired, InvoiceError,
        RouteMalformed, RouteUnknown, RouteTooLong, RouteFeeTooHigh.
        """
        ...

    # --- what it would cost, before it is done; each raises what the command itself would raise before it begins

    async def estimate_send(
        self, address: str, amount_sat: int, feerate_per_kw: int | None, max_fee_sat: int | None = None
    ) -> Estimate:
        """Of `send`. InsufficientFunds, FeeTooHigh, AddressRefused."""
        ...

    async def estimate_open(
        self,
        peer: NodeId,
        amount_sat: int,
        push_msat: int,
        channel_type: str,
        providers: tuple[str, ...],
        max_fee_sat: int | None = None,
    ) -> Estimate:
        """Of `open`. PeerNotConnected, InsufficientFunds, FeeTooHigh, ChannelRefused."""
        ...

    async def estimate_close(self, channel: ChannelId, force: bool, max_fee_sat: int | None = None) -> Estimate:
        """Of `close`. UnknownChannel, FeeTooHigh."""
        ...

    async def estimate_pay(
        self, invoice: str, amount_msat: int | None, route: tuple[str, ...] = (), max_fee_msat: int | None = None
    ) -> Estimate:
        """Of `pay`. PaymentFailed, InvoiceExpired, InvoiceError, RouteFeeTooHigh."""
        ...

    async def forwards(self) -> tuple[Forward, ...]:
        """The last 100 HTLCs that passed through this node, or tried to, newest first."""
        ...

    async def payments(self) -> tuple[Payment, ...]:
        """Our last 100 payments, newest first."""
        ...


class Running(Protocol):
    """A node as its program sees it: made of a Config and a passphrase, started, stopped."""

    @property
    def api(self) -> Backend:
        """What the node does for whoever asks."""
        ...

    @property
    def ended(self) -> Awaitable[None]:
        """Done when `Backend.stop` was called; raises what keeps the node from going on (StoreHalted, ...)."""
        ...

    async def start(self) -> None:
        """Returns when the node is ready. What was begun is ended again if it raises."""
        ...

    async def stop(self) -> None:
        """Drains the mailboxes within 5 s, then ends everything."""
        ...
