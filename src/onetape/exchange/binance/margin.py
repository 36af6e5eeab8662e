"""Binance USD-M: leverage, margin type, and the margin of isolated positions.

Source: "Change Initial Leverage", "Change Margin Type", "Modify Isolated Position Margin" and "Get Position Margin
Change History" of the USD-M documentation, read 2026-11. The venue's page about isolated margin says that margin may be
removed down to the position's requirement at its leverage.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from onetape.exchange.account import SimAccount
from onetape.exchange.binance.public import PublicData
from onetape.exchange.binance.terms import decimal_of, in_time
from onetape.exchange.binance.wire import Refused, amount, ms, row_limit
from onetape.exchange.exchange import SimExchange
from onetape.model.enums import PositionSide
from onetape.model.instrument import Instrument
from onetape.model.margin import MarginBracket
from onetape.model.money import money_units

__all__ = ["MarginData"]

ADD, REDUCE = "1", "2"
LEVERAGE_MAX: Final = 125
NOTIONAL_MAX: Final = Decimal(10**9)


class MarginData:
    """Answers the margin endpoints of one exchange."""

    def __init__(self, exchange: SimExchange, public: PublicData) -> None:
        self.exchange = exchange
        self.public = public

    def most(self, account: SimAccount, at: int, leverage: int = 0) -> Decimal:
        """Returns the maximum notional of a position at a leverage (0: the account's)."""
        leverage = leverage or account.leverage_of(at)
        rows = [
            b.notional_max for b in _brackets(self.exchange.instruments[at]) if (b.leverage_max or leverage) >= leverage
        ]
        return max(rows, default=Decimal(0))

    def set_leverage(self, account: SimAccount, params: dict[str, str], now: int) -> dict[str, Any]:
        at = self.public.at(params)
        text = params.get("leverage", "")
        if not text:
            raise Refused(-1102, "leverage")
        i = self.exchange.instruments[at]
        most = _brackets(i)[0].leverage_max
        if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= (most or LEVERAGE_MAX):
            raise Refused(-4028, text)
        wanted, before = int(text), account.leverage_of(at)
        held = max((abs(account.qty(at, side)) for side in account.sides), default=0)
        if held:
            if wanted < before and at in account.isolated:
                raise Refused(-4161)
            notional = i.notional_units(self._price(at), held)
            limit = self.most(account, at, wanted)
            if i.brackets and abs(notional) > money_units(limit):
                raise Refused(-2027)
        if wanted < before:
            self._check_margin(account, at, wanted, before)
        self.exchange.accounts.set_leverage(account, at, wanted, now)
        return {"leverage": wanted, "maxNotionalValue": f"{self.most(account, at):f}", "symbol": i.raw_symbol}

    def _check_margin(self, account: SimAccount, at: int, wanted: int, before: int) -> None:
        """Raises Refused for lower leverage whose higher margin is not available."""
        i, price = self.exchange.instruments[at], self._price(at)
        value = sum(abs(i.notional_units(price, account.qty(at, side))) for side in account.sides)
        value += sum(
            abs(i.notional_units(order.price, order.left))
            for order in account.open_orders.values()
            if order.index == at and order.reserved
        )
        more = value // wanted - value // before
        if more > max(int(account.money.available(self.exchange.currencies.index(i.settle))), 0):
            raise Refused(-2028)

    def set_margin_type(self, account: SimAccount, params: dict[str, str], now: int) -> dict[str, Any]:
        at = self.public.at(params)
        wanted = params.get("marginType", "")
        if wanted not in ("ISOLATED", "CROSSED"):
            raise Refused(-1102, "margintype") if not wanted else Refused(-1130, "marginType")
        if wanted == "ISOLATED" and account.joint is not None:
            raise Refused(-4168)
        if (wanted == "ISOLATED") == (at in account.isolated):
            raise Refused(-4046)
        if any(o.index == at for o in account.open_orders.values()):
            raise Refused(-4047)
        if account.has_position(at):
            raise Refused(-4048)
        self.exchange.accounts.set_isolated(account, at, wanted == "ISOLATED", now)
        return {"code": 200, "msg": "success"}

    def move(self, account: SimAccount, params: dict[str, str], now: int) -> dict[str, Any]:
        """Adds margin to an isolated position (type 1), or removes margin (type 2)."""
        at = self.public.at(params)
        side_text = params.get("positionSide") or "BOTH"
        if side_text not in ("BOTH", "LONG", "SHORT"):
            raise Refused(-4060)
        if account.hedge == (side_text == "BOTH"):
            raise Refused(-4061)
        kind = params.get("type", "")
        if kind not in (ADD, REDUCE):
            raise Refused(-1102, "type")
        wanted = decimal_of(params, "amount")
        if wanted <= 0:
            raise Refused(-4055)
        if at not in account.isolated:
            raise Refused(-4049)
        side = PositionSide(side_text.lower())
        if not account.qty(at, side):
            raise Refused(-4054)
        units = money_units(wanted)
        settle = self.exchange.currencies.index(self.exchange.instruments[at].settle)
        if kind == ADD and units > max(int(account.money.available(settle)), 0):
            raise Refused(-4050)
        if kind == REDUCE and units > self.spare(account, at, side):
            raise Refused(-4051)
        self.exchange.accounts.move_margin(account, at, side.value, units if kind == ADD else -units, now)
        return {"amount": float(wanted), "code": 200, "msg": "Successfully modify position margin.", "type": int(kind)}

    def spare(self, account: SimAccount, at: int, side: PositionSide) -> int:
        """Returns how much margin may be removed from an isolated position, 1e-18."""
        i, price = self.exchange.instruments[at], self._price(at)
        position = account.money.position(at, side.value)
        unrealized = int(position.unrealized(account.specs[at], price))
        needed = abs(i.notional_units(price, int(position.qty))) // account.leverage_of(at)
        return account.wallet(at, side) + min(unrealized, 0) - needed

    def history(self, account: SimAccount, params: dict[str, str]) -> list[dict[str, Any]]:
        at = self.public.at(params)
        wanted = params.get("type", "")
        limit = row_limit(params, 500, 1000)
        i = self.exchange.instruments[at]
        rows = [
            {
                "symbol": i.raw_symbol,
                "type": int(ADD if move.amount > 0 else REDUCE),
                "deltaType": "USER_ADJUST",
                "amount": amount(move.amount, 2),
                "asset": i.settle,
                "time": ms(move.time),
                "positionSide": move.side.value.upper(),
            }
            for move in account.margin_moves
            if move.at == at and in_time(move.time, params)
        ]
        return [row for row in rows if not wanted or str(row["type"]) == wanted][-limit:]

    def brackets(self, params: dict[str, str]) -> list[dict[str, Any]]:
        rows = []
        for at in self.public.instruments_of(params):
            i = self.exchange.instruments[at]
            floor = Decimal(0)
            brackets = []
            for number, row in enumerate(_brackets(i), 1):
                brackets.append(
                    {
                        "bracket": number,
                        "initialLeverage": row.leverage_max,
                        "notionalCap": int(row.notional_max),
                        "notionalFloor": int(floor),
                        "maintMarginRatio": float(row.maintenance_rate),
                        "cum": float(row.maintenance_amount or 0),
                    }
                )
                floor = row.notional_max
            rows.append({"symbol": i.raw_symbol, "notionalCoef": 1.0, "brackets": brackets})
        return rows

    def _price(self, at: int) -> int:
        return self.exchange.listings[at].valuation


def _brackets(i: Instrument) -> tuple[MarginBracket, ...]:
    """Returns the margin brackets; if they are unknown, a single one without an effective limit, because clients expect
    at least one."""
    whole = MarginBracket(
        notional_max=NOTIONAL_MAX,
        maintenance_rate=i.maintenance_rate,
        leverage_max=LEVERAGE_MAX,
        maintenance_amount=Decimal(0),
    )
    return i.brackets or (whole,)
