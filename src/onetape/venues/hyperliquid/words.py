"""Hyperliquid: tables from its words to ours."""

from __future__ import annotations

from typing import Any, Final

from onetape.model.enums import OrderNews, OrderState, Side, TimeInForce
from onetape.model.errors import (
    InsufficientFunds,
    OrderBelowMinNotional,
    OrderInvalid,
    OrderWouldCross,
    OrderWouldTrigger,
    PositionLimit,
    PriceBand,
    ReduceOnlyViolated,
    SelfTrade,
)
from onetape.venues.client_ids import client_id_of, uuid_of

__all__ = [
    "CURRENCY",
    "DUST",
    "FORCED",
    "INTERVALS",
    "SIDES",
    "SIDE_WORDS",
    "TIFS",
    "TIF_WORDS",
    "cloid_of",
    "forced_word",
    "name_of",
    "state_of",
]

CURRENCY: Final = "USDC"
DUST: Final = "Spot Dust Conversion"  # the venue's sale of less than a lot: its size is no number of lots
SIDE_WORDS: Final = {Side.BUY: "B", Side.SELL: "A"}
SIDES: Final = {word: side for side, word in SIDE_WORDS.items()}
TIF_WORDS: Final = {TimeInForce.GTC: "Gtc", TimeInForce.IOC: "Ioc"}
TIFS: Final = {word: tif for tif, word in TIF_WORDS.items()} | {
    "Alo": TimeInForce.GTC,
    "FrontendMarket": TimeInForce.IOC,
    "LiquidationMarket": TimeInForce.IOC,
}
INTERVALS: Final = {  # minutes of its bars
    **{f"{each}m": each for each in (1, 3, 5, 15, 30)},
    **{f"{each}h": 60 * each for each in (1, 2, 4, 8, 12)},
    "1d": 1440,
}
_STATES: Final = {
    "open": OrderState.ACCEPTED,
    "triggered": OrderState.TRIGGERED,
    "filled": OrderState.FILLED,
    "canceled": OrderState.CANCELED,
    "scheduledCancel": OrderState.CANCELED,
    "internalCancel": OrderState.CANCELED,
    "iocCancelRejected": OrderState.EXPIRED,  # an order without a match, not a refused one
    "marketOrderNoLiquidityRejected": OrderState.EXPIRED,
}
# Reasons with our numbers; a word that ends on Canceled or Rejected needs none.
_CODES: Final = {
    "badAloPxRejected": OrderWouldCross.code,
    "reduceOnlyRejected": ReduceOnlyViolated.code,
    "insufficientSpotBalanceRejected": InsufficientFunds.code,
    "minTradeSpotNtlRejected": OrderBelowMinNotional.code,
    "perpMarginRejected": InsufficientFunds.code,
    "minTradeNtlRejected": OrderBelowMinNotional.code,
    "badTriggerPxRejected": OrderWouldTrigger.code,
    "tickRejected": OrderInvalid.code,
    "oracleRejected": PriceBand.code,
    "tooManyOpenOrdersRejected": PositionLimit.code,
    "perpMaxPositionRejected": PositionLimit.code,
    "marginCanceled": InsufficientFunds.code,
    "reduceOnlyCanceled": ReduceOnlyViolated.code,
    "selfTradeCanceled": SelfTrade.code,
}
NEWS: Final = {
    OrderState.ACCEPTED: OrderNews.ACCEPTED,
    OrderState.TRIGGERED: OrderNews.TRIGGERED,
    OrderState.CANCELED: OrderNews.CANCELED,
    OrderState.EXPIRED: OrderNews.EXPIRED,
    OrderState.REJECTED: OrderNews.REJECTED,
}
# Kinds of fills by which the venue itself closes a position: client ids of such orders begin with these.
FORCED: Final = ("liquidation", "adl", "settlement")
_FORCED_DIRECTIONS: Final = {"Auto-Deleveraging": "adl", "Settlement": "settlement"}


def state_of(word: str) -> tuple[OrderState, int]:
    """Returns (state, our number of the reason or 0) of an order's status."""
    state = _STATES.get(word)
    if state is None:
        is_canceled, is_rejected = word.endswith("Canceled"), word.lower().endswith("rejected")
        state = OrderState.CANCELED if is_canceled else OrderState.REJECTED if is_rejected else OrderState.UNKNOWN
    return state, _CODES.get(word, 0)


def forced_word(row: dict[str, Any], user: str) -> str:
    """Returns why the venue made a fill of this user, "": an order of the user made it."""
    hit = row.get("liquidation")
    if hit and str(hit.get("liquidatedUser", user)).lower() == user.lower():
        return "liquidation"
    return _FORCED_DIRECTIONS.get(row["dir"], "")


def cloid_of(client_id: str) -> str:
    """Returns our id as the 128 bits that name an order at the venue."""
    return f"0x{uuid_of(client_id).replace('-', '')}"


def name_of(cloid: str | None, number: object) -> str:
    """Returns our id, the venue's cloid of an order of others, or its number if it has none."""
    return client_id_of(cloid) if cloid else str(number)
