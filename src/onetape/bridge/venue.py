"""Requests for one account at one venue, through ccxt.

Orders are canceled and amended by the venue's id, which every venue accepts: the answer to the placing contains it,
else it is looked up in the list of open orders. Answers contain only certain facts: `proof` is set only if the venue
itself was queried by our id.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, Final

from onetape.bridge.pages import FEW, PAGE_MAX, Page
from onetape.bridge.rows import market_row, number, order_row, position_row, trade_row

__all__ = ["Venue"]

IDS_KEPT: Final = 20_000
LOOK_BACK_MS: Final = 60_000


class Venue:
    """Runs requests on ccxt. `errors` are ccxt's classes. Verbs take the request as a dictionary and return plain
    values; they raise ccxt's errors."""

    def __init__(self, exchange: Any, errors: Any, said: dict[str, Any]) -> None:
        self.exchange = exchange
        self.by_client_id: str = said.get("by_client_id", "")  # a parameter of fetchOrder, or ""
        self.amends: bool = said.get("amends", False)
        self.offsets: str = said.get("offsets", "")  # a parameter that skips trades, or ""
        self.symbols: list[str] = said["symbols"]
        self.listeners: list[Callable[[str], None]] = []  # called after our own actions in a symbol
        self.open_ids: dict[str, str] = {}  # venue's id -> symbol, of possibly working orders
        self._errors = errors
        self._ids: OrderedDict[str, str] = OrderedDict()  # our id -> the venue's
        self._line = asyncio.Lock() if said.get("in_order") else None

    async def open(self) -> None:
        """Loads the venue's markets."""
        await self.exchange.load_markets()
        self.choose_kind()

    def choose_kind(self) -> None:
        """Sets ccxt's default market type to that of the symbols: some venues have one account for spot and one for
        contracts."""
        kinds = {self.exchange.markets[each]["type"] for each in self.symbols if each in self.exchange.markets}
        if kinds:
            self.exchange.options["defaultType"] = "spot" if kinds == {"spot"} else "swap"

    async def call(self, name: str, *arguments: Any, **named: Any) -> Any:
        """Calls a method of ccxt; one call at a time if the venue allows a key only that."""
        method: Callable[..., Awaitable[Any]] = getattr(self.exchange, name)
        if self._line is None:
            return await method(*arguments, **named)
        async with self._line:
            return await method(*arguments, **named)

    def has(self, name: str) -> bool:
        """Tells whether ccxt supports a method natively. An emulated amendment does not count: it is a cancel and a new
        order."""
        return self.exchange.has.get(name) is True

    # --- orders -----------------------------------------------------------------------------------

    async def place(self, said: dict[str, Any]) -> dict[str, Any]:
        symbol, amount, price = said["symbol"], float(said["amount"]), said.get("price")
        params: dict[str, Any] = said.get("params", {})
        self._takes(symbol, params)
        self._on_steps(symbol, said["amount"], price if said["type"] == "limit" else None)
        order = await self.call(
            "create_order",
            symbol,
            said["type"],
            said["side"],
            amount,
            None if price is None else float(price),
            {**params, "clientOrderId": said["client"]},
        )
        number_of_venue = str(order.get("id") or "")
        self.note(said["client"], number_of_venue, symbol)
        self._changed(symbol)
        return {"id": number_of_venue}

    def _takes(self, symbol: str, params: dict[str, Any]) -> None:
        """Raises NotSupported for a time in force that ccxt does not list for the venue: it might be dropped without an
        error."""
        wanted = params.get("timeInForce") or ("PO" if params.get("postOnly") else "GTC")
        there = (self._features(symbol).get("createOrder") or {}).get("timeInForce") or {}
        if wanted != "GTC" and not there.get(wanted):
            what = f"{wanted} of {symbol}"
            raise self._errors.NotSupported(f"ccxt does not list {what} for {self.exchange.id}")

    def _features(self, symbol: str) -> dict[str, Any]:
        """Returns ccxt's list of features for the symbol's kind of market."""
        kind = self.exchange.markets[symbol]
        of = (self.exchange.features or {}).get(kind["type"]) or {}
        return of.get("linear" if kind.get("linear") else "inverse") or of

    def _on_steps(self, symbol: str, amount: str, price: str | None) -> None:
        """Raises InvalidOrder for an amount or price that ccxt would round silently, because that would be another
        order."""
        texts = [("quantity", amount, self.exchange.amount_to_precision(symbol, float(amount)))]
        if price is not None:
            kept = self.exchange.price_to_precision(symbol, float(price))
            texts.append(("price", price, kept))
        for what, own_text, kept in texts:
            if Decimal(own_text) != Decimal(kept):
                raise self._errors.InvalidOrder(f"{what} {own_text} is off the venue's steps: it would become {kept}")

    async def cancel(self, said: dict[str, Any]) -> dict[str, Any]:
        symbol = said["symbol"]
        found = await self._id_of(said)
        await self.call("cancel_order", found, symbol)
        self._changed(symbol)
        return {"id": found}

    async def amend(self, said: dict[str, Any]) -> dict[str, Any]:
        if not self.amends or not self.has("editOrder"):
            raise self._errors.NotSupported(f"{self.exchange.id} cannot amend an order")
        symbol = said["symbol"]
        self._on_steps(symbol, said["amount"], said.get("price"))
        found = await self._id_of(said)
        price = said.get("price")
        await self.call(
            "edit_order",
            found,
            symbol,
            said["type"],
            said["side"],
            float(said["amount"]),
            None if price is None else float(price),
        )
        # Not the id in the answer: at Kraken that is the id of the amendment.
        self._changed(symbol)
        return {"id": found}

    async def _id_of(self, said: dict[str, Any]) -> str:
        """Returns the venue's id of an order of ours that should be working."""
        venue_id = self._ids.get(said["client"])
        if venue_id:
            return venue_id
        for row in await self.open_orders_of(said["symbol"]):
            if row["client"] == said["client"]:
                return str(row["id"])
        raise self._errors.OrderNotFound("not among the open orders")

    def _changed(self, symbol: str) -> None:
        for each in self.listeners:
            each(symbol)

    def note(self, client: str, number_of_venue: str, symbol: str) -> None:
        """Stores the venue's id of an order."""
        if not number_of_venue:
            return
        self.open_ids[number_of_venue] = symbol
        if client:
            self._ids[client] = number_of_venue
            if len(self._ids) > IDS_KEPT:
                self._ids.popitem(last=False)

    # --- queries ----------------------------------------------------------------------------------

    async def order(self, said: dict[str, Any]) -> dict[str, Any]:
        """Finds an order by the venue's id, by our id, then in the lists of open and of ended orders."""
        symbol, client = said["symbol"], said.get("client", "")
        venue_id = said.get("id") or self._ids.get(client, "")
        if venue_id:
            row = await self._fetch(venue_id, symbol)
            if row is not None:
                return {"order": row, "proof": True}
        if client and self.by_client_id:
            row = await self._fetch(client, symbol, {self.by_client_id: client})
            if row is not None or not venue_id:
                return {"order": row, "proof": True}
        for row in await self.open_orders_of(symbol):
            if _is(row, venue_id, client):
                return {"order": row, "proof": True}
        for name in self._lists_of_ended():
            for order in await self.call(name, symbol, said["since"] - LOOK_BACK_MS):
                if _is(row := order_row(order), venue_id, client):
                    return {"order": row, "proof": True}
        return {"order": None, "proof": False}

    def _lists_of_ended(self) -> list[str]:
        if self.has("fetchOrders"):
            return ["fetch_orders"]
        if self.has("fetchCanceledAndClosedOrders"):
            return ["fetch_canceled_and_closed_orders"]
        lists = [("fetchClosedOrders", "fetch_closed_orders")]
        lists.append(("fetchCanceledOrders", "fetch_canceled_orders"))
        return [method for name, method in lists if self.has(name)]

    async def _fetch(self, name: str, symbol: str, params: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """Returns the order; None: the venue reports that there is no such order (Kraken: that the id is invalid)."""
        if not self.has("fetchOrder"):
            return None
        try:
            order = await self.call("fetch_order", name, symbol, dict(params or {}))
        except self._errors.InvalidOrder:
            return None
        row = order_row(order)
        row["symbol"] = row["symbol"] or symbol
        return row

    async def open_orders_of(self, symbol: str) -> list[dict[str, Any]]:
        rows = [order_row(o) for o in await self.call("fetch_open_orders", symbol)]
        for row in rows:
            self.note(row["client"], row["id"], symbol)
        return rows

    async def open_orders(self, said: dict[str, Any]) -> list[dict[str, Any]]:
        lists = await asyncio.gather(*(self.open_orders_of(each) for each in self.symbols))
        return [row for rows in lists for row in rows]

    async def fills(self, said: dict[str, Any]) -> dict[str, Any]:
        """Reads one page, and returns the cursor of the next one. Raises ccxt's errors."""
        page = Page(said, self.offsets)
        limit = self._page_limit(said["symbol"])
        trades = await self.call("fetch_my_trades", said["symbol"], page.since, limit, page.params)
        rows = [trade_row(each) for each in trades]
        times = [each["ms"] for each in rows if each["ms"] is not None]
        return {"trades": rows, "cursor": page.after(times, is_full=len(rows) >= (limit or FEW))}

    def _page_limit(self, symbol: str) -> int | None:
        """Returns the maximum size of a page, None if ccxt does not state it."""
        limit = (self._features(symbol).get("fetchMyTrades") or {}).get("limit")
        return min(int(limit), PAGE_MAX) if limit else None

    async def positions(self, said: dict[str, Any]) -> list[dict[str, Any]]:
        return [position_row(p) for p in await self.call("fetch_positions", self.symbols)]

    async def balances(self, said: dict[str, Any]) -> dict[str, str]:
        """Returns totals by currency."""
        reply = (await self.call("fetch_balance")).get("total") or {}
        return {name: text for name, each in reply.items() if (text := number(each)) is not None}

    async def modes(self, said: dict[str, Any]) -> dict[str, bool]:
        """Returns the account's modes. hedged: hedge mode; false also if ccxt cannot query it."""
        if not self.has("fetchPositionMode"):
            return {"hedged": False}
        reply = await self.call("fetch_position_mode", self.symbols[0])
        return {"hedged": bool(reply.get("hedged"))}

    async def markets(self, said: dict[str, Any]) -> list[dict[str, Any]]:
        """Lists the markets requested at the start, from memory."""
        markets = self.exchange.markets
        return [market_row(markets[each]) for each in self.symbols if each in markets]

    async def time(self, said: dict[str, Any]) -> int:
        """Returns this machine's time, ns UTC; ccxt itself signs with the venue's time."""
        return time.time_ns()

    async def account(self, said: dict[str, Any]) -> str:
        """Checks that the venue accepts the key."""
        await self.call("fetch_balance")
        return "open"

    async def refused(self, said: dict[str, Any]) -> None:
        """Refuses requests that the bridge does not support; nothing is sent."""
        raise self._errors.NotSupported(said["why"])


def _is(row: dict[str, Any], number_of_venue: str, client: str) -> bool:
    return bool((number_of_venue and row["id"] == number_of_venue) or (client and row["client"] == client))
