"""Binance USD-M: parses order requests and checks them by the symbol's filters.

Source: "New Order", "Filters" and "Error Codes" of the USD-M documentation, as of 2026-11.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

from onetape._core import plain_units
from onetape.exchange.account import SimAccount, SimOrder
from onetape.exchange.binance.public import PublicData
from onetape.exchange.binance.wire import Refused, ms, number, price_text
from onetape.exchange.exchange import SimExchange
from onetape.model.decimals import decimal_text
from onetape.model.enums import Kind, PositionSide, Side, TriggerBy
from onetape.model.instrument import Instrument
from onetape.model.money import MONEY_DECIMALS, money_units
from onetape.model.time import DAY, MS, WEEK

__all__ = ["OrderTerms", "decimal_of", "flag", "in_time", "money_in", "span", "week", "whole", "whole_units", "word"]

GTD_LEAST_S: Final = 600
CALLBACK_LEAST: Final = Decimal("0.1")  # percent
_UNITS_MAX: Final = 2**62
_CLIENT_ID: Final = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}\Z")
_NUMBER: Final = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?\Z")
_MATCH: Final = {
    "OPPONENT": (False, 0),
    "OPPONENT_5": (False, 4),
    "QUEUE": (True, 0),
    "QUEUE_5": (True, 4),
    "QUEUE_10": (True, 9),
    "QUEUE_20": (True, 19),
}


_POSITIONS: Final = {each.value.upper(): each for each in PositionSide}


class _Steps(NamedTuple):
    """An instrument's filters in its units. A value that passes them is valid; all others are parsed again as decimals,
    which gives the venue's error code."""

    instrument: Instrument
    tick: int  # in units; 0: the tick is no whole number of units
    lots: tuple[int, int, int]  # step, minimum and maximum of a limit order
    market_lots: tuple[int, int, int]
    notional: int  # value of one price unit times one size unit, 1e-18; 0: the instrument computes it
    notional_min: int  # 1e-18


def _steps(i: Instrument) -> _Steps:
    def units(value: Decimal, decimals: int, rounding: str = "") -> int:
        found = value.scaleb(decimals)
        if rounding:
            return int(found.to_integral_value(rounding))
        return int(found) if found == found.to_integral_value() else 0

    def lots(step: Decimal, least: Decimal, most: Decimal) -> tuple[int, int, int]:
        decimals = i.size_decimals
        return (
            units(step, decimals),
            units(least, decimals, ROUND_CEILING),
            units(most, decimals, ROUND_FLOOR) if most else _UNITS_MAX,
        )

    places = MONEY_DECIMALS - i.price_decimals - i.size_decimals
    return _Steps(
        i,
        units(i.tick, i.price_decimals),
        lots(i.lot, i.size_min, i.size_max),
        lots(i.market_lot or i.lot, i.market_size_min or i.size_min, i.market_size_max or i.size_max),
        units(i.multiplier, places) if i.kind is Kind.LINEAR else 0,
        units(i.notional_min, MONEY_DECIMALS, ROUND_CEILING),
    )


