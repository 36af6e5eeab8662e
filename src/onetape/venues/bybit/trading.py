"""Bybit v5: an account's requests, its answers and its topics, for spot and contracts of a unified account.

Sources: Bybit API documentation v5, "Trade", "Position", "Account", "WebSocket Stream, Private", as of 2026-07.

The answer to a request about an order says only that it was received: the topic `order`, or a query, says what became
of it. An order is named by our id or the venue's; one with a trigger is in the same list, and keeps its id when it
fires. Working orders are queried in `order/realtime`, ended ones in `order/history`. No private topic begins with a
snapshot. Numbers are decimal text, times milliseconds. Margin is cross or isolated as the account is set.

A raw symbol means an instrument only with its category: orders and fills are queried in each category that the account
trades, positions in those of contracts. Spot has no position: its fills move coins, and a purchase pays its fee in the
bought one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from onetape._core import AccountOrder, PlaceTemplate
from onetape.model.enums import Kind, Liquidity, OrderNews, OrderState, OrderType, Side, TimeInForce, TriggerBy
from onetape.model.errors import AccountMode, VenueRateLimit, VenueRejected
from onetape.model.instrument import Instrument
from onetape.model.json_text import read_json
from onetape.model.order import OrderSpec
from onetape.model.time import DAY, MS, SECOND
from onetape.orders.calls import Call, OrderKey, Purpose, Traits, TransferRoute, TriggerBounds, WithoutTransfers
from onetape.orders.malformed import MALFORMED
from onetape.orders.outcome import Answer, Outcome
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
from onetape.venues.bybit.errors import ERRORS, GONE
from onetape.venues.bybit.instruments import SETTLES
from onetape.venues.bybit.market import unified
from onetape.venues.bybit.signing import signed_headers
from onetape.venues.bybit.transfers import (
    ACCOUNTS,
    FUNDING,
    transfer_id,
    transfer_reports,
    transfer_terms,
    wallet_reports,
)
from onetape.venues.bybit.words import (
    CATEGORIES,
    FORCED,
    NEWS,
    PORTFOLIO,
    POSITION_INDEX,
    POSITION_SIDES,
    REJECTS,
    SIDE_WORDS,
    SIDES,
    STATES,
    TIF_WORDS,
    TIFS,
    TRIGGERS,
)
from onetape.venues.error_tables import row_of, unreadable
from onetape.venues.key_check import KeyRights
from onetape.venues.numbers import money_of, trade_number, units_of
from onetape.venues.order_entry import json_of
from onetape.venues.query_text import query_text

__all__ = ["CLOCK_STEP", "OPERATIONS", "TOPICS", "BybitProtocol"]

CLOCK_STEP: Final = MS
TOPICS: Final = ("order", "execution", "position", "wallet")
OPERATIONS: Final = {Purpose.PLACE: "create", Purpose.AMEND: "amend", Purpose.CANCEL: "cancel"}
ORDERS_PAGE: Final = "50"
PAGE: Final = "100"
MOVES_PAGE: Final = "50"
SPAN: Final = 7 * DAY - SECOND  # the longest period of one query of a history
FILLS_REACH: Final = 700 * DAY
MOVES_REACH: Final = 700 * DAY
SHOWN: Final = 10**10  # the precision of its money, 1e-8; in 1e-18
_LOCKED: Final = 10 * 60 * SECOND  # after this HTTP status 403 the address is refused for ten minutes
_LOCKED_TEXT: Final = b"too frequent"
_JSON: Final = {"Content-Type": "application/json"}
_MOVES: Final = {
    "TRANSFER_IN": MoveKind.TRANSFER,
    "TRANSFER_OUT": MoveKind.TRANSFER,
    "SETTLEMENT": MoveKind.FUNDING,
    "INTEREST": MoveKind.INTEREST,
    "FEE_REFUND": MoveKind.FEE,
}
# Balance changes by fills, which are reported separately.
_OF_FILLS: Final = frozenset({"TRADE", "LIQUIDATION", "ADL", "DELIVERY"})
_FILLS: Final = frozenset({"Trade", *FORCED})
_TRANSFERS: Final = "asset/transfer"
_SILENT: Final = frozenset({"auth", "subscribe", "pong", "ping"})
Row = Mapping[str, Any]


def _usual(kind: Kind) -> PlaceTemplate:
    """Returns a usual order's parameters, as in `place`."""
    of_kind: tuple[str, str, dict[Any, str]]
    of_kind = ("positionIdx", "position_index", {side: str(index) for side, index in POSITION_INDEX.items()})
    if kind is Kind.SPOT:  # else the size of a purchase at the market is an amount of the quote coin
        of_kind = ("marketUnit", "type", {OrderType.MARKET: "baseCoin"})
    return PlaceTemplate(
        [
            ("category", "constant", {"": CATEGORIES[kind]}),
            ("symbol", "symbol", {}),
            ("side", "side", SIDE_WORDS),
            ("orderType", "type", {OrderType.LIMIT: "Limit", OrderType.MARKET: "Market"}),
            ("qty", "size", {}),
            ("orderLinkId", "client_id", {}),
            of_kind,
            ("price", "price", {}),
            ("timeInForce", "tif", {**TIF_WORDS, TimeInForce.GTD: "GTD", "post_only": "PostOnly"}),
        ]
    )


