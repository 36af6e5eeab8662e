"""Aster's differences from Binance USD-M.

Source: asterdex/api-docs V3(Recommended), of 2026-06: requests are signed by a wallet with a nonce, conditional orders
are ordinary orders, streams have no categories, an amendment names no side.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, Final

from onetape.orders.budget import BudgetRule
from onetape.orders.calls import Purpose, Traits, TriggerBounds
from onetape.orders.reports import AccountModeReport
from onetape.venues.aster import transfers
from onetape.venues.aster.signing import TESTNET, WalletSigner
from onetape.venues.binance.family import USDM_MARKET, Family, WalletSide
from onetape.venues.endpoint import Endpoint
from onetape.venues.key_check import KeyRights

__all__ = ["ASTER", "TESTNET_ASTER"]


def _modes(value: Any) -> AccountModeReport:
    """Reads the position mode from the rows of positions, because the account does not name it: in hedge mode no row is
    for both sides."""
    return AccountModeReport(
        hedge=not any(row["positionSide"] == "BOTH" for row in value["positions"]),
        multi_assets=bool(value.get("multiAssetsMargin")),
        can_trade=bool(value["canTrade"]),
        can_withdraw=bool(value["canWithdraw"]),
    )


_WALLETS: Final = WalletSide(
    transfers.transfer_terms,
    transfers.history_terms,
    transfers.transfer_reports,
    {"spot": (Endpoint(Purpose.WALLETS, "GET", "/api/v3/account", 5), {})},
    Endpoint(Purpose.MODES, "GET", "/fapi/v3/agent", 1),
    KeyRights.of_agents,
    (BudgetRule(60_000_000_000, 1_200, "x-mbx-used-weight-1m"),),  # the lower of two documented limits
    weights=(5, 30),
)
ASTER: Final = Family(
    name="aster",
    venue="aster",
    signed="/fapi/v3",
    balances=Endpoint(Purpose.BALANCES, "GET", "/fapi/v3/balance", 5),
    modes=Endpoint(Purpose.MODES, "GET", "/fapi/v3/accountWithJoinMargin", 5),
    traits=Traits(
        conditionals=False,
        triggers_max=TriggerBounds(symbol=10),  # from its listings
        forced=("autoclose-", "adl_autoclose", "settlement_autoclose-"),
    ),
    signer=WalletSigner,
    headers=lambda _key: {},
    read_modes=_modes,
    wallet_side=_WALLETS,
    has_algo=False,
    has_nonces=True,
    signs_listen_key=True,
    amends_side=False,
    public=USDM_MARKET._replace(has_open_interest=False),
    pages_income=False,
    ways=("", "", ""),
    # As in typed-aster 0.7.0 (2026-10), which has them from the venue.
    said={"signature check failed": -1022, "no agent found": -2015},
)
TESTNET_ASTER: Final = replace(ASTER, signer=partial(WalletSigner, chain=TESTNET))