class OrderTerms:
    """Reads parameters; each method raises Refused with the venue's code."""

    def __init__(self, exchange: SimExchange, public: PublicData) -> None:
        self.exchange = exchange
        self.public = public
        self._made = 0
        self._steps: dict[str, _Steps] = {}  # raw symbol -> filters of the present version
        # Instrument's index -> (instrument, mark, highest price of a buy, lowest price of a sale).
        self._bands: dict[int, tuple[Instrument, int, int, int]] = {}

    def _steps_of(self, i: Instrument) -> _Steps:
        found = self._steps.get(i.raw_symbol)
        if found is None or found.instrument is not i:
            found = self._steps[i.raw_symbol] = _steps(i)
        return found

    def find(self, account: SimAccount, params: dict[str, str], index: int) -> SimOrder | None:
        if number := params.get("orderId"):
            found = account.by_id.get(whole(number, "orderId"))
        elif client_id := params.get("origClientOrderId"):
            found = account.by_client_id.get(client_id)
        else:
            raise Refused(-1102, text="Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
        return found if found is not None and found.index == index else None

    def client_id(self, account: SimAccount, params: dict[str, str], name: str) -> str:
        text = params.get(name, "")
        if not text:
            self._made += 1
            return f"web_{account.number}x{self.exchange.now // 1000:x}x{self._made}"
        if len(text) > 36:
            raise Refused(-4015)
        if not _CLIENT_ID.match(text):
            raise Refused(-1100, name, "^[\\.A-Z\\:/a-z0-9_-]{1,36}$")
        if name == "clientAlgoId":
            conditional = self.exchange.conditionals.by_client_id.get((account.number, text))
            if conditional is not None and conditional.is_open:
                raise Refused(-4116)
        elif (order := account.by_client_id.get(text)) is not None and order.is_open:
            raise Refused(-4116)
        return text

    def position_side(self, account: SimAccount, params: dict[str, str]) -> PositionSide:
        found = _POSITIONS.get(params.get("positionSide") or "BOTH")
        if found is None:
            raise Refused(-4060)
        if account.hedge == (found is PositionSide.BOTH):
            raise Refused(-4061)
        return found

    @staticmethod
    def closes(position: PositionSide, side: str) -> bool:
        return position is (PositionSide.LONG if side == "SELL" else PositionSide.SHORT)

    def size(self, i: Instrument, params: dict[str, str], *, is_market: bool) -> int:
        steps = self._steps_of(i)
        step, smallest, largest = steps.market_lots if is_market else steps.lots
        plain: Any = plain_units(params.get("quantity", ""), i.size_decimals)
        if plain and step and smallest <= plain <= largest and not plain % step:
            return int(plain)
        value = decimal_of(params, "quantity")
        if value <= 0:
            raise Refused(-4003)
        units = whole_units(value, i.size_decimals)
        lot, least, most = i.lot, i.size_min, i.size_max
        if is_market:
            lot, least, most = (i.market_lot or lot, i.market_size_min or least, i.market_size_max or most)
        if least and value < least:
            raise Refused(-4003 if value == 0 else -4004)
        if most and value > most:
            raise Refused(-4005)
        if value % lot:
            raise Refused(-4023)
        return units

    def price(self, i: Instrument, params: dict[str, str], name: str) -> int:
        tick = self._steps_of(i).tick
        plain: Any = plain_units(params.get(name, ""), i.price_decimals)
        if plain and tick and not plain % tick:
            return int(plain)
        value = decimal_of(params, name)
        if value <= 0:
            raise Refused(-4001 if value < 0 else -4013)
        units = whole_units(value, i.price_decimals)
        if value % i.tick:
            raise Refused(-4014)
        return units

    def limit_price(self, index: int, side: str, params: dict[str, str], match: str) -> int:
        i = self.exchange.instruments[index]
        if match == "NONE":
            return self.price(i, params, "price")
        if params.get("price"):
            raise Refused(-1106, "price")
        if match not in _MATCH:
            raise Refused(-5037)
        own, depth = _MATCH[match]
        book_side = Side.BUY if (side == "BUY") == own else Side.SELL
        levels = self.exchange.board.levels(index, book_side, depth + 1)
        if len(levels) <= depth:
            raise Refused(-5041)
        return levels[depth][0]

    def check_band(self, index: int, side: str, price: int) -> None:
        listing = self.exchange.listings[index]
        i, mark = listing.instrument, listing.mark
        if not mark:
            return
        band = self._bands.get(index)
        if band is None or band[1] != mark or band[0] is not i:
            cap, floor = int(mark * (1 + i.band_up)), int(mark * (1 - i.band_down))
            band = self._bands[index] = i, mark, cap, floor
        if side == "BUY" and price > band[2] and i.band_up:
            raise Refused(-4016, price_text(i, band[2]))
        if side == "SELL" and price < band[3] and i.band_down:
            raise Refused(-4024, price_text(i, band[3]))

    def check_notional(self, index: int, side: str, price: int, size: int, reduces: bool) -> None:
        listing = self.exchange.listings[index]
        i = listing.instrument
        near = price or listing.valuation
        steps = self._steps_of(i)
        if reduces or not steps.notional_min or not near:
            return
        worth = near * size * steps.notional or i.notional_units(near, size)
        if abs(worth) < steps.notional_min:
            raise Refused(-4164, decimal_text(i.notional_min))

    def check_close(
        self, account: SimAccount, index: int, params: dict[str, str], kind: str, side: str, position: PositionSide
    ) -> None:
        if kind not in ("STOP_MARKET", "TAKE_PROFIT_MARKET"):
            raise Refused(-1106, "closeposition")
        if params.get("quantity"):
            raise Refused(-4137)
        if flag(params, "reduceOnly"):
            raise Refused(-1106, "reduceonly")
        if account.hedge and not self.closes(position, side):
            raise Refused(-1106, "closeposition")
        held = account.qty(index, position)
        if not held or (held > 0) != (side == "SELL"):
            raise Refused(-4129)
        for other in self.exchange.conditionals.open_of(account, index):
            same = other.position_side is position and other.side.value == side.lower()
            if other.close_position and same and other.type == kind:
                raise Refused(-4130)

    def trail(
        self, index: int, params: dict[str, str], side: str, by: TriggerBy, name: str, most: Decimal
    ) -> tuple[int, int]:
        """Returns the activation price of a trailing stop (0: at once) and its distance in 1e-4. name: the parameter
        with the activation price. most: largest distance in percent."""
        rate = decimal_of(params, "callbackRate")
        if not CALLBACK_LEAST <= rate <= most:
            raise Refused(-2021, text="Invalid callBack rate")
        if not params.get(name):
            return 0, int(rate * 100)
        activate = self.price(self.exchange.instruments[index], params, name)
        price = self.exchange.board.price(index, by)
        if price and (activate >= price if side == "BUY" else activate <= price):
            raise Refused(-2021)
        return activate, int(rate * 100)

    def check_trigger(self, index: int, kind: str, side: str, trigger: int, by: TriggerBy) -> None:
        price = self.exchange.board.price(index, by)
        rises = (side == "BUY") != kind.startswith("TAKE_PROFIT")
        if price and (price >= trigger if rises else price <= trigger):
            raise Refused(-2021)

    @staticmethod
    def expire_time(params: dict[str, str], tif: str, now: int) -> int:
        text = params.get("goodTillDate", "")
        if tif != "GTD":
            return 0
        if not text:
            raise Refused(-1102, "goodtilldate")
        time = whole(text, "goodTillDate")
        # Only whole seconds count.
        if time < ms(now) + GTD_LEAST_S * 1000 or time >= 253402300799000:
            raise Refused(-5040)
        return time // 1000 * 1_000_000_000


def word(params: dict[str, str], name: str, allowed: tuple[str, ...], code: int) -> str:
    text = params.get(name, "")
    if not text:
        raise Refused(-1102, name)
    if text not in allowed:
        raise Refused(code)
    return text


def flag(params: dict[str, str], name: str) -> bool:
    text = params.get(name, "false").lower()
    if text not in ("true", "false"):
        raise Refused(-1130, name)
    return text == "true"


def decimal_of(params: dict[str, str], name: str) -> Decimal:
    text = params.get(name, "")
    if not text:
        raise Refused(-1102, name)
    if not _NUMBER.match(text):
        if text.startswith("-") and _NUMBER.match(text[1:]):
            return Decimal(text)
        raise Refused(-1100, name, "^([0-9]{1,20})(\\.[0-9]{1,20})?$")
    try:
        return Decimal(text)
    except InvalidOperation:
        raise Refused(-1130, name) from None


def money_in(params: dict[str, str]) -> int:
    """Returns the amount of a request for money, 1e-18. Raises Refused."""
    try:
        return money_units(Decimal(params.get("amount", "")))
    except (InvalidOperation, ValueError):
        raise Refused(-1102, "amount") from None


def whole_units(value: Decimal, decimals: int) -> int:
    units = value.scaleb(decimals)
    if units != units.to_integral_value():
        raise Refused(-1111)
    if units > _UNITS_MAX:
        raise Refused(-4005)
    return int(units)


def whole(text: str, name: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise Refused(-1130, name) from None


def in_time(time: int, params: dict[str, str]) -> bool:
    start, end = span(params)
    return start <= time <= end


def span(params: dict[str, str]) -> tuple[int, int]:
    """Returns the requested time range, ns, including the first and the last millisecond."""
    end = number(params, "endTime", 2**62 // MS)
    return number(params, "startTime", 0) * MS, (end + 1) * MS - 1


def week(params: dict[str, str], now: int) -> tuple[int, int]:
    """Returns the time range of a history that is limited to seven days: by default the last seven, with only a start
    the seven after it (as ccxt 4.5.90 assumes; the documents do not say). Raises Refused."""
    start, end = span(params)
    if not params.get("startTime"):
        return max(min(end, now) - WEEK, 0), end
    if not params.get("endTime"):
        return start, start + WEEK
    if end - start > WEEK + MS:
        raise Refused(-4165, WEEK // DAY)
    return start, end
