"""An account behind the bridge: requests to it, and its answers.

Every request carries the time (ns UTC, by this machine's clock, which the bridge uses too) after which it must not be
signed. A missing order counts as absent only if the venue's facts allow that (`facts.py`); else it stays UNKNOWN.

Refused before sending: orders with a trigger or an expiry, orders in hedge mode, and spot market buys where the venue
expects an amount of money instead of a quantity.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from onetape._core import AccountOrder
from onetape.model.enums import Kind, Liquidity, OrderState, OrderType, PositionSide, Side, TimeInForce, TriggerBy
from onetape.model.instrument import Instrument
from onetape.model.json_text import read_json
from onetape.model.money import MONEY_DECIMALS
from onetape.model.order import OrderSpec
from onetape.model.time import MS, SECOND
from onetape.orders.calls import Call, OrderKey, Purpose, Traits, WithoutTransfers
from onetape.orders.malformed import MALFORMED
from onetape.orders.managed import spec_sent
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import (
    AccountModeReport,
    BalanceReport,
    FillReport,
    OrderStatusReport,
    PositionReport,
    VenueReport,
)
from onetape.venues.ccxt.errors import row_of_error
from onetape.venues.ccxt.facts import Facts
from onetape.venues.ccxt.numbers import client_id_of, client_id_text, units
from onetape.venues.error_tables import malformed, unreadable
from onetape.venues.numbers import spot_moves, trade_number

__all__ = ["CcxtProtocol"]

CLOCK_APART: Final = SECOND  # largest assumed difference between our clock and the venue's
LEAVES_WITHIN: Final = 2500 * MS  # latest signing of requests that change something; the gateway waits for 4 s
BALANCE_DECIMALS: Final = 8  # until a balance has been read
FEE_DECIMALS: Final = 5  # of Kraken's lists; other venues have more
_STATES: Final = {
    "open": OrderState.ACCEPTED,
    "canceling": OrderState.ACCEPTED,
    "closed": OrderState.FILLED,
    "canceled": OrderState.CANCELED,
    "expired": OrderState.EXPIRED,
    "rejected": OrderState.REJECTED,
}
_TIFS: Final = {"IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK, "GTC": TimeInForce.GTC}


class CcxtProtocol(WithoutTransfers):  # a transfer whose answer is lost cannot be found through ccxt at every venue
    """Implements `OrderProtocol`. token: the bridge's."""

    signs_late = False

    def __init__(self, exchange: str, facts: Facts, token: str) -> None:
        self.name = f"ccxt:{exchange}"
        self.client_id_chars = facts.client_id_chars
        self.traits = Traits(conditionals=False)
        self._facts = facts
        self._headers = {"Authorization": token, "Content-Type": "application/json"}
        self._by_symbol: dict[str, Instrument] = {}
        self._by_name: dict[str, Instrument] = {}
        self.unlisted: set[str] = set()
        # Currency -> most decimals seen, in balances and in lists of fees.
        self._decimals: dict[str, int] = {}
        self._fee_decimals: dict[str, int] = {}
        self.counts: dict[str, int] = {}  # count of anomalies, by name

    def set_instruments(self, instruments: Sequence[Instrument]) -> None:
        self._by_symbol = {i.symbol: i for i in instruments}
        self._by_name = {i.name: i for i in instruments}
        self.unlisted.clear()
        is_spot = all(i.kind is Kind.SPOT for i in instruments)
        self.traits = Traits(positions=not is_spot, conditionals=False)

    # --- requests ---------------------------------------------------------------------------------

    def place_order(self, order: AccountOrder, now: int, *, number: int, reference: int = 0) -> Call:
        return self.place(order.name, spec_sent(order), now, reference=reference)._replace(number=number)

    def place(self, client_id: str, spec: OrderSpec, now: int, *, reference: int = 0) -> Call:
        i = self._by_symbol[spec.symbol]
        key = OrderKey(spec.symbol, client_id)
        why = self._unsayable(i, spec)
        if why:
            return self._call(Purpose.PLACE, "refused", {"why": why}, subject=key)
        is_limit = spec.type is OrderType.LIMIT
        price = spec.price_int if is_limit else reference * self._facts.price_of_market
        params: dict[str, Any] = {}
        if is_limit and spec.tif is not TimeInForce.GTC:
            params["timeInForce"] = spec.tif.value
        if spec.post_only:
            params |= {"timeInForce": "PO"} if self._facts.post_only_as_tif else {"postOnly": True}
        if spec.reduce_only:
            params["reduceOnly"] = True
        said = {
            **self._named(key),
            "type": "limit" if is_limit else "market",
            "side": spec.side.value,
            "amount": i.size_text(spec.size_int),
            "price": i.price_text(price) if price else None,
            "params": params,
            "before": now + LEAVES_WITHIN,
        }
        return self._call(Purpose.PLACE, "place", said, orders=1, subject=key)

    def _unsayable(self, i: Instrument, spec: OrderSpec) -> str:
        if spec.trigger_by is not TriggerBy.NONE:
            return f"{self.name}: orders with a trigger are not sent through ccxt"
        if spec.tif is TimeInForce.GTD:
            return f"{self.name}: orders with an end (GTD) are not sent through ccxt"
        if spec.position_side is not PositionSide.BOTH:
            return f"{self.name}: hedge mode is not traded through ccxt"
        is_buy = spec.side is Side.BUY and spec.type is OrderType.MARKET
        if is_buy and i.kind is Kind.SPOT and not self._facts.market_buys:
            return "a spot market buy takes an amount of money there: send a limit order with IOC"
        return ""

    def _named(self, key: OrderKey) -> dict[str, Any]:
        return {
            "symbol": self._by_symbol[key.symbol].name,
            "client": client_id_text(key.client_id, self._facts.client_id),
        }

    def cancel(self, key: OrderKey, now: int) -> Call:
        said = {**self._named(key), "before": now + LEAVES_WITHIN}
        return self._call(Purpose.CANCEL, "cancel", said, orders=1, subject=key)

    def amend(self, key: OrderKey, spec: OrderSpec, now: int, *, price: int, size: int) -> Call:
        i = self._by_symbol[key.symbol]
        said = {
            **self._named(key),
            "type": spec.type.value,
            "side": spec.side.value,
            "amount": i.size_text(size),
            "price": i.price_text(price) if spec.type is OrderType.LIMIT else None,
            "before": now + LEAVES_WITHIN,
        }
        return self._call(Purpose.AMEND, "amend", said, orders=1, subject=key)

    def signed(self, call: Call, now: int) -> Call:
        return call

    def query(self, key: OrderKey, now: int) -> Call:
        """Requests an order, from all lists that the venue has, starting an hour ago."""
        since = (now - 3600 * SECOND) // MS
        said = {**self._named(key), "id": key.venue_id, "since": since}
        return self._call(Purpose.QUERY, "order", said, subject=key)

    def query_venue_id(self, symbol: str, venue_id: str, now: int) -> Call:
        key = OrderKey(symbol, "", venue_id=venue_id)
        since = (now - 3600 * SECOND) // MS
        said = {"symbol": self._by_symbol[symbol].name, "id": venue_id, "since": since}
        return self._call(Purpose.QUERY, "order", said, subject=key)

    def open_stops(self, symbol: str, now: int) -> Call | None:
        return None

    def open_orders(self, now: int) -> list[Call]:
        return [self._call(Purpose.OPEN_ORDERS, "open_orders", {})]

    def more_orders(self, call: Call, cursor: str, now: int) -> Call:
        """Not called: the bridge's list has one page."""
        raise NotImplementedError

    def fills(self, symbol: str, now: int, *, since: int, cursor: str = "") -> Call:
        said: dict[str, Any] = {"since": since // MS}
        if cursor:
            said = msgspec.json.decode(cursor)
        said["symbol"] = self._by_symbol[symbol].name
        return self._call(Purpose.FILLS, "fills", said, symbol=symbol)

    def account_moves(self, now: int, *, since: int, cursor: str = "") -> None:
        return None

    def more_positions(self, cursor: str, now: int) -> Call:
        """Not called: the list of positions has one page."""
        raise NotImplementedError

    def note_move(self, reference: str) -> None:
        """Does nothing: balance changes are not queried."""

    def positions(self, now: int) -> Call:
        return self._call(Purpose.POSITIONS, "positions", {"asked": now})

    def balances(self, now: int) -> Call:
        return self._call(Purpose.BALANCES, "balances", {"asked": now})

    def modes(self, now: int) -> Call:
        return self._call(Purpose.MODES, "modes", {})

    def dead_man(self, symbol: str, now: int, *, after: int) -> Call | None:
        """Returns None: what such a switch cancels differs between venues, and ccxt does not describe it."""
        return None

    def time(self) -> Call:
        """Requests the bridge's time, which is this machine's: ccxt tracks the venue's clock itself."""
        return self._call(Purpose.TIME, "time", {})

    def markets(self) -> Call:
        return self._call(Purpose.INSTRUMENTS, "markets", {})

    def account(self) -> Call:
        return self._call(Purpose.STREAM_KEY, "account", {})

    def moves(self, fill: FillReport) -> list[tuple[str, int]]:
        i = self._by_symbol.get(fill.symbol)
        return [] if i is None else spot_moves(fill, i.base, i.quote, i.price_decimals, i.size_decimals)

    def slack(self, currency: str) -> int:
        """Returns the step, in 1e-18, to which the venue rounds a currency: by the most decimals seen, because floats
        drop zeros."""
        of_balance = self._decimals.get(currency, BALANCE_DECIMALS)
        of_fee = self._fee_decimals.get(currency, FEE_DECIMALS)
        return sum(10 ** (MONEY_DECIMALS - each) for each in (of_balance, of_fee))

    def _call(
        self,
        purpose: Purpose,
        verb: str,
        said: Mapping[str, Any],
        *,
        orders: int = 0,
        subject: OrderKey | None = None,
        symbol: str = "",
    ) -> Call:
        body = msgspec.json.encode(said)
        return Call(purpose, "POST", f"/{verb}", body, self._headers, 1, orders, subject, symbol)

    # --- answers ----------------------------------------------------------------------------------

    def answer(self, call: Call, status: int, headers: Mapping[str, str], body: bytes, now: int) -> Answer:
        try:
            value = read_json(body)
            if "error" in value:
                return self._failed(call, value["error"])
            return self._read(call, value["ok"], now)
        except MALFORMED as error:
            return unreadable(error, status)

    def _failed(self, call: Call, error: Mapping[str, Any]) -> Answer:
        row = row_of_error(error["names"], str(error["text"]), self._facts.codes)
        # For a placement the error means something else, such as a missing account.
        is_gone = row.code == "OrderNotFound" and call.purpose is not Purpose.PLACE
        retry = SECOND if row.outcome is Outcome.SAFE else 0
        name = str(error["names"][0]) if error["names"] else ""
        code = row.error.code
        return Answer(row.outcome, (), code, name, str(error["text"]), retry, not_found=is_gone)

    def _read(self, call: Call, value: Any, now: int) -> Answer:
        match call.purpose:
            case Purpose.PLACE | Purpose.AMEND:
                assert call.subject is not None
                key = call.subject
                if call.purpose is Purpose.PLACE and not value["id"]:
                    return Answer(Outcome.DONE)
                state = OrderState.ACCEPTED
                row = OrderStatusReport(key.symbol, key.client_id, str(value["id"]), state, 0)
                return Answer(Outcome.DONE, (row,))
            case Purpose.QUERY:
                found = value["order"]
                reports = [] if found is None else self._orders([found])
                proven = found is None and value["proof"] and self._facts.proves_absence
                return Answer(Outcome.DONE, tuple(reports), not_found=proven)
            case Purpose.OPEN_ORDERS:
                self.unlisted |= {row["symbol"] for row in value} - self._by_name.keys()
                return Answer(Outcome.DONE, tuple(self._orders(value)))
            case Purpose.FILLS:
                cursor = msgspec.json.encode(value["cursor"]).decode() if value["cursor"] else ""
                return Answer(Outcome.DONE, tuple(self._fills(value["trades"])), cursor=cursor)
            case Purpose.POSITIONS:
                queried_at = msgspec.json.decode(call.body)["asked"]
                return Answer(Outcome.DONE, tuple(self._positions(value, queried_at)))
            case Purpose.BALANCES:
                queried_at = msgspec.json.decode(call.body)["asked"]
                return Answer(Outcome.DONE, tuple(self._balances(value, queried_at, now)))
            case Purpose.MODES:
                mode = AccountModeReport(hedge=value["hedged"], multi_assets=False, can_trade=True, can_withdraw=False)
                return Answer(Outcome.DONE, (mode,))
            case Purpose.TIME | Purpose.STREAM_KEY:
                return Answer(Outcome.DONE, value=str(value))
            case _:
                return Answer(Outcome.DONE)

    def _orders(self, rows: Sequence[Mapping[str, Any]]) -> list[OrderStatusReport]:
        found = []
        for row in rows:
            i = self._by_name.get(row["symbol"])
            if i is None:
                self._count("order of another symbol")
                continue
            size, filled = (units(row[each], i.size_decimals) for each in ("amount", "filled"))
            state = _STATES.get(str(row["status"]), OrderState.UNKNOWN)
            if state is OrderState.FILLED and filled < size:
                state = OrderState.CANCELED  # some venues call every end `closed`
            elif state is OrderState.ACCEPTED and filled:
                state = OrderState.PARTIALLY_FILLED
            is_market = row["type"] == "market"  # then the price is an average, or missing
            ours = client_id_of(row["client"], self._facts.client_id)
            found.append(
                OrderStatusReport(
                    symbol=i.symbol,
                    client_id=ours or row["id"],
                    venue_id=row["id"],
                    state=state,
                    time=0,  # lists have no time of their own: which of two is newer is unknown
                    side=Side(row["side"]) if row["side"] else Side.NONE,
                    type=OrderType.MARKET if is_market else OrderType.LIMIT,
                    tif=_TIFS.get(str(row["tif"]), TimeInForce.GTC),
                    price=0 if is_market else units(row["price"], i.price_decimals),
                    size=size,
                    filled=filled,
                    trigger=units(row["trigger"], i.price_decimals),
                    reduce_only=row["reduce"],
                )
            )
        return found

    def _fills(self, rows: Sequence[Mapping[str, Any]]) -> list[FillReport]:
        found = []
        for row in rows:
            i = self._by_name.get(row["symbol"])
            if i is None:
                self._count("trade of another symbol")
                continue
            price = units(row["price"], i.price_decimals)
            if Decimal(row["price"]) != i.price(price):
                self._count("price finer than the instrument's")
            if row["fee"] is not None:
                _see(self._fee_decimals, row["fee_currency"] or i.settle, row["fee"])
            found.append(
                FillReport(
                    symbol=i.symbol,
                    client_id="",  # lists of trades do not have it; the venue's id is used
                    venue_id=row["order"],
                    trade_id=trade_number(row["id"]),
                    side=Side(row["side"]),
                    position_side=PositionSide.BOTH,
                    price=price,
                    size=units(row["amount"], i.size_decimals),
                    time=int(row["ms"]) * MS,
                    fee=units(row["fee"], MONEY_DECIMALS),
                    fee_currency=row["fee_currency"] or i.settle,
                    liquidity=Liquidity.MAKER if row["maker"] else Liquidity.TAKER,
                )
            )
        return found

    def _positions(self, rows: Sequence[Mapping[str, Any]], queried_at: int) -> list[PositionReport]:
        """Reads positions by symbol; a long and a short one of hedge mode are added up."""
        held: dict[str, int] = {}
        for row in rows:
            i = self._by_name.get(row["symbol"])
            if i is None and row["contracts"] is not None and Decimal(row["contracts"]):
                self.unlisted.add(row["symbol"])
            elif i is not None and row["contracts"] is not None:
                qty = abs(units(row["contracts"], i.size_decimals))
                held[i.symbol] = held.get(i.symbol, 0) + (-qty if row["side"] == "short" else qty)
        return [PositionReport(s, PositionSide.BOTH, qty, queried_at) for s, qty in held.items()]

    def _balances(self, totals: Mapping[str, str], queried_at: int, now: int) -> list[BalanceReport]:
        """Reads balances with our time, because ccxt tracks the venue's clock itself."""
        bounds = (queried_at, queried_at - CLOCK_APART, now + CLOCK_APART)
        for currency, text in totals.items():
            _see(self._decimals, currency, text)
        return [BalanceReport(c, units(text, MONEY_DECIMALS), *bounds) for c, text in totals.items()]

    def reports_of(self, message: bytes) -> list[VenueReport]:
        """Reads a message of the account's feed."""
        try:
            value = read_json(message)
            if "orders" in value:
                return list(self._orders(value["orders"]))
            if "trades" in value:
                return list(self._fills(value["trades"]))
            return []
        except MALFORMED as error:
            return malformed(error)

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1


def _see(seen: dict[str, int], currency: str, text: str) -> None:
    decimals = min(len(text.rstrip("0").partition(".")[2]) if "." in text else 0, MONEY_DECIMALS)
    if decimals:  # a whole number says nothing about the precision
        seen[currency] = max(seen.get(currency, 0), decimals)
