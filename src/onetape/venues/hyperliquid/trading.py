"""Hyperliquid: an account's requests, its answers and its channels, for perpetuals margined in USDC, and spot.

Sources: hyperliquid.gitbook.io "Exchange endpoint", "Info endpoint", "Websocket, Subscriptions", as of 2026-10;
hyperliquid-python-sdk 0.24.0; schemas of nktkas/hyperliquid, of 2026-10.

Only actions are signed, and an action names its account only if that is a sub-account or vault: else it is that of the
wallet that signed. So the venue is asked whose agent the key's wallet is. An order is valid until `expiresAfter`: a
late one is refused, so an order's absence can be proven. A nonce counts once, by signer.

An order is named by 128 bits of ours. One with a trigger is in the same list, and keeps its id when it fires. There is
no order at the market: it is an order that fills or ends, at a price that the market does not leave at once. The
venue's amendment is not used: it cancels, and places another order that may be refused.

An account keeps USDC of perpetuals and of spot in two wallets (`default`), or all money in that of spot
(`unifiedAccount`). The first kind is followed in one of them: that of perpetuals, if any is traded.

Answers are about the moment at which they were made, and name it, but those about spot balances; lists of what an
account was paid begin at a time, oldest first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from onetape._core import AccountOrder, units_text
from onetape.model.enums import Kind, Liquidity, OrderState, OrderType, PositionSide, Side, TimeInForce, TriggerBy
from onetape.model.errors import AccountMode, NotAvailable, PermissionDenied, VenueRateLimit
from onetape.model.instrument import Instrument
from onetape.model.json_text import read_json
from onetape.model.order import OrderSpec
from onetape.model.time import MS, SECOND
from onetape.orders.calls import ORDER_PURPOSES, Call, OrderKey, Purpose, Traits, WithoutTransfers
from onetape.orders.malformed import MALFORMED
from onetape.orders.managed import spec_sent
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
from onetape.venues.client_ids import UUID_CHARS
from onetape.venues.error_tables import row_of_text, unreadable
from onetape.venues.hyperliquid.errors import ERRORS, GONE, UNMATCHED
from onetape.venues.hyperliquid.instruments import tick_of
from onetape.venues.hyperliquid.signing import AgentSigner
from onetape.venues.hyperliquid.words import (
    CURRENCY,
    DUST,
    FORCED,
    NEWS,
    SIDES,
    TIF_WORDS,
    TIFS,
    cloid_of,
    forced_word,
    name_of,
    state_of,
)
from onetape.venues.key_check import KeyRights
from onetape.venues.numbers import money_of, units_of

__all__ = ["CHANNELS", "CLOCK_STEP", "LIGHT", "LISTS", "SPOT_STATES", "STATES", "HyperliquidProtocol", "info"]

WINDOW_MS: Final = 5000
CLOCK_STEP: Final = MS
CHANNELS: Final = ("orderUpdates", "userFills", "userFundings", "userNonFundingLedgerUpdates", "clearinghouseState")
SHOWN: Final = 10**12  # the precision of its money, 1e-6; in 1e-18
LIGHT, LISTS, ROLE = 2, 20, 60  # weights of queries; a list costs more with its rows
STATES: Final = {"type": "metaAndAssetCtxs"}  # of all perpetuals, with the list of them
SPOT_STATES: Final = {"type": "spotMetaAndAssetCtxs"}
FILLS_PAGE: Final = 2000
MOVES_PAGE: Final = 500
_SLIPPAGE: Final = {False: Decimal("0.05"), True: Decimal("0.1")}  # the most for a market order; with a trigger
_NONCE_BACK: Final = 2 * 86_400_000  # ms: the venue's bounds of a nonce around its time
_RETRY: Final = 5 * SECOND
_REFUSED: Final = 60 * SECOND  # until a refused account is looked at again
_JSON: Final = {"Content-Type": "application/json"}
_to_json: Final = msgspec.json.Encoder().encode
_UNIFIED: Final = "unifiedAccount"
_APART: Final = frozenset({"default", "disabled", "dexAbstraction"})  # two wallets of USDC
_LISTS: Final = ("userFunding", "userNonFundingLedgerUpdates")  # of balance changes, read one after the other
_SILENT: Final = frozenset({"pong", "subscriptionResponse"})
_ORDER_LISTS: Final = frozenset({Purpose.OPEN_ORDERS, Purpose.OPEN_CONDITIONALS})


def info(purpose: Purpose, terms: Mapping[str, Any], weight: int) -> Call:
    """Returns a request that reads; reading is unsigned."""
    return Call(purpose, "POST", "/info", msgspec.json.encode(terms), _JSON, weight)


# Transfers are signed by the main wallet, whose key we do not have.
class HyperliquidProtocol(AccountProtocol, WithoutTransfers):
    """Implements `OrderProtocol`. account: as of `AgentSigner`; secret: the private key of an agent of the main wallet;
    source: the network that signatures are for. Raises BadConfig if one is invalid; without account and secret only
    public data can be requested."""

    name = "hyperliquid"
    client_id_chars = UUID_CHARS
    traits = Traits(
        conditionals=False,
        brief_events=True,
        prices_market=True,
        fills_by_symbol=False,
        forced=tuple(f"{word}-" for word in FORCED),
    )

    def __init__(self, account: str, secret: str, source: str = "a") -> None:
        super().__init__()
        self.account = account.rpartition("/")[2].lower()
        self.signer = AgentSigner(account, secret, source) if account or secret else None
        self._is_unified: bool | None = None  # None: not read yet
        self._marks: dict[str, Decimal] = {}  # symbol -> mark price of its position when it was last read
        self._nonce = 0
        self.nonce_owner = self.signer.agent if self.signer is not None else ""
        self.take_nonce: Callable[[int], int] = self._take_nonce

    def set_instruments(self, instruments: Sequence[Instrument]) -> None:
        super().set_instruments(instruments)
        self.traits = self.traits.of(instruments)

    def note_abstraction(self, word: str) -> None:
        """Notes in which wallets the account keeps its money."""
        self._is_unified = word == _UNIFIED

    @property
    def _of_spot(self) -> bool:
        """Tells whether the account's money is in the spot wallet."""
        return bool(self._is_unified) or not self.traits.positions

    # --- requests ---------------------------------------------------------------------------------

    def place(self, client_id: str, spec: OrderSpec, now: int, *, reference: int = 0) -> Call:
        return self._place(client_id, spec, now, reference, 0)

    def place_order(self, order: AccountOrder, now: int, *, number: int, reference: int = 0) -> Call:
        return self._place(order.name, spec_sent(order), now, reference, number)

    def _place(self, client_id: str, spec: OrderSpec, now: int, reference: int, number: int) -> Call:
        i = self._by_symbol[spec.symbol]
        has_trigger = spec.trigger_by is not TriggerBy.NONE
        is_limit = spec.type is OrderType.LIMIT
        if is_limit:
            price = units_text(spec.price_int, i.price_decimals, 0)
        else:
            last = i.price(reference) or self._marks.get(spec.symbol, Decimal(0))
            price = _text(_worst_price(i, spec, last))
        kind: dict[str, Any] = {
            # A kind that the venue does not have is refused there rather than left out here.
            "limit": {
                "tif": "Alo" if spec.post_only else TIF_WORDS.get(spec.tif, spec.tif.value) if is_limit else "Ioc"
            }
        }
        if has_trigger:
            stop = units_text(spec.trigger_int, i.price_decimals, 0)
            kind = {"trigger": {"isMarket": not is_limit, "triggerPx": stop, "tpsl": "sl" if spec.is_stop else "tp"}}
        order = {
            "a": i.venue_number,
            "b": spec.side is Side.BUY,
            "p": price,
            "s": units_text(spec.size_int, i.size_decimals, 0),
            "r": spec.reduce_only,
            "t": kind,
            "c": cloid_of(client_id),
        }
        action = {"type": "order", "orders": [order], "grouping": "na"}
        return self._signed(Purpose.PLACE, action, now, OrderKey(spec.symbol, client_id), number)

    def cancel(self, key: OrderKey, now: int) -> Call:
        asset, name = self._by_symbol[key.symbol].venue_number, key.client_id
        action: dict[str, Any] = (
            {"type": "cancel", "cancels": [{"a": asset, "o": int(name)}]}
            if name.isdecimal()
            else {"type": "cancelByCloid", "cancels": [{"asset": asset, "cloid": _cloid(name)}]}
        )
        return self._signed(Purpose.CANCEL, action, now, key)

    def amend(self, key: OrderKey, spec: OrderSpec, now: int, *, price: int, size: int) -> Call:
        """Not available; callers check the instrument's `amend`."""
        raise NotImplementedError

    def signed(self, call: Call, now: int) -> Call:
        return call if call.terms is None else call._replace(body=self.body(call, now), terms=None)

    def body(self, call: Call, now: int) -> bytes:
        """Returns the body of a call with terms."""
        return self._body(call.purpose, call.terms, now)

    def _body(self, purpose: Purpose, action: Any, now: int) -> bytes:
        signer = self.signer
        assert signer is not None
        nonce = self.take_nonce(now // 1000) // 1000
        # Only orders have a deadline: a late cancel does no harm.
        expires = now // MS + WINDOW_MS if purpose in ORDER_PURPOSES else None
        return _to_json(
            {
                "action": action,
                "nonce": nonce,
                "signature": signer.sign(action, nonce, expires),
                "vaultAddress": signer.vault or None,
                "expiresAfter": expires,
            }
        )

    @staticmethod
    def next_nonce(last: int, now: int) -> int:
        """Returns an unused nonce in us, of which the venue takes whole ms: also if the clock stepped back, unless it
        was so far ahead that the venue refuses the next one."""
        after = last - last % 1000 + 1000
        return max(now, after) if after - now < _NONCE_BACK * 500 else now

    def _take_nonce(self, now: int) -> int:
        self._nonce = self.next_nonce(self._nonce, now)
        return self._nonce

    def query(self, key: OrderKey, now: int) -> Call:
        number = key.venue_id or (key.client_id if key.client_id.isdecimal() else "")
        oid = int(number) if number else _cloid(key.client_id)
        return self._info(Purpose.QUERY, "orderStatus", now, {"oid": oid}, subject=key)

    def open_orders(self, now: int) -> list[Call]:
        return [self._info(Purpose.OPEN_ORDERS, "frontendOpenOrders", now, weight=LISTS)]

    def open_stops(self, symbol: str, now: int) -> Call | None:
        return self._info(Purpose.OPEN_CONDITIONALS, "frontendOpenOrders", now, weight=LISTS, symbol=symbol)

    def fills(self, symbol: str, now: int, *, since: int, cursor: str = "") -> Call:
        """Requests fills of all symbols, oldest first; the cursor is the begin of a page, ms."""
        terms = {"startTime": int(cursor or since // MS)}
        return self._info(Purpose.FILLS, "userFillsByTime", now, terms, weight=2 * LISTS)

    def account_moves(self, now: int, *, since: int, cursor: str = "") -> Call:
        """Requests funding and then all other changes, oldest first. cursor: `LIST BEGIN SINCE`, ms."""
        kind, start, first = (cursor or f"0 {since // MS} {since // MS}").split(" ")
        call = self._info(Purpose.MOVES, _LISTS[int(kind)], now, {"startTime": int(start)}, weight=2 * LISTS)
        return call._replace(symbol=f"{kind} {first}")

    def positions(self, now: int) -> Call:
        return self._info(Purpose.POSITIONS, "clearinghouseState", now)

    def balances(self, now: int) -> Call:
        return self._info(Purpose.BALANCES, f"{'spotC' if self._of_spot else 'c'}learinghouseState", now)

    def modes(self, now: int) -> Call:
        """Requests in which wallets the account keeps its money."""
        return self._info(Purpose.MODES, "userAbstraction", now, weight=LISTS)

    def role(self) -> Call:
        """Requests whose agent the key's wallet is."""
        agent = self.signer.agent.lower() if self.signer is not None else ""
        return info(Purpose.STREAM_KEY, {"type": "userRole", "user": agent}, ROLE)

    def key_info(self, now: int) -> Call:
        """As `role`; of a sub-account or vault, requests what it is."""
        is_named = self.signer is not None and self.signer.vault
        return self._info(Purpose.STREAM_KEY, "userRole", now, weight=ROLE) if is_named else self.role()

    def read_key(self, value: Any) -> tuple[str, KeyRights]:
        assert self.signer is not None
        can_trade = self._is_ours(value)
        if self.signer.vault:  # whose vault it is, is not said
            can_trade = value["role"] == "vault" or (value["role"] == "subAccount" and self._is_ours(value))
        # A main wallet could withdraw: it is refused where the key is read.
        return self.account, KeyRights(read=True, trade=can_trade, withdraw=False, is_bound=False)

    def _is_ours(self, value: Any) -> bool:
        """Tells whether a role is that of an agent or sub-account of the main wallet, or the wallet's own."""
        assert self.signer is not None
        data = value.get("data") or {}
        master = str(data.get("user") or data.get("master")).lower()
        return master == self.signer.owner.lower() or (value["role"] == "user" and self.signer.is_owner)

    def dead_man(self, symbol: str, now: int, *, after: int) -> Call | None:
        """Returns None: the venue's `scheduleCancel` takes stops along, needs a traded volume, and fires ten times a
        day at most."""
        return None

    def leverage(self, symbol: str, times: int, now: int) -> Call:
        asset = self._by_symbol[symbol].venue_number
        action = {"type": "updateLeverage", "asset": asset, "isCross": True, "leverage": times}
        return self._signed(Purpose.LEVERAGE, action, now)._replace(symbol=symbol)

    def time(self) -> Call:
        return info(Purpose.TIME, {"type": "exchangeStatus"}, LIGHT)

    def mark_prices(self, body: bytes, since: int) -> dict[str, Decimal]:
        """Returns symbol -> mark price from the venue's list of states, which has no times."""
        meta, states = read_json(body)
        named = zip(meta["universe"], states, strict=True)
        found = {
            self._by_raw[row["name"]].symbol: Decimal(state["markPx"])
            for row, state in named
            if row["name"] in self._by_raw
        }
        return {symbol: mark for symbol, mark in found.items() if mark.is_finite()}

    def slack(self, currency: str) -> int:
        return SHOWN

    def _info(
        self,
        purpose: Purpose,
        kind: str,
        now: int,
        terms: Mapping[str, Any] | None = None,
        *,
        weight: int = LIGHT,
        subject: OrderKey | None = None,
        symbol: str = "",
    ) -> Call:
        call = info(purpose, {"type": kind, "user": self.account, **(terms or {})}, weight)
        return call._replace(subject=subject, symbol=symbol, made=now)

    def _signed(
        self, purpose: Purpose, action: Mapping[str, Any], now: int, subject: OrderKey | None = None, number: int = 0
    ) -> Call:
        is_late = self.signs_late and purpose in ORDER_PURPOSES
        body, terms = (b"", action) if is_late else (self._body(purpose, action, now), None)
        return Call(purpose, "POST", "/exchange", body, _JSON, 1, 1, subject, "", terms, number)

    # --- answers ----------------------------------------------------------------------------------

    def answer(self, call: Call, status: int, headers: Mapping[str, str], body: bytes, now: int) -> Answer:
        if status == 429:
            return Answer(Outcome.SAFE, (), VenueRateLimit.code, "429", "", retry_after(headers) or _RETRY)
        if status != 200:
            return self.refused(call, status, body.decode(errors="replace")[:200])
        try:
            value = read_json(body)
            if call.target == "/exchange":
                return self.done(call, value, now)
            return self._read(call, value, now)
        except MALFORMED as error:
            return unreadable(error, status)

    def done(self, call: Call, value: Mapping[str, Any], now: int) -> Answer:
        """Reads the answer to an action."""
        try:
            if value["status"] != "ok":
                return self.refused(call, 200, str(value["response"]))
            data = value["response"].get("data")
            return self._acted(call, data["statuses"][0] if data else "success")
        except MALFORMED as error:
            return unreadable(error, 200)

    def refused(self, call: Call, status: int, text: str) -> Answer:
        """Returns the outcome of a request that the venue answered with an error."""
        row = row_of_text(ERRORS, text, status)
        is_gone = text.startswith(GONE) and call.purpose is not Purpose.PLACE
        outcome = Outcome.DEFINITIVE if is_gone else row.outcome  # it changed nothing; the order's state is queried
        wait = _RETRY if row.error is VenueRateLimit else 0
        shown = row.code if isinstance(row.code, str) else text if status == 200 else str(status)
        return Answer(outcome, (), row.error.code, shown[:40], text[:200], wait, not_found=is_gone)

    def _acted(self, call: Call, status: Any) -> Answer:
        """Reads the state that an action's answer has for its only order."""
        if isinstance(status, str) or call.subject is None:
            return Answer(Outcome.DONE, value=self.account)
        text, (symbol, client_id, *_) = str(status.get("error") or ""), call.subject
        row = status.get("resting") or status.get("filled") or {}
        if text and not text.startswith(UNMATCHED):
            return self.refused(call, 200, text)
        # An order that took something is reported as working: its fills and its end come from the stream.
        state = OrderState.EXPIRED if text else OrderState.ACCEPTED
        found = OrderStatusReport(symbol, client_id, str(row.get("oid", "")), state, 0, type=OrderType.LIMIT)
        return Answer(Outcome.DONE, (found,))

    def _read(self, call: Call, value: Any, now: int) -> Answer:
        match call.purpose:
            case Purpose.QUERY:
                if value["status"] == "unknownOid":
                    return Answer(Outcome.DONE, not_found=True)
                found = value["order"]
                return Answer(Outcome.DONE, tuple(self._statuses([found["order"]], found["status"])))
            case purpose if purpose in _ORDER_LISTS:
                rows = tuple(self._statuses(self.listed(value, name="coin"), "open"))
                if purpose is Purpose.OPEN_CONDITIONALS:
                    rows = tuple(each for each in rows if each.trigger and each.symbol == call.symbol)
                return Answer(Outcome.DONE, rows)
            case Purpose.FILLS:
                fills = tuple(self._fill(row) for row in value if row["coin"] in self._by_raw and row["dir"] != DUST)
                return Answer(Outcome.DONE, fills, cursor=_next_page(value, FILLS_PAGE))
            case Purpose.POSITIONS:
                return Answer(Outcome.DONE, tuple(self._positions(value, call.made)))
            case Purpose.BALANCES if self.traits.positions and self._is_unified is not ("balances" in value):
                return Answer(Outcome.SAFE)  # the abstraction has not been read, or has changed
            case Purpose.BALANCES if "balances" in value:
                found = self._spot_balances(value["balances"], call.made, call.made - CLOCK_STEP, now + CLOCK_STEP)
                return Answer(Outcome.DONE, tuple(found))
            case Purpose.BALANCES:
                time = int(value["time"]) * MS
                return Answer(Outcome.DONE, (_balance(value, time, time, now + CLOCK_STEP),))
            case Purpose.MOVES:
                return Answer(Outcome.DONE, tuple(self._moves(value)), cursor=_next_moves(call, value))
            case Purpose.MODES if value != _UNIFIED and value not in _APART:
                text = f"an account with the abstraction {value}"
                return Answer(Outcome.DEFINITIVE, (), NotAvailable.code, str(value), text, _REFUSED)
            case Purpose.MODES if value in _APART and self.traits.spot:
                text = "two wallets of USDC: trade spot or perpetuals in the account, or make it a unified one"
                return Answer(Outcome.DEFINITIVE, (), AccountMode.code, str(value), text, _REFUSED)
            case Purpose.MODES:
                self.note_abstraction(value)
                return Answer(Outcome.DONE, (AccountModeReport(False, False, True, False, account=self.account),))
            case Purpose.STREAM_KEY if not self._is_ours(value):
                text = "the key's wallet is no agent of the account"
                return Answer(Outcome.DEFINITIVE, (), PermissionDenied.code, str(value["role"]), text)
            case Purpose.STREAM_KEY:
                return Answer(Outcome.DONE, value=self.account)
            case Purpose.TIME:
                return Answer(Outcome.DONE, value=str(int(value["time"]) * MS))
            case _:
                return Answer(Outcome.DONE)

    def _statuses(self, rows: Iterable[Mapping[str, Any]], word: str, time: int = 0) -> list[OrderStatusReport]:
        """Returns rows as reports. time: of an event, else 0: a row has the time at which the order was placed."""
        return [self._status(row, word, time) for row in rows if row["coin"] in self._by_raw]

    def _status(self, row: Mapping[str, Any], word: str, time: int) -> OrderStatusReport:
        i = self._by_raw[row["coin"]]
        state, code = state_of(word)
        size, kind = units_of(row["origSz"], i.size_decimals), str(row.get("orderType") or "Limit")
        filled = size if state is OrderState.FILLED else size - units_of(row["sz"], i.size_decimals)
        if state is OrderState.ACCEPTED and filled:
            state = OrderState.PARTIALLY_FILLED
        waits = bool(row.get("isTrigger")) and state is OrderState.ACCEPTED
        is_limit = not kind.endswith("Market")
        return OrderStatusReport(
            symbol=i.symbol,
            client_id=name_of(row.get("cloid"), row["oid"]),
            venue_id=str(row["oid"]),
            state=state,
            time=time,
            news=NEWS.get(state) if time else None,
            side=SIDES[row["side"]],
            type=OrderType.LIMIT if is_limit else OrderType.MARKET,
            tif=TIFS.get(str(row.get("tif")), TimeInForce.GTC),
            price=units_of(row["limitPx"], i.price_decimals) if is_limit else 0,
            size=size,
            filled=filled,
            trigger=units_of(row["triggerPx"], i.price_decimals) if waits else 0,
            reduce_only=bool(row.get("reduceOnly")),
            takes_profit=kind.startswith("Take Profit"),
            code=code,
            reason=word if state.is_final and word != "filled" else "",
        )

    def _fill(self, row: dict[str, Any]) -> FillReport:
        i, forced = self._by_raw[row["coin"]], forced_word(row, self.account)
        return FillReport(
            symbol=i.symbol,
            client_id=f"{forced}-{row['oid']}" if forced else name_of(row.get("cloid"), row["oid"]),
            venue_id=str(row["oid"]),
            trade_id=int(row["tid"]),
            side=SIDES[row["side"]],
            position_side=PositionSide.BOTH,
            price=units_of(row["px"], i.price_decimals),
            size=units_of(row["sz"], i.size_decimals),
            time=int(row["time"]) * MS,
            fee=money_of(row["fee"]),
            fee_currency=str(row.get("feeToken") or CURRENCY),
            liquidity=Liquidity.TAKER if row["crossed"] else Liquidity.MAKER,
        )

    def _spot_balances(
        self, rows: Sequence[Mapping[str, Any]], time: int, earliest: int, latest: int
    ) -> Iterator[BalanceReport]:
        """Yields spot balances; a coin that is not listed is not held."""
        held = {i.base: "0" for i in self._by_symbol.values() if i.kind is Kind.SPOT}
        held |= {CURRENCY: "0"} | {row["coin"]: row["total"] for row in rows}
        for coin, total in held.items():
            if coin.isalnum():  # others are sides of outcome markets
                yield BalanceReport(coin, money_of(total), time, earliest, latest)

    def _positions(self, value: Mapping[str, Any], time: int) -> list[PositionReport]:
        rows = [each["position"] for each in value["assetPositions"]]
        return [self._position(row, time) for row in self.listed(rows, amount="szi", name="coin")]

    def _position(self, row: Mapping[str, Any], time: int) -> PositionReport:
        i = self._by_raw[row["coin"]]
        liquidation, qty = row.get("liquidationPx"), abs(Decimal(row["szi"]))
        mark = Decimal(row["positionValue"]) / qty if qty else None
        if mark:
            self._marks[i.symbol] = mark
        return PositionReport(
            i.symbol,
            PositionSide.BOTH,
            units_of(row["szi"], i.size_decimals),
            time,
            entry=Decimal(row["entryPx"]),
            mark=mark,
            liquidation=None if liquidation is None else Decimal(liquidation),
        )

    def _moves(self, rows: Iterable[Mapping[str, Any]]) -> list[MoveReport]:
        found = []
        for row in rows:
            delta, time = row["delta"], int(row["time"])
            if delta["type"] == "funding":
                found += self._funding({**delta, "time": time})
                continue
            has_perpetuals = self._is_unified or not self._of_spot
            moved = _moved(delta, self.account, perpetuals=has_perpetuals, spot=self._of_spot)
            for currency, amount in moved.items():
                name = f"{delta['type']} {row['hash']} {time}{'' if currency == CURRENCY else f' {currency}'}"
                found.append(MoveReport(name, currency, amount, time * MS))
        return found

    def _funding(self, row: Mapping[str, Any]) -> list[MoveReport]:
        if not self._is_unified and self._of_spot:
            return []
        i, time = self._by_raw.get(row["coin"]), int(row["time"])
        symbol, amount = "" if i is None else i.symbol, money_of(row["usdc"])
        return [MoveReport(f"funding {time} {row['coin']}", CURRENCY, amount, time * MS, MoveKind.FUNDING, symbol)]

    # --- the account's channels -------------------------------------------------------------------

    def reports_in(self, value: Mapping[str, Any]) -> list[VenueReport]:
        data: Any = value.get("data")
        match value.get("channel"):
            case "orderUpdates":
                return [each for row in data for each in self._order_event(row)]
            case "userFills":
                rows = () if data.get("isSnapshot") else data["fills"]
                return [each for row in rows for each in self._fill_event(row)]
            case "userFundings":
                rows = () if data.get("isSnapshot") else data["fundings"]
                return [each for row in rows for each in self._funding(row)]
            case "userNonFundingLedgerUpdates":
                rows = () if data.get("isSnapshot") else data["nonFundingLedgerUpdates"]
                return list(self._moves(rows))
            case "clearinghouseState":
                state = data["clearinghouseState"]
                time = int(state["time"]) * MS
                has_money = self._is_unified is False and self.traits.positions
                return [*self._positions(state, time), *((_balance(state, time),) if has_money else ())]
            case channel if channel in _SILENT:
                return []
            case channel:
                return self.meaningless(channel or "no channel")

    def _order_event(self, row: Mapping[str, Any]) -> list[VenueReport]:
        order = row["order"]
        if order["coin"] not in self._by_raw:
            return self.of_other_symbol(order["coin"])
        return [self._status(order, row["status"], int(row["statusTimestamp"]) * MS)]

    def _fill_event(self, row: dict[str, Any]) -> list[VenueReport]:
        """Returns a fill and the position after it: the list of positions leaves out closed ones. Spot has none."""
        i = self._by_raw.get(row["coin"])
        if i is None:
            return self.of_other_symbol(row["coin"])
        if row["dir"] == DUST:
            return []
        fill = self._fill(row)
        if i.kind is Kind.SPOT:
            return [fill]
        qty = units_of(row["startPosition"], i.size_decimals) + fill.side.sign * fill.size
        return [fill, PositionReport(i.symbol, PositionSide.BOTH, qty, fill.time)]


def _text(number: Decimal) -> str:
    """Returns a number without trailing zeros, as the venue hashes it."""
    return f"{number.normalize():f}"


def _cloid(client_id: str) -> str:
    return client_id if client_id.startswith("0x") else cloid_of(client_id)


def _worst_price(i: Instrument, spec: OrderSpec, last: Decimal) -> Decimal:
    """Returns the worst price of an order at the market: as far from the last price, or its trigger, as the venue's own
    page allows."""
    has_trigger = spec.trigger_by is not TriggerBy.NONE
    price = i.price(spec.trigger_int) if has_trigger else last
    price *= 1 + spec.side.sign * _SLIPPAGE[has_trigger]
    tick = tick_of(price, i.price_decimals) if price else i.tick
    return price // tick * tick


def _next_page(rows: Sequence[Mapping[str, Any]], page: int) -> str:
    """Returns the begin of the next page, ms: the last time again, because more may have happened then; "" after the
    last page."""
    if len(rows) < page:
        return ""
    first, last = (int(rows[at]["time"]) for at in (0, -1))
    return str(last if last > first else last + 1)


def _next_moves(call: Call, rows: Sequence[Mapping[str, Any]]) -> str:
    kind, first = call.symbol.split(" ")
    if start := _next_page(rows, MOVES_PAGE):
        return f"{kind} {start} {first}"
    return f"1 {first} {first}" if kind == "0" else ""


def _balance(value: Mapping[str, Any], time: int, earliest: int = 0, latest: int = 0) -> BalanceReport:
    """Reads the balance: the account's value less what its positions have made, which are exact to 1e-6."""
    profit = sum(money_of(each["position"]["unrealizedPnl"]) for each in value["assetPositions"])
    summary = value["marginSummary"]
    margin = MarginReport(profit, money_of(value["withdrawable"]), money_of(summary["totalMarginUsed"]))
    return BalanceReport(CURRENCY, money_of(summary["accountValue"]) - profit, time, earliest, latest, margin)


# Changes of the wallet of perpetuals: how a row counts, its amount, and what is taken along with it.
_CHANGES: Final = {
    "deposit": (1, "usdc", ""),
    "vaultDistribution": (1, "usdc", ""),
    "vaultWithdraw": (1, "netWithdrawnUsd", ""),
    "vaultDeposit": (-1, "usdc", ""),
    "vaultCreate": (-1, "usdc", "fee"),
    "withdraw": (-1, "usdc", "fee"),
    "internalTransfer": (-1, "usdc", "fee"),
    "subAccountTransfer": (-1, "usdc", ""),
}


def _moved(delta: Mapping[str, Any], account: str, *, perpetuals: bool, spot: bool) -> dict[str, int]:
    """Returns currency -> change of the account's balance by a row. perpetuals, spot: the wallets that count. Whether a
    withdrawal's amount includes its fee is unverified: here it does not; and so is a vault's own list."""
    found: dict[str, int] = {}

    def add(sign: int, amount: str, currency: str = CURRENCY) -> None:
        units = sign * money_of(str(delta.get(amount) or "0"))
        if units:
            found[currency] = found.get(currency, 0) + units

    token, kind = str(delta.get("token") or CURRENCY), delta["type"]
    fee_token = str(delta.get("feeToken") or token)
    is_ours = account in (str(delta.get("destination")).lower(), str(delta.get("vault")).lower())
    if kind in _CHANGES and perpetuals:
        sign, amount, fee = _CHANGES[kind]
        add(-sign if is_ours else sign, amount)
        add(0 if is_ours else -1, fee)
    elif kind == "accountClassTransfer" and perpetuals is not spot:
        add(1 if delta["toPerp"] is perpetuals else -1, "usdc")
    elif kind == "spotTransfer" and spot:
        add(1 if is_ours else -1, "amount", token)
        add(0 if is_ours else -1, "fee", fee_token)
    elif kind == "send":
        counted = {"": perpetuals, "spot": spot}
        is_sent = str(delta["user"]).lower() == account and counted.get(delta["sourceDex"], False)
        add(int(is_ours and counted.get(delta["destinationDex"], False)) - is_sent, "amount", token)
        add(-int(is_sent), "fee", fee_token)
    elif kind in ("rewardsClaim", "spotGenesis", "cStakingTransfer") and spot:
        add(-1 if delta.get("isDeposit") else 1, "amount", token)
    return found