_USUAL: Final = {kind: _usual(kind) for kind in CATEGORIES}
_LINEAR, _INVERSE = CATEGORIES[Kind.LINEAR], CATEGORIES[Kind.INVERSE]
_LISTED: Final = frozenset(CATEGORIES.values())


class BybitProtocol(AccountProtocol, WithoutTransfers):
    """Implements `OrderProtocol`."""

    name = "bybit"
    client_id_chars = 36
    traits = Traits(
        conditionals=False,
        acks=True,
        triggers_max=TriggerBounds(symbol=10),
        ended_apart=True,
        fills_by_symbol=False,
        forced=tuple(f"{word}-" for word in FORCED.values()),
    )

    def __init__(self, key: str, secret: str) -> None:
        super().__init__()
        self.key, self.secret = key, secret
        self._of: dict[tuple[str, str], Instrument] = {}  # by category and raw symbol
        self._categories: tuple[str, ...] = (_LINEAR,)  # linear first: its positions are always queried
        self._coins: dict[str, None] = {}  # that a list of balances reports as zero when it lacks them

    def set_instruments(self, instruments: Sequence[Instrument]) -> None:
        super().set_instruments(instruments)
        self._of = {(CATEGORIES[i.kind], i.raw_symbol): i for i in instruments}
        self._categories = tuple(dict.fromkeys((_LINEAR, *(category for category, _ in self._of))))
        spot = [i for i in instruments if i.kind is Kind.SPOT]
        self.traits = self.traits._replace(spot=frozenset(i.symbol for i in spot))
        self._coins |= dict.fromkeys(name for i in spot for name in (i.base, i.quote))
        self._coins |= dict.fromkeys(i.settle for i in instruments if i.kind is Kind.INVERSE)

    # --- requests ---------------------------------------------------------------------------------

    def place(self, client_id: str, spec: OrderSpec, now: int, *, reference: int = 0) -> Call:
        i = self._by_symbol[spec.symbol]
        is_limit = spec.type is OrderType.LIMIT
        terms: dict[str, Any] = {
            **_named(i),
            "side": SIDE_WORDS[spec.side],
            "orderType": "Limit" if is_limit else "Market",
            "qty": i.size_text(spec.size_int),
            "orderLinkId": client_id,
        }
        if i.kind is not Kind.SPOT:
            terms["positionIdx"] = POSITION_INDEX[spec.position_side]
        elif not is_limit:
            terms["marketUnit"] = "baseCoin"
        if is_limit:
            terms["price"] = i.price_text(spec.price_int)
            # A kind that the venue does not have is refused there rather than left out here.
            terms["timeInForce"] = "PostOnly" if spec.post_only else TIF_WORDS.get(spec.tif, spec.tif.value)
        if spec.reduce_only:
            terms["reduceOnly"] = True
        if spec.trigger_by is not TriggerBy.NONE:
            terms |= {
                "triggerPrice": i.price_text(spec.trigger_int),
                "triggerBy": TRIGGERS[spec.trigger_by],
                "triggerDirection": 1 if spec.is_stop is (spec.side is Side.BUY) else 2,
            }
        return self._order(Purpose.PLACE, terms, now, OrderKey(spec.symbol, client_id))

    def place_order(self, order: AccountOrder, now: int, *, number: int, reference: int = 0) -> Call:
        i = self._by_symbol[order.symbol]
        terms = _USUAL[i.kind].terms(order, i.raw_symbol, i.price_decimals, i.size_decimals)
        if terms is None:
            return super().place_order(order, now, number=number, reference=reference)
        return self._order(Purpose.PLACE, terms, now, OrderKey(order.symbol, order.name), number)

    def cancel(self, key: OrderKey, now: int) -> Call:
        return self._order(Purpose.CANCEL, self._named(key), now, key)

    def amend(self, key: OrderKey, spec: OrderSpec, now: int, *, price: int, size: int) -> Call:
        i = self._by_symbol[key.symbol]
        terms = {**self._named(key), "qty": i.size_text(size), "price": i.price_text(price)}
        return self._order(Purpose.AMEND, terms, now, key)

    def _named(self, key: OrderKey) -> dict[str, Any]:
        """Returns the fields that name an order: by our id, else by the venue's (`_client_id`)."""
        word = "orderId" if "-" in key.client_id else "orderLinkId"
        return {**_named(self._by_symbol[key.symbol]), word: key.client_id.removeprefix("-")}

    def signed(self, call: Call, now: int) -> Call:
        if call.terms is None:
            return call
        body = json_of(call.terms)
        headers = {**_JSON, **signed_headers(self.key, self.secret, body, now)}
        return call._replace(body=body, headers=headers, terms=None)

    def query(self, key: OrderKey, now: int) -> Call:
        named = self._named(key)
        if key.venue_id:
            named = {"category": named["category"], "orderId": key.venue_id}
        return self._get(Purpose.QUERY, "order/history" if key.ended else "order/realtime", named, now, key)

    def open_orders(self, now: int) -> list[Call]:
        return [self._open(Purpose.OPEN_ORDERS, _every(each), now) for each in self._categories]

    def more_orders(self, call: Call, cursor: str, now: int) -> Call:
        return self._open(call.purpose, {**_every(call.part), "cursor": cursor}, now)

    def open_stops(self, symbol: str, now: int) -> Call | None:
        terms = {**_named(self._by_symbol[symbol]), "orderFilter": "StopOrder"}
        return self._open(Purpose.OPEN_CONDITIONALS, terms, now, symbol)

    def _open(self, purpose: Purpose, terms: Mapping[str, str], now: int, symbol: str = "") -> Call:
        call = self._get(purpose, "order/realtime", {**terms, "limit": ORDERS_PAGE}, now, symbol=symbol)
        return call._replace(part=terms["category"])

    def fills(self, symbol: str, now: int, *, since: int, cursor: str = "") -> Call:
        """Requests fills of all symbols, one category after the other, a week at a time, each week newest first.
        cursor: `CATEGORY SINCE` and the place in it, as of `_week`."""
        first = f"{self._categories[0]} {max(since, now - FILLS_REACH) // MS}"
        category, begin, *place = (cursor or first).split(" ", 2)
        terms = {"category": category, "limit": PAGE}
        call = self._week(Purpose.FILLS, "execution/list", terms, now, place[0] if place else begin)
        return call._replace(part=f"{category} {begin}")

    def account_moves(self, now: int, *, since: int, cursor: str = "") -> Call:
        """Requests balance changes, as `fills`."""
        terms = {"accountType": "UNIFIED", "limit": MOVES_PAGE}
        place = cursor or str(max(since, now - MOVES_REACH) // MS)
        return self._week(Purpose.MOVES, "account/transaction-log", terms, now, place)

    def _week(self, purpose: Purpose, path: str, terms: Mapping[str, str], now: int, place: str) -> Call:
        """Requests a page of a week. place: `START PAGE`, the week's begin in ms and the venue's name of the page."""
        start, _, page = place.partition(" ")
        begin = int(start)
        end = min(begin + SPAN // MS, (now + SECOND) // MS)
        paged = {"startTime": str(begin), "endTime": str(end), **({"cursor": page} if page else {})}
        return self._get(purpose, path, {**terms, **paged}, now)._replace(number=begin)

    def positions(self, now: int) -> Call:
        return self.more_positions("", now)

    def more_positions(self, cursor: str, now: int) -> Call:
        """Requests the positions of a category. cursor: its name, "": linear."""
        terms = {**_every(cursor or _LINEAR), "limit": "200"}
        return self._get(Purpose.POSITIONS, "position/list", terms, now)._replace(part=cursor)

    def balances(self, now: int) -> Call:
        return self._get(Purpose.BALANCES, "account/wallet-balance", {"accountType": "UNIFIED"}, now)

    def modes(self, now: int) -> Call:
        """Requests the position of one symbol, which has a row for each side in hedge mode, also while it is flat."""
        raw = next((raw for category, raw in self._of if category == _LINEAR), "BTCUSDT")
        return self._get(Purpose.MODES, "position/list", {"category": _LINEAR, "symbol": raw}, now)

    def key_info(self, now: int) -> Call:
        return self._get(Purpose.MODES, "user/query-api", {}, now)

    def read_key(self, value: Any) -> tuple[str, KeyRights]:
        result = value["result"]
        granted = result["permissions"]
        rights = KeyRights(
            read=True,
            trade=not result["readOnly"] and ("Order" in granted["ContractTrade"] or bool(granted.get("Spot"))),
            withdraw="Withdraw" in granted["Wallet"],
            is_bound=result["ips"] != ["*"],
        )
        return str(result["userID"]), rights

    def stream_key(self, now: int) -> Call:
        """Requests a proof of the key, and the account's margin mode."""
        return self._get(Purpose.STREAM_KEY, "account/info", {}, now)

    def dead_man(self, symbol: str, now: int, *, after: int) -> Call | None:
        """Returns None: the venue offers its switch to institutions only (as of 2026-07)."""
        return None

    def leverage(self, symbol: str, times: int, now: int) -> Call:
        terms = {**_named(self._by_symbol[symbol]), "buyLeverage": str(times), "sellLeverage": str(times)}
        return self._post(Purpose.LEVERAGE, "position/set-leverage", terms, now, symbol=symbol)

    def transfer(self, route: TransferRoute, currency: str, amount: int, now: int, *, name: str = "") -> Call | None:
        terms = transfer_terms(route, currency, amount, name)
        return None if terms is None else self._post(Purpose.TRANSFER, f"{_TRANSFERS}/inter-transfer", terms, now)

    def transfers(
        self, route: TransferRoute, now: int, *, since: int, cursor: str = "", name: str = "", currency: str = ""
    ) -> Call | None:
        if transfer_terms(route, currency, 0, name) is None:
            return None
        terms = {"transferId": transfer_id(name)}
        return self._get(Purpose.TRANSFERS, f"{_TRANSFERS}/query-inter-transfer-list", terms, now, symbol=name)

    def wallets(self, now: int) -> dict[str, Call]:
        terms = {"accountType": ACCOUNTS[FUNDING]}
        return {FUNDING: self._get(Purpose.WALLETS, f"{_TRANSFERS}/query-account-coins-balance", terms, now)}

    def time(self) -> Call:
        return Call(Purpose.TIME, "GET", "/v5/market/time", b"", {}, 1)

    def slack(self, currency: str) -> int:
        return SHOWN

    def _get(
        self,
        purpose: Purpose,
        path: str,
        terms: Mapping[str, str],
        now: int,
        subject: OrderKey | None = None,
        *,
        symbol: str = "",
    ) -> Call:
        query = query_text(terms)
        target = f"/v5/{path}?{query}" if query else f"/v5/{path}"
        headers = signed_headers(self.key, self.secret, query.encode(), now)
        return Call(purpose, "GET", target, b"", headers, 1, subject=subject, symbol=symbol, made=now)

    def _post(self, purpose: Purpose, path: str, terms: Mapping[str, Any], now: int, *, symbol: str = "") -> Call:
        return self.signed(Call(purpose, "POST", f"/v5/{path}", b"", {}, 1, symbol=symbol, terms=terms), now)

    def _order(self, purpose: Purpose, terms: Mapping[str, Any], now: int, key: OrderKey, number: int = 0) -> Call:
        path = f"/v5/order/{OPERATIONS[purpose]}"
        if self.signs_late:
            return Call(purpose, "POST", path, b"", {}, 1, 1, key, "", terms, number)
        body = json_of(terms)
        headers = {**_JSON, **signed_headers(self.key, self.secret, body, now)}
        return Call(purpose, "POST", path, body, headers, 1, 1, key, "", None, number)

    # --- answers ----------------------------------------------------------------------------------

    def answer(self, call: Call, status: int, headers: Mapping[str, str], body: bytes, now: int) -> Answer:
        if status == 403 and _LOCKED_TEXT in body:  # another 403 is a gate's: of a country, of a network
            return Answer(Outcome.SAFE, (), VenueRateLimit.code, "403", "access too frequent", _LOCKED)
        try:
            value = read_json(body)
            code = int(value["retCode"])
        except MALFORMED as error:
            return unreadable(error, status)
        if status != 200 or code:
            return self.refused(call, code or status, str(value.get("retMsg", "")), headers, now)
        return self.done(call, value, now)

    def done(self, call: Call, value: Mapping[str, Any], now: int) -> Answer:
        """Reads a successful answer."""
        try:
            return self._read(call, value.get("result") or {}, int(value["time"]) * MS if "time" in value else now, now)
        except MALFORMED as error:
            return unreadable(error, 200)

    def refused(self, call: Call, code: int, text: str, headers: Mapping[str, str], now: int) -> Answer:
        """Returns the outcome of a request that the venue answered with an error. headers: names in lower case."""
        row = row_of(ERRORS, code)
        until = headers.get("x-bapi-limit-reset-timestamp", "") if row.error is VenueRateLimit else ""
        wait = max(int(until) * MS - now, 0) if until.isdigit() else 0
        is_gone = code in GONE and call.purpose is not Purpose.PLACE
        return Answer(row.outcome, (), row.error.code, str(code), text, min(wait, 10 * SECOND), not_found=is_gone)

    def _read(self, call: Call, result: Mapping[str, Any], time: int, now: int) -> Answer:
        rows: Sequence[Row] = result.get("list") or ()
        page = str(result.get("nextPageCursor") or "")
        match call.purpose:
            case Purpose.PLACE | Purpose.AMEND | Purpose.CANCEL:
                return Answer(Outcome.DONE, value=str(result["orderId"]))
            case Purpose.QUERY:
                found = tuple(self._status(i, row) for i, row in self._ours(rows, result["category"]))
                return Answer(Outcome.DONE, found, not_found=not found)
            case Purpose.OPEN_ORDERS | Purpose.OPEN_CONDITIONALS:
                listed = tuple(self._status(i, row) for i, row in self._all(rows, result["category"]))
                return Answer(Outcome.DONE, listed, cursor=page if rows else "")
            case Purpose.FILLS:
                ours = self._ours(rows, result["category"])
                fills = tuple(self._fill(i, row) for i, row in ours if row["execType"] in _FILLS)
                return Answer(Outcome.DONE, fills, cursor=self._next_fills(call, page if rows else "", now))
            case Purpose.POSITIONS:
                held = self._all(rows, result["category"], amount="size")
                reports = tuple(_position(i, row, call.made, "avgPrice") for i, row in held)
                return Answer(Outcome.DONE, reports, cursor="" if call.part else _INVERSE)
            case Purpose.BALANCES:
                bounds = (call.made, call.made - CLOCK_STEP, now + CLOCK_STEP)
                coins = {each.currency: each for each in _balances(rows, *bounds)}
                self._coins |= dict.fromkeys(coins)
                totals = (coins.get(name) or BalanceReport(name, 0, *bounds) for name in self._coins)
                return Answer(Outcome.DONE, tuple(totals))
            case Purpose.MOVES:
                moves = tuple(self._move(row) for row in rows if row["type"] not in _OF_FILLS)
                return Answer(Outcome.DONE, moves, cursor=_next_page(call, page if rows else "", now))
            case Purpose.MODES:
                hedge = any(int(row["positionIdx"]) for row in rows)
                return Answer(Outcome.DONE, (AccountModeReport(hedge, False, True, False),))
            case Purpose.TIME:
                return Answer(Outcome.DONE, value=str(int(result["timeNano"])))
            case Purpose.TRANSFER:
                return Answer(Outcome.DONE, value=str(result["transferId"]))
            case Purpose.TRANSFERS:
                return Answer(Outcome.DONE, tuple(transfer_reports(rows, call.symbol)))
            case Purpose.WALLETS:
                return Answer(Outcome.DONE, tuple(wallet_reports(result["balance"])))
            case Purpose.STREAM_KEY if result["marginMode"] == PORTFOLIO:
                text = f"the account has portfolio margin ({PORTFOLIO}), which is not supported"
                return Answer(Outcome.DEFINITIVE, (), AccountMode.code, PORTFOLIO, text)
            case Purpose.STREAM_KEY:
                return Answer(Outcome.DONE, value=str(now))
            case _:
                return Answer(Outcome.DONE)

    def _ours(self, rows: Sequence[Row], category: str) -> Iterator[tuple[Instrument, Row]]:
        """Yields the rows of known instruments."""
        return ((i, row) for row in rows if (i := self._of.get((category, row["symbol"]))) is not None)

    def _all(self, rows: Sequence[Row], category: str, *, amount: str = "") -> Iterator[tuple[Instrument, Row]]:
        """Yields the rows of known instruments, and notes the others; amount: as of `listed`."""
        for row in rows:
            is_listed = (category, row["symbol"]) in self._of or category not in _LISTED
            if not is_listed and (not amount or Decimal(row[amount] or 0)):
                self.unlisted.add(_name(category, row["symbol"]))
        return self._ours(rows, category)

    def _next_fills(self, call: Call, page: str, now: int) -> str:
        category, begin = call.part.split()
        if place := _next_page(call, page, now):
            return f"{category} {begin} {place}"
        following = self._categories[self._categories.index(category) + 1 :]
        return f"{following[0]} {begin}" if following else ""

    @staticmethod
    def _status(i: Instrument, row: Row, *, is_event: bool = False) -> OrderStatusReport:
        """Reads an order. Its time is 0 in a list: a row has the time of the order's last change, not that of the
        list."""
        word, side, is_limit = row["orderStatus"], SIDES[row["side"]], row["orderType"] == "Limit"
        state, filled = STATES.get(word, OrderState.UNKNOWN), units_of(row["cumExecQty"] or "0", i.size_decimals)
        why, code = str(row.get("rejectReason") or ""), 0
        if state is OrderState.CANCELED and why in REJECTS and not filled:
            state = OrderState.REJECTED
        if state is OrderState.REJECTED:
            code = REJECTS.get(why, VenueRejected.code)
        by_value = row.get("marketUnit") == "quoteCoin"  # an order by hand, whose size is an amount of that coin
        waits = word == "Untriggered"
        fired = not waits and bool(row.get("triggerPrice") or "") and row.get("stopOrderType") == "Stop"
        if state is OrderState.ACCEPTED and fired:
            state = OrderState.TRIGGERED
        return OrderStatusReport(
            symbol=i.symbol,
            client_id=_client_id(row),
            venue_id=row["orderId"],
            state=state,
            time=int(row["updatedTime"]) * MS if is_event else 0,
            news=_news(state, row) if is_event else None,
            side=side,
            type=OrderType.LIMIT if is_limit else OrderType.MARKET,
            tif=TIFS.get(row["timeInForce"], TimeInForce.GTC),
            price=units_of(row["price"], i.price_decimals) if is_limit else 0,
            size=max(filled, i.lot_int) if by_value else units_of(row["qty"], i.size_decimals),
            filled=filled,
            trigger=units_of(row["triggerPrice"], i.price_decimals) if waits else 0,
            position_side=POSITION_SIDES[int(row.get("positionIdx") or 0)],
            reduce_only=bool(row["reduceOnly"]) or bool(row.get("closeOnTrigger")),
            code=code,
            reason=_reason(row) if state in (OrderState.CANCELED, OrderState.REJECTED) else "",
            takes_profit=waits and (side is Side.BUY) == (int(row["triggerDirection"] or 0) == 2),
        )

    @staticmethod
    def _fill(i: Instrument, row: Row) -> FillReport:
        kind = FORCED.get(row["execType"], "")
        return FillReport(
            symbol=i.symbol,
            client_id=f"{kind}-{row['orderId']}" if kind else row["orderLinkId"],
            venue_id=row["orderId"],
            trade_id=trade_number(row["execId"]),
            side=SIDES[row["side"]],
            position_side=POSITION_SIDES[int(row.get("positionIdx") or 0)],
            price=units_of(row["execPrice"], i.price_decimals),
            size=units_of(row["execQty"], i.size_decimals),
            time=int(row["execTime"]) * MS,
            fee=money_of(row["execFee"] or "0"),
            fee_currency=row.get("feeCurrency") or _fee_currency(i, row),
            liquidity=Liquidity.MAKER if row["isMaker"] else Liquidity.TAKER,
        )

    def _move(self, row: Row) -> MoveReport:
        i = self._of.get((row.get("category", ""), row["symbol"]))
        kind = _MOVES.get(row["type"], MoveKind.OTHER)
        symbol = "" if i is None else i.symbol
        time = int(row["transactionTime"]) * MS
        return MoveReport(row["id"], row["currency"], money_of(row["change"]), time, kind, symbol)

    # --- the account's topics ---------------------------------------------------------------------

    def reports_in(self, value: Mapping[str, Any]) -> list[VenueReport]:
        rows: Sequence[Row] = value.get("data") or ()
        match value.get("topic"):
            case "order":
                return [each for row in rows for each in self._event(row, "order")]
            case "execution":
                return [each for row in rows for each in self._event(row, "execution")]
            case "position":
                held = [each for row in rows for each in self._all([row], row["category"], amount="size")]
                return [_position(i, row, int(row["updatedTime"]) * MS, "entryPrice") for i, row in held]
            case "wallet":
                return list(_balances(rows, int(value["creationTime"]) * MS))
            case None if value.get("op") in _SILENT:
                return []
            case name:
                return self.meaningless(name or value.get("op") or "no topic")

    def _event(self, row: Row, topic: str) -> list[VenueReport]:
        category = row["category"]
        if category not in _LISTED:
            return []  # of options, which nothing here trades
        if (i := self._of.get((category, row["symbol"]))) is None:
            return self.of_other_symbol(_name(category, row["symbol"]))
        if topic == "order":
            return [self._status(i, row, is_event=True)]
        return [self._fill(i, row)] if row["execType"] in _FILLS else []


def _named(i: Instrument) -> dict[str, str]:
    return {"category": CATEGORIES[i.kind], "symbol": i.raw_symbol}


def _every(category: str) -> dict[str, str]:
    """Returns the parameters of a list of a whole category."""
    return {"category": category} | ({"settleCoin": SETTLES} if category == _LINEAR else {})


def _name(category: str, raw: str) -> str:
    """Returns the name of an instrument that is not known here, as `Instrument.name` or as the venue calls it."""
    return unified(raw, next(kind for kind, word in CATEGORIES.items() if word == category)) or raw


def _client_id(row: Row) -> str:
    """Returns our name of an order; of one without, the venue's: it is a UUID, or on spot a number behind a `-`."""
    number = str(row["orderId"])
    return str(row["orderLinkId"]) or (number if "-" in number else f"-{number}")


def _fee_currency(i: Instrument, row: Row) -> str:
    """Returns the currency of a fee that names none: on spot it is taken from what is received, and a rebate is paid in
    the other coin."""
    is_base = i.kind is Kind.SPOT and (row["side"] == "Buy") is (Decimal(row["execFee"] or 0) >= 0)
    return i.base if is_base else i.settle


def _position(i: Instrument, row: Row, time: int, entry: str) -> PositionReport:
    """Reads a position. entry: the name of its average price, which differs between REST and the topic."""
    sign = -1 if row["side"] == "Sell" else 1
    return PositionReport(
        i.symbol,
        POSITION_SIDES[int(row["positionIdx"])],
        sign * units_of(row["size"], i.size_decimals),
        time,
        entry=_price(row[entry]),
        mark=_price(row["markPrice"]),
        liquidation=_price(row["liqPrice"]),
    )


def _news(state: OrderState, row: Row) -> OrderNews | None:
    """Returns what has happened to an order: a change of one that works leaves it `New`, at a later time."""
    is_changed = state is OrderState.ACCEPTED and row["updatedTime"] != row["createdTime"]
    return OrderNews.UPDATED if is_changed and row["orderStatus"] == "New" else NEWS.get(state)


def _reason(row: Row) -> str:
    words = (str(row.get(name) or "") for name in ("rejectReason", "cancelType"))
    return next((word for word in words if word not in ("", "EC_NoError", "UNKNOWN")), "")


def _price(text: str) -> Decimal | None:
    price = Decimal(text or "0")
    return price if price.is_finite() and price > 0 else None


def _next_page(call: Call, page: str, now: int) -> str:
    """Returns the cursor after a page of a week: the next page, or the next week."""
    if page:
        return f"{call.number} {page}"
    begin = call.number + SPAN // MS
    return f"{begin}" if begin < now // MS else ""


def _balances(rows: Sequence[Row], time: int, earliest: int = 0, latest: int = 0) -> Iterator[BalanceReport]:
    """Reads balances of the account's coins. Its margin is that of all coins, in dollars: it is reported with that in
    which the contracts settle."""
    for account in rows:
        for row in account["coin"]:
            margin = None
            if row["coin"] == SETTLES and account.get("totalAvailableBalance"):
                profit = money_of(row.get("unrealisedPnl") or "0")
                initial = money_of(account.get("totalInitialMargin") or "0")
                margin = MarginReport(profit, money_of(account["totalAvailableBalance"]), initial)
            yield BalanceReport(row["coin"], money_of(row["walletBalance"] or "0"), time, earliest, latest, margin)
