"""OKX v5: an account's requests, its answers and its channels: spot without loans, swaps and dated futures in cross or
isolated margin.

Sources: OKX API v5 documentation, "Order Book Trading, Trade", "Algo Trading", "Trading Account", as of 2026-07, and
its change log until 2026-10.

The answer to a request about an order says only that it was received: the channel `orders`, or a query, says what
became of it. A request is valid until `expTime`, so an order's absence can be proven. An order with a trigger is an
`algo` order with an id of its own, in lists and on a socket of its own; when it fires it sends an order that names it,
which has no id of ours. It is a stop or a take-profit by its field, and refused if its trigger is met: an order of type
`trigger` would wait for either direction.

A market order on spot is sent in coins (`tgtCcy`): the venue takes a purchase's size as money otherwise. Spot has no
position: the fee of a purchase is charged in the coin, and balances are compared. Lists have all types of instruments,
except that of old fills, which is read type by type.

Each order names its margin mode: an account trades contracts in one mode, and notes positions and orders of the other
one. The margin of isolated positions belongs to the balance. Fills of a list do not say their mode. Sources disagree on
isolated margin of contracts: the English page of "Place order" has it for loans on spot alone since 2026-06, others for
contracts in futures mode.

Sizes are contracts, on spot coins; numbers are decimal text, a fee that is paid is negative; times are milliseconds.
Lists are newest first, and a page begins after an id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from onetape._core import AccountOrder, PlaceTemplate
from onetape.model.enums import Kind, Liquidity, OrderNews, OrderState, OrderType, PositionSide, TimeInForce, TriggerBy
from onetape.model.errors import AccountMode, VenueRateLimit, VenueRejected
from onetape.model.instrument import Instrument
from onetape.model.json_text import read_json
from onetape.model.order import OrderSpec
from onetape.model.time import DAY, MS, SECOND
from onetape.orders.calls import ORDER_PURPOSES, Call, OrderKey, Purpose, Traits, TransferRoute, WithoutTransfers
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
from onetape.venues.error_tables import row_of, unreadable
from onetape.venues.key_check import KeyRights
from onetape.venues.numbers import money_of, trade_number, units_of
from onetape.venues.okx.errors import ERRORS, GONE
from onetape.venues.okx.signing import WINDOW_MS, signed_headers
from onetape.venues.okx.transfers import FUNDING, history_terms, transfer_reports, transfer_terms, wallet_reports
from onetape.venues.okx.words import (
    ALGO_STATES,
    CASH,
    FORCED,
    ISOLATED,
    MARGIN,
    NEWS,
    POSITION_SIDES,
    POSITION_WORDS,
    REJECTS,
    SIDES,
    STATES,
    TIF_WORDS,
    TIFS,
    TRIGGERS,
    type_of,
)
from onetape.venues.order_entry import json_of
from onetape.venues.query_text import query_text

__all__ = ["ALGO_CHANNELS", "CHANNELS", "CLOCK_STEP", "PATHS", "UNITS", "OkxProtocol"]

CLOCK_STEP: Final = MS
CHANNELS: Final = ("orders", "account", "positions")
ALGO_CHANNELS: Final = ("orders-algo",)
ROOT: Final = "/api/v5/"
# Purpose, whether it is about an order with a trigger -> path.
PATHS: Final = {
    (Purpose.PLACE, False): "trade/order",
    (Purpose.AMEND, False): "trade/amend-order",
    (Purpose.CANCEL, False): "trade/cancel-order",
    (Purpose.PLACE, True): "trade/order-algo",
    (Purpose.CANCEL, True): "trade/cancel-algos",
}
PAGE: Final = "100"
ALGO_TYPES: Final = ("conditional,oco", "trigger")  # lists of waiting orders
FILLS_REACH: Final = 89 * DAY
MOVES_REACH: Final = 89 * DAY
RECENT: Final = 2 * DAY  # the usual lists of fills and money go back three days and seven
SHOWN: Final = 10**9  # the precision of its money, 1e-9; in 1e-18
SWITCH_S: Final = (10, 120)  # bounds of the dead man's switch
UNITS: Final = 600  # of our budget for two seconds; a request costs that many over what its endpoint takes in them
_LIMITS: Final = {  # requests in two seconds
    "account/config": 5,
    "account/positions": 10,
    "account/balance": 10,
    "account/bills": 10,
    "account/bills-archive": 10,
    "trade/fills": 60,
    "trade/fills-history": 10,
    "trade/orders-algo-pending": 20,
    "trade/order-algo": 20,
    "public/instruments": 20,
    "public/time": 10,
}
_USUAL_LIMIT: Final = 60
_DEMO: Final = {"x-simulated-trading": "1"}
_AT_MARKET: Final = "-1"  # as the price of an order with a trigger
_MOVES: Final = {"1": MoveKind.TRANSFER, "6": MoveKind.TRANSFER, "7": MoveKind.INTEREST, "8": MoveKind.FUNDING}
# Changes of a balance by fills, which are reported separately: trades, delivery, liquidation, auto-deleveraging.
_OF_FILLS: Final = frozenset({"2", "3", "5", "9"})
_SILENT: Final = frozenset({"login", "subscribe", "channel-conn-count"})
# Levels of an account: without contracts, with all currencies as one margin, portfolio margin.
_SPOT_ONLY, _ALL_CURRENCIES, _PORTFOLIO = "1", "3", "4"


def _usual(mode: str, *, is_spot: bool) -> PlaceTemplate:
    """Returns a usual order's parameters, as in `place`."""
    sides = (PositionSide.LONG, PositionSide.SHORT)
    return PlaceTemplate(
        [
            ("instId", "symbol", {}),
            ("tdMode", "constant", {"": mode}),
            ("side", "side", {side: word for word, side in SIDES.items()}),
            ("sz", "size", {}),
            ("posSide", "position_side", {} if is_spot else {side: POSITION_WORDS[side] for side in sides}),
            ("ordType", "tif", {**TIF_WORDS, TimeInForce.GTD: "GTD", "post_only": "post_only"}),
            ("ordType", "type", {OrderType.MARKET: "market"}),
            *([("tgtCcy", "type", {OrderType.MARKET: "base_ccy"})] if is_spot else []),
            ("clOrdId", "client_id", {}),
            ("px", "price", {}),
        ]
    )


