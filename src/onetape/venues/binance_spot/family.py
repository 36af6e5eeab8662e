"""Binance spot's differences from Binance USD-M, of those that a record of the family has.

Source: "General API Information", "General endpoints", "Market Data endpoints" and "Account Endpoints" of the spot
documentation, as of 2026-07.
"""

from __future__ import annotations

from typing import Any, Final

from onetape.orders.budget import BudgetRule
from onetape.orders.calls import Purpose, Traits, TriggerBounds
from onetape.orders.reports import AccountModeReport
from onetape.venues.binance.family import Family, PublicMarket, WalletSide
from onetape.venues.binance.signing import signer_of
from onetape.venues.binance.transfers import BinanceTransfers
from onetape.venues.binance_spot.errors import ERRORS
from onetape.venues.endpoint import Endpoint
from onetape.venues.key_check import KeyRights

__all__ = ["MARKET", "SPOT"]

MARKET: Final = PublicMarket(
    "/api/v3",
    BudgetRule(60_000_000_000, 6000, "x-mbx-used-weight-1m"),
    depth=50,
    quotes=4,
    trades=4,
    turnover=80,
    bars=((1001, 2),),
    has_marks=False,
    has_open_interest=False,
)


def _modes(value: Any) -> AccountModeReport:
    return AccountModeReport(
        hedge=False,
        multi_assets=False,
        can_trade=bool(value["canTrade"]),
        can_withdraw=bool(value["canWithdraw"]),
        account=str(value.get("uid") or ""),
    )


_TRANSFERS: Final = BinanceTransfers("", "usdm")
_ACCOUNT: Final = "/api/v3/account"
SPOT: Final = Family(
    name="binance-spot",
    venue="binance",
    signed="/api/v3",
    balances=Endpoint(Purpose.BALANCES, "GET", _ACCOUNT, 20),
    modes=Endpoint(Purpose.MODES, "GET", _ACCOUNT, 20),
    traits=Traits(positions=False, conditionals=False, triggers_max=TriggerBounds(symbol=5)),
    signer=lambda _key, secret: signer_of(secret),
    headers=lambda key: {"X-MBX-APIKEY": key},
    read_modes=_modes,
    wallet_side=WalletSide(
        transfer=_TRANSFERS.transfer_terms,
        history=_TRANSFERS.history_terms,
        read=_TRANSFERS.transfer_reports,
        read_deposits=_TRANSFERS.deposit_reports,
        wallets={"funding": (Endpoint(Purpose.WALLETS, "POST", "/sapi/v1/asset/get-funding-asset", 1), {})},
        rights=Endpoint(Purpose.MODES, "GET", "/sapi/v1/account/apiRestrictions", 1),
        read_rights=lambda value, _signer: KeyRights.of_binance(value, trade="enableSpotAndMarginTrading"),
        budget=(BudgetRule(60_000_000_000, 12_000, "x-sapi-used-ip-weight-1m"),),
    ),
    has_algo=False,
    public=MARKET,
    errors=ERRORS,
    texts_503={},
)
