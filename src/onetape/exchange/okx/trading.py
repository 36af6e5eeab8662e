"""OKX v5: orders, orders with a trigger, batches, amendments, cancels, closing, leverage, modes, dead man's switch.

Source: OKX API v5 documentation, "Order Book Trading", as of 2026-07. An answer says that a request was received:
funds, sizes and a reduction without a position are refused in it; a post-only order that would take, a self-trade,
and an IOC or FOK order without a match are acknowledged and ended by the engine, and so is an amendment that it
refuses. A reduce-only order larger than the position is refused; one that a trigger sends is cut (unverified). Orders
with a trigger are a service of their own, and hold neither margin nor position.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from onetape.exchange.account import SimAccount, SimOrder
from onetape.exchange.conditional import NewConditional
from onetape.exchange.dialect import TOO_FINE, sent_units
from onetape.exchange.exchange import SimExchange
from onetape.exchange.okx.account import ACCOUNTS, FUNDING, LEVELS, SPOT_MODE, AccountData, level_of, mode_of
from onetape.exchange.okx.public import FIRST_CODE, SIZE_MOST, PublicData, family_of
from onetape.exchange.okx.wire import CODES, Refused, ms, price_text
from onetape.exchange.order_entry import NewOrder
from onetape.model.enums import Kind, OrderState, OrderType, PositionSide, Side, TriggerBy
from onetape.model.errors import OrderWouldCross, SelfTrade
from onetape.model.money import MONEY_DECIMALS, money_text
from onetape.model.time import SECOND
from onetape.venues.okx.words import FUTURES, ISOLATED, MARGIN, POSITION_SIDES, SIDES, TIFS, TRIGGERS, type_of

__all__ = ["Params", "Trading"]

Params = Mapping[str, Any]
ORDERS_MAX: Final = 500  # of an instrument
ALGOS_MAX: Final = 100
BATCH_MAX: Final = 20
ALGO_BATCH_MAX: Final = 10
SWITCH_S: Final = (10, 120)
_NAME: Final = re.compile(r"[A-Za-z0-9]{1,32}\Z")
_TRIGGERS: Final = {word: by for by, word in TRIGGERS.items()}
_TRIGGER_NAMES: Final = ("triggerPx", "triggerPxType", "orderPx")
_BY_ENGINE: Final = (OrderWouldCross.code, SelfTrade.code)  # ends of an order that was acknowledged
_TYPES: Final = ("market", "post_only", "optimal_limit_ioc", *TIFS)
# Whether a take-profit, whether the price rises to it -> the refusal of a trigger that is met, by last price.
_MET: Final = {(True, False): 51277, (False, True): 51278, (True, True): 51279, (False, False): 51280}


class Trading:
    """Carries out the orders of one exchange. Implements `Watcher`. failed: amendments that the engine refused, to be
    reported: (order, request's id, code, whether the order is canceled); amended: order -> id of its amendment."""

    def __init__(self, exchange: SimExchange, public: PublicData, data: AccountData) -> None:
        self.exchange = exchange
        self.public = public
        self.data = data
        self.failed: list[tuple[SimOrder, str, int, bool]] = []
        self.amended: dict[int, str] = {}
        exchange.orders.watch(self)
        # By WebSocket an operation has the last part of the path as its name.
        self.handlers: dict[str, Callable[[SimAccount, Params, int], dict[str, str]]] = {
            "order": self.place,
            "cancel-order": self.cancel,
            "amend-order": self.amend,
            "order-algo": self.place_algo,
            "cancel-algos": self.cancel_algo,
        }
        self.settings: dict[str, Callable[[SimAccount, Params, int], list[Any]]] = {
            "trade/close-position": self.close,
            "trade/cancel-all-after": self.dead_man,
            "account/set-leverage": self.set_leverage,
            "account/set-position-mode": self.set_mode,
            "account/set-account-level": self.set_level,
            "asset/transfer": self.transfer,
        }

    # --- terms ------------------------------------------------------------------------------------

    def at(self, params: Params, *, by_code: bool = False) -> int:
        """Returns the instrument of a request. by_code: by WebSocket a number names it. Raises Refused."""
        if not by_code:
            return self.public.at(params.get("instId"))
        code = params.get("instIdCode")
        if code is None:
            raise Refused(50014, "Parameter instIdCode can not be empty")
        if not isinstance(code, int) or not 0 <= code - FIRST_CODE < len(self.exchange.instruments):
            raise Refused(51001, "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")
        return code - FIRST_CODE

    def _price(self, at: int, text: object) -> int:
        i = self.exchange.instruments[at]
        price = sent_units(text, i.price_decimals)
        if price <= 0 or price % i.core.tick:
            raise Refused(51000, "Parameter px error")
        return price

    def _size(self, at: int, text: object) -> int:
        i = self.exchange.instruments[at]
        size, most = sent_units(text, i.size_decimals), i.size_int(i.size_max or SIZE_MOST)
        if size == TOO_FINE or (size > 0 and size % i.core.lot):
            raise Refused(51121)
        if size <= 0:
            raise Refused(51000, "Parameter sz error")
        if size > most:
            raise Refused(51005)
        return size

    def _is_spot(self, at: int) -> bool:
        return self.exchange.instruments[at].kind is Kind.SPOT

    @staticmethod
    def _sides(account: SimAccount, params: Params, *, is_spot: bool) -> tuple[Side, PositionSide]:
        side, word = SIDES.get(str(params.get("side"))), str(params.get("posSide") or "net")
        position_side = POSITION_SIDES.get(word)
        if side is None:
            raise Refused(51000, "Parameter side error")
        has_sides = account.hedge and not is_spot
        if position_side is None or has_sides != (position_side is not PositionSide.BOTH):
            raise Refused(51000, "Parameter posSide error")
        return side, position_side

    def _take_margin(self, account: SimAccount, at: int, mode: object, now: int) -> None:
        """Gives an instrument the margin mode of an order. It has one here, which changes without a position and
        orders; spot is traded without loans alone."""
        if self.public.has_expired(at):
            raise Refused(51027)
        if self._is_spot(at):
            if mode != mode_of(account, at):
                raise Refused(51000, f"Parameter tdMode error: spot is traded with {mode_of(account, at)} alone here")
            return
        if level_of(account) == SPOT_MODE:
            raise Refused(51010)
        if mode not in (MARGIN, ISOLATED):
            raise Refused(51000, "Parameter tdMode error")
        isolated = mode == ISOLATED
        if isolated is (at in account.isolated):
            return
        is_used = any(account.qty(at, side) for side in account.sides) or account.open_count.get(at, 0)
        if is_used or self.exchange.conditionals.open_of(account, at):
            raise Refused(51000, "Parameter tdMode error: cross and isolated together are not available here")
        self.exchange.accounts.set_isolated(account, at, isolated, now)

    @staticmethod
    def _own_name(params: Params, word: str) -> str:
        name = str(params.get(word) or "")
        if name and not _NAME.match(name):
            raise Refused(51000, f"Parameter {word} error")
        return name

    # --- placing ----------------------------------------------------------------------------------

    def place(self, account: SimAccount, params: Params, now: int) -> dict[str, str]:
        at = params["at"]
        wanted = self._wanted(account, at, params)
        self._take_margin(account, at, params.get("tdMode"), now)
        order = self.exchange.orders.place(account, at, now, wanted)
        if order.code and not order.filled and not order.is_open and order.code not in _BY_ENGINE:
            self.exchange.orders.drop(account, order)
            raise Refused(CODES.get(order.code, 51000))
        return _acked(order)

    def _wanted(self, account: SimAccount, at: int, params: Params) -> NewOrder:
        is_spot, kind = self._is_spot(at), str(params.get("ordType") or "")
        side, position_side = self._sides(account, params, is_spot=is_spot)
        if kind not in _TYPES or (is_spot and kind == "optimal_limit_ioc"):
            raise Refused(51000, "Parameter ordType error")
        is_limit = kind not in ("market", "optimal_limit_ioc")
        extra = self._attached(at, side, params) | _fee_of(side, is_spot=is_spot)
        if is_spot and not is_limit and _pays_money(side, params):
            size = self._bought(at, params.get("sz"))
            extra["money"] = str(params["sz"])
        else:
            size = self._size(at, params.get("sz"))
        reduces = _flag(params, "reduceOnly") and not account.hedge
        if reduces and is_spot:
            raise Refused(51205)
        held = account.qty(at, position_side) * -side.sign
        closes = account.hedge and not is_spot and (position_side is PositionSide.LONG) is (side is Side.SELL)
        if (reduces or closes) and held < (size if reduces else 1):
            raise Refused(51169)
        name = self._own_name(params, "clOrdId")
        if (earlier := account.by_client_id.get(name)) is not None and name and earlier.is_open:
            raise Refused(51016)
        if account.open_count.get(at, 0) >= ORDERS_MAX:
            raise Refused(51103)
        return NewOrder(
            side=side,
            type=OrderType.LIMIT if is_limit else OrderType.MARKET,
            tif=TIFS.get(kind, TIFS["limit"]),
            price=self._price(at, params.get("px")) if is_limit else 0,
            size=size,
            post_only=kind == "post_only",
            reduce_only=reduces,
            position_side=position_side,
            client_id=name,
            extra=extra,
        )

    def _bought(self, at: int, money: object) -> int:
        """Returns the size, in whole lots, that an amount of the quote currency buys now. Raises Refused."""
        i = self.exchange.instruments[at]
        amount = sent_units(money, i.price_decimals + i.size_decimals)
        if amount <= 0:
            raise Refused(51000, "Parameter sz error")
        size = self.exchange.board.size_for(at, Side.SELL, amount)
        if size < int(i.size_min.scaleb(i.size_decimals)) or not size:
            raise Refused(51020)
        return size

    def _attached(self, at: int, side: Side, params: Params) -> dict[str, Any]:
        """Returns the take profits and stop losses of an order, as its rows show them."""
        rows = params.get("attachAlgoOrds") or []
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise Refused(51000, "Parameter attachAlgoOrds error")
        for row in rows:
            for word in ("tp", "sl"):
                if row.get(f"{word}TriggerPx"):
                    self._check_met(at, word, side.opposite, self._price(at, row[f"{word}TriggerPx"]), TriggerBy.LAST)
        return {"attached": [{"attachAlgoId": "", **row} for row in rows]} if rows else {}

    # --- orders with a trigger --------------------------------------------------------------------

    def place_algo(self, account: SimAccount, params: Params, now: int) -> dict[str, str]:
        at = params["at"]
        is_spot = self._is_spot(at)
        side, position_side = self._sides(account, params, is_spot=is_spot)
        size = self._size(at, params.get("sz"))
        name = self._own_name(params, "algoClOrdId")
        book = self.exchange.conditionals
        if name and (account.number, name) in book.by_client_id:
            raise Refused(51065)
        if len(book.open_of(account)) >= ALGOS_MAX:
            raise Refused(51299)
        terms = self._trigger(at, side, params)
        if is_spot and not terms["price"] and _pays_money(side, params):
            raise Refused(51000, "a purchase for an amount of money is not available in this simulation")
        terms["extra"] |= _fee_of(side, is_spot=is_spot)
        self._take_margin(account, at, params.get("tdMode"), now)
        wanted = NewConditional(
            index=at,
            client_id=name,
            side=side,
            position_side=position_side,
            size=size,
            reduce_only=_flag(params, "reduceOnly") and not account.hedge and not is_spot,
            **terms,
        )
        order = book.place(account, now, wanted)
        return {"algoId": str(order.id), "algoClOrdId": name, "clOrdId": ""}

    def _trigger(self, at: int, side: Side, params: Params) -> dict[str, Any]:
        kind = str(params.get("ordType") or "")
        if kind == "move_order_stop":
            return self._trailing(at, params)
        if kind not in ("conditional", "oco", "trigger"):
            is_other = kind in ("chase", "twap", "iceberg", "smart_iceberg")
            text = f"{kind} is not available in this simulation" if is_other else "Parameter ordType error"
            raise Refused(51000, text)
        # With both, only the stop loss of a conditional order counts.
        one = ["sl" if params.get("slTriggerPx") else "tp"]
        words = [""] if kind == "trigger" else ["sl", "tp"] if kind == "oco" else one
        legs, shown = [], dict[str, str]()
        for word in words:
            names = (f"{word}TriggerPx", f"{word}TriggerPxType", f"{word}OrdPx") if word else _TRIGGER_NAMES
            trigger, by, price = self._leg(at, params, names)
            if word:
                self._check_met(at, word, side, trigger, by)
                i, wanted = self.exchange.instruments[at], str(params.get(names[2]) or "-1")
                shown |= dict(zip(names, (price_text(i, trigger), TRIGGERS[by], wanted), strict=True))
            legs.append((trigger, by, price))
        (trigger, by, price), *others = legs
        other_trigger, other_by, other_price = others[0] if others else (0, by, 0)
        if other_by is not by:
            raise Refused(51000, "Parameter tpTriggerPxType error: both triggers watch the same price here")
        takes_profit = words == ["tp"]
        if kind == "trigger":  # it waits for the price to come to it, from wherever it is
            takes_profit = (trigger > self.exchange.board.price(at, by)) is (side is Side.SELL)
        form = ("TAKE_PROFIT" if takes_profit else "STOP") + ("" if price else "_MARKET")
        other = {"other_trigger": other_trigger, "other_price": other_price}
        extra = {"ordType": kind, "legs": shown}
        return {"type": form, "trigger": trigger, "by": by, "price": price, **other, "extra": extra}

    def _leg(self, at: int, params: Params, names: tuple[str, str, str]) -> tuple[int, TriggerBy, int]:
        """Returns the trigger, what it watches and the price (0: at the market) that these parameters say."""
        if not params.get(names[0]):
            raise Refused(50014, f"Parameter {names[0]} can not be empty")
        by, text = _TRIGGERS.get(str(params.get(names[1]) or "last")), str(params.get(names[2]) or "-1")
        if by is None:
            raise Refused(51000, f"Parameter {names[1]} error")
        return self._price(at, params[names[0]]), by, 0 if text == "-1" else self._price(at, text)

    def _trailing(self, at: int, params: Params) -> dict[str, Any]:
        """Returns the terms of a trailing stop, by a ratio of the price in steps of 0.01 %."""
        if params.get("callbackSpread"):
            raise Refused(51000, "callbackSpread is not available in this simulation")
        callback = sent_units(params.get("callbackRatio"), 4)
        if not 0 < callback < 10_000:
            raise Refused(51000, "Parameter callbackRatio error")
        activate = self._price(at, params["activePx"]) if params.get("activePx") else 0
        extra = {"ordType": "move_order_stop", "callbackRatio": str(params["callbackRatio"])}
        return {"type": "TRAILING_STOP_MARKET", "activate": activate, "callback": callback, "price": 0, "extra": extra}

    def _check_met(self, at: int, word: str, side: Side, trigger: int, by: TriggerBy) -> None:
        """Raises Refused for a trigger that is met already. side: of the order that it would send."""
        takes_profit, market = word == "tp", self.exchange.board.price(at, by)
        rises = takes_profit is (side is Side.SELL)
        if market and (trigger <= market if rises else trigger >= market):
            raise Refused(_MET[takes_profit, rises])

    def cancel_algo(self, account: SimAccount, params: Params, now: int) -> dict[str, str]:
        order = self.data.algo_named(account, params)
        if order is None or order.index != params["at"]:
            raise Refused(51400)
        if not order.is_open or order.state == "TRIGGERING":
            raise Refused(51416 if order.triggered else 51400)
        self.exchange.conditionals.cancel(order, now)
        return {"algoId": str(order.id), "algoClOrdId": order.client_id}

    def protect(self, order: SimOrder, now: int) -> None:
        """Places the take profits and stop losses of an order that is completely filled."""
        for row in order.extra.get("attached", ()):
            both = row.get("tpTriggerPx") and row.get("slTriggerPx")
            side, is_spot = order.side.opposite, self._is_spot(order.index)
            try:
                terms = self._trigger(order.index, side, {**row, "ordType": "oco" if both else "conditional"})
            except Refused:
                continue  # it is met meanwhile; the venue then has no such order either (unverified)
            wanted = NewConditional(
                index=order.index,
                client_id=str(row.get("attachAlgoClOrdId") or ""),
                side=side,
                position_side=order.position_side,
                size=order.filled,
                reduce_only=not order.account.hedge and not is_spot,
                **terms,
            )
            wanted.extra.update(_fee_of(side, is_spot=is_spot))
            self.exchange.conditionals.place(order.account, now, wanted)

    def on_ended(self, order: SimOrder, now: int) -> None:
        if order.state is OrderState.FILLED:
            self.protect(order, now)

    def on_flat(self, account: SimAccount, index: int, side: PositionSide, now: int) -> None:
        """Does nothing: orders with a trigger outlive the position."""

    # --- changing ---------------------------------------------------------------------------------

    def _named(self, account: SimAccount, params: Params, code: int) -> SimOrder:
        order = self.data.named(account, params)
        if order is None or not order.is_open or order.index != params["at"]:
            raise Refused(code)
        return order

    def amend(self, account: SimAccount, params: Params, now: int) -> dict[str, str]:
        order, request = self._named(account, params, 51503), str(params.get("reqId") or "")
        at = order.index
        price = self._price(at, params["newPx"]) if params.get("newPx") else 0
        size = self._size(at, params["newSz"]) if params.get("newSz") else 0
        if not price and not size:
            raise Refused(50014, "Parameter newSz or newPx can not be empty")
        if size and size <= order.filled:
            raise Refused(51512)
        self.amended[order.id] = request
        code = self.exchange.orders.amend(account, order, now, price=price, size=size)
        if code:
            self.amended.pop(order.id, None)
            cancels = _flag(params, "cxlOnFail")
            shown = 51511 if code == OrderWouldCross.code else CODES.get(code, 51512)
            self.failed.append((order, request, shown, cancels))
            if cancels:
                self._cancel(order, now, "1")
        return {**_acked(order), "reqId": request}

    def _cancel(self, order: SimOrder, now: int, source: str) -> None:
        self.exchange.orders.note(order, {"canceled": source})
        self.exchange.orders.cancel(order.account, order, now)

    def cancel(self, account: SimAccount, params: Params, now: int) -> dict[str, str]:
        order = self._named(account, params, 51400)
        self._cancel(order, now, "1")
        return _acked(order)

    def batch(
        self, name: str, account: SimAccount, requests: Sequence[Any], now: int, *, by_code: bool = False
    ) -> tuple[list[dict[str, str]], int]:
        """Carries out requests one after another. Returns their results, and the code of all."""
        most = ALGO_BATCH_MAX if name == "cancel-algos" else BATCH_MAX
        if not 1 <= len(requests) <= most or not all(isinstance(each, dict) for each in requests):
            raise Refused(51000, f"The number of requests of a batch is 1 to {most}")
        algo = name.endswith(("-algo", "-algos"))
        rows, failed = [], 0
        for each in requests:
            own = "algoClOrdId" if algo else "clOrdId"
            try:
                row = self.handlers[name](account, {**each, "at": self.at(each, by_code=by_code)}, now)
                row |= {"sCode": "0", "sMsg": ""}
            except Refused as refused:
                failed += 1
                row = {"algoId" if algo else "ordId": "", own: str(each.get(own) or "")}
                row |= {"sCode": str(refused.code), "sMsg": refused.text}
            rows.append({**row, "tag": str(each.get("tag") or ""), "ts": ms(now), "subCode": ""})
        return rows, 0 if not failed else 1 if failed == len(rows) else 2

    def close(self, account: SimAccount, params: Params, now: int) -> list[Any]:
        """Closes a position at the market."""
        at, side = self.public.at(params.get("instId")), POSITION_SIDES.get(str(params.get("posSide") or "net"))
        held = account.qty(at, side) if side in account.sides and not self._is_spot(at) else 0
        if side is None or not held:
            raise Refused(51000, "Position doesn't exist")
        if _flag(params, "autoCxl"):
            for order in [each for each in account.open_orders.values() if each.index == at]:
                self._cancel(order, now, "1")
        wanted = NewOrder(
            side=Side.SELL if held > 0 else Side.BUY,
            type=OrderType.MARKET,
            size=abs(held),
            reduce_only=not account.hedge,
            position_side=side,
        )
        self.exchange.orders.place(account, at, now, wanted)
        names = {name: str(params.get(name) or "") for name in ("instId", "posSide", "clOrdId", "tag")}
        return [names]

    # --- settings ---------------------------------------------------------------------------------

    def dead_man(self, account: SimAccount, params: Params, now: int) -> list[Any]:
        text = str(params.get("timeOut") or "")
        if not text.isdecimal() or (text != "0" and not SWITCH_S[0] <= int(text) <= SWITCH_S[1]):
            raise Refused(51000, "Parameter timeOut error")
        after = int(text) * SECOND
        self.exchange.orders.dead_man(account, after, now)
        due = now + after if after else 0
        return [{"triggerTime": str(due // SECOND) if due else "0", "tag": "", "ts": ms(now)}]

    def _sharing(self, at: int) -> list[int]:
        """Returns the instruments that have the leverage of one: dated contracts of a family have the same."""
        i = self.exchange.instruments[at]
        query = {"instType": FUTURES, "instFamily": family_of(i)}
        return self.public.wanted(query) if type_of(i) == FUTURES else [at]

    def set_leverage(self, account: SimAccount, params: Params, now: int) -> list[Any]:
        at = self.public.at(params.get("instId"))
        mode = params.get("mgnMode")
        if mode not in (MARGIN, ISOLATED):
            raise Refused(51000, "Parameter mgnMode error")
        if self._is_spot(at) or level_of(account) == SPOT_MODE:
            raise Refused(51010)
        try:
            leverage = int(Decimal(str(params.get("lever"))))
        except (InvalidOperation, ValueError, OverflowError):
            raise Refused(51000, "Parameter lever error") from None
        if not 1 <= leverage <= self.exchange.instruments[at].leverage:
            raise Refused(59102)
        for each in self._sharing(at):
            if leverage != account.leverage_of(each):
                self.exchange.accounts.set_leverage(account, each, leverage, now)
        names = {"instId": str(params["instId"]), "mgnMode": mode, "posSide": str(params.get("posSide") or "net")}
        return [{**names, "lever": str(leverage)}]

    def transfer(self, account: SimAccount, params: Params, now: int) -> list[Any]:
        """Moves money between the funding account and the trading account."""
        ends, currency = (str(params.get("from")), str(params.get("to"))), str(params.get("ccy"))
        if ends[0] == ends[1] or not {*ends} <= {*ACCOUNTS} or str(params.get("type") or "0") != "0":
            raise Refused(51000, "Parameter from, to or type error: funding (6) and trading (18) are available here")
        units = sent_units(params.get("amt"), MONEY_DECIMALS)
        if currency not in self.exchange.currencies or units <= 0:
            raise Refused(51000, "Parameter ccy or amt error")
        at, is_in = self.exchange.currencies.index(currency), ends[0] == FUNDING
        if units > (account.beside.get(at, 0) if is_in else int(account.money.available(at))):
            raise Refused(58350)
        text = money_text(units if is_in else -units)
        self.exchange.accounts.transfer(account, currency, text, now, self._own_name(params, "clientId"))
        return [self.data.transfer_row(account.income[-1])]

    def set_level(self, account: SimAccount, params: Params, now: int) -> list[Any]:
        level = str(params.get("acctLv"))
        if level not in LEVELS:
            raise Refused(51000, "Parameter acctLv error: portfolio margin is not available in this simulation")
        if level != level_of(account):
            if account.has_positions or account.open_orders or self.exchange.conditionals.open_of(account):
                raise Refused(59000)
            self.exchange.accounts.set_level(account, level)
        return [{"acctLv": level}]

    def set_mode(self, account: SimAccount, params: Params, now: int) -> list[Any]:
        word = str(params.get("posMode"))
        if word not in ("net_mode", "long_short_mode"):
            raise Refused(51000, "Parameter posMode error")
        hedge = word == "long_short_mode"
        if hedge is not account.hedge:
            if account.has_positions or account.open_orders or self.exchange.conditionals.open_of(account):
                raise Refused(59000)
            self.exchange.accounts.set_hedge(account, hedge, now)
        return [{"posMode": word}]


def _fee_of(side: Side, *, is_spot: bool) -> dict[str, Any]:
    """Returns what an order's fees are charged in: a purchase on spot pays in the coin."""
    return {"fee_in_base": True} if is_spot and side is Side.BUY else {}


def _pays_money(side: Side, params: Params) -> bool:
    """Tells whether the size of a market order on spot is an amount of money."""
    target = str(params.get("tgtCcy") or ("quote_ccy" if side is Side.BUY else "base_ccy"))
    if target not in ("base_ccy", "quote_ccy") or (target == "quote_ccy" and side is Side.SELL):
        raise Refused(51000, "Parameter tgtCcy error: a sale's size is in coins here")
    return target == "quote_ccy"


def _acked(order: SimOrder) -> dict[str, str]:
    return {"ordId": str(order.id), "clOrdId": order.client_id}


def _flag(params: Params, name: str) -> bool:
    """Clients send booleans as text, too."""
    return str(params.get(name)).lower() == "true"