_USUAL: Final = {mode: _usual(mode, is_spot=False) for mode in (MARGIN, ISOLATED)}
_USUAL_SPOT: Final = {mode: _usual(mode, is_spot=True) for mode in (CASH, MARGIN)}


class OkxProtocol(AccountProtocol, WithoutTransfers):
    """Implements `OrderProtocol`. is_demo: for the venue's demo service; isolated: contracts in isolated margin."""

    name = "okx"
    client_id_chars = 32
    traits = Traits(
        acks=True,
        fills_by_symbol=False,
        dead_man_by_symbol=False,
        forced=tuple(f"{word}-" for word in dict.fromkeys(FORCED.values())),
    )

    def __init__(self, key: str, secret: str, password: str, *, is_demo: bool = False, isolated: bool = False) -> None:
        super().__init__()
        self.key, self.secret, self.password = key, secret, password
        self._headers: Final = _DEMO if is_demo else {}
        self._types: list[str] = []
        self._spot_mode = CASH  # as of the account's level
        self._margin, self._other_margin = (ISOLATED, MARGIN) if isolated else (MARGIN, ISOLATED)

    def set_instruments(self, instruments: Sequence[Instrument]) -> None:
        super().set_instruments(instruments)
        self.traits = self.traits.of(instruments)
        self._types = sorted({type_of(i) for i in instruments})

    # --- requests ---------------------------------------------------------------------------------

    def place(self, client_id: str, spec: OrderSpec, now: int, *, reference: int = 0) -> Call:
        i = self._by_symbol[spec.symbol]
        is_limit, waits = spec.type is OrderType.LIMIT, spec.trigger_by is not TriggerBy.NONE
        is_spot = i.kind is Kind.SPOT
        # A kind that the venue does not have is refused there rather than left out here.
        tif = "post_only" if spec.post_only else TIF_WORDS.get(spec.tif, spec.tif.value)
        terms: dict[str, Any] = {
            "instId": i.raw_symbol,
            "tdMode": self._spot_mode if is_spot else self._margin,
            "side": spec.side.value,
            "sz": i.size_text(spec.size_int),
        }
        if is_spot and not is_limit:
            terms["tgtCcy"] = "base_ccy"
        if spec.position_side is not PositionSide.BOTH and not is_spot:
            terms["posSide"] = POSITION_WORDS[spec.position_side]
        elif spec.reduce_only:
            terms["reduceOnly"] = "true"
        if waits:
            word = "sl" if spec.is_stop else "tp"
            terms |= {
                "ordType": "conditional" if tif == "limit" or not is_limit else f"conditional {tif}",
                "algoClOrdId": client_id,
                f"{word}TriggerPx": i.price_text(spec.trigger_int),
                f"{word}TriggerPxType": TRIGGERS[spec.trigger_by],
                f"{word}OrdPx": i.price_text(spec.price_int) if is_limit else _AT_MARKET,
            }
        else:
            terms |= {"ordType": tif if is_limit else "market", "clOrdId": client_id}
            if is_limit:
                terms["px"] = i.price_text(spec.price_int)
        return self._order(Purpose.PLACE, terms, now, OrderKey(spec.symbol, client_id, waits))

    def place_order(self, order: AccountOrder, now: int, *, number: int, reference: int = 0) -> Call:
        i = self._by_symbol[order.symbol]
        template = _USUAL_SPOT[self._spot_mode] if i.kind is Kind.SPOT else _USUAL[self._margin]
        terms = template.terms(order, i.raw_symbol, i.price_decimals, i.size_decimals)
        if terms is None:
            return super().place_order(order, now, number=number, reference=reference)
        return self._order(Purpose.PLACE, terms, now, OrderKey(order.symbol, order.name), number)

    def cancel(self, key: OrderKey, now: int) -> Call:
        return self._order(Purpose.CANCEL, self._named(key), now, key)

    def amend(self, key: OrderKey, spec: OrderSpec, now: int, *, price: int, size: int) -> Call:
        i = self._by_symbol[key.symbol]
        terms = {**self._named(key), "newSz": i.size_text(size), "newPx": i.price_text(price)}
        return self._order(Purpose.AMEND, terms, now, key)

    def _named(self, key: OrderKey) -> dict[str, str]:
        """Returns the fields that name an order: by the venue's id if it is known, since an order that was sent by a
        trigger has no other one. A foreign order without an id of its owner is known by that of the venue."""
        named = {"instId": self._by_symbol[key.symbol].raw_symbol}
        if key.conditional:
            word, number = "algoClOrdId", key.client_id
        else:
            number = key.venue_id or (key.client_id if key.client_id.isdecimal() else "")
            word, number = ("ordId", number) if number else ("clOrdId", key.client_id)
        return {**named, word: number}

    def signed(self, call: Call, now: int) -> Call:
        if call.terms is None:
            return call
        body, headers = self._sealed(call.purpose, call.target, call.terms, now)
        return call._replace(body=body, headers=headers, terms=None)

    def _sealed(
        self, purpose: Purpose, target: str, terms: Mapping[str, Any], now: int
    ) -> tuple[bytes, dict[str, str]]:
        """Returns body and headers of a request."""
        body = b"[%s]" % json_of(terms) if target.endswith("cancel-algos") else json_of(terms)
        headers = self._signature("POST", target, body, now)
        headers["Content-Type"] = "application/json"
        if purpose in ORDER_PURPOSES:
            headers["expTime"] = str(now // MS + WINDOW_MS)
        return body, headers

    def number_of(self, symbol: str) -> int | None:
        """Returns the number that names an instrument by WebSocket; None: it has none."""
        return self._by_symbol[symbol].venue_number

    def _signature(self, method: str, target: str, body: bytes, now: int) -> dict[str, str]:
        signed = signed_headers(self.key, self.secret, self.password, method + target, body, now)
        return {**self._headers, **signed} if self._headers else signed

    def query(self, key: OrderKey, now: int) -> Call:
        named = self._named(key)
        if key.conditional:
            return self._get(Purpose.QUERY, "trade/order-algo", {"algoClOrdId": key.client_id}, now, key)
        return self._get(Purpose.QUERY, "trade/order", named, now, key)

    def open_orders(self, now: int) -> list[Call]:
        return [self._open(0, now), *(self._open(each, now) for each in range(1, len(ALGO_TYPES) + 1))]

    def more_orders(self, call: Call, cursor: str, now: int) -> Call:
        return self._open(call.number, now, cursor, symbol=call.symbol)

    def open_stops(self, symbol: str, now: int) -> Call | None:
        return self._open(1, now, symbol=symbol)

    def _open(self, number: int, now: int, after: str = "", *, symbol: str = "") -> Call:
        """Requests a page of a list. number: 0: working orders, else one of `ALGO_TYPES`."""
        terms = {"limit": PAGE}
        if symbol:
            terms["instId"] = self._by_symbol[symbol].raw_symbol
        if after:
            terms["after"] = after
        if not number:
            return self._get(Purpose.OPEN_ORDERS, "trade/orders-pending", terms, now)
        terms["ordType"] = ALGO_TYPES[number - 1]
        call = self._get(Purpose.OPEN_CONDITIONALS, "trade/orders-algo-pending", terms, now, symbol=symbol)
        return call._replace(number=number)

    def fills(self, symbol: str, now: int, *, since: int, cursor: str = "") -> Call:
        """Requests fills, newest first: recent ones of all types, older ones of one type after another."""
        begin, after, kind = _place_of(cursor, max(since, now - FILLS_REACH))
        if begin * MS >= now - RECENT and not kind:
            return self._page(Purpose.FILLS, "trade/fills", {}, now, begin, after)
        terms = {"instType": kind or self._types[0]}
        return self._page(Purpose.FILLS, "trade/fills-history", terms, now, begin, after)

    def account_moves(self, now: int, *, since: int, cursor: str = "") -> Call:
        """Requests balance changes, as `fills`."""
        begin, after, _ = _place_of(cursor, max(since, now - MOVES_REACH))
        path = "account/bills" if begin * MS >= now - RECENT else "account/bills-archive"
        return self._page(Purpose.MOVES, path, {}, now, begin, after)

    def _page(self, purpose: Purpose, path: str, terms: Mapping[str, str], now: int, begin: int, after: str) -> Call:
        paged = {**terms, "begin": str(begin), "limit": PAGE, **({"after": after} if after else {})}
        return self._get(purpose, path, paged, now)._replace(number=begin)

    def positions(self, now: int) -> Call:
        return self._get(Purpose.POSITIONS, "account/positions", {}, now)

    def balances(self, now: int) -> Call:
        return self._get(Purpose.BALANCES, "account/balance", {}, now)

    def modes(self, now: int) -> Call:
        return self._get(Purpose.MODES, "account/config", {}, now)

    def key_info(self, now: int) -> Call:
        return self.modes(now)

    def read_key(self, value: Any) -> tuple[str, KeyRights]:
        row = value["data"][0]
        granted = row["perm"].split(",")
        return row["uid"], KeyRights(
            read="read_only" in granted,
            trade="trade" in granted,
            withdraw="withdraw" in granted,
            is_bound=bool(row["ip"]),
            portfolio_margin=row["acctLv"] == _PORTFOLIO,
        )

    def stream_key(self, now: int) -> Call:
        """Requests a proof of the key, and the account's level."""
        return self._get(Purpose.STREAM_KEY, "account/config", {}, now)

    def dead_man(self, symbol: str, now: int, *, after: int) -> Call | None:
        """Arms the account's dead man's switch for working orders, of other programs too. Whether it cancels orders
        with a trigger is undocumented (as of 2026-07), so nothing may rely on a stop being left or canceled by it."""
        if symbol:
            return None
        seconds = min(max(-(-after // SECOND), SWITCH_S[0]), SWITCH_S[1]) if after else 0
        return self._post(Purpose.DEAD_MAN, "trade/cancel-all-after", {"timeOut": str(seconds)}, now)

    def transfer(self, route: TransferRoute, currency: str, amount: int, now: int, *, name: str = "") -> Call | None:
        terms = transfer_terms(route, currency, amount, name)
        return None if terms is None else self._post(Purpose.TRANSFER, "asset/transfer", terms, now)

    def transfers(
        self, route: TransferRoute, now: int, *, since: int, cursor: str = "", name: str = "", currency: str = ""
    ) -> Call | None:
        terms = history_terms(route, name)
        return None if terms is None else self._get(Purpose.TRANSFERS, "asset/bills", terms, now, symbol=name)

    def wallets(self, now: int) -> dict[str, Call]:
        return {FUNDING: self._get(Purpose.WALLETS, "asset/balances", {}, now)}

    def leverage(self, symbol: str, times: int, now: int) -> Call:
        terms = {"instId": self._by_symbol[symbol].raw_symbol, "lever": str(times), "mgnMode": self._margin}
        return self._post(Purpose.LEVERAGE, "account/set-leverage", terms, now, symbol=symbol)

    def time(self) -> Call:
        return Call(Purpose.TIME, "GET", f"{ROOT}public/time", b"", {}, _cost("public/time"))

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
        target = f"{ROOT}{path}?{query}" if query else f"{ROOT}{path}"
        headers = self._signature("GET", target, b"", now)
        return Call(purpose, "GET", target, b"", headers, _cost(path), subject=subject, symbol=symbol, made=now)

    def _post(self, purpose: Purpose, path: str, terms: Mapping[str, Any], now: int, *, symbol: str = "") -> Call:
        return self.signed(
            Call(purpose, "POST", f"{ROOT}{path}", b"", {}, _cost(path), symbol=symbol, terms=terms), now
        )

    def _order(self, purpose: Purpose, terms: Mapping[str, Any], now: int, key: OrderKey, number: int = 0) -> Call:
        target = ROOT + PATHS[purpose, key.conditional]
        if self.signs_late:
            return Call(purpose, "POST", target, b"", {}, 1, 1, key, "", terms, number)
        body, headers = self._sealed(purpose, target, terms, now)
        return Call(purpose, "POST", target, body, headers, 1, 1, key, "", None, number)

    # --- answers ----------------------------------------------------------------------------------

    def answer(self, call: Call, status: int, headers: Mapping[str, str], body: bytes, now: int) -> Answer:
        try:
            value = read_json(body)
            return self.answer_of(call, value, status, now)
        except MALFORMED as error:
            return unreadable(error, status)

    def answer_of(self, call: Call, value: Mapping[str, Any], status: int, now: int) -> Answer:
        """Reads a parsed answer, by REST or WebSocket. Raises the errors of parsing if it is malformed."""
        rows: Sequence[Any] = value.get("data") or ()
        code, text = int(value["code"]), str(value.get("msg") or "")
        if call.purpose in ORDER_PURPOSES and rows and int(rows[0].get("sCode") or 0):
            code, text = int(rows[0]["sCode"]), str(rows[0].get("sMsg") or "")
        if code:
            return self._refused(call, code, text)
        if status != 200:
            return self._refused(call, status, text)
        try:
            return self._read(call, rows, now)
        except MALFORMED as error:
            return unreadable(error, status)

    @staticmethod
    def _refused(call: Call, code: int, text: str) -> Answer:
        row = row_of(ERRORS, code)
        is_gone = code in GONE and call.purpose is not Purpose.PLACE
        wait = 2 * SECOND if row.error is VenueRateLimit else 0
        return Answer(row.outcome, (), row.error.code, str(code), text[:200], wait, not_found=is_gone)

    def _read(self, call: Call, rows: Sequence[Any], now: int) -> Answer:
        match call.purpose:
            case Purpose.PLACE | Purpose.AMEND | Purpose.CANCEL:
                return Answer(Outcome.DONE, value=str(rows[0].get("ordId") or rows[0].get("algoId") or ""))
            case Purpose.QUERY:
                assert call.subject is not None
                show = self._algo if call.subject.conditional else self._status
                return Answer(Outcome.DONE, tuple(show(row) for row in rows[:1]), not_found=not rows)
            case Purpose.OPEN_ORDERS | Purpose.OPEN_CONDITIONALS:
                is_algo = call.purpose is Purpose.OPEN_CONDITIONALS
                show, number = (self._algo, "algoId") if is_algo else (self._status, "ordId")
                page = str(rows[-1][number]) if len(rows) >= int(PAGE) else ""
                return Answer(Outcome.DONE, tuple(show(row) for row in self.listed(rows, name="instId")), cursor=page)
            case Purpose.FILLS:
                fills = tuple(self._fill(row) for row in rows if row["instId"] in self._by_raw)
                return Answer(Outcome.DONE, fills, cursor=self._next_page(call, rows))
            case Purpose.POSITIONS:
                return Answer(Outcome.DONE, tuple(self._position(row, call.made) for row in self._held(rows)))
            case Purpose.BALANCES:
                bounds = (call.made, call.made - CLOCK_STEP, now + CLOCK_STEP)
                return Answer(Outcome.DONE, tuple(_balances(rows, *bounds)))
            case Purpose.MOVES:
                moves = (self._move(row) for row in rows if row["type"] not in _OF_FILLS)
                return Answer(Outcome.DONE, tuple(m for m in moves if m.amount), cursor=self._next_page(call, rows))
            case Purpose.TRANSFER:
                return Answer(Outcome.DONE, value=str(rows[0]["transId"]))
            case Purpose.TRANSFERS:
                return Answer(Outcome.DONE, tuple(transfer_reports(rows, call.symbol)))
            case Purpose.WALLETS:
                return Answer(Outcome.DONE, tuple(wallet_reports(rows)))
            case Purpose.MODES:
                return Answer(Outcome.DONE, (_modes(rows[0]),))
            case Purpose.TIME:
                return Answer(Outcome.DONE, value=str(int(rows[0]["ts"]) * MS))
            case Purpose.STREAM_KEY:
                level = str(rows[0]["acctLv"])
                if lacks := self._lacks(level, borrows=str(rows[0].get("autoLoan")).lower() == "true"):
                    return Answer(Outcome.DEFINITIVE, (), AccountMode.code, level, lacks)
                self._spot_mode = MARGIN if level == _ALL_CURRENCIES else CASH
                return Answer(Outcome.DONE, value=str(now))
            case _:
                return Answer(Outcome.DONE)

    def _lacks(self, level: str, *, borrows: bool) -> str:
        """Returns why an account of a level cannot trade here, "": it can."""
        if level == _PORTFOLIO:
            return f"the account has portfolio margin (acctLv {level}), which is not supported"
        if level == _ALL_CURRENCIES and borrows:
            return "the account borrows by itself (autoLoan); loans are not supported, turn it off at the venue"
        if level == _ALL_CURRENCIES and self._margin == ISOLATED:
            return f"the account is in multi-currency margin (acctLv {level}), which has no isolated margin"
        contracts = sorted(name for name in self._by_symbol if self.traits.has_position(name))
        if level != _SPOT_ONLY or not contracts:
            return ""
        return f"the account is in spot mode (acctLv {level}), which has no contracts: {', '.join(contracts)}"

    def _next_page(self, call: Call, rows: Sequence[Mapping[str, Any]]) -> str:
        """Returns the place of the next page: when it begins in ms, the id after which it begins, and the type."""
        kind = call.target.partition("instType=")[2].partition("&")[0]
        if len(rows) >= int(PAGE):
            return f"{call.number} {rows[-1]['billId']} {kind}".rstrip()
        later = self._types[self._types.index(kind) + 1 :] if kind in self._types else []
        return f"{call.number}  {later[0]}" if later else ""

    def _status(self, row: Mapping[str, Any], *, is_event: bool = False) -> OrderStatusReport:
        """Reads an order. A row of a list has the time of the order's last change, not that of the list: its report has
        time 0."""
        i = self._by_raw[row["instId"]]
        state, why = STATES.get(row["state"], OrderState.UNKNOWN), str(row.get("cancelSource") or "")
        filled, is_limit = units_of(row["accFillSz"] or "0", i.size_decimals), bool(row["px"])
        code, news = 0, NEWS.get(state)
        if state is OrderState.CANCELED and why in REJECTS and not filled:
            state, code, news = OrderState.REJECTED, REJECTS[why], OrderNews.REJECTED
        elif row.get("algoId") and state is OrderState.ACCEPTED:
            state, news = OrderState.TRIGGERED, OrderNews.TRIGGERED
        match str(row.get("amendResult") or "") if is_event else "":
            case "-1":
                code, news = VenueRejected.code, OrderNews.UPDATE_REJECTED
            case "0" if state in (OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED, OrderState.TRIGGERED):
                news = OrderNews.UPDATED
        return OrderStatusReport(
            symbol=i.symbol,
            client_id=_name(row),
            venue_id=row["ordId"],
            state=state,
            time=int(row["uTime"]) * MS if is_event else 0,
            news=news if is_event else None,
            side=SIDES[row["side"]],
            type=OrderType.LIMIT if is_limit else OrderType.MARKET,
            tif=TIFS.get(row["ordType"], TimeInForce.GTC),
            price=units_of(row["px"], i.price_decimals) if is_limit else 0,
            # The size of a purchase by someone else may be money: its coins are known when it is filled.
            size=max(filled, 1) if row.get("tgtCcy") == "quote_ccy" else units_of(row["sz"], i.size_decimals),
            filled=filled,
            position_side=POSITION_SIDES[row["posSide"] or "net"],
            reduce_only=row["reduceOnly"] == "true",
            code=code,
            reason=str(row.get("cancelSourceReason") or "")
            if state in (OrderState.CANCELED, OrderState.REJECTED)
            else "",
        )

    def _algo(self, row: Mapping[str, Any], *, is_event: bool = False) -> OrderStatusReport:
        """Reads an order with a trigger; one that has fired is the order that it sent."""
        i = self._by_raw[row["instId"]]
        state = ALGO_STATES.get(row["state"], OrderState.UNKNOWN)
        word = "sl" if row.get("slTriggerPx") else "tp" if row.get("tpTriggerPx") else ""
        trigger = row[f"{word}TriggerPx"] if word else row.get("triggerPx") or "0"
        price = row[f"{word}OrdPx"] if word else row.get("orderPx") or row.get("ordPx") or _AT_MARKET
        child = str(row.get("ordId") or "") if state is OrderState.TRIGGERED else ""
        failed = state is OrderState.REJECTED
        return OrderStatusReport(
            symbol=i.symbol,
            client_id=row["algoClOrdId"] or row["algoId"],
            venue_id=child or row["algoId"],
            state=state,
            time=int(row["uTime"]) * MS if is_event else 0,
            news=NEWS.get(state) if is_event else None,
            side=SIDES[row["side"]],
            type=OrderType.MARKET if price == _AT_MARKET else OrderType.LIMIT,
            price=0 if price == _AT_MARKET else units_of(price, i.price_decimals),
            size=units_of(row["sz"] or "0", i.size_decimals),
            trigger=units_of(trigger, i.price_decimals),
            position_side=POSITION_SIDES[row["posSide"] or "net"],
            reduce_only=str(row.get("reduceOnly")) == "true",
            conditional=not child,
            code=row_of(ERRORS, int(row.get("failCode") or 0)).error.code if failed else 0,
            reason=str(row.get("failReason") or "") if failed else "",
            takes_profit=word == "tp",
        )

    def _fill(self, row: Mapping[str, Any], *, is_event: bool = False) -> FillReport:
        """Reads a fill of a list, or that of an order's event; that of a list may be of an order without an id of ours:
        the order says which one sent it."""
        i, own = self._by_raw[row["instId"]], "fillFee" if is_event else "fee"
        return FillReport(
            symbol=i.symbol,
            client_id=_name(row) if is_event else row["clOrdId"],
            venue_id=row["ordId"],
            trade_id=trade_number(row["tradeId"]),
            side=SIDES[row["side"]],
            position_side=POSITION_SIDES[row["posSide"] or "net"],
            price=units_of(row["fillPx"], i.price_decimals),
            size=units_of(row["fillSz"], i.size_decimals),
            time=int(row["fillTime"] or row["ts"]) * MS,
            fee=-money_of(row.get(own) or "0"),
            fee_currency=row.get(f"{own}Ccy") or i.settle,
            liquidity=Liquidity.MAKER if row["execType"] == "M" else Liquidity.TAKER,
        )

    def listed(self, rows: Sequence[Any], *, amount: str = "", name: str = "symbol") -> list[Any]:
        """Returns the rows of known instruments in our margin mode, and notes the others."""
        ours = [row for row in rows if not self._apart(row)]
        self.unlisted |= {self._apart(row) for row in rows if not amount or Decimal(row[amount] or 0)} - {""}
        return super().listed(ours, amount=amount, name=name)

    def _apart(self, row: Mapping[str, Any]) -> str:
        """Returns the name under which an order or a position in the other margin mode is noted, "": it is in ours."""
        i = self._by_raw.get(row["instId"])
        other = ISOLATED if i is not None and i.kind is Kind.SPOT else self._other_margin
        return f"{row['instId']} in {other} margin" if other in (row.get("mgnMode"), row.get("tdMode")) else ""

    def _held(self, rows: Sequence[Any]) -> list[Any]:
        """Returns the rows of contracts; a loan on spot is listed as a position, too."""
        rows = self.listed(rows, amount="pos", name="instId")
        return [row for row in rows if self.traits.has_position(self._by_raw[row["instId"]].symbol)]

    def _position(self, row: Mapping[str, Any], time: int) -> PositionReport:
        i, side = self._by_raw[row["instId"]], POSITION_SIDES[row["posSide"]]
        sign = -1 if side is PositionSide.SHORT else 1  # with one side the quantity is signed
        return PositionReport(
            i.symbol,
            side,
            sign * units_of(row["pos"] or "0", i.size_decimals),
            time,
            entry=_price(row["avgPx"]),
            mark=_price(row["markPx"]),
            liquidation=_price(row["liqPx"]),
        )

    def _move(self, row: Mapping[str, Any]) -> MoveReport:
        """Reads a bill. What moves between the balance and the margin of an isolated position changes neither."""
        i = self._by_raw.get(row["instId"])
        kind, amount = _MOVES.get(row["type"], MoveKind.OTHER), money_of(row["balChg"])
        amount += money_of(row["posBalChg"] or "0") if row.get("mgnMode") == ISOLATED else 0
        symbol = "" if i is None else i.symbol
        return MoveReport(row["billId"], row["ccy"], amount, int(row["ts"]) * MS, kind, symbol)

    # --- the account's channels -------------------------------------------------------------------

    def parsed(self, message: bytes) -> Any:
        return {} if message == b"pong" else read_json(message)

    def reports_in(self, value: Mapping[str, Any]) -> list[VenueReport]:
        rows: Sequence[Any] = value.get("data") or ()
        match (value.get("arg") or {}).get("channel"):
            case "orders":
                return [each for row in rows for each in self._event(row)]
            case "orders-algo":
                return [each for row in rows for each in self._algo_event(row)]
            case "positions":
                return [self._position(row, int(row["uTime"]) * MS) for row in self._held(rows)]
            case "account":
                return [each for row in rows for each in _balances([row], int(row["uTime"]) * MS)]
            case name if value and value.get("event") not in _SILENT:
                return self.meaningless(name or value.get("event") or "no channel")
            case _:
                return []

    def _event(self, row: Mapping[str, Any]) -> list[VenueReport]:
        if (apart := self._apart(row)) or row["instId"] not in self._by_raw:
            return self.of_other_symbol(apart or row["instId"])
        found: list[VenueReport] = [self._status(row, is_event=True)]
        if Decimal(row["fillSz"] or 0) and row["tradeId"]:
            found.insert(0, self._fill(row, is_event=True))
        return found

    def _algo_event(self, row: Mapping[str, Any]) -> list[VenueReport]:
        if (apart := self._apart(row)) or row["instId"] not in self._by_raw:
            return self.of_other_symbol(apart or row["instId"])
        return [self._algo(row, is_event=True)]


def _cost(path: str) -> int:
    return UNITS // _LIMITS.get(path, _USUAL_LIMIT)


def _name(row: Mapping[str, Any]) -> str:
    """Returns the name of an order: ours, that of the order with a trigger that sent it, or the venue's."""
    kind = FORCED.get(str(row.get("category") or ""), "")
    number = str(row["ordId"])
    return f"{kind}-{number}" if kind else row.get("algoClOrdId") or row.get("clOrdId") or number


def _price(text: str) -> Decimal | None:
    price = Decimal(text or "0")
    return price if price.is_finite() and price > 0 else None


def _place_of(cursor: str, since: int) -> tuple[int, str, str]:
    """Reads the place of a page; that of the first one follows from when it begins, ns UTC."""
    begin, _, rest = cursor.partition(" ")
    after, _, kind = rest.partition(" ")
    return int(begin or since // MS), after, kind


def _modes(row: Mapping[str, Any]) -> AccountModeReport:
    granted, hedge = row["perm"].split(","), row["posMode"] == "long_short_mode"
    return AccountModeReport(hedge, False, "trade" in granted, "withdraw" in granted, row["uid"])


def _balances(
    rows: Sequence[Mapping[str, Any]], time: int, earliest: int = 0, latest: int = 0
) -> Iterator[BalanceReport]:
    """Reads balances; the margin of isolated positions (`isoEq`) is not in `cashBal`."""
    for account in rows:
        for row in account["details"]:
            apart, profit = (money_of(row.get(name) or "0") for name in ("isoEq", "isoUpl"))
            margin = None
            if row.get("availEq"):
                margin = MarginReport(money_of(row["upl"] or "0") - profit, money_of(row["availEq"]))
            total = money_of(row["cashBal"] or "0") + apart - profit
            yield BalanceReport(row["ccy"], total, time, earliest, latest, margin)
