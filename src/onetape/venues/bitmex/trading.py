"""BitMEX: an account's requests, its answers and its tables.

Source: BitMEX API documentation, "Order", "Execution", "Position", "User", "WebSocket API", of its last years.

A request is valid until `api-expires`: the venue refuses it later, so an order's absence can be proven. All orders,
including stops, are in one list, and are named by our id or the venue's. The table `execution` reports all events of an
order, with the whole order in each row. Sizes are contracts; those of inverse contracts are amounts of the quote
currency. Money is in whole units of the wallet's currency.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from onetape.model.enums import Liquidity, OrderNews, OrderState, OrderType, PositionSide, Side, TimeInForce, TriggerBy
from onetape.model.errors import OrderUnknown, OrderWouldCross, ReduceOnlyViolated, VenueRateLimit
from onetape.model.money import MONEY_DECIMALS, money
from onetape.model.order import OrderSpec
from onetape.model.time import SECOND, format_time, parse_time
from onetape.orders.calls import Call, OrderKey, Purpose, Traits, WithoutTransfers
from onetape.orders.malformed import MALFORMED
from onetape.orders.outcome import Answer, Outcome, retry_after
from onetape.orders.reports import (
    AccountModeReport,
    BalanceReport,
    FillReport,
    MarginReport,
    MoveKind,
    MoveReport,
    OrderStatusReport,
    PositionReport,
    VenueReport,
)
from onetape.venues.account_protocol import AccountProtocol
from onetape.venues.bitmex.errors import row_of_answer
from onetape.venues.bitmex.instruments import CURRENCIES
from onetape.venues.bitmex.signing import SOCKET_PATH, signature
from onetape.venues.error_tables import unreadable
from onetape.venues.numbers import exact_json, money_of, trade_number, units_of
from onetape.venues.query_text import query_text

__all__ = ["CLOCK_STEP", "ROOT", "TABLES", "BitmexProtocol"]

ROOT: Final = "/api/v1"
TABLES: Final = ("execution", "position", "margin")
WINDOW_S: Final = 5
CLOCK_STEP: Final = 1_000_000
PAGE: Final = 500
_JSON: Final = {"Content-Type": "application/json"}
_INSTRUCTIONS: Final = {TriggerBy.LAST: "LastPrice", TriggerBy.MARK: "MarkPrice", TriggerBy.INDEX: "IndexPrice"}
_TYPES: Final = {  # (has a trigger, is a stop, is a limit order)
    (False, False, False): "Market",
    (False, False, True): "Limit",
    (True, True, False): "Stop",
    (True, True, True): "StopLimit",
    (True, False, False): "MarketIfTouched",
    (True, False, True): "LimitIfTouched",
}
_TIF_WORDS: Final = {
    TimeInForce.GTC: "GoodTillCancel",
    TimeInForce.IOC: "ImmediateOrCancel",
    TimeInForce.FOK: "FillOrKill",
    TimeInForce.GTD: "GoodTillDate",  # not supported: refused by the venue rather than ignored here
}
_TIFS: Final = {word: tif for tif, word in _TIF_WORDS.items()}
_STATES: Final = {
    "New": OrderState.ACCEPTED,
    "PartiallyFilled": OrderState.PARTIALLY_FILLED,
    "Filled": OrderState.FILLED,
    "Canceled": OrderState.CANCELED,
    "Rejected": OrderState.REJECTED,
}
_NEWS: Final = {
    "New": OrderNews.ACCEPTED,
    "Canceled": OrderNews.CANCELED,
    "Replaced": OrderNews.UPDATED,
    "TriggeredOrActivatedBySystem": OrderNews.TRIGGERED,
    "Rejected": OrderNews.REJECTED,
}
# Prefixes of an order's text: the venue has accepted the order and canceled it at once, which counts as rejected.
_REFUSED: Final = {
    "Canceled: Order had execInst of ParticipateDoNotInitiate": OrderWouldCross.code,
    "Canceled: Order had execInst of Close or ReduceOnly": ReduceOnlyViolated.code,
}
_MOVES: Final = {
    "Deposit": MoveKind.TRANSFER,
    "Withdrawal": MoveKind.TRANSFER,
    "Transfer": MoveKind.TRANSFER,
    "Funding": MoveKind.FUNDING,
}
_STEPS: Final[dict[str, int]] = {name: 10 ** (MONEY_DECIMALS - decimals) for name, decimals in CURRENCIES.values()}
_OF_FILLS: Final = frozenset({"RealisedPNL"})  # balance changes by fills, which are reported separately


class BitmexProtocol(AccountProtocol, WithoutTransfers):
    """Implements `OrderProtocol`."""

    name = "bitmex"
    client_id_chars = 36
    traits = Traits(
        conditionals=False,
        fills_by_symbol=False,
        dead_man_by_symbol=False,
        forced=("autoclose-", "adl_autoclose", "settlement_autoclose-"),  # as the simulated exchange names them
    )

    def __init__(self, key: str, secret: str) -> None:
        self._key, self._secret = key, secret
        super().__init__()

    # --- requests ---------------------------------------------------------------------------------

    def place(self, client_id: str, spec: OrderSpec, now: int, *, reference: int = 0) -> Call:
        i = self._by_symbol[spec.symbol]
        is_limit, has_trigger = spec.type is OrderType.LIMIT, spec.trigger_by is not TriggerBy.NONE
        flags = [
            *(["ParticipateDoNotInitiate"] if spec.post_only else []),
            *(["ReduceOnly"] if spec.reduce_only else []),
            *([_INSTRUCTIONS[spec.trigger_by]] if has_trigger else []),
        ]
        terms: dict[str, Any] = {
            "symbol": i.raw_symbol,
            "side": spec.side.value.capitalize(),
            "orderQty": _number(i.size_text(spec.size_int)),
            "ordType": _TYPES[has_trigger, has_trigger and spec.is_stop, is_limit],
            "clOrdID": client_id,
        }
        if is_limit:
            terms |= {"price": _number(i.price_text(spec.price_int)), "timeInForce": _TIF_WORDS[spec.tif]}
        if has_trigger:
            terms["stopPx"] = _number(i.price_text(spec.trigger_int))
        if flags:
            terms["execInst"] = ",".join(flags)
        return self._order(Purpose.PLACE, "POST", terms, now, OrderKey(spec.symbol, client_id))

    def cancel(self, key: OrderKey, now: int) -> Call:
        return self._order(Purpose.CANCEL, "DELETE", _named(key, "clOrdID"), now, key)

    def amend(self, key: OrderKey, spec: OrderSpec, now: int, *, price: int, size: int) -> Call:
        i = self._by_symbol[key.symbol]
        terms = {"price": _number(i.price_text(price)), "orderQty": _number(i.size_text(size))}
        return self._order(Purpose.AMEND, "PUT", _named(key, "origClOrdID") | terms, now, key)

    def signed(self, call: Call, now: int) -> Call:
        return call  # there is no order line, so calls have no terms

    def query(self, key: OrderKey, now: int) -> Call:
        wanted = {"orderID": key.venue_id} if key.venue_id else _named(key, "clOrdID")
        terms = {"symbol": self._by_symbol[key.symbol].raw_symbol, "filter": _text(wanted), "count": "1"}
        return self._get(Purpose.QUERY, "/order", terms | {"reverse": "true"}, now, subject=key)

    def open_orders(self, now: int) -> list[Call]:
        return [self._get(Purpose.OPEN_ORDERS, "/order", {"filter": _text({"open": True}), "count": str(PAGE)}, now)]

    def open_stops(self, symbol: str, now: int) -> Call | None:
        terms = {"symbol": self._by_symbol[symbol].raw_symbol, "filter": _text({"open": True}), "count": str(PAGE)}
        return self._get(Purpose.OPEN_CONDITIONALS, "/order", terms, now, symbol=symbol)

    def fills(self, symbol: str, now: int, *, since: int, cursor: str = "") -> Call:
        """Requests fills of all symbols, oldest first."""
        terms = {"filter": _text({"execType": "Trade"})}
        return self._page(Purpose.FILLS, "/execution/tradeHistory", terms, now, since, cursor)

    def account_moves(self, now: int, *, since: int, cursor: str = "") -> Call:
        """Requests balance changes, oldest first (the venue's default is newest first)."""
        terms = {"currency": "all", "reverse": "true"}
        return self._page(Purpose.MOVES, "/user/walletHistory", terms, now, since, cursor)

    def positions(self, now: int) -> Call:
        return self._get(Purpose.POSITIONS, "/position", {"count": str(PAGE)}, now)

    def balances(self, now: int) -> Call:
        return self._get(Purpose.BALANCES, "/user/margin", {"currency": "all"}, now)

    def modes(self, now: int) -> Call:
        return self._get(Purpose.MODES, "/apiKey", {}, now)

    def stream_key(self, now: int) -> Call:
        """Requests a proof of the key. Its answer has the time until which the stream may be opened."""
        return self._get(Purpose.STREAM_KEY, "/user", {}, now)

    def hello(self, expires: str) -> bytes:
        """Returns the message that opens an account's stream. expires: seconds UTC until which it is valid."""
        signed = signature(self._secret, "GET", SOCKET_PATH, expires)
        return msgspec.json.encode({"op": "authKeyExpires", "args": [self._key, int(expires), signed]})

    def dead_man(self, symbol: str, now: int, *, after: int) -> Call | None:
        """Arms the account's switch, which also cancels stops."""
        return self._post(Purpose.DEAD_MAN, "/order/cancelAllAfter", {"timeout": after // CLOCK_STEP}, now)

    def time(self) -> Call:
        return Call(Purpose.TIME, "GET", ROOT, b"", {}, 1)

    def slack(self, currency: str) -> int:
        return _STEPS.get(currency, 0)

    def _page(self, purpose: Purpose, path: str, terms: Mapping[str, str], now: int, since: int, cursor: str) -> Call:
        """Requests a page. cursor: `START OFFSET`, the history's first time in ns and the number of rows before the
        page."""
        start, _, skip = cursor.partition(" ")
        paged = {"startTime": format_time(int(start or since)), "count": str(PAGE), "start": skip or "0"}
        return self._get(purpose, path, {**terms, **paged}, now)._replace(number=int(start or since))

    def _get(
        self,
        purpose: Purpose,
        path: str,
        terms: Mapping[str, str],
        now: int,
        *,
        subject: OrderKey | None = None,
        symbol: str = "",
    ) -> Call:
        target = f"{ROOT}{path}?{query_text(terms)}" if terms else f"{ROOT}{path}"
        headers = self._headers("GET", target, b"", now)
        return Call(purpose, "GET", target, b"", headers, 1, subject=subject, symbol=symbol, made=now)

    def _order(self, purpose: Purpose, method: str, terms: Mapping[str, Any], now: int, key: OrderKey) -> Call:
        return self._post(purpose, "/order", terms, now, method)._replace(subject=key, orders=1)

    def _post(self, purpose: Purpose, path: str, terms: Mapping[str, Any], now: int, method: str = "POST") -> Call:
        body, target = msgspec.json.encode(terms), ROOT + path
        return Call(purpose, method, target, body, _JSON | self._headers(method, target, body, now), 1, made=now)

    def _headers(self, method: str, target: str, body: bytes, now: int) -> dict[str, str]:
        expires = str(now // SECOND + WINDOW_S)
        signed = signature(self._secret, method, target, expires, body)
        return {"api-key": self._key, "api-expires": expires, "api-signature": signed}

    # --- answers ----------------------------------------------------------------------------------

    def answer(self, call: Call, status: int, headers: Mapping[str, str], body: bytes, now: int) -> Answer:
        try:
            value = exact_json(body)
            if status == 200:
                return self._read(call, value, now)
            text = str(value["error"]["message"])
        except MALFORMED as error:
            return unreadable(error, status)
        wait = retry_after(headers)
        if status == 429:
            return Answer(Outcome.SAFE, (), VenueRateLimit.code, "429", text, wait or SECOND)
        row = row_of_answer(status, text)
        is_gone = call.purpose is not Purpose.PLACE and (row.error is OrderUnknown or status == 404)
        code = OrderUnknown.code if is_gone else row.error.code
        return Answer(row.outcome, (), code, str(status), text, wait, not_found=is_gone)

    def _read(self, call: Call, value: Any, now: int) -> Answer:
        match call.purpose:
            case Purpose.PLACE | Purpose.AMEND:
                return Answer(Outcome.DONE, (self._status(value),))
            case Purpose.CANCEL:
                return Answer(Outcome.DONE, tuple(self._orders(value)))
            case Purpose.QUERY:
                found = tuple(self._orders(value))
                return Answer(Outcome.DONE, found, not_found=not found)
            case Purpose.OPEN_ORDERS | Purpose.OPEN_CONDITIONALS:
                is_stop = call.purpose is Purpose.OPEN_CONDITIONALS
                rows = self._orders(self.listed(value))
                return Answer(Outcome.DONE, tuple(each for each in rows if each.trigger or not is_stop))
            case Purpose.FILLS:
                fills = tuple(self._fill(row) for row in value if row["symbol"] in self._by_raw)
                return Answer(Outcome.DONE, fills, cursor=_next_page(call, len(value)))
            case Purpose.POSITIONS:
                return Answer(Outcome.DONE, tuple(self._positions(value, call.made)))
            case Purpose.BALANCES:
                bounds = (call.made, call.made - CLOCK_STEP, now + CLOCK_STEP)
                return Answer(Outcome.DONE, tuple(_balances(value, *bounds)))
            case Purpose.MOVES:
                moves = tuple(self._move(row) for row in value if row["transactType"] not in _OF_FILLS)
                return Answer(Outcome.DONE, moves, cursor=_next_page(call, len(value)))
            case Purpose.MODES:
                (own,) = value  # the account's own row
                mode = AccountModeReport(
                    hedge=False,
                    multi_assets=False,
                    can_trade="order" in own["permissions"],
                    can_withdraw="withdraw" in own["permissions"],
                    account=str(own["userId"]),
                )
                return Answer(Outcome.DONE, (mode,))
            case Purpose.STREAM_KEY:
                return Answer(Outcome.DONE, value=str(now // SECOND + 60))
            case Purpose.TIME:
                return Answer(Outcome.DONE, value=str(int(value["timestamp"]) * CLOCK_STEP))
            case _:
                return Answer(Outcome.DONE)

    def _orders(self, rows: Sequence[Mapping[str, Any]]) -> list[OrderStatusReport]:
        return [self._status(row) for row in rows if row["symbol"] in self._by_raw]

    def _status(self, row: Mapping[str, Any], news: OrderNews | None = None) -> OrderStatusReport:
        """Reads a row of the orders or of the executions; an execution's time is that of its event."""
        i = self._by_raw[row["symbol"]]
        state, text, flags = _STATES.get(row["ordStatus"], OrderState.UNKNOWN), str(row["text"]), row["execInst"]
        filled, fired = units_of(row["cumQty"], i.size_decimals), bool(row["triggered"])
        code = next((code for start, code in _REFUSED.items() if text.startswith(start)), 0)
        if state is OrderState.CANCELED and code and not filled:
            state, news = OrderState.REJECTED, news and OrderNews.REJECTED
        elif state is OrderState.ACCEPTED and fired:
            state = OrderState.TRIGGERED
        size = row["orderQty"] or str(int(row["leavesQty"]) + int(row["cumQty"]))
        is_limit = row["price"] is not None
        return OrderStatusReport(
            symbol=i.symbol,
            client_id=row["clOrdID"] or row["orderID"],
            venue_id=row["orderID"],
            state=state,
            time=parse_time(row["timestamp"]),
            news=news,
            side=Side(row["side"].lower()),
            type=OrderType.LIMIT if is_limit else OrderType.MARKET,
            tif=_TIFS.get(row["timeInForce"], TimeInForce.GTC),
            price=units_of(row["price"], i.price_decimals) if is_limit else 0,
            size=units_of(size, i.size_decimals),
            filled=filled,
            trigger=units_of(row["stopPx"], i.price_decimals) if row["stopPx"] is not None and not fired else 0,
            takes_profit=row["ordType"].endswith("IfTouched"),
            reduce_only="ReduceOnly" in flags or "Close" in flags,
            code=code if state is OrderState.REJECTED else 0,
            reason=text.partition("\n")[0] if state in (OrderState.CANCELED, OrderState.REJECTED) else "",
        )

    def _fill(self, row: Mapping[str, Any]) -> FillReport:
        i = self._by_raw[row["symbol"]]
        currency, _ = CURRENCIES[row["settlCurrency"]]
        return FillReport(
            symbol=i.symbol,
            client_id=row["clOrdID"],
            venue_id=row["orderID"],
            trade_id=trade_number(row["trdMatchID"]),
            side=Side(row["side"].lower()),
            position_side=PositionSide.BOTH,
            price=units_of(row["lastPx"], i.price_decimals),
            size=units_of(row["lastQty"], i.size_decimals),
            time=parse_time(row["transactTime"]),
            fee=int(row["execComm"]) * _STEPS[currency],
            fee_currency=currency,
            liquidity=Liquidity.MAKER if row["lastLiquidityInd"] == "AddedLiquidity" else Liquidity.TAKER,
        )

    def _positions(self, rows: Sequence[Mapping[str, Any]], time: int = 0) -> list[PositionReport]:
        """Reads positions. time: of the query; 0: each row's own time."""
        return [
            PositionReport(
                i.symbol,
                PositionSide.BOTH,
                units_of(row["currentQty"], i.size_decimals),
                time or parse_time(row["timestamp"]),
                entry=_price(row.get("avgEntryPrice")),
                mark=_price(row.get("markPrice")),
                liquidation=_price(row.get("liquidationPrice")),
            )
            for row in self.listed(rows, amount="currentQty")
            if (i := self._by_raw[row["symbol"]]) and "currentQty" in row
        ]

    def _move(self, row: Mapping[str, Any]) -> MoveReport:
        word, (currency, _) = str(row["transactType"]), CURRENCIES[row["currency"]]
        i = self._by_raw.get(row["address"])
        amount = int(row["amount"]) * _STEPS[currency]
        kind, symbol = _MOVES.get(word, MoveKind.OTHER), "" if i is None else i.symbol
        return MoveReport(row["transactID"], currency, amount, parse_time(row["transactTime"]), kind, symbol)

    # --- the account's tables ---------------------------------------------------------------------

    def parsed(self, message: bytes) -> Any:
        return exact_json(message)

    def reports_in(self, value: Mapping[str, Any]) -> list[VenueReport]:
        rows: Sequence[Mapping[str, Any]] = value.get("data", ())
        match value.get("table"):
            case "execution":
                is_new = value["action"] == "insert"
                return [each for row in rows if is_new for each in self._execution(row)]
            case "position":
                return list(self._positions(rows))
            case "margin":
                return [each for row in rows if "walletBalance" in row for each in _balances([row])]
            case None:
                return []
            case table:
                return self.meaningless(table)

    def _execution(self, row: Mapping[str, Any]) -> list[VenueReport]:
        if row["symbol"] not in self._by_raw:
            return self.of_other_symbol(row["symbol"])
        match row["execType"]:
            case "Funding":
                return []  # the history is queried instead: rows here have no id by which to match it
            case "Trade":
                return [self._fill(row), self._status(row)]
            case kind:
                return [self._status(row, _NEWS.get(kind))]


def _number(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


def _text(terms: Mapping[str, Any]) -> str:
    return msgspec.json.encode(terms).decode()


def _named(key: OrderKey, word: str) -> dict[str, Any]:
    """Returns the key that names an order in a request: our id, else the venue's, which is a UUID."""
    return {"orderID" if "-" in key.client_id else word: key.client_id}


def _price(text: str | None) -> Decimal | None:
    return None if text is None else money(money_of(text))


def _next_page(call: Call, count: int) -> str:
    """Returns the cursor after a page of that many rows."""
    return "" if count < PAGE else f"{call.number} {int(call.target.rpartition('=')[2]) + PAGE}"


def _balances(
    rows: Sequence[Mapping[str, Any]], time: int = 0, earliest: int = 0, latest: int = 0
) -> Iterator[BalanceReport]:
    """Reads balances. time: of the query; 0: each row's own time."""
    for row in rows:
        currency, _ = CURRENCIES[row["currency"]]
        words = ("walletBalance", "unrealisedPnl", "availableMargin", "initMargin")
        total, profit, available, initial = (int(row[word]) * _STEPS[currency] for word in words)
        margin = MarginReport(profit, available, initial)
        yield BalanceReport(currency, total, time or parse_time(row["timestamp"]), earliest, latest, margin)
