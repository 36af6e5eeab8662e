"""The options of a gateway, and the paths of its files."""

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
    """The asset that pays fees, and when it is bought. below, buy: amounts of quote, decimal text."""

    asset: str
    quote: str
    below: str
    buy: str


class WithdrawalTarget(msgspec.Struct, frozen=True, kw_only=True):
    """An account at another venue as target of withdrawals. wallet: its wallet that receives deposits. to: currency
    -> address."""

    venue: str
    wallet: str
    to: dict[str, Destination]


class HubOfGateway(msgspec.Struct, frozen=True, kw_only=True):
    """How a gateway reads the hub. journal: the hub's journal. symbols: those whose market data come from the hub.
    stale_ns: maximum age of its frames."""

    journal: str
    symbols: list[str]
    stale_ns: int = 2 * SECOND


class GatewayOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of a gateway. Its repr shows no secret."""

    kind: str  # kind of venue
    account: str
    rest: str
    ws: str
    ws_private: str = ""  # address of the account's stream, if not `ws`
    ws_entry: str = ""  # address for orders, if not `ws`
    # disk, replicated: an order is sent only when its record survives a loss of power, or of this machine
    durability: str = "process"
    is_leased: bool = False  # it trades only while this host holds the account's lease
    rest_wallet: str = ""  # address of the API for transfers between wallets; "": none
    order_entry: str = "rest"  # or "socket"; REST is still used for requests that the socket does not support
    key: str
    secret: str
    third_secret: str = ""  # of some venues: a password, or a key that raises request limits
    home: str
    symbols: list[str]
    books: list[str] = []  # symbols whose depth is recorded even if no robot subscribes
    position_max: dict[str, float] = {}
    order_max: dict[str, float] = {}
    price_band: float = 0
    orders_per_second: int = 0
    order_value_max: dict[str, str] = {}  # currency -> decimal text
    open_value_max: dict[str, str] = {}
    open_orders_max: int = 0
    allowed: list[str] = []  # symbols that may be opened; []: all of `symbols`
    messages_per_second: int = 0
    executions_max: int = 0  # more fills of a sub-account within executions_ns halt it
    executions_ns: int = 0
    dead_man_ns: int = 0
    orphans: str = "cancel"
    venue: str = ""  # name of the venue section
    subaccounts: dict[str, int] = {}  # name -> slot
    credit: dict[str, str] = {}  # currency -> decimal text
    check_every_ns: int = 60 * SECOND
    stale_ns: int = 10 * SECOND  # maximum age of the market data behind a robot's order; 0: no limit
    leverage: float = 1.0
    cross_internally: bool = False
    commands: str = "disk"  # or "process": where a command is recorded before it is executed
    siblings: dict[str, str] = {}  # other accounts of the venue -> the venue's name of them, or MASTER
    withdraw: dict[str, WithdrawalTarget] = {}  # account -> allowed target; withdrawals go to no other
    transfer_deadline_ns: int = 120 * SECOND
    # Age after which a transfer missing in the venue's history counts as not made.
    transfer_settled_ns: int = SETTLED_AFTER
    # Frames of orders and money between two checkpoints.
    checkpoint_records: int = 20_000
    fee_asset: FeeAssetOptions | None = None  # the asset that is refilled when it runs low
    proxy: Proxy | None = None  # for the connections to its venue
    bridge: BridgeOptions | None = None  # for kinds `ccxt:`; `rest` is then "" or another address
    hub: HubOfGateway | None = None  # the hub that it reads; None: it follows the venue's market itself
    isolated: bool = False  # orders name isolated margin
    hedge: bool | None = None  # required position mode; None: accept the account's mode
    is_guarded: bool = False  # no position is opened without a running guardian
    is_slow: bool = False  # check orders by the rules in Python instead of the core, as a reference
    is_new: bool = False  # the exchange starts empty: earlier state is discarded

    def __repr__(self) -> str:
        return f"GatewayOptions(account={self.account!r}, rest={self.rest!r})"
