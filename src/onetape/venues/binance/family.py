"""The differences between venues with Binance's protocol: paths, signatures, words.

`signed` is the root of an account's paths; the public paths of all USD-M markets are under /fapi/v1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from onetape.orders.budget import BudgetRule
from onetape.orders.calls import Purpose, Traits, TransferRoute, TriggerBounds
from onetape.orders.outcome import Outcome
from onetape.orders.reports import AccountModeReport, TransferReport
from onetape.venues.binance.errors import ERRORS, TEXT_503
from onetape.venues.binance.signing import Signer, signer_of
from onetape.venues.binance.transfers import BinanceTransfers
from onetape.venues.endpoint import Endpoint
from onetape.venues.error_tables import ErrorRow
from onetape.venues.key_check import KeyRights

__all__ = ["BINANCE", "USDM_MARKET", "Endpoints", "Family", "PublicMarket", "WalletSide"]

_Terms = tuple[str, dict[str, str]]  # path and parameters


class WalletSide(NamedTuple):
    """The wallet service of a venue: wallets, transfers between them, rights of a key. weights: of a transfer, and of a
    query of the transfers' history. wallets: wallet name -> query of its balances. read_rights: reads the answer to
    `rights`; its second argument is the signing wallet, "": none."""

    transfer: Callable[[TransferRoute, str, int, str], _Terms | None]
    history: Callable[[TransferRoute, int, str, str], _Terms | None]
    read: Callable[[Any, Mapping[str, str]], tuple[list[TransferReport], str]]
    wallets: Mapping[str, tuple[Endpoint, dict[str, str]]]
    rights: Endpoint
    read_rights: Callable[[Any, str], KeyRights | None]
    budget: tuple[BudgetRule, ...]
    weights: tuple[int, int] = (1, 1)
    read_deposits: Callable[[Any, Mapping[str, str]], tuple[list[TransferReport], str]] = BinanceTransfers(
        "spot", ""
    ).deposit_reports


class PublicMarket(NamedTuple):
    """The public requests of a market. root: of paths. weights: an address's limit. depth, quotes, trades, turnover:
    the weights of a snapshot of a thousand levels, all quotes, a page of trades, all turnovers. bars: (n, weight of a
    request for fewer than n bars). has_marks, has_open_interest: they are polled."""

    root: str
    weights: BudgetRule
    depth: int
    quotes: int
    trades: int
    turnover: int
    bars: tuple[tuple[int, int], ...]
    has_marks: bool = True
    has_open_interest: bool = True


# "Kline/Candlestick Data", "Compressed/Aggregate Trades List", "Symbol Order Book Ticker" and "24hr Ticker Price Change
# Statistics" of the USD-M documentation, and REQUEST_WEIGHT of exchangeInfo, read 2026-11.
USDM_MARKET: Final = PublicMarket(
    "/fapi/v1",
    BudgetRule(60_000_000_000, 2400, "x-mbx-used-weight-1m"),
    depth=20,
    quotes=5,
    trades=20,
    turnover=40,
    bars=((100, 1), (500, 2), (1001, 5), (1501, 10)),
)


@dataclass(frozen=True, slots=True)
class Family:
    """One venue of the family. venue: prefix of its symbols. has_algo: conditional orders are in a separate service,
    with ids of their own. has_nonces: requests carry a nonce instead of a time. ways: prefixes of the streams' paths:
    top of the book, market, account. pages_income: the income history has numbered pages; else the next page begins at
    the time of the last row. errors: the venue's table. texts_503: texts of HTTP status 503 that say its outcome. said:
    texts of refusals, in lower case, that the venue sends under the code of an unknown error -> the code to use."""

    name: str
    venue: str
    signed: str
    balances: Endpoint
    modes: Endpoint
    traits: Traits
    signer: Callable[[str, str], Signer]
    headers: Callable[[str], Mapping[str, str]]
    read_modes: Callable[[Any], AccountModeReport]
    wallet_side: WalletSide
    has_algo: bool = True
    has_nonces: bool = False
    signs_listen_key: bool = False
    amends_side: bool = True
    pages_income: bool = True
    ways: tuple[str, str, str] = ("/public", "/market", "/private")
    public: PublicMarket = USDM_MARKET
    errors: Mapping[int | str, ErrorRow] = field(default_factory=lambda: ERRORS)
    texts_503: Mapping[str, Outcome] = field(default_factory=lambda: TEXT_503)
    said: Mapping[str, int] = field(default_factory=dict)


class Endpoints:
    """The requests of an account. Pairs: for ordinary orders, for conditional orders."""

    def __init__(self, family: Family) -> None:
        def of(purpose: Purpose, method: str, name: str, weight: int, orders: int = 0) -> Endpoint:
            return Endpoint(purpose, method, f"{family.signed}/{name}", weight, orders)

        conditional = "algoOrder" if family.has_algo else "order"
        self.place = tuple(of(Purpose.PLACE, "POST", name, 0, 1) for name in ("order", conditional))
        self.cancel = tuple(of(Purpose.CANCEL, "DELETE", name, 1) for name in ("order", conditional))
        self.query = tuple(of(Purpose.QUERY, "GET", name, 1) for name in ("order", conditional))
        self.amend = of(Purpose.AMEND, "PUT", "order", 0, 1)
        self.open_orders = of(Purpose.OPEN_ORDERS, "GET", "openOrders", 40)
        self.open_conditionals = of(Purpose.OPEN_CONDITIONALS, "GET", "openAlgoOrders", 40)
        self.symbol_conditionals = (
            of(Purpose.OPEN_CONDITIONALS, "GET", "openAlgoOrders", 1)
            if family.has_algo
            else of(Purpose.OPEN_ORDERS, "GET", "openOrders", 1)
        )
        self.fills = of(Purpose.FILLS, "GET", "userTrades", 5)
        self.moves = of(Purpose.MOVES, "GET", "income", 30)
        self.positions = Endpoint(Purpose.POSITIONS, "GET", "/fapi/v3/positionRisk", 5)
        self.dead_man = of(Purpose.DEAD_MAN, "POST", "countdownCancelAll", 10)
        self.leverage = of(Purpose.LEVERAGE, "POST", "leverage", 1)
        self.stream_key = of(Purpose.STREAM_KEY, "POST", "listenKey", 1)
        self.keep_key = of(Purpose.KEEP_KEY, "PUT", "listenKey", 1)


def _modes(value: Any) -> AccountModeReport:
    return AccountModeReport(
        hedge=bool(value["dualSidePosition"]),
        multi_assets=bool(value["multiAssetsMargin"]),
        can_trade=bool(value["canTrade"]),
        can_withdraw=bool(value["canWithdraw"]),
    )


_TRANSFERS: Final = BinanceTransfers("spot", "")
_BINANCE_WALLETS: Final = WalletSide(
    _TRANSFERS.transfer_terms,
    _TRANSFERS.history_terms,
    _TRANSFERS.transfer_reports,
    # "Account information" of the spot REST, "Funding Wallet" of the wallet documentation, read 2026-11.
    {
        "spot": (Endpoint(Purpose.WALLETS, "GET", "/api/v3/account", 20), {"omitZeroBalances": "true"}),
        "funding": (Endpoint(Purpose.WALLETS, "POST", "/sapi/v1/asset/get-funding-asset", 1), {}),
    },
    Endpoint(Purpose.MODES, "GET", "/sapi/v1/account/apiRestrictions", 1),
    lambda value, _signer: KeyRights.of_binance(value),
    # Limits of /sapi requests, counted separately: "Limits" of the wallet documentation, read 2026-11.
    (BudgetRule(60_000_000_000, 12_000, "x-sapi-used-ip-weight-1m"),),
)
BINANCE: Final = Family(
    name="binance-usdm",
    venue="binance",
    signed="/fapi/v1",
    balances=Endpoint(Purpose.BALANCES, "GET", "/fapi/v3/balance", 5),
    modes=Endpoint(Purpose.MODES, "GET", "/fapi/v1/accountConfig", 5),
    # Liquidation, deleveraging, and settlement of delisted contracts: "Order Update", read 2026-11.
    traits=Traits(
        triggers_max=TriggerBounds(account=200), forced=("autoclose-", "adl_autoclose", "settlement_autoclose-")
    ),
    signer=lambda _key, secret: signer_of(secret),
    headers=lambda key: {"X-MBX-APIKEY": key},
    read_modes=_modes,
    wallet_side=_BINANCE_WALLETS,
)
