"""Pacifica: an account's requests, its answers and its channels.

Sources: docs.pacifica.fi "REST API" (Orders, Account), "Websocket" (Account channels, Trading operations), "Rate
limits", as of 2026-07, pacifica-fi/python-sdk of 2025-10, ccxt 4.5.90.

Only requests that change something are signed; anybody may read an account. So a key is proven by canceling an order
that cannot exist. A signed request is valid for `WINDOW_MS` from its time on: a late order is refused, so an order's
absence can be proven.

An order is queried by our id in the list of working and then of ended orders, by the venue's id in the order's own
history. Orders with a trigger are listed with the others, and have their own requests to place and cancel; when one
fires, it sends a second order with the same id. The venue's amendment is not used: it cancels, and places another order
that may be refused.

The venue reports positions as rows, and leaves out closed ones. So a position is reported as flat when a trade closes
all that its last row had.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

import msgspec

from onetape.model.enums import Liquidity, OrderNews, OrderState, OrderType, PositionSide, TriggerBy
from onetape.model.errors import OrderWouldCross, VenueRateLimit
from onetape.model.instrument import Instrument
from onetape.model.json_text import read_json
from onetape.model.order import OrderSpec
from onetape.model.time import DAY, MS, SECOND
from onetape.orders.calls import ORDER_PURPOSES, Call, OrderKey, Purpose, Traits, WithoutTransfers
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
from onetape.venues.client_ids import UUID_CHARS, client_id_of, uuid_of
from onetape.venues.columns import named_rows
from onetape.venues.error_tables import unreadable
from onetape.venues.numbers import money_of, units_of
from onetape.venues.pacifica.errors import GONE, row_of_error
from onetape.venues.pacifica.signing import AgentSigner, config_key_header
from onetape.venues.pacifica.words import (
    FORCED,
    NEWS,
    OPERATIONS,
    ORDER_COLUMNS,
    POSITION_COLUMNS,
    SIDE_WORDS,
    SIDES,
    STATES,
    TRADE_COLUMNS,
    TRADE_SIDES,
    TRIGGERS,
    named,
)
from onetape.venues.query_text import query_text

__all__ = ["CHANNELS", "CLOCK_STEP", "CREDIT", "ROOT", "PacificaProtocol"]

ROOT: Final = "/api/v1"
WINDOW_MS: Final = 5000
CLOCK_STEP: Final = 5 * SECOND  # greatest age of its prices: their newest time is the only clock that the venue shows
CURRENCY: Final = "USDC"
CHANNELS: Final = ("account_order_updates", "account_trades", "account_positions", "account_info")
SHOWN: Final = 10**12  # the precision of its money, 1e-6; in 1e-18
SLIPPAGE: Final = "5"  # percent: the most for a market order
PAGE: Final = 1000  # rows of a list, of at most 4000
FILLS_REACH: Final = 29 * DAY  # how far back fills can be queried, less a day of margin
TRADES_KEPT: Final = 1000
_RETRY: Final = 5 * SECOND
_NOBODY: Final = uuid_of("")  # the id of no order
_JSON: Final = {"Content-Type": "application/json"}
CREDIT: Final = 2  # weights count half credits; a cancel costs half a credit
_HEAVY: Final = (12 * CREDIT, 4 * CREDIT)  # weight of a history: without and with an API config key
_MOVES: Final = {
    "deposit": MoveKind.TRANSFER,
    "deposit_release": MoveKind.TRANSFER,
    "withdraw": MoveKind.TRANSFER,
    "subaccount_transfer": MoveKind.TRANSFER,
    "funding": MoveKind.FUNDING,
    "fee": MoveKind.FEE,
    "rebate": MoveKind.FEE,
    "cashback": MoveKind.FEE,
    "referral": MoveKind.FEE,
    **dict.fromkeys(FORCED, MoveKind.FEE),  # charges beside the fills; unverified
}
_OF_FILLS: Final = frozenset({"trade"})  # balance changes by fills, which are reported separately
_SILENT: Final = frozenset({"pong", "subscribe"})


TYPES: Final = {f"{ROOT}/{path}": name for name, (path, _) in OPERATIONS.items()}
_PURPOSES: Final = {
    "cancel_order": Purpose.CANCEL,
    "cancel_stop_order": Purpose.CANCEL,
    "edit_order": Purpose.AMEND,
    "update_leverage": Purpose.LEVERAGE,
}  # others place an order


# Transfers are signed by the main wallet, whose key we do not have.
class PacificaProtocol(AccountProtocol, WithoutTransfers):
    """Implements `OrderProtocol`. account: the main wallet's address; secret: the private key of an agent of it;
    api_config_key: only raises the limits on requests. Raises BadConfig if one is invalid; without account and secret
    only public data can be requested."""

    name = "pacifica"
    client_id_chars = UUID_CHARS
    traits = Traits(ended_apart=True, fills_by_symbol=False, forced=tuple(f"{word}-" for word in FORCED))

    def __init__(self, account: str, secret: str, api_config_key: str = "") -> None:
        super().__init__()
        self.account = account
        self.headers: Final = config_key_header(api_config_key)  # of every request
        self._signed_headers = _JSON | self.headers
        self.signer = AgentSigner(account, secret) if account or secret else None
        self._held: dict[str, tuple[int, int]] = {}  # symbol -> signed quantity, time of its last row
        self._traded: dict[int, None] = {}  # the last reported trades

    # --- requests ---------------------------------------------------------------------------------

    def place(self, client_id: str, spec: OrderSpec, now: int, *, reference: int = 0) -> Call:
        i = self._by_symbol[spec.symbol]
        is_limit = spec.type is OrderType.LIMIT
        price, size = i.price_text(spec.price_int) if is_limit else "", i.size_text(spec.size_int)
        has_trigger = spec.trigger_by is not TriggerBy.NONE
        key = OrderKey(spec.symbol, client_id, has_trigger)
        payload: dict[str, Any] = {"symbol": i.raw_symbol, "side": SIDE_WORDS[spec.side]}
        if has_trigger:
            waiting = {
                "stop_price": i.price_text(spec.trigger_int),
                "amount": size,
                "client_order_id": uuid_of(client_id),
                "trigger_price_type": TRIGGERS[spec.trigger_by],  # the pre-trade rules refuse others
                **({"limit_price": price} if is_limit else {}),
            }
            if spec.is_stop or not spec.reduce_only:  # else the venue refuses a take-profit that opens
                payload |= {"reduce_only": spec.reduce_only, "stop_order": waiting}
                return self._signed("create_stop_order", payload, now, subject=key)
            return self._signed("set_position_tpsl", payload | {"take_profit": waiting}, now, subject=key)
        payload |= {"amount": size, "reduce_only": spec.reduce_only, "client_order_id": uuid_of(client_id)}
        if is_limit:
            payload |= {"price": price, "tif": "ALO" if spec.post_only else spec.tif.value.upper()}
            return self._signed("create_order", payload, now, subject=key)
        return self._signed("create_market_order", payload | {"slippage_percent": SLIPPAGE}, now, subject=key)

    def cancel(self, key: OrderKey, now: int) -> Call:
        payload = {"symbol": self._by_symbol[key.symbol].raw_symbol, **named(key.client_id)}
        return self._signed("cancel_stop_order" if key.conditional else "cancel_order", payload, now, subject=key)

    def amend(self, key: OrderKey, spec: OrderSpec, now: int, *, price: int, size: int) -> Call:
        """Not available; callers check the instrument's `amend`."""
        i = self._by_symbol[key.symbol]
        payload = {"symbol": i.raw_symbol, "price": i.price_text(price), "amount": i.size_text(size)}
        return self._signed("edit_order", {**payload, **named(key.client_id)}, now, subject=key)

    def signed(self, call: Call, now: int) -> Call:
        if call.terms is None:
            return call
        return call._replace(body=self.body(call, now), headers=self._signed_headers, terms=None)

    def body(self, call: Call, now: int) -> bytes:
        """Returns the body of a call with terms."""
        return self._body(TYPES[call.target], call.terms or {}, now)

    def query(self, key: OrderKey, now: int) -> Call:
        if key.venue_id and (key.ended or not key.conditional):
            return self._get(Purpose.QUERY, "/orders/history_by_id", now, {"order_id": key.venue_id}, subject=key)
        if key.ended:
            return self._get(Purpose.QUERY, "/orders/history", now, {"limit": str(PAGE)}, subject=key, is_heavy=True)
        return self._get(Purpose.QUERY, "/orders", now, subject=key)

    def open_orders(self, now: int) -> list[Call]:
        return [self._get(Purpose.OPEN_ORDERS, "/orders", now)]

    def open_stops(self, symbol: str, now: int) -> Call | None:
        return self._get(Purpose.OPEN_CONDITIONALS, "/orders", now, symbol=symbol)

    def fills(self, symbol: str, now: int, *, since: int, cursor: str = "") -> Call:
        """Requests fills of all symbols, newest first."""
        start, _, page = cursor.partition(":")
        params = {
            "start_time": start or str(max(since, now - FILLS_REACH) // MS),
            "limit": str(PAGE),
            **({"cursor": page} if page else {}),
        }
        return self._get(Purpose.FILLS, "/trades/history", now, params, is_heavy=True)

    def account_moves(self, now: int, *, since: int, cursor: str = "") -> Call:
        """Requests balance changes, newest first; the cursor of a page has the start time."""
        start, _, page = cursor.partition(":")
        # The list of trades would lack funding; rows of trades are skipped.
        params = {"limit": str(PAGE), "include_trades": "true", **({"cursor": page} if page else {})}
        call = self._get(Purpose.MOVES, "/account/balance/history", now, params, is_heavy=True)
        return call._replace(number=int(start) if start else since)

    def positions(self, now: int) -> Call:
        return self._get(Purpose.POSITIONS, "/positions", now)

    def balances(self, now: int) -> Call:
        return self._get(Purpose.BALANCES, "/account", now)

    def modes(self, now: int) -> Call:
        return self.proof(Purpose.MODES, now)

    def proof(self, purpose: Purpose, now: int) -> Call:
        """Returns a signed request that changes nothing: its answer shows whether the key is valid."""
        raw = next(iter(self._by_raw), "BTC")
        call = self._signed("cancel_order", {"symbol": raw, "client_order_id": _NOBODY}, now)
        return self.signed(call._replace(purpose=purpose), now)

    def dead_man(self, symbol: str, now: int, *, after: int) -> Call | None:
        """Returns None: the venue has no such switch (none is documented, as of 2026-07)."""
        return None

    def leverage(self, symbol: str, times: int, now: int) -> Call:
        terms = {"symbol": self._by_symbol[symbol].raw_symbol, "leverage": times}
        return self._signed("update_leverage", terms, now)._replace(symbol=symbol)

    def time(self) -> Call:
        """Requests the prices: their newest time is the only clock that the venue shows."""
        return self.public(Purpose.TIME, "/info/prices")

    def mark_prices(self, body: bytes, since: int) -> dict[str, Decimal]:
        """Returns symbol -> mark price from the venue's list of prices, without those older than `since`, ns UTC."""
        found = {
            self._by_raw[row["symbol"]].symbol: Decimal(row["mark"])
            for row in read_json(body)["data"]
            if row["symbol"] in self._by_raw and int(row["timestamp"]) * MS >= since
        }
        return {symbol: mark for symbol, mark in found.items() if mark.is_finite()}

    def slack(self, currency: str) -> int:
        return SHOWN

    def _get(
        self,
        purpose: Purpose,
        path: str,
        now: int,
        params: Mapping[str, str] = MappingProxyType({}),
        *,
        subject: OrderKey | None = None,
        symbol: str = "",
        is_heavy: bool = False,
    ) -> Call:
        call = self.public(purpose, f"{path}?{query_text({'account': self.account, **params})}", is_heavy=is_heavy)
        return call._replace(subject=subject, symbol=symbol, made=now)

    def public(self, purpose: Purpose, path: str, *, is_heavy: bool = False) -> Call:
        """Returns a request that reads; reading is unsigned."""
        weight = _HEAVY[bool(self.headers)] if is_heavy else CREDIT
        return Call(purpose, "GET", f"{ROOT}{path}", b"", self.headers, weight)

    def _signed(self, operation: str, payload: Mapping[str, Any], now: int, *, subject: OrderKey | None = None) -> Call:
        purpose, path = _PURPOSES.get(operation, Purpose.PLACE), f"{ROOT}/{OPERATIONS[operation][0]}"
        weight = 1 if operation.startswith("cancel") else CREDIT
        call = Call(purpose, "POST", path, b"", {}, weight, 1, subject, terms=payload)
        return call if self.signs_late and purpose in ORDER_PURPOSES else self.signed(call, now)

    def _body(self, type_: str, payload: Mapping[str, Any], now: int) -> bytes:
        assert self.signer is not None
        return msgspec.json.encode(self.signer.body(type_, payload, now // MS, WINDOW_MS))

    # --- answers ----------------------------------------------------------------------------------

    def answer(self, call: Call, status: int, headers: Mapping[str, str], body: bytes, now: int) -> Answer:
        try:
            value = read_json(body)
        except msgspec.DecodeError:
            value = None
        value = value if isinstance(value, dict) else {}
        if status == 200 and value.get("success") is True:
            return self.done(call, value, now)
        wait = retry_after(headers)
        return self.refused(call, status, value.get("code"), str(value.get("error") or ""), wait)

    def done(self, call: Call, value: Mapping[str, Any], now: int) -> Answer:
        """Reads a successful answer. value: {data}, and for paged lists {next_cursor, has_more}."""
        try:
            return self._read(call, value.get("data"), str(value.get("next_cursor") or ""), now)
        except MALFORMED as error:
            return unreadable(error, 200)

    def refused(self, call: Call, status: int, code: object, text: str, wait: int = 0) -> Answer:
        """Returns the outcome of a request that the venue answered with an error. wait: ns that the answer requests."""
        if status == 429:
            return Answer(Outcome.SAFE, (), VenueRateLimit.code, "429", text, wait or _RETRY)
        row = row_of_error(status, code, text)
        is_gone = row.error is GONE and call.purpose is not Purpose.PLACE
        is_gone = is_gone or (status == 420 and call.purpose is Purpose.CANCEL)  # for any reason of the engine
        if is_gone and call.purpose in (Purpose.MODES, Purpose.STREAM_KEY):
            return self._proven(call)
        # The request changed nothing for certain; the order's state is queried.
        outcome = Outcome.DEFINITIVE if is_gone else row.outcome
        shown = str(status if code is None else code)
        return Answer(outcome, (), row.error.code, shown, text, wait, not_found=is_gone)

    def _proven(self, call: Call) -> Answer:
        """Handles the proof that the key signs for the account. Withdrawals go to the account's own wallet only."""
        mode = AccountModeReport(
            hedge=False, multi_assets=False, can_trade=True, can_withdraw=False, account=self.account
        )
        return Answer(Outcome.DONE, (mode,) if call.purpose is Purpose.MODES else (), value=self.account)

    def _read(self, call: Call, value: Any, cursor: str, now: int) -> Answer:
        match call.purpose:
            case Purpose.PLACE:
                assert call.subject is not None
                number = value.get("order_id", value.get("i")) if isinstance(value, dict) else None
                symbol, client_id, conditional, *_ = call.subject
                state = OrderState.ACCEPTED
                row = OrderStatusReport(
                    symbol, client_id, str(number), state, 0, conditional=conditional, type=OrderType.LIMIT
                )
                return Answer(Outcome.DONE, () if number is None else (row,))
            case Purpose.QUERY:
                assert call.subject is not None
                found = self._queried(call.subject, value)
                # A page of the oldest rows says nothing about later ones.
                is_newest = not cursor or int(value[0]["order_id"]) > int(value[-1]["order_id"])
                return Answer(Outcome.DONE, () if found is None else (found,), not_found=found is None and is_newest)
            case Purpose.OPEN_ORDERS:
                return Answer(Outcome.DONE, tuple(self._order_rows(self.listed(value))))
            case Purpose.OPEN_CONDITIONALS:
                rows = self._order_rows(value)
                return Answer(Outcome.DONE, tuple(r for r in rows if r.conditional and r.symbol == call.symbol))
            case Purpose.FILLS:
                fills = [_fill(i, row) for row in reversed(value) if (i := self._by_raw.get(row["symbol"])) is not None]
                start = call.target.partition("start_time=")[2].partition("&")[0]
                return Answer(Outcome.DONE, tuple(fills), cursor=f"{start}:{cursor}" if cursor else "")
            case Purpose.POSITIONS:
                held = (self._position(row, call.made) for row in self.listed(value, amount="amount"))
                return Answer(Outcome.DONE, tuple(held))
            case Purpose.BALANCES:
                bounds = (call.made, call.made - CLOCK_STEP, now + CLOCK_STEP)
                return Answer(Outcome.DONE, (_balance(value, *bounds),))
            case Purpose.MOVES:
                new = [row for row in value if int(row["created_at"]) * MS >= call.number]
                moves = tuple(_move(row) for row in reversed(new) if row["event_type"] not in _OF_FILLS)
                is_all = not cursor or len(new) < len(value)
                return Answer(Outcome.DONE, moves, cursor="" if is_all else f"{call.number}:{cursor}")
            case Purpose.MODES | Purpose.STREAM_KEY:
                return self._proven(call)
            case Purpose.TIME:
                return Answer(Outcome.DONE, value=str(max(int(row["timestamp"]) for row in value) * MS))
            case _:
                return Answer(Outcome.DONE)

    def _queried(self, key: OrderKey, rows: Sequence[Mapping[str, Any]]) -> OrderStatusReport | None:
        """Returns the newest report of the queried order; if several orders have its name, of the newest order."""
        found = [row for row in rows if key.client_id == _client_id(row) or key.venue_id == str(row["order_id"])]
        newest = max(found, key=lambda row: (int(row["order_id"]), int(row.get("history_id", 0))), default=None)
        return None if newest is None else next(iter(self._order_rows([newest])), None)

    def _order_rows(self, rows: Iterable[Mapping[str, Any]]) -> list[OrderStatusReport]:
        """Returns reports with time 0: a row has the time of the order's last change, not that of the list."""
        return [_status(i, row) for row in rows if (i := self._by_raw.get(row["symbol"])) is not None]

    def _position(self, row: Mapping[str, Any], time: int) -> PositionReport:
        i = self._by_raw[row["symbol"]]
        qty = SIDES[row["side"]].sign * units_of(row["amount"], i.size_decimals)
        liquidation = row.get("liquidation_price")
        return PositionReport(
            i.symbol,
            PositionSide.BOTH,
            qty,
            time,
            entry=Decimal(row["entry_price"]),
            liquidation=None if liquidation is None else Decimal(liquidation),
        )

    # --- the account's channels -------------------------------------------------------------------

    def reports_in(self, value: Mapping[str, Any]) -> list[VenueReport]:
        data: Any = value.get("data")
        match value.get("channel"):
            case "account_order_updates":
                return [each for row in named_rows(data, ORDER_COLUMNS) for each in self._order_event(row)]
            case "account_trades":
                return [each for row in named_rows(data, TRADE_COLUMNS) for each in self._trade_event(row)]
            case "account_info":
                return [_balance({"balance": data["b"]}, int(data["t"]) * MS)]
            case "account_positions":
                return [each for row in named_rows(data, POSITION_COLUMNS) for each in self._position_event(row)]
            case None:
                return []
            case channel if channel in _SILENT:
                return []
            case channel:
                return self.meaningless(channel)

    def begin_positions(self) -> None:
        """Begins a complete list of positions."""
        self._held.clear()

    def _position_event(self, row: Mapping[str, Any]) -> list[VenueReport]:
        if not self.listed([row], amount="amount"):
            return []
        i, time = self._by_raw[row["symbol"]], int(row["updated_at"]) * MS
        if time < self._held.get(i.symbol, (0, 0))[1]:
            return []
        report = self._position(row, time)
        self._held[i.symbol] = report.qty, time
        return [report]

    def _order_event(self, row: Mapping[str, Any]) -> list[VenueReport]:
        i = self._by_raw.get(row["symbol"])
        if i is None:
            return self.of_other_symbol(row["symbol"])
        return [_status(i, row, int(row["updated_at"]) * MS)]

    def _trade_event(self, row: Mapping[str, Any]) -> list[VenueReport]:
        i = self._by_raw.get(row["symbol"])
        if i is None:
            return self.of_other_symbol(row["symbol"])
        fill = _fill(i, row)
        qty, since = self._held.get(i.symbol, (0, 0))
        if fill.trade_id in self._traded or fill.time <= since:  # the row of the position includes it
            return [fill]
        self._traded[fill.trade_id] = None
        if len(self._traded) > TRADES_KEPT:
            del self._traded[next(iter(self._traded))]
        qty += fill.side.sign * fill.size
        self._held[i.symbol] = qty, since
        return [fill] if qty else [fill, PositionReport(i.symbol, PositionSide.BOTH, 0, fill.time)]


def _client_id(row: Mapping[str, Any]) -> str:
    text = row["client_order_id"]
    return client_id_of(text) if text else str(row["order_id"])


def _status(i: Instrument, row: Mapping[str, Any], time: int = 0) -> OrderStatusReport:
    """Returns a row as a report: of the open orders, the history, an order's events, or the stream. time: of an event,
    ns UTC."""
    stop, is_limit = row["stop_price"], row["order_type"].endswith("limit")
    filled = units_of(row["filled_amount"], i.size_decimals)
    state = STATES.get(row.get("order_status", "open"), OrderState.UNKNOWN)
    news = NEWS.get(event := str(row.get("event_type") or row.get("reason") or ""))
    if state is OrderState.ACCEPTED and filled:
        state = OrderState.PARTIALLY_FILLED
    elif state is OrderState.ACCEPTED and news is OrderNews.TRIGGERED:
        state = OrderState.TRIGGERED
    elif state is OrderState.REJECTED and news is not OrderNews.REJECTED:  # a self-trade
        state = OrderState.CANCELED
    waits = stop is not None and state is OrderState.ACCEPTED
    price = row["price"] if "price" in row else row["initial_price"]
    return OrderStatusReport(
        symbol=i.symbol,
        client_id=_client_id(row),
        venue_id=str(row["order_id"]),
        state=state,
        time=time,
        news=news if time else None,
        side=SIDES[row["side"]],
        type=OrderType.LIMIT if is_limit else OrderType.MARKET,
        price=units_of(price, i.price_decimals) if is_limit else 0,
        size=units_of(row["initial_amount"] if "initial_amount" in row else row["amount"], i.size_decimals),
        filled=filled,
        trigger=units_of(stop, i.price_decimals) if waits else 0,
        reduce_only=bool(row["reduce_only"]),
        conditional=waits,
        takes_profit=row["order_type"].startswith("take_profit"),
        code=OrderWouldCross.code if state is OrderState.REJECTED else 0,
        reason=event if state in (OrderState.CANCELED, OrderState.REJECTED) else "",
    )


def _fill(i: Instrument, row: Mapping[str, Any]) -> FillReport:
    """Returns a row as a report: of the list of trades, or of the stream."""
    text, cause = row["client_order_id"], row["cause"]
    return FillReport(
        symbol=i.symbol,
        client_id=f"{cause}-{row['order_id']}" if cause in FORCED else client_id_of(text) if text else "",
        venue_id=str(row["order_id"]),
        trade_id=int(row["history_id"]),
        side=TRADE_SIDES[row["side"]],
        position_side=PositionSide.BOTH,
        price=units_of(row["price"], i.price_decimals),
        size=units_of(row["amount"], i.size_decimals),
        time=int(row["created_at"]) * MS,
        fee=money_of(row["fee"]),
        fee_currency=CURRENCY,
        liquidity=Liquidity.MAKER if row["event_type"] == "fulfill_maker" else Liquidity.TAKER,
    )


def _balance(row: Mapping[str, Any], time: int, earliest: int = 0, latest: int = 0) -> BalanceReport:
    margin = None
    if "account_equity" in row:
        spot = money_of(str(row.get("spot_market_value") or "0"))
        profit = money_of(row["account_equity"]) - money_of(row["balance"]) - spot
        margin = MarginReport(profit, money_of(row["available_to_spend"]), money_of(row["total_margin_used"]))
    return BalanceReport(CURRENCY, money_of(row["balance"]), time, earliest, latest, margin)


def _move(row: Mapping[str, Any]) -> MoveReport:
    """Returns a row as a report. Rows have no id: the balance after the change identifies it."""
    word, time = str(row["event_type"]), int(row["created_at"])
    reference = f"{word} {time} {row['amount']} {row['balance']}"
    return MoveReport(reference, CURRENCY, money_of(row["amount"]), time * MS, _MOVES.get(word, MoveKind.OTHER))
