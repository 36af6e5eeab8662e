"""Binance spot: an account's requests, its answers and the user stream.

Sources: "Trading endpoints", "Account Endpoints" and "User Data Streams" of the spot documentation, as of 2026-07.

Spot has no positions, so a reconciliation compares balances. A fill pays its fee in the currency that is received, or
in BNB if the account has that setting: the fee is taken as reported. Orders with a trigger are in the same book, and
listed with the others. An order is placed by the matching engine before it is acknowledged; events tell of its fills.
An amendment only takes a smaller quantity, and keeps our id because it is sent along; a cancel has an id of its own.

Deposits, withdrawals and transfers are events of the stream (`balanceUpdate`) without an id: asset, time and amount
name them. No list has all of them (as of 2026-11), so one that was not heard is an unexplained difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from onetape._core import AccountOrder, PlaceTemplate
from onetape.model.enums import Liquidity, OrderNews, OrderState, OrderType, PositionSide, Side, TimeInForce, TriggerBy
from onetape.model.instrument import Instrument
from onetape.model.order import OrderSpec
from onetape.model.time import DAY, MS
from onetape.orders.calls import Call, OrderKey, Purpose
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import BalanceReport, FillReport, MoveKind, MoveReport, OrderStatusReport, VenueReport
from onetape.venues.binance.protocol import CLOCK_STEP, RECV_WINDOW_MS, BinanceProtocol
from onetape.venues.binance.signing import sent_terms, socket_payload
from onetape.venues.binance.words import SIDE_WORDS, SIDES, STATES, TIF_WORDS, TIFS
from onetape.venues.binance_spot.family import SPOT
from onetape.venues.endpoint import Endpoint
from onetape.venues.numbers import money_of, units_of

__all__ = ["METHODS", "BinanceSpotProtocol"]

FILLS_PAGE: Final = 1000
FILLS_SPAN_MS: Final = DAY // MS - 1  # the longest time that a list of trades covers, unless it begins at a trade
FILLS_REACH: Final = 89 * DAY

_ORDER: Final = "/api/v3/order"
_AMENDED: Final = f"{_ORDER}/amend/keepPriority"
# Successful changes have no weight since 2026-04-02; a refused one has.
_PLACE: Final = Endpoint(Purpose.PLACE, "POST", _ORDER, 1, orders=1)
_CANCEL: Final = Endpoint(Purpose.CANCEL, "DELETE", _ORDER, 1)
_AMEND: Final = Endpoint(Purpose.AMEND, "PUT", _AMENDED, 4)
_QUERY: Final = Endpoint(Purpose.QUERY, "GET", _ORDER, 4)
_OPEN_ORDERS: Final = Endpoint(Purpose.OPEN_ORDERS, "GET", "/api/v3/openOrders", 80)
_SYMBOL_ORDERS: Final = Endpoint(Purpose.OPEN_ORDERS, "GET", "/api/v3/openOrders", 6)
_FILLS: Final = Endpoint(Purpose.FILLS, "GET", "/api/v3/myTrades", 20)
METHODS: Final = {
    (Purpose.PLACE, _ORDER): "order.place",
    (Purpose.AMEND, _AMENDED): "order.amend.keepPriority",
    (Purpose.CANCEL, _ORDER): "order.cancel",
}
_NEWS: Final = {
    "NEW": OrderNews.ACCEPTED,
    "CANCELED": OrderNews.CANCELED,
    "REPLACED": OrderNews.UPDATED,
    "REJECTED": OrderNews.REJECTED,
    "EXPIRED": OrderNews.EXPIRED,
}
_STATES: Final = STATES | {"PENDING_NEW": OrderState.ACCEPTED, "PENDING_CANCEL": OrderState.ACCEPTED}
_PASSED_OVER: Final = frozenset({"listStatus", "externalLockUpdate"})
_ACK: Final = dict.fromkeys(SIDE_WORDS, "ACK")
_BASIC: Final[list[tuple[str, str, dict[Any, str]]]] = [
    ("symbol", "symbol", {}),
    ("side", "side", SIDE_WORDS),
    ("quantity", "size", {}),
    ("price", "price", {}),
]
_LAST: Final[list[tuple[str, str, dict[Any, str]]]] = [
    ("newOrderRespType", "side", _ACK),  # a constant
    ("newClientOrderId", "client_id", {}),
]
# A usual order's parameters, in the order of `place`; and those of a post-only order.
_USUAL: Final = PlaceTemplate(
    [
        *_BASIC,
        ("timeInForce", "tif", TIF_WORDS),
        ("type", "type", {OrderType.LIMIT: "LIMIT", OrderType.MARKET: "MARKET"}),
        *_LAST,
    ]
)
_POST_ONLY: Final = PlaceTemplate([*_BASIC, ("type", "type", {OrderType.LIMIT: "LIMIT_MAKER"}), *_LAST])


class BinanceSpotProtocol(BinanceProtocol):
    """Implements `OrderProtocol`."""

    hidden_wallets = ("usdm",)

    def __init__(self, key: str, secret: str) -> None:
        super().__init__(key, secret, SPOT)
        self._currencies: dict[str, None] = {}  # that a list of balances reports as zero when it lacks them

    def set_instruments(self, instruments: Sequence[Instrument]) -> None:
        super().set_instruments(instruments)
        self._currencies |= dict.fromkeys(name for i in instruments for name in (i.base, i.quote))

    # --- requests ---------------------------------------------------------------------------------

    def place(self, client_id: str, spec: OrderSpec, now: int, *, reference: int = 0) -> Call:
        i = self._by_symbol[spec.symbol]
        is_limit, waits = spec.type is OrderType.LIMIT, spec.trigger_by is not TriggerBy.NONE
        params = {"symbol": i.raw_symbol, "side": SIDE_WORDS[spec.side], "quantity": i.size_text(spec.size_int)}
        if is_limit:
            params["price"] = i.price_text(spec.price_int)
            if waits or not spec.post_only:
                params["timeInForce"] = TIF_WORDS[spec.tif]  # the venue refuses one that it does not have
        if waits:
            params["stopPrice"] = i.price_text(spec.trigger_int)
            params["type"] = ("STOP_LOSS" if spec.is_stop else "TAKE_PROFIT") + ("_LIMIT" if is_limit else "")
        else:
            params["type"] = ("LIMIT_MAKER" if spec.post_only else "LIMIT") if is_limit else "MARKET"
        params["newOrderRespType"] = "ACK"
        params["newClientOrderId"] = client_id
        return self._signed(_PLACE, params, now, subject=OrderKey(spec.symbol, client_id))

    def place_order(self, order: AccountOrder, now: int, *, number: int, reference: int = 0) -> Call:
        i = self._by_symbol[order.symbol]
        template = _POST_ONLY if order.spec.post_only else _USUAL
        params = template.terms(order, i.raw_symbol, i.price_decimals, i.size_decimals)
        if params is None:
            return super().place_order(order, now, number=number, reference=reference)
        return self._signed(_PLACE, params, now, subject=OrderKey(order.symbol, order.name), number=number)

    def cancel(self, key: OrderKey, now: int) -> Call:
        return self._signed(_CANCEL, self._named(key), now, subject=key)

    def query(self, key: OrderKey, now: int) -> Call:
        return self._signed(_QUERY, self._named(key), now, subject=key)

    def _named(self, key: OrderKey) -> dict[str, str]:
        name = {"orderId": key.venue_id} if not key.client_id else {"origClientOrderId": key.client_id}
        return {"symbol": self._by_symbol[key.symbol].raw_symbol, **name}

    def amend(self, key: OrderKey, spec: OrderSpec, now: int, *, price: int, size: int) -> Call:
        i = self._by_symbol[key.symbol]
        params = {**self._named(key), "newClientOrderId": key.client_id, "newQty": i.size_text(size)}
        return self._signed(_AMEND, params, now, subject=key)

    def open_orders(self, now: int) -> list[Call]:
        return [self._signed(_OPEN_ORDERS, {}, now)]

    def open_stops(self, symbol: str, now: int) -> Call | None:
        return self._signed(_SYMBOL_ORDERS, {"symbol": self._by_symbol[symbol].raw_symbol}, now, symbol=symbol)

    def fills(self, symbol: str, now: int, *, since: int, cursor: str = "") -> Call:
        """Requests fills: of a day, or from a trade on. cursor: the id of the next fill, or `from` and the start
        of the next day, ms."""
        params = {"symbol": self._by_symbol[symbol].raw_symbol, "limit": str(FILLS_PAGE)}
        if cursor and not cursor.startswith("from"):
            params["fromId"] = cursor
        else:
            begin = int(cursor[4:] or max(since, now - FILLS_REACH) // MS)
            params |= {"startTime": str(begin), "endTime": str(begin + FILLS_SPAN_MS)}
        return self._signed(_FILLS, params, now, symbol=symbol)

    def account_moves(self, now: int, *, since: int, cursor: str = "") -> Call | None:
        return None

    def positions(self, now: int) -> Call:
        """Not available on spot; callers check `traits`."""
        return self.balances(now)

    def balances(self, now: int) -> Call:
        return self._signed(self.family.balances, {"omitZeroBalances": "true"}, now)

    def dead_man(self, symbol: str, now: int, *, after: int) -> Call | None:
        return None

    def stream_key(self, now: int) -> Call:
        """Requests a proof of the key: keys that the venue refuses end the gateway."""
        return self.balances(now)._replace(purpose=Purpose.STREAM_KEY)

    def subscription(self, time: str) -> bytes:
        """Returns the message that subscribes an account's events, on a connection without a logon. time: ns."""
        stamp = int(time or "0") // MS
        params: dict[str, Any] = {"apiKey": self.key, "recvWindow": RECV_WINDOW_MS, "timestamp": stamp}
        params["signature"] = self.signer.sign(socket_payload(params))
        return msgspec.json.encode({"id": 1, "method": "userDataStream.subscribe.signature", "params": params})

    # --- answers ----------------------------------------------------------------------------------

    def _read(self, call: Call, value: Any, now: int) -> Answer:
        match call.purpose:
            case Purpose.PLACE:
                key, time = call.subject, int(value["transactTime"]) * MS
                assert key is not None
                report = OrderStatusReport(key.symbol, key.client_id, str(value["orderId"]), OrderState.ACCEPTED, time)
                return Answer(Outcome.DONE, (report,))
            case Purpose.AMEND:
                row = value["amendedOrder"]
                return Answer(Outcome.DONE, (self._order_row({**row, "transactTime": value["transactTime"]}),))
            case Purpose.CANCEL | Purpose.QUERY:
                return Answer(Outcome.DONE, (self._order_row(value),))
            case Purpose.OPEN_ORDERS:
                return Answer(Outcome.DONE, tuple(self._order_row(row) for row in self.listed(value)))
            case Purpose.FILLS:
                fills = tuple(self._trade_row(row) for row in value)
                return Answer(Outcome.DONE, fills, cursor=_next_fills(fills, sent_terms(call.target), now))
            case Purpose.BALANCES:
                queried_at = self._sent_at(call)
                bounds = (queried_at, queried_at - CLOCK_STEP, now + CLOCK_STEP)
                found = {row["asset"]: money_of(row["free"]) + money_of(row["locked"]) for row in value["balances"]}
                self._currencies |= dict.fromkeys(found)
                reports = [BalanceReport(name, found.get(name, 0), *bounds) for name in self._currencies]
                return Answer(Outcome.DONE, tuple(reports))
            case Purpose.STREAM_KEY:
                return Answer(Outcome.DONE, value=str(now))
            case _:
                return super()._read(call, value, now)

    def _order_row(self, row: dict[str, Any]) -> OrderStatusReport:
        """Reads an order from a list, or as a cancel or an amendment answers it: then `clientOrderId` names the
        request."""
        i = self._by_raw[row["symbol"]]
        is_stop = _has_trigger(row["type"])
        state = _STATES.get(row["status"], OrderState.UNKNOWN)
        waits = is_stop and not row.get("isWorking") and row["status"] == "NEW"
        if is_stop and not waits and state is OrderState.ACCEPTED:
            state = OrderState.TRIGGERED
        return OrderStatusReport(
            symbol=i.symbol,
            client_id=row.get("origClientOrderId") or row["clientOrderId"],
            venue_id=str(row["orderId"]),
            state=state,
            time=int(row["updateTime"] if "updateTime" in row else row["transactTime"]) * MS,
            side=SIDES[row["side"]],
            type=_type(row["type"]),
            tif=TIFS.get(row["timeInForce"], TimeInForce.GTC),
            price=units_of(row["price"], i.price_decimals),
            size=units_of(row["origQty"] if "origQty" in row else row["qty"], i.size_decimals),
            filled=units_of(row["executedQty"], i.size_decimals),
            trigger=units_of(row["stopPrice"], i.price_decimals) if waits and "stopPrice" in row else 0,
            takes_profit=row["type"].startswith("TAKE_PROFIT"),
        )

    def _trade_row(self, row: dict[str, Any]) -> FillReport:
        i = self._by_raw[row["symbol"]]
        return FillReport(
            symbol=i.symbol,
            client_id="",
            venue_id=str(row["orderId"]),
            trade_id=int(row["id"]),
            side=Side.BUY if row["isBuyer"] else Side.SELL,
            position_side=PositionSide.BOTH,
            price=units_of(row["price"], i.price_decimals),
            size=units_of(row["qty"], i.size_decimals),
            time=int(row["time"]) * MS,
            fee=money_of(row["commission"]),
            fee_currency=row["commissionAsset"],
            liquidity=Liquidity.MAKER if row["isMaker"] else Liquidity.TAKER,
        )

    # --- the user stream --------------------------------------------------------------------------

    def reports_in(self, value: dict[str, Any]) -> list[VenueReport]:
        event = value.get("event", value)
        match event.get("e"):
            case "executionReport":
                return self._execution(event)
            case "outboundAccountPosition":
                time = int(event["u"]) * MS
                return [BalanceReport(row["a"], money_of(row["f"]) + money_of(row["l"]), time) for row in event["B"]]
            case "balanceUpdate":
                name = f"{event['a']} {event['T']} {event['d']}"
                time = int(event["T"]) * MS
                return [MoveReport(name, event["a"], money_of(event["d"]), time, MoveKind.TRANSFER)]
            case name:
                found = self.meaningless(name or "no event")
                return [] if name in _PASSED_OVER else found

    def _execution(self, o: dict[str, Any]) -> list[VenueReport]:
        i = self._by_raw.get(o["s"])
        if i is None:
            return self.of_other_symbol(o["s"])
        client_id, venue_id, time = o["C"] or o["c"], str(o["i"]), int(o["T"]) * MS
        found: list[VenueReport] = []
        if last := units_of(o["l"], i.size_decimals) if o["x"] == "TRADE" else 0:
            found.append(
                FillReport(
                    symbol=i.symbol,
                    client_id=client_id,
                    venue_id=venue_id,
                    trade_id=int(o["t"]),
                    side=SIDES[o["S"]],
                    position_side=PositionSide.BOTH,
                    price=units_of(o["L"], i.price_decimals),
                    size=last,
                    time=time,
                    fee=money_of(o["n"] or "0"),
                    fee_currency=o["N"] or i.quote,
                    liquidity=Liquidity.MAKER if o["m"] else Liquidity.TAKER,
                )
            )
        is_stop = _has_trigger(o["o"])
        waits = is_stop and not o["w"] and o["X"] == "NEW"
        state, news = _STATES.get(o["X"], OrderState.UNKNOWN), _NEWS.get(o["x"])
        if is_stop and not waits and o["x"] == "NEW":
            state, news = OrderState.TRIGGERED, OrderNews.TRIGGERED
        if o["X"] == "EXPIRED_IN_MATCH":
            news = OrderNews.CANCELED
        found.append(
            OrderStatusReport(
                symbol=i.symbol,
                client_id=client_id,
                venue_id=venue_id,
                state=state,
                time=time,
                news=news,
                side=SIDES[o["S"]],
                type=_type(o["o"]),
                tif=TIFS.get(o["f"], TimeInForce.GTC),
                price=units_of(o["p"], i.price_decimals),
                size=units_of(o["q"], i.size_decimals),
                filled=units_of(o["z"], i.size_decimals),
                trigger=units_of(o["P"], i.price_decimals) if waits else 0,
                reason="" if o["r"] == "NONE" else o["r"],
                takes_profit=o["o"].startswith("TAKE_PROFIT"),
            )
        )
        return found


def _next_fills(fills: Sequence[FillReport], sent: dict[str, str], now: int) -> str:
    """Returns the cursor after a page: after a list that ends by time, the trades after its last one, else the next
    day; "" at the end."""
    end = sent.get("endTime")
    if fills and (end or len(fills) >= FILLS_PAGE):
        return str(fills[-1].trade_id + 1)
    return f"from{end}" if end and int(end) < now // MS else ""


def _type(word: str) -> OrderType:
    return OrderType.LIMIT if "LIMIT" in word else OrderType.MARKET


def _has_trigger(word: str) -> bool:
    return word.startswith(("STOP_LOSS", "TAKE_PROFIT"))
