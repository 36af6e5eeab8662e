"""Binance USD-M: an account's requests, its answers and the user stream.

Sources: REST "Trade" and "Account" endpoints, "Algo Service", "User Data Streams" of the USD-M documentation and its
change log, as of 2026-11. Orders with a trigger are in the Algo Service, and send a second order when they fire; both
carry our client id.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from onetape._core import AccountOrder, PlaceTemplate
from onetape.model.enums import Liquidity, OrderNews, OrderState, OrderType, PositionSide, TimeInForce, TriggerBy
from onetape.model.errors import VenueRejected
from onetape.model.order import OrderSpec
from onetape.model.time import DAY, MS, WEEK
from onetape.orders.calls import Call, OrderKey, Purpose
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import (
    BalanceReport,
    FillReport,
    OrderStatusReport,
    PositionReport,
    StreamReport,
    VenueReport,
)
from onetape.venues.binance import spot
from onetape.venues.binance.family import BINANCE, Endpoints, Family
from onetape.venues.binance.moves import SeenMoves, income_terms, next_income
from onetape.venues.binance.protocol import CLOCK_STEP, BinanceProtocol
from onetape.venues.binance.rows import algo_row, balance_reports, order_row, position_row, trade_row
from onetape.venues.binance.signing import sent_terms
from onetape.venues.binance.words import (
    ALGO_STATES,
    CONDITIONAL_TYPES,
    NEWS,
    PASSED_OVER,
    POSITION_SIDES,
    SIDE_WORDS,
    SIDES,
    STATE_NEWS,
    STATES,
    TIF_WORDS,
    TIFS,
)
from onetape.venues.endpoint import Endpoint
from onetape.venues.numbers import money_of, units_of

__all__ = ["BinanceUsdmProtocol"]

FILLS_PAGE: Final = 1000
FILLS_REACH: Final = 89 * DAY  # how far back fills can be queried, less a day of margin
# Module constants, because looking up an enum's member costs as much as a call.
_LIMIT: Final = OrderType.LIMIT
_NO_TRIGGER: Final = TriggerBy.NONE
_BOTH: Final = PositionSide.BOTH
_GTD: Final = TimeInForce.GTD


# A usual order's parameters, in the order of `place`.
_USUAL: Final = PlaceTemplate(
    [
        ("symbol", "symbol", {}),
        ("side", "side", SIDE_WORDS),
        ("quantity", "size", {}),
        ("positionSide", "position_side", {PositionSide.LONG: "LONG", PositionSide.SHORT: "SHORT"}),
        ("price", "price", {}),
        ("timeInForce", "tif", {**TIF_WORDS, "post_only": "GTX"}),
        ("goodTillDate", "expire_ms", {}),
        ("type", "type", {OrderType.LIMIT: "LIMIT", OrderType.MARKET: "MARKET"}),
        ("newClientOrderId", "client_id", {}),
    ]
)


class BinanceUsdmProtocol(BinanceProtocol):
    """Implements `OrderProtocol`."""

    def __init__(self, key: str, secret: str, family: Family = BINANCE) -> None:
        super().__init__(key, secret, family)
        self._endpoints = Endpoints(family)
        self._moves = SeenMoves()

    # --- requests ---------------------------------------------------------------------------------

    def place(self, client_id: str, spec: OrderSpec, now: int, *, reference: int = 0) -> Call:
        i = self._by_symbol[spec.symbol]
        is_limit = spec.type is _LIMIT
        conditional = spec.trigger_by is not _NO_TRIGGER
        params: dict[str, str] = {
            "symbol": i.raw_symbol,
            "side": SIDE_WORDS[spec.side],
            "quantity": i.size_text(spec.size_int),
        }
        if spec.position_side is not _BOTH:
            params["positionSide"] = spec.position_side.upper()
        elif spec.reduce_only:
            params["reduceOnly"] = "true"
        if is_limit:
            params["price"] = i.price_text(spec.price_int)
            params["timeInForce"] = "GTX" if spec.post_only else TIF_WORDS[spec.tif]
            if spec.tif is _GTD:
                params["goodTillDate"] = str(spec.expire // MS)
        if conditional:
            params["type"] = ("STOP" if spec.is_stop else "TAKE_PROFIT") + ("" if is_limit else "_MARKET")
            marks = spec.trigger_by is TriggerBy.MARK
            params["workingType"] = "MARK_PRICE" if marks else "CONTRACT_PRICE"
            params["triggerPrice" if self.family.has_algo else "stopPrice"] = i.price_text(spec.trigger_int)
        else:
            params["type"] = "LIMIT" if is_limit else "MARKET"
        conditional = conditional and self.family.has_algo
        if conditional:
            params["algoType"] = "CONDITIONAL"
            params["clientAlgoId"] = client_id
        else:
            params["newClientOrderId"] = client_id
        key = OrderKey(spec.symbol, client_id, conditional)
        return self._signed(self._endpoints.place[conditional], params, now, subject=key)

    def place_order(self, order: AccountOrder, now: int, *, number: int, reference: int = 0) -> Call:
        i = self._by_symbol[order.symbol]
        params = _USUAL.terms(order, i.raw_symbol, i.price_decimals, i.size_decimals)
        if params is None:
            return super().place_order(order, now, number=number, reference=reference)
        key = OrderKey(order.symbol, order.name)
        return self._signed(self._endpoints.place[False], params, now, subject=key, number=number)

    def cancel(self, key: OrderKey, now: int) -> Call:
        return self._signed(self._endpoints.cancel[key.conditional], self._named(key), now, subject=key)

    def query(self, key: OrderKey, now: int) -> Call:
        return self._signed(self._endpoints.query[key.conditional], self._named(key), now, subject=key)

    def query_venue_id(self, symbol: str, venue_id: str, now: int) -> Call:
        params = {"symbol": self._by_symbol[symbol].raw_symbol, "orderId": venue_id}
        return self._signed(self._endpoints.query[False], params, now, subject=OrderKey(symbol, "", venue_id=venue_id))

    def _named(self, key: OrderKey) -> dict[str, str]:
        if key.conditional:
            return {"clientAlgoId": key.client_id}
        return {"symbol": self._by_symbol[key.symbol].raw_symbol, "origClientOrderId": key.client_id}

    def amend(self, key: OrderKey, spec: OrderSpec, now: int, *, price: int, size: int) -> Call:
        i = self._by_symbol[key.symbol]
        params = {
            "symbol": i.raw_symbol,
            "origClientOrderId": key.client_id,
            "quantity": i.size_text(size),
            "price": i.price_text(price),
        }
        if self.family.amends_side:
            params["side"] = SIDE_WORDS[spec.side]
        return self._signed(self._endpoints.amend, params, now, subject=key)

    def open_orders(self, now: int) -> list[Call]:
        calls = [self._signed(self._endpoints.open_orders, {}, now)]
        if self.family.has_algo:
            calls.append(self._signed(self._endpoints.open_conditionals, {}, now))
        return calls

    def open_stops(self, symbol: str, now: int) -> Call | None:
        params = {"symbol": self._by_symbol[symbol].raw_symbol}
        return self._signed(self._endpoints.symbol_conditionals, params, now, symbol=symbol)

    def fills(self, symbol: str, now: int, *, since: int, cursor: str = "") -> Call:
        """Requests fills, of at most seven days. cursor: the id of the next fill, or `from` and the start of the next
        seven days, ms."""
        params = {"symbol": self._by_symbol[symbol].raw_symbol, "limit": str(FILLS_PAGE)}
        if cursor and not cursor.startswith("from"):
            params["fromId"] = cursor
        else:
            begin = int(cursor[4:] or max(since, now - FILLS_REACH) // MS)
            params["startTime"] = str(begin)
            if now // MS - begin > WEEK // MS:
                params["endTime"] = str(begin + WEEK // MS)
        return self._signed(self._endpoints.fills, params, now, symbol=symbol)

    def account_moves(self, now: int, *, since: int, cursor: str = "") -> Call:
        return self._signed(
            self._endpoints.moves, income_terms(now, since, cursor, pages=self.family.pages_income), now
        )

    def note_move(self, reference: str) -> None:
        """Notes a balance change that our tape has."""
        self._moves.note(reference)

    # --- conversions, see `Converter` -------------------------------------------------------------

    conversion_wallet = "spot"

    def conversion_terms(self, asset: str, quote: str) -> tuple[Call, ...]:
        symbol = f"?symbol={asset}{quote}"
        return tuple(
            Call(Purpose.CONVERSION, "GET", f"{path}{symbol}", b"", {}, weight, symbol=asset)
            for path, weight in ((spot.INFO, 20), (spot.BOOK, 2))
        )

    def convert(self, name: str, asset: str, quote: str, qty: Decimal, price: Decimal, now: int) -> Call:
        terms = spot.order_terms(name, f"{asset}{quote}", qty, price)
        return self._signed(Endpoint(Purpose.CONVERSION, "POST", spot.ORDER, 1), terms, now, symbol=asset)

    def converted(self, name: str, asset: str, quote: str, now: int) -> Call:
        terms = {"symbol": f"{asset}{quote}", "origClientOrderId": name}
        return self._signed(Endpoint(Purpose.CONVERSION, "GET", spot.ORDER, 4), terms, now, symbol=asset)

    def conversion_trades(self, venue_id: str, asset: str, quote: str, now: int) -> Call:
        terms = {"symbol": f"{asset}{quote}", "orderId": venue_id}
        return self._signed(Endpoint(Purpose.CONVERSION, "GET", spot.TRADES, 5), terms, now, symbol=asset)

    def positions(self, now: int) -> Call:
        return self._signed(self._endpoints.positions, {}, now)

    def leverage(self, symbol: str, times: int, now: int) -> Call:
        params = {"symbol": self._by_symbol[symbol].raw_symbol, "leverage": str(times)}
        return self._signed(self._endpoints.leverage, params, now, symbol=symbol)

    def dead_man(self, symbol: str, now: int, *, after: int) -> Call | None:
        """Arms the dead man's switch for working orders. Whether it cancels conditional orders is undocumented (as of
        2026-11), so nothing may rely on a stop being left or canceled by it."""
        params = {"symbol": self._by_symbol[symbol].raw_symbol, "countdownTime": str(after // MS)}
        return self._signed(self._endpoints.dead_man, params, now, symbol=symbol)

    def stream_key(self, now: int, *, keep: bool = False) -> Call:
        """Requests the listen key of the account's stream; keep: prolongs it, which is due each half hour."""
        endpoint = self._endpoints.keep_key if keep else self._endpoints.stream_key
        if self.family.signs_listen_key:
            return self._signed(endpoint, {}, now)
        return Call(endpoint.purpose, endpoint.method, endpoint.path, b"", self._headers, endpoint.weight)

    def stream_path(self, key: str) -> str:
        return f"{self.family.ways[2]}/ws/{key}"

    # --- answers ----------------------------------------------------------------------------------

    def _read(self, call: Call, value: Any, now: int) -> Answer:
        match call.purpose:
            case Purpose.PLACE | Purpose.AMEND | Purpose.CANCEL | Purpose.QUERY:
                assert call.subject is not None
                if call.subject.conditional:
                    if call.purpose is Purpose.CANCEL:
                        if str(value.get("code")) != "200":
                            return Answer(Outcome.AMBIGUOUS, text=str(value)[:200])
                        return Answer(Outcome.DONE)
                    return Answer(Outcome.DONE, (algo_row(value, self._by_raw),))
                return Answer(Outcome.DONE, (order_row(value, self._by_raw),))
            case Purpose.OPEN_ORDERS:
                rows = [order_row(r, self._by_raw) for r in self.listed(value)]
                return Answer(Outcome.DONE, tuple(rows))
            case Purpose.OPEN_CONDITIONALS:
                rows = [algo_row(r, self._by_raw) for r in self.listed(value)]
                return Answer(Outcome.DONE, tuple(rows))
            case Purpose.FILLS:
                fills = tuple(trade_row(row, self._by_raw) for row in value)
                end = sent_terms(call.target).get("endTime")
                more = f"from{end}" if end else ""
                if len(fills) >= FILLS_PAGE:
                    more = str(fills[-1].trade_id + 1)
                return Answer(Outcome.DONE, fills, cursor=more)
            case Purpose.POSITIONS:
                # Read after the request left; the stream's later reports are newer.
                queried_at = self._sent_at(call)
                held = self.listed(value, amount="positionAmt")
                return Answer(Outcome.DONE, tuple(position_row(r, self._by_raw, queried_at) for r in held))
            case Purpose.BALANCES:
                queried_at = self._sent_at(call)
                bounds = (queried_at, queried_at - CLOCK_STEP, now + CLOCK_STEP)
                return Answer(Outcome.DONE, tuple(balance_reports(value, *bounds)))
            case Purpose.MOVES:
                moves = self._moves.of_history(value, self._symbol)
                more = next_income(value, sent_terms(call.target))
                return Answer(Outcome.DONE, tuple(moves), cursor=more)
            case Purpose.CONVERSION:
                return Answer(Outcome.DONE, spot.read(value, call.symbol))
            case Purpose.STREAM_KEY | Purpose.KEEP_KEY:
                return Answer(Outcome.DONE, value=str(value.get("listenKey", "")))
            case _:
                return super()._read(call, value, now)

    # --- the user stream --------------------------------------------------------------------------

    def reports_in(self, value: dict[str, Any]) -> list[VenueReport]:
        match value.get("e"):
            case "ORDER_TRADE_UPDATE":
                return self._order_event(value["o"])
            case "ACCOUNT_UPDATE":
                return self._account_event(value)
            case "ALGO_UPDATE":
                return self._algo_event(value)
            case "ACCOUNT_CONFIG_UPDATE":
                return [StreamReport("settings changed", str(value.get("ac") or value.get("ai")))]
            case "listenKeyExpired":
                return [StreamReport("expired")]
            case name:
                found = self.meaningless(name or "no event")
                return [] if name in PASSED_OVER else found

    def _order_event(self, o: dict[str, Any]) -> list[VenueReport]:
        i = self._by_raw.get(o["s"])
        if i is None:
            return self.of_other_symbol(o["s"])
        kind, status = o["x"], o["X"]
        side, position_side = SIDES[o["S"]], POSITION_SIDES[o["ps"]]
        time = int(o["T"]) * MS
        last = units_of(o["l"], i.size_decimals)
        if kind == "CALCULATED" and not last:
            return []  # announced, not yet executed
        found: list[VenueReport] = []
        if last:
            found.append(
                FillReport(
                    symbol=i.symbol,
                    client_id=o["c"],
                    venue_id=str(o["i"]),
                    trade_id=int(o["t"]),
                    side=side,
                    position_side=position_side,
                    price=units_of(o["L"], i.price_decimals),
                    size=last,
                    time=time,
                    fee=money_of(o.get("n") or "0"),
                    fee_currency=o.get("N") or i.settle,
                    liquidity=Liquidity.MAKER if o["m"] else Liquidity.TAKER,
                )
            )
        state = STATES.get(status, OrderState.UNKNOWN)
        news = NEWS.get(kind)
        if status == "EXPIRED_IN_MATCH":
            news = OrderNews.CANCELED
        waits = o["o"] in CONDITIONAL_TYPES  # the book itself takes conditional orders: there is no separate service
        if kind == "NEW" and not waits and not self.family.has_algo and o.get("ot") in CONDITIONAL_TYPES:
            state, news = OrderState.TRIGGERED, OrderNews.TRIGGERED
        found.append(
            OrderStatusReport(
                symbol=i.symbol,
                client_id=o["c"],
                venue_id=str(o["i"]),
                state=state,
                time=time,
                news=news,
                side=side,
                type=OrderType.MARKET if o["o"].endswith("MARKET") else OrderType.LIMIT,
                tif=TIFS.get(o["f"], TimeInForce.GTC),
                price=units_of(o["p"], i.price_decimals),
                size=units_of(o["q"], i.size_decimals),
                trigger=units_of(o["sp"], i.price_decimals) if waits else 0,
                filled=units_of(o["z"], i.size_decimals),
                position_side=position_side,
                reduce_only=bool(o["R"]),
                takes_profit=o["o"].startswith("TAKE_PROFIT"),
            )
        )
        return found

    def _account_event(self, value: dict[str, Any]) -> list[VenueReport]:
        time = int(value["T"]) * MS
        found: list[VenueReport] = [
            BalanceReport(row["a"], money_of(row["wb"]), time) for row in value["a"].get("B", ())
        ]
        found += self._moves.of_event(value["a"], int(value["T"]), self._symbol)
        for row in self.listed(value["a"].get("P", ()), amount="pa", name="s"):
            i, side = self._by_raw[row["s"]], POSITION_SIDES[row["ps"]]
            found.append(PositionReport(i.symbol, side, units_of(row["pa"], i.size_decimals), time))
        return found

    def _symbol(self, raw: str) -> str:
        i = self._by_raw.get(raw)
        return "" if i is None else i.symbol

    def _algo_event(self, value: dict[str, Any]) -> list[VenueReport]:
        o = value["o"]
        i = self._by_raw.get(o["s"])
        if i is None:
            return self.of_other_symbol(o["s"])
        state = ALGO_STATES.get(o["X"], OrderState.UNKNOWN)
        if o["X"] in ("TRIGGERING", "FINISHED"):
            return []  # in transit; its result is reported with the order that it sends
        return [
            OrderStatusReport(
                symbol=i.symbol,
                client_id=o["caid"],
                venue_id=str(o.get("ai") or o["aid"]),
                state=state,
                # The documentation contradicts itself about T and E: the earlier one is used.
                time=min(int(value["T"]), int(value["E"])) * MS,
                news=STATE_NEWS.get(state),
                side=SIDES[o["S"]],
                price=units_of(o["p"], i.price_decimals),
                size=units_of(o["q"], i.size_decimals),
                trigger=units_of(o["tp"], i.price_decimals),
                position_side=POSITION_SIDES[o["ps"]],
                reduce_only=bool(o["R"]),
                conditional=not o.get("ai"),
                code=VenueRejected.code if state is OrderState.REJECTED else 0,
                reason=str(o.get("rm", "")),
                takes_profit=o["o"].startswith("TAKE_PROFIT"),
            )
        ]
