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
    """The asset that fees are paid in, and when it is bought. below, buy: of quote, decimal text."""

    asset: str
    quote: str
    below: str
    buy: str


class WithdrawalTarget(msgspec.Struct, frozen=True, kw_only=True):
    """An account at another venue as target of withdrawals. wallet: that deposits come to there. to: its addresses, by
    currency."""

    venue: str
    wallet: str
    to: dict[str, Destination]


class HubOfGateway(msgspec.Struct, frozen=True, kw_only=True):
    """How a gateway reads the hub. journal: the hub's. symbols: whose market it has to provide. stale_ns: greatest age
    of its frames."""

    journal: str
    symbols: list[str]
    stale_ns: int = 2 * SECOND


class GatewayOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of a gateway. Its text shows no secret."""

    kind: str  # of venue
    account: str
    rest: str
    ws: str
    ws_private: str = ""  # of the account's stream, if it is another one
    ws_entry: str = ""  # of orders, if it is another one
    intents: str = "process"  # or "disk": an order leaves once its intent survives a loss of power
    rest_wallet: str = ""  # of the service for transfers between wallets; "": none
    order_entry: str = "rest"  # or "socket": REST then carries what the socket does not accept
    key: str
    secret: str
    api_config_key: str = ""  # of pacifica: requests are counted for it, instead of the address
    home: str
    symbols: list[str]
    books: list[str] = []  # of these, whose depth is on the tape even if no robot wants it
    position_max: dict[str, float] = {}
    order_max: dict[str, float] = {}
    price_band: float = 0
    orders_per_second: int = 0
    order_value_max: dict[str, str] = {}  # currency -> decimal text
    open_value_max: dict[str, str] = {}
    open_orders_max: int = 0
    allowed: list[str] = []  # symbols that may be opened; []: all of `symbols`
    messages_per_second: int = 0
    executions_max: int = 0  # of one sub-account within executions_ns; beyond it is halted
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
    commands: str = "disk"  # or "process": a command is executed once its record is there
    siblings: dict[str, str] = {}  # other accounts of the venue: its names of them, or MASTER
    withdraw: dict[str, WithdrawalTarget] = {}  # by account: the only allowed targets
    transfer_deadline_ns: int = 120 * SECOND
    # The age from which a transfer that the venue's history does not show has not been made.
    transfer_settled_ns: int = SETTLED_AFTER
    # The number of frames of orders and money between checkpoints.
    checkpoint_records: int = 20_000
    fee_asset: FeeAssetOptions | None = None  # the asset that is refilled when it runs low
    proxy: Proxy | None = None  # for the connections to its venue
    bridge: BridgeOptions | None = None  # of kinds `ccxt:`; rest is "" then, or another address
    hub: HubOfGateway | None = None  # the hub whose market it reads; None: it follows the venue's itself
    hedge: bool | None = None  # the required mode of the account; None: the one in which it is found
    is_guarded: bool = False  # nothing new is opened unless a guardian watches
    is_slow: bool = False  # each order is checked by the list of rules in Python, as a reference for the core
    is_new: bool = False  # the exchange began with this gateway: all earlier state is void

    def __repr__(self) -> str:
        return f"GatewayOptions(account={self.account!r}, rest={self.rest!r})"
