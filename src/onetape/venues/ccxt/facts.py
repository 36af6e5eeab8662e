"""The differences between venues behind ccxt that matter to an order. Source: the code of ccxt 4.5.90 (exchange
classes, `createOrder`, `fetchOrder`), read 2026-11. Of exchanges that are not in the table the least is assumed.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from onetape.venues.client_ids import UUID_CHARS

__all__ = ["FACTS", "READ", "Facts", "facts_of"]

READ: Final = "2026-11-01"  # the code was read in this month


class Facts(NamedTuple):
    """The facts of one exchange of ccxt.

    client_id: notation of our order id: `text`, `hex` (0x and 32 digits), `uuid`, or `short` (up to 18 letters, longer
    ids as UUID). by_client_id: the parameter by which fetchOrder finds an order by our id; "": fetchOrder cannot.
    proves_absence: the venue refuses late requests and can be queried by our id, so an order that it does not know long
    after sending will never exist. Else such an order stays UNKNOWN. amends: the venue amends in place, so that the
    order keeps its ids and parameters. At Hyperliquid an amendment makes another order, which ccxt sends without our
    id; at other venues it is unknown, so nothing is amended. codes: the table for errors without a class in ccxt:
    `binance`, `kraken` or "". offsets: the parameter of fetchMyTrades that skips trades; "": pages are separated by
    time. post_only_as_tif: post-only is a time in force there (`PO`); the flag is ignored. price_of_market: market
    orders need a price, from which the slippage is measured. market_buys: spot market buys take a quantity; else they
    take an amount of money, and are refused here.
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
    in_order: bool = False  # requests of one key must arrive in order
    poll_s: float = 2.0  # interval at which lists are read without a stream
    options: Mapping[str, Any] = MappingProxyType({})  # for ccxt
    simulated: str = ""  # its name in `onetape sim`


FACTS: Final[dict[str, Facts]] = {
    "okx": Facts(by_client_id="clientOrderId", amends=True),
    # fetchOrder finds only the last 500 orders, and raises an error until this is acknowledged.
    "bybit": Facts(client_id_chars=36, amends=True, options={"recvWindow": 5000}),
    "hyperliquid": Facts(
        client_id="hex", client_id_chars=UUID_CHARS, by_client_id="clientOrderId", price_of_market=True
    ),
    # Aster uses Binance's codes.
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
    """Returns the facts of an exchange; the defaults of `Facts` if it is not in the table."""
    return FACTS.get(exchange, Facts())
