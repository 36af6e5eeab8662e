"""Kraken spot: an account's requests over REST, its answers and the private channels.

Sources: docs.kraken.com, "Spot REST" (Trading, Account Data) and "WebSocket v2" (Executions, Balances), as of 2026-11.

Spot has no positions, so a reconciliation compares balances. A fill changes the quote balance by price times size and
the base balance by size; its fee is taken from the quote currency, because our orders request that (`fciq`). The
balances channel reports deposits and withdrawals. The venue rounds displayed amounts, fees in lists to fewer digits
than in the stream: each fill may put a balance off by one unit of the coarsest digit seen in its currency (`slack`).

Orders with a trigger are in the same book as the others. An order is queried by our id among the open orders and then
among the closed ones, or by the venue's id if known.

Absence can be proven because placements carry a deadline: a late request is never matched. A transfer to the futures
wallet has neither a deadline nor an id of ours: a late transfer is refused because our later requests had larger
nonces, provided that the key's nonce window is not longer than the 65 s after which a transfer's outcome is settled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from onetape.model.enums import Liquidity, OrderNews, OrderState, OrderType, PositionSide, Side, TimeInForce, TriggerBy
from onetape.model.errors import BadConfig, VenueRateLimit
from onetape.model.instrument import Instrument
from onetape.model.money import MONEY_DECIMALS
from onetape.model.order import OrderSpec
from onetape.model.time import SECOND, parse_time, to_datetime
from onetape.orders.calls import ORDER_PURPOSES, Call, Destination, OrderKey, Purpose, Traits, TransferRoute
from onetape.orders.malformed import MALFORMED
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import (
    AccountModeReport,
    BalanceReport,
    FillReport,
    MoveReport,
    OrderStatusReport,
    VenueReport,
)
from onetape.venues.account_protocol import AccountProtocol
from onetape.venues.client_ids import UUID_CHARS, client_id_of, short_id
from onetape.venues.endpoint import Endpoint
from onetape.venues.error_tables import unreadable
from onetape.venues.kraken.assets import Pair, Pairs
from onetape.venues.kraken.errors import row_of_text
from onetape.venues.kraken.moves import UnfollowedTrades, kind_of, moves_of
from onetape.venues.kraken.signing import api_sign
from onetape.venues.kraken.transfers import (
    TO_FUTURES,
    deposit_reports,
    status_terms,
    to_futures,
    transfers_of,
    withdraw_terms,
    withdrawal_reports,
)
from onetape.venues.kraken.wire import page_terms, parse
from onetape.venues.kraken.words import NEWS, STATES, TIFS
from onetape.venues.numbers import check_shown, money_of, spot_moves, units_of
from onetape.venues.query_text import query_text

__all__ = ["KrakenSpotProtocol", "rfc3339"]

DEADLINE: Final = 5 * SECOND  # of placements and amendments; the venue accepts 500 ms to 60 s
FEE_DECIMALS: Final = 5  # of fees in lists
CLOCK_STEP: Final = SECOND  # the resolution of the venue's clock, hence the error of our estimate
_RETRY: Final = {
    "EAPI:Rate limit exceeded": 3 * SECOND,
    "EOrder:Rate limit exceeded": 2 * SECOND,
    "EGeneral:Temporary lockout": 60 * SECOND,
}
_UNKNOWN_ORDER: Final = "EOrder:Unknown order"
_SILENT: Final = frozenset({"heartbeat", "status"})
_PLACE: Final = Endpoint(Purpose.PLACE, "POST", "/0/private/AddOrder", 0, orders=1)
_CANCEL: Final = Endpoint(Purpose.CANCEL, "POST", "/0/private/CancelOrder", 0, orders=1)
_AMEND: Final = Endpoint(Purpose.AMEND, "POST", "/0/private/AmendOrder", 0, orders=1)
_QUERY: Final = Endpoint(Purpose.QUERY, "POST", "/0/private/QueryOrders", 1)
_QUERY_OPEN: Final = Endpoint(Purpose.QUERY, "POST", "/0/private/OpenOrders", 1)
_QUERY_CLOSED: Final = Endpoint(Purpose.QUERY, "POST", "/0/private/ClosedOrders", 2)
_OPEN_ORDERS: Final = Endpoint(Purpose.OPEN_ORDERS, "POST", "/0/private/OpenOrders", 1)
_FILLS: Final = Endpoint(Purpose.FILLS, "POST", "/0/private/TradesHistory", 2)
_MOVES: Final = Endpoint(Purpose.MOVES, "POST", "/0/private/Ledgers", 2)
_WITHDRAW: Final = Endpoint(Purpose.TRANSFER, "POST", "/0/private/Withdraw", 1)
_TRANSFER: Final = Endpoint(Purpose.TRANSFER, "POST", "/0/private/WalletTransfer", 1)
_WITHDRAWN: Final = Endpoint(Purpose.TRANSFERS, "POST", "/0/private/WithdrawStatus", 1)
_TRANSFERS: Final = Endpoint(Purpose.TRANSFERS, "POST", "/0/private/Ledgers", 2)
_DEPOSITS: Final = Endpoint(Purpose.DEPOSITS, "POST", "/0/private/DepositStatus", 1)
_POSITIONS: Final = Endpoint(Purpose.POSITIONS, "POST", "/0/private/OpenPositions", 1)
_BALANCES: Final = Endpoint(Purpose.BALANCES, "POST", "/0/private/Balance", 1)
_MODES: Final = Endpoint(Purpose.MODES, "POST", "/0/private/GetApiKeyInfo", 1)
_DEAD_MAN: Final = Endpoint(Purpose.DEAD_MAN, "POST", "/0/private/CancelAllOrdersAfter", 0)
_TOKEN: Final = Endpoint(Purpose.STREAM_KEY, "POST", "/0/private/GetWebSocketsToken", 1)


class KrakenSpotProtocol(AccountProtocol):
    """Implements `OrderProtocol`. Raises BadConfig for a secret that is not base64."""

    name = "kraken"
    client_id_chars = UUID_CHARS
    hidden_wallets = TO_FUTURES[1:]  # the futures wallet needs other keys
    traits = Traits(
        positions=False, conditionals=False, ended_apart=True, fills_by_symbol=False, dead_man_by_symbol=False
    )

    def __init__(self, key: str, secret: str) -> None:
        try:
            api_sign(secret, "", "", b"")
        except ValueError as error:
            raise BadConfig(str(error), location="secret", todo="copy it once more") from None
        self._key = key
        self._secret = secret
        self._nonce = 0
        super().__init__()
        self._pairs = Pairs({})
        self._unfollowed = UnfollowedTrades()
        self._steps: dict[str, int] = {}  # currency -> coarsest digit seen, in 1e-18

    def set_pairs(self, pairs: Pairs) -> None:
        """Sets the venue's pairs, to translate their names."""
        self._pairs = pairs

    # --- requests ---------------------------------------------------------------------------------

    def place(self, client_id: str, spec: OrderSpec, now: int, *, reference: int = 0) -> Call:
        i = self._by_symbol[spec.symbol]
        is_limit = spec.type is OrderType.LIMIT
        has_trigger = spec.trigger_by is not TriggerBy.NONE
        price = i.price_text(spec.price_int) if is_limit else ""
        kind = "limit" if is_limit else "market"
        params = {
            "pair": i.raw_symbol,
            "type": spec.side.value,
            "volume": i.size_text(spec.size_int),
            "cl_ord_id": short_id(client_id),
            "oflags": "post,fciq" if spec.post_only else "fciq",
            "deadline": rfc3339(now + DEADLINE),
        }
        if has_trigger:
            kind = "stop-loss" if spec.is_stop else "take-profit"
            kind += "-limit" if is_limit else ""
            params["price"] = i.price_text(spec.trigger_int)
            params["trigger"] = spec.trigger_by.value  # last or index: the pre-trade rules refuse others
            if is_limit:
                params["price2"] = price
        elif is_limit:
            params["price"] = price
        params["ordertype"] = kind
        if is_limit:
            params["timeinforce"] = spec.tif.value
            if spec.tif is TimeInForce.GTD:
                params["expiretm"] = str(spec.expire // SECOND)
        if spec.reduce_only:  # allowed with margin only: the venue refuses it, instead of us ignoring it
            params["reduce_only"] = "true"
        key = OrderKey(spec.symbol, client_id)
        return self._signed(_PLACE, params, now, subject=key)

    def cancel(self, key: OrderKey, now: int) -> Call:
        return self._signed(_CANCEL, {"cl_ord_id": short_id(key.client_id)}, now, subject=key)

    def amend(self, key: OrderKey, spec: OrderSpec, now: int, *, price: int, size: int) -> Call:
        i = self._by_symbol[key.symbol]
        params = {
            "cl_ord_id": short_id(key.client_id),
            "order_qty": i.size_text(size),
            "deadline": rfc3339(now + DEADLINE),
        }
        if spec.type is OrderType.LIMIT:
            params["limit_price"] = i.price_text(price)
        return self._signed(_AMEND, params, now, subject=key)

    def query(self, key: OrderKey, now: int) -> Call:
        if key.venue_id:
            return self._signed(_QUERY, {"txid": key.venue_id}, now, subject=key)
        endpoint = _QUERY_CLOSED if key.ended else _QUERY_OPEN
        return self._signed(endpoint, {"cl_ord_id": short_id(key.client_id)}, now, subject=key)

    def open_stops(self, symbol: str, now: int) -> Call | None:
        return None

    def open_orders(self, now: int) -> list[Call]:
        return [self._signed(_OPEN_ORDERS, {}, now)]

    def fills(self, symbol: str, now: int, *, since: int, cursor: str = "") -> Call:
        """Requests fills of all symbols, newest first: new trades push the others back, so pages may overlap but lose
        nothing."""
        return self._signed(_FILLS, page_terms(since, cursor), now, symbol=symbol)

    def account_moves(self, now: int, *, since: int, cursor: str = "") -> Call:
        return self._signed(_MOVES, page_terms(since, cursor), now)

    def transfer(self, route: TransferRoute, currency: str, amount: int, now: int, *, name: str = "") -> Call | None:
        """Requests a withdrawal, or a transfer to the futures wallet; returns None for other routes: the spot service
        moves no money back, or to another account (read 2026-11). Raises InvalidAmount for an amount that the ledger
        would round, because the transfer would not be recognized there."""
        is_outside = isinstance(route.to, Destination) and not route.source
        if not is_outside and (route.to or route[:2] != TO_FUTURES):
            return None
        check_shown(amount, self._steps.get(currency, 1), currency)
        asset = self._pairs.asset(currency)
        if isinstance(route.to, Destination):
            return self._signed(_WITHDRAW, withdraw_terms(route.to, asset, amount), now)
        return self._signed(_TRANSFER, to_futures(asset, amount), now)

    def transfers(
        self, route: TransferRoute, now: int, *, since: int, cursor: str = "", name: str = "", currency: str = ""
    ) -> Call | None:
        """Requests the ledger, like `account_moves`; for withdrawals the list of withdrawals."""
        if isinstance(route.to, Destination):
            return self._signed(_WITHDRAWN, status_terms(self._pairs.asset(currency), since), now)
        if route.to or route[:2] != TO_FUTURES:
            return None
        return self._signed(_TRANSFERS, {"type": "transfer", **page_terms(since, cursor)}, now)

    def deposits(self, currency: str, now: int, *, since: int, cursor: str = "") -> Call:
        return self._signed(_DEPOSITS, status_terms(self._pairs.asset(currency), since), now)

    def positions(self, now: int) -> Call:
        """Not available on spot; callers check `traits`."""
        return self._signed(_POSITIONS, {}, now)

    def balances(self, now: int) -> Call:
        return self._signed(_BALANCES, {}, now)

    def modes(self, now: int) -> Call:
        return self._signed(_MODES, {}, now)

    def dead_man(self, symbol: str, now: int, *, after: int) -> Call | None:
        """Arms the account's dead man's switch: it cancels all orders, including waiting stops and other programs'
        orders."""
        if symbol:
            return None
        return self._signed(_DEAD_MAN, {"timeout": str(-(-after // SECOND))}, now)

    def time(self) -> Call:
        """Requests the venue's clock, in whole seconds; needs no key."""
        return Call(Purpose.TIME, "GET", "/0/public/Time", b"", {}, 1)

    def asset_pairs(self) -> Call:
        return Call(Purpose.INSTRUMENTS, "GET", "/0/public/AssetPairs", b"", {}, 1)

    def token(self, now: int) -> Call:
        return self._signed(_TOKEN, {}, now)

    def moves(self, fill: FillReport) -> list[tuple[str, int]]:
        pair = self._pairs.by_symbol.get(fill.symbol)
        return [] if pair is None else spot_moves(fill, *pair[1:])

    def slack(self, currency: str) -> int:
        return self._steps.get(currency, 0)

    def _signed(
        self,
        endpoint: Endpoint,
        params: Mapping[str, str],
        now: int,
        *,
        subject: OrderKey | None = None,
        symbol: str = "",
    ) -> Call:
        purpose, method, path, weight, orders = endpoint
        # Microseconds of the clock: larger after a restart, never smaller within a run. Requests that are signed late
        # also get their nonce here, because they are sent in the order in which they were made.
        self._nonce = max(self._nonce + 1, now // 1000)
        terms = {"nonce": str(self._nonce), **params}
        call = Call(purpose, method, path, b"", {}, weight, orders, subject, symbol, terms)
        return call if self.signs_late and purpose in ORDER_PURPOSES else self.signed(call, now)

    def signed(self, call: Call, now: int) -> Call:
        if call.terms is None:
            return call
        body = query_text(call.terms).encode()
        headers = {
            "API-Key": self._key,
            "API-Sign": api_sign(self._secret, call.target, call.terms["nonce"], body),
            "Content-Type": "application/x-www-form-urlencoded",
            "User-Agent": "onetape",
        }
        return call._replace(body=body, headers=headers, terms=None)

    # --- answers ----------------------------------------------------------------------------------

    def answer(self, call: Call, status: int, headers: Mapping[str, str], body: bytes, now: int) -> Answer:
        if status in (418, 429):
            code = VenueRateLimit.code
            return Answer(Outcome.SAFE, (), code, str(status), "", 3 * SECOND)
        try:
            value = parse(body)
            errors = [str(e) for e in value.get("error") or () if not str(e).startswith("W")]
            if errors:
                return self.refused(call, errors[0])
            if status != 200:
                raise ValueError(f"HTTP {status}")
            return self._read(call, value["result"], now)
        except MALFORMED as error:
            return unreadable(error, status)

    def refused(self, call: Call, text: str) -> Answer:
        """Returns the outcome of a request that the venue answered with an error."""
        row = row_of_text(text)
        outcome = row.outcome
        is_gone = text.startswith(_UNKNOWN_ORDER) and call.purpose is not Purpose.PLACE
        if is_gone:
            # The request changed nothing for certain; the order's state is queried.
            outcome = Outcome.DEFINITIVE
        retry = _RETRY.get(str(row.code), 0)
        return Answer(outcome, (), row.error.code, "", text, retry, not_found=is_gone)

    def _read(self, call: Call, value: Any, now: int) -> Answer:
        match call.purpose:
            case Purpose.PLACE:
                assert call.subject is not None
                key = call.subject
                state = OrderState.ACCEPTED
                row = OrderStatusReport(key.symbol, key.client_id, str(value["txid"][0]), state, 0)
                return Answer(Outcome.DONE, (row,))
            case Purpose.CANCEL:
                there = int(value["count"]) > 0
                return Answer(Outcome.DONE if there else Outcome.DEFINITIVE, not_found=not there)
            case Purpose.QUERY:
                rows = value.get("closed", value.get("open", value))
                reports = self._order_rows(rows)
                return Answer(Outcome.DONE, tuple(reports[:1]), not_found=not rows)
            case Purpose.OPEN_ORDERS:
                return Answer(Outcome.DONE, tuple(self._order_rows(value["open"], is_open=True)))
            case Purpose.FILLS:
                return self._fills(call, value)
            case Purpose.BALANCES:
                queried_at = int(_sent(call, "nonce")) * 1000
                return Answer(Outcome.DONE, tuple(self._balances(value, queried_at, now)))
            case Purpose.MOVES:
                rows = value["ledger"]
                moves = moves_of(rows, self._unfollowed, self._pairs.currency)
                return Answer(Outcome.DONE, tuple(moves), cursor=_next_page(call, value, rows))
            case Purpose.TRANSFER:
                return Answer(Outcome.DONE, value=str(value["refid"]))
            case Purpose.DEPOSITS:
                return Answer(Outcome.DONE, tuple(deposit_reports(value, self._pairs.currency)))
            case Purpose.TRANSFERS:
                if isinstance(value, list):
                    return Answer(Outcome.DONE, tuple(withdrawal_reports(value, self._pairs.currency)))
                rows = value["ledger"]
                transfers = transfers_of(rows, self._pairs.currency)
                return Answer(Outcome.DONE, tuple(transfers), cursor=_next_page(call, value, rows))
            case Purpose.MODES:
                allowed = set(value["permissions"])
                mode = AccountModeReport(
                    hedge=False,
                    multi_assets=False,
                    can_trade="modify-trades" in allowed,
                    can_withdraw="withdraw-funds" in allowed,
                    account=str(value.get("iban") or ""),
                )
                return Answer(Outcome.DONE, (mode,))
            case Purpose.TIME:
                return Answer(Outcome.DONE, value=str(int(value["unixtime"]) * SECOND))
            case Purpose.STREAM_KEY:
                return Answer(Outcome.DONE, value=str(value["token"]))
            case _:
                return Answer(Outcome.DONE)

    def _balances(self, value: Mapping[str, str], queried_at: int, now: int) -> list[BalanceReport]:
        bounds = (queried_at, queried_at - CLOCK_STEP, now + CLOCK_STEP)
        found = []
        for asset, amount in value.items():
            currency = self._pairs.currency(asset)
            self._see(currency, amount)
            found.append(BalanceReport(currency, money_of(amount), *bounds))
        return found

    def _see(self, currency: str, amount: str) -> None:
        """Notes the precision of a currency's amounts in lists."""
        decimals = min(len(amount.partition(".")[2]), MONEY_DECIMALS)
        if decimals:  # a plain 0 says nothing about the precision
            step = 10 ** (MONEY_DECIMALS - decimals)
            self._steps[currency] = max(self._steps.get(currency, 0), step)

    def _followed(self, name: str) -> tuple[Instrument, Pair] | None:
        """Returns the instrument of a pair, None if this gateway does not trade it."""
        pair = self._pairs.by_name.get(name)
        instrument = self._by_symbol.get(pair.symbol) if pair is not None else None
        return None if instrument is None or pair is None else (instrument, pair)

    def _order_rows(self, rows: Mapping[str, Any], *, is_open: bool = False) -> list[OrderStatusReport]:
        found = []
        for txid, row in rows.items():
            followed = self._followed(row["descr"]["pair"])
            if followed is not None:
                found.append(self._order_row(followed[0], txid, row))
            elif is_open:
                self.unlisted.add(str(row["descr"]["pair"]))
        return found

    def _order_row(self, i: Instrument, txid: str, row: dict[str, Any]) -> OrderStatusReport:
        """Returns a report with time 0: a row has the times of the order's opening and closing, not that of the
        list."""
        descr, kind = row["descr"], row["descr"]["ordertype"]
        has_trigger = kind not in ("limit", "market")
        is_limit = kind.endswith("limit")
        price = (descr["price2"] if has_trigger else descr["price"]) if is_limit else "0"
        filled = units_of(row["vol_exec"], i.size_decimals)
        state = STATES.get(row["status"], OrderState.UNKNOWN)
        if state is OrderState.ACCEPTED and filled:
            state = OrderState.PARTIALLY_FILLED
        return OrderStatusReport(
            symbol=i.symbol,
            client_id=client_id_of(row.get("cl_ord_id") or txid),
            venue_id=txid,
            state=state,
            time=0,
            side=Side(descr["type"]),
            type=OrderType.LIMIT if is_limit else OrderType.MARKET,
            price=units_of(price, i.price_decimals),
            size=units_of(row["vol"], i.size_decimals),
            filled=filled,
            trigger=units_of(descr["price"], i.price_decimals) if has_trigger else 0,
            reason=str(row.get("reason") or ""),
        )

    def _fills(self, call: Call, value: Mapping[str, Any]) -> Answer:
        reports = []
        for trade, row in value["trades"].items():
            followed = self._followed(row["pair"])
            if followed is not None:
                reports.append(self._trade_row(*followed, row))
            else:
                self._unfollowed.add(trade)
        reports.reverse()  # oldest first
        return Answer(Outcome.DONE, tuple(reports), cursor=_next_page(call, value, value["trades"]))

    def _trade_row(self, i: Instrument, pair: Pair, row: dict[str, Any]) -> FillReport:
        self._see(pair.quote, f"0.{'0' * FEE_DECIMALS}")
        return FillReport(
            symbol=i.symbol,
            client_id="",
            venue_id=row["ordertxid"],
            trade_id=int(row["trade_id"]),
            side=Side(row["type"]),
            position_side=PositionSide.BOTH,
            price=units_of(row["price"], i.price_decimals),
            size=units_of(row["vol"], i.size_decimals),
            time=units_of(row["time"], 9),
            fee=money_of(row["fee"]),
            fee_currency=pair.quote,
            liquidity=Liquidity.MAKER if row.get("maker") else Liquidity.TAKER,
        )

    # --- the private channels ---------------------------------------------------------------------

    def parsed(self, message: bytes) -> Any:
        return parse(message)

    def reports_in(self, value: dict[str, Any]) -> list[VenueReport]:
        match value.get("channel"):
            case "executions":
                is_list = value["type"] == "snapshot"
                rows = value["data"]
                return [t for row in rows for t in self._execution(row, is_list=is_list)]
            case "balances":
                rows = value["data"] if value["type"] == "update" else ()
                return [report for row in rows for report in self._balance_event(row)]
            case channel if channel in _SILENT:
                return []
            case channel:
                return self.meaningless(channel or value.get("method") or "no channel")

    def _execution(self, row: dict[str, Any], *, is_list: bool) -> list[VenueReport]:
        kind = row["exec_type"]
        if kind == "pending_new":
            return []  # the venue has received it, not yet accepted it
        followed = self._followed(row["symbol"])
        if followed is None:
            return self.of_other_symbol(row["symbol"])
        i, pair = followed
        client_id = client_id_of(row.get("cl_ord_id") or row["order_id"])
        time = parse_time(row["timestamp"])
        side = Side(row["side"]) if "side" in row else Side.NONE
        found: list[VenueReport] = []
        if kind == "trade":
            fees = row.get("fees") or [{"asset": pair.quote, "qty": "0"}]
            found.append(
                FillReport(
                    symbol=i.symbol,
                    client_id=client_id,
                    venue_id=row["order_id"],
                    trade_id=int(row["trade_id"]),
                    side=side,
                    position_side=PositionSide.BOTH,
                    price=units_of(row["last_price"], i.price_decimals),
                    size=units_of(row["last_qty"], i.size_decimals),
                    time=time,
                    fee=money_of(fees[0]["qty"]),
                    fee_currency=self._pairs.currency(fees[0]["asset"]),
                    liquidity=Liquidity.MAKER if row["liquidity_ind"] == "m" else Liquidity.TAKER,
                )
            )
        news = None if is_list else NEWS.get(kind)
        if kind == "status" and (row.get("triggers") or {}).get("status") == "triggered":
            news = OrderNews.TRIGGERED
        found.append(
            OrderStatusReport(
                symbol=i.symbol,
                client_id=client_id,
                venue_id=row["order_id"],
                # The last trade is also reported as `partially_filled`; the end follows as a report of its own.
                state=OrderState.PARTIALLY_FILLED
                if kind == "trade"
                else STATES.get(row["order_status"], OrderState.UNKNOWN),
                time=0 if is_list else time,
                news=news,
                side=side,
                type=OrderType.LIMIT if str(row.get("order_type", "limit")).endswith("limit") else OrderType.MARKET,
                tif=TIFS.get(row.get("time_in_force", "GTC"), TimeInForce.GTC),
                price=units_of(row.get("limit_price", "0"), i.price_decimals),
                size=units_of(row.get("order_qty", "0"), i.size_decimals),
                filled=units_of(row.get("cum_qty", "0"), i.size_decimals),
                trigger=units_of(row.get("stop_price", "0"), i.price_decimals),
                reason=str(row.get("reason") or ""),
            )
        )
        return found

    def _balance_event(self, row: dict[str, Any]) -> list[VenueReport]:
        currency, time = self._pairs.currency(row["asset"]), parse_time(row["timestamp"])
        found: list[VenueReport] = [BalanceReport(currency, money_of(row["balance"]), time)]
        if row["type"] != "trade":
            change = money_of(row["amount"]) - money_of(row["fee"])
            kind = kind_of(row["type"])
            found.append(MoveReport(str(row["ledger_id"]), currency, change, time, kind))
        return found


def _sent(call: Call, name: str) -> str:
    return dict(parse_qsl(call.body.decode()))[name]


def _next_page(call: Call, value: Mapping[str, Any], rows: Mapping[str, Any]) -> str:
    """Returns the cursor `START:OFFSET` of the page after these rows, "" at the end."""
    start, seen = _sent(call, "start"), int(_sent(call, "ofs")) + len(rows)
    return f"{start}:{seen}" if rows and seen < int(value["count"]) else ""


def rfc3339(time: int) -> str:
    stamp = to_datetime(time - time % SECOND).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{stamp}.{time % SECOND // 1_000_000:03d}Z"
