"""What differs between venues that are reached through ccxt, as far as it matters to an order.

Read in the sources of ccxt 4.5.90 (exchange classes, `createOrder`, `fetchOrder`), 2026-11. What is
not in the table is taken to be able to do the least.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from onetape.venues.client_ids import UUID_CHARS

__all__ = ["FACTS", "Facts", "facts_of"]


class Facts(NamedTuple):
    """The facts of one exchange of ccxt.

    client_id: how an order's id of ours is written: `text`, `hex` (0x and 32 digits), `uuid`, or `short`
        (18 letters, longer ones as UUID).
    by_client_id: the parameter with which fetchOrder finds an order by our id; "": it cannot.
    proves_absence: the venue refuses requests that are late, and answers for our id itself, so that
        an order that it does not know long after it was sent will never be. Else it stays UNKNOWN.
    amends: in place, so that the order keeps its ids and terms. Hyperliquid's is another order,
        which ccxt sends without our id; elsewhere it is not known, and nothing is amended.
    codes: whose table of errors is looked into where ccxt has no class: `binance`, `kraken` or "".
    offsets: the parameter of fetchMyTrades that skips trades; "": pages are told by their times.
    post_only_as_tif: post-only is a time in force there (`PO`); the other way is passed over.
    price_of_market: market orders need a price to count their slippage from.
    market_buys: of spot, by quantity; elsewhere they are by money, and refused here.
    """

    client_id: str = "text"
    client_id_chars: int = 32
    by_client_id: str = ""
    proves_absence: bool = False
    amends: bool = False
    codes: str = ""
    offsets: str = ""
    post_only_as_tif: bool = False
    price_of_market: bool = False
    market_buys: bool = False
    in_order: bool = False  # requests of a key have to arrive in order
    poll_s: float = 2.0  # how often lists are asked for, where no stream says when
    options: Mapping[str, Any] = MappingProxyType({})  # of ccxt
    simulated: str = ""  # what `onetape sim` calls it


FACTS: Final[dict[str, Facts]] = {
    "okx": Facts(by_client_id="clientOrderId", amends=True),
    # fetchOrder finds only the last 500 orders, and says so by an error until it is told to.
    "bybit": Facts(client_id_chars=36, amends=True, options={"recvWindow": 5000}),
    "hyperliquid": Facts(
        client_id="hex", client_id_chars=UUID_CHARS, by_client_id="clientOrderId", price_of_market=True
    ),
    # Its codes are those of Binance.
    "aster": Facts(
        client_id_chars=36,
        codes="binance",
        by_client_id="clientOrderId",
        proves_absence=True,
        options={"recvWindow": 5000},
    ),
    "pacifica": Facts(client_id="uuid", client_id_chars=UUID_CHARS, post_only_as_tif=True, poll_s=5.0),
    "binanceusdm": Facts(
        client_id_chars=36,
        by_client_id="origClientOrderId",
        codes="binance",
        amends=True,
        proves_absence=True,
        options={"recvWindow": 5000},
        simulated="binance-usdm",
    ),
    "kraken": Facts(
        client_id="short",
        client_id_chars=UUID_CHARS,
        amends=True,
        codes="kraken",
        offsets="ofs",
        market_buys=True,
        in_order=True,
        poll_s=10.0,
        simulated="kraken",
    ),
}


def facts_of(exchange: str) -> Facts:
    """Returns the least that can be relied on, for one that is not in the table."""
    return FACTS.get(exchange, Facts())
