"""What a gateway is started with, and where it is found."""

from __future__ import annotations

from pathlib import Path

import msgspec

from onetape.accounts.transfers import SETTLED_AFTER
from onetape.ipc.names import process_socket
from onetape.model.proxy import Proxy
from onetape.model.time import SECOND
from onetape.options.bridge import BridgeOptions
from onetape.orders.calls import Destination

__all__ = ["GatewayOptions", "HubOfGateway", "WithdrawalTarget", "gateway_socket"]


def gateway_socket(home: Path, account: str) -> Path:
    return process_socket(home, f"gateway:{account}")


class FeeAssetOptions(msgspec.Struct, frozen=True):
    """Describes the asset that fees are paid in, and when it is bought. below, buy: of quote, decimal text."""

    asset: str
    quote: str
    below: str
    buy: str


class WithdrawalTarget(msgspec.Struct, frozen=True, kw_only=True):
    """Describes an account at another venue. wallet: that deposits come to there. to: its addresses, by currency."""

    venue: str
    wallet: str
    to: dict[str, Destination]


class HubOfGateway(msgspec.Struct, frozen=True, kw_only=True):
    """Says how a gateway reads the hub. journal: the hub's. symbols: whose market it is to bring. stale_ns: how late
    what it writes may be read."""

    journal: str
    symbols: list[str]
    stale_ns: int = 2 * SECOND


class GatewayOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what a gateway is started with. Its text shows no secret."""

    kind: str  # of venue
    account: str
    rest: str
    ws: str
    ws_private: str = ""  # of the account's stream, where it is another one
    ws_entry: str = ""  # of orders, where it is another one
    intents: str = "process"  # or "disk": an order leaves once its intent survives a loss of power
    rest_wallet: str = ""  # where money is moved between wallets; "": nowhere
    order_entry: str = "rest"  # or "socket": REST then takes what the socket does not
    key: str
    secret: str
    api_config_key: str = ""  # of pacifica: requests are counted for it, and not for the address
    home: str
    symbols: list[str]
    books: list[str] = []  # of them, whose depth is on the tape whether robots want it or not
    position_max: dict[str, float] = {}
    order_max: dict[str, float] = {}
    price_band: float = 0
    orders_per_second: int = 0
    order_value_max: dict[str, str] = {}  # currency -> decimal text
    open_value_max: dict[str, str] = {}
    open_orders_max: int = 0
    allowed: list[str] = []  # symbols that may be opened; []: all of `symbols`
    messages_per_second: int = 0
    executions_max: int = 0  # of one sub-account within executions_ns; then it is halted
    executions_ns: int = 0
    dead_man_ns: int = 0
    orphans: str = "cancel"
    venue: str = ""  # its name in the configuration
    subaccounts: dict[str, int] = {}  # name -> slot
    credit: dict[str, str] = {}  # currency -> decimal text
    check_every_ns: int = 60 * SECOND
    stale_ns: int = 10 * SECOND  # how far behind this tape a robot may decide; 0: no limit
    leverage: float = 1.0
    cross_internally: bool = False
    commands: str = "disk"  # or "process": a command is done once the tape has it there
    siblings: dict[str, str] = {}  # other accounts of the venue: what it calls them, or MASTER
    withdraw: dict[str, WithdrawalTarget] = {}  # by account: where money may be sent, and nowhere else
    transfer_deadline_ns: int = 120 * SECOND
    # How old a transfer that the venue's history does not show is before it has not been made.
    transfer_settled_ns: int = SETTLED_AFTER
    # What is written of orders and money from one checkpoint to the next, in frames.
    checkpoint_records: int = 20_000
    fee_asset: FeeAssetOptions | None = None  # that is bought when it runs out
    proxy: Proxy | None = None  # by which it reaches its venue
    bridge: BridgeOptions | None = None  # of kinds `ccxt:`; rest is "" then, or another address
    hub: HubOfGateway | None = None  # whose market it reads; None: it follows the venue's itself
    hedge: bool | None = None  # the mode that the account has to be in; None: that in which it is found
    is_guarded: bool = False  # nothing new is opened but while a guardian watches
    is_slow: bool = False  # each order is judged by the list of rules, as a reference for the core
    is_new: bool = False  # the exchange began with this gateway: nothing of an earlier life is there

    def __repr__(self) -> str:
        return f"GatewayOptions(account={self.account!r}, rest={self.rest!r})"
