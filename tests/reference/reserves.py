"""What orders and positions hold of a sub-account's money, plainly: the slow model of `core/orders/reserves.cpp`.

That is our rule and no fact of the venue. On spot a buy holds its cost with fee, a sale its coins.
Of contracts a sub-account holds margin as if it were alone at the venue: of each position side the
greater of what it would reach if all its buys were filled, or all its sales, by the configured
leverage, and the fees of the orders that can open. Reductions hold nothing. The position counts at
what it was opened for, so that prices alone do not change what is held.

Each change of an order or a position costs the same, however many there are. Amounts are units of
1e-18, rounded up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Final, NamedTuple

from onetape.model.enums import Kind, OrderType, PositionSide, Side
from onetape.model.errors import check
from onetape.model.instrument import Instrument
from onetape.model.order import OrderSpec
from onetape.orders.backing import Spending, only_reduces, spending
from onetape.orders.order import Order

__all__ = ["Locks"]

_NO_PRICES: Final[Mapping[str, int]] = MappingProxyType({})
_BUY: Final = Side.BUY
_SELL: Final = Side.SELL
_SPOT: Final = Kind.SPOT
_MARKET: Final = OrderType.MARKET

Key = tuple[int, str, PositionSide]


@dataclass(slots=True)
class _Margin:
    """Holds the margin of one slot, symbol and position side. value: of the position, signed."""

    currency: str
    value: int = 0
    buys: int = 0
    sells: int = 0
    fees: int = 0
    held: int = 0  # what all that comes to

    def worst(self) -> int:
        """Returns the value that is held if all that works on one side is filled."""
        return max(abs(self.value + self.buys), abs(self.value - self.sells))


class _Part(NamedTuple):
    """What one order adds to the amounts held. key None: on spot, where `amount` of a currency is held; else the value
    that it may open, and its fee."""

    slot: int
    currency: str
    amount: int
    fee: int = 0
    key: Key | None = None
    side: Side = _BUY


class _Terms:
    """The facts of an instrument that amounts are reckoned with, as integers."""

    __slots__ = ("fees", "instrument", "is_spot")

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.is_spot = instrument.kind is _SPOT
        rates = instrument.taker_fee, instrument.maker_fee
        self.fees = tuple(rate.as_integer_ratio() for rate in rates)  # by post_only


class Locks:
    """Reckons what working orders and positions of one account hold.

    leverage: what a sub-account's contracts are reckoned at.
    references: prices that market orders are reckoned at.
    """

    def __init__(
        self, instruments: Mapping[str, Instrument], *, leverage: float, references: Mapping[str, int] = _NO_PRICES
    ) -> None:
        check(leverage > 0, f"leverage is positive: {leverage}")
        self._instruments = instruments
        self._references = references
        # A float as people write it: 1.1 is 11 / 10.
        self._over, self._under = Fraction(str(leverage)).as_integer_ratio()
        self._terms: dict[str, _Terms] = {}
        self._held: dict[tuple[str, int], int] = {}
        self._parts: dict[str, _Part] = {}  # by client id
        self._margins: dict[Key, _Margin] = {}
        # The newest part, and what it was made of: an order is judged, and then it is there.
        self._newest: tuple[OrderSpec | None, tuple[int, int, int], _Part | None]
        self._newest = None, (0, 0, 0), None

    # --- what is asked ----------------------------------------------------------------------------

    def held(self, currency: str, slot: int) -> int:
        """Returns what is held of a currency in a slot, 1e-18; never negative."""
        return self._held.get((currency, slot), 0)

    def held_in(self, currency: str, count: int) -> list[int]:
        """Returns what is held in so many slots from 0 on, where the sum of the others stands;
        never negative."""
        held = self._held
        rows = [held.get((currency, slot), 0) for slot in range(1, count)]
        return [sum(rows), *rows]

    def wanted(
        self, spec: OrderSpec, left: int, price: int, *, slot: int | None = None, without: Order | None = None
    ) -> Spending | None:
        """Returns what a new order would hold. None: nothing, or that cannot be said (no price is known).

        slot: whose it is; then what closes its position, or hedges its orders, needs less. Without
        it the order counts as if nothing else were there. without: the order that it replaces,
        whose part is free then: what is wanted more than now.
        """
        part = self._part(spec, left, price, slot or 0)
        if part is None:
            return None
        old = self._parts.get(without.client_id) if without is not None else None
        if part.key is None:
            amount = part.amount
            if old is not None and old.key is None and old.currency == part.currency:
                amount -= old.amount
            return Spending(part.currency, amount) if amount > 0 else None
        margin = self._margin(part.key, part.currency)
        held = margin.held
        # There and back: nothing is made for an order that is only judged.
        if old is not None and old.key == part.key:
            _add(margin, old, -1)
        else:
            old = None
        _add(margin, part, 1)
        amount = self._need(margin) - held
        _add(margin, part, -1)
        if old is not None:
            _add(margin, old, 1)
        return Spending(part.currency, amount) if amount > 0 else None

    def opens(self, spec: OrderSpec, left: int, price: int, *, slot: int) -> bool:
        """Tells whether a position could become larger by this order than by those that work. Else only its fee is
        wanted, and what it closes sets free more than that."""
        part = self._part(spec, left, price, slot)
        if part is None or part.key is None:
            return True
        margin = self._margin(part.key, part.currency)
        worst = margin.worst()
        _add(margin, part, 1)
        more = margin.worst() > worst
        _add(margin, part, -1)
        return more

    def of(self, order: Order, currency: str) -> int:
        """Returns what this order holds: what would be free without it."""
        part = self._parts.get(order.client_id)
        if part is None or part.currency != currency:
            return 0
        if part.key is None:
            return part.amount
        margin = self._margins[part.key]
        _add(margin, part, -1)
        rest = self._need(margin)
        _add(margin, part, 1)
        return margin.held - rest

    def backing(self, value: int) -> int:
        """Returns what a position of that value holds by itself."""
        return -(-abs(value) * self._under // self._over)

    # --- what changes it --------------------------------------------------------------------------

    def update(self, order: Order, slot: int) -> Iterable[str]:
        """The order may have changed. Returns the currencies of which another amount is held."""
        price = order.price
        if order.update_open:  # the dearer of both may be true
            price = max(price, order.amend_to[0])
        left = 0 if order.is_unfunded else order.worst_left
        return self.hold(order.client_id, order.spec, left, price, slot)

    def hold(self, client_id: str, spec: OrderSpec, left: int, price: int, slot: int) -> Iterable[str]:
        """Holds for an order of which so much may be filled yet, at that price or a better one."""
        old = self._parts.get(client_id)
        part = self._part(spec, left, price, slot) if left else None
        if part == old:
            return ()
        changed: list[str] = []
        if old is not None:
            del self._parts[client_id]
            self._apply(old, -1, changed)
        if part is not None:
            self._parts[client_id] = part
            self._apply(part, 1, changed)
        return changed

    def position(self, slot: int, symbol: str, side: PositionSide, qty: int, value: int) -> Iterable[str]:
        """Takes in a sub-account's position as it is now. value: what it was opened for, 1e-18 of the settle currency,
        of either sign."""
        instrument = self._instruments[symbol]
        if instrument.kind is _SPOT:
            return ()
        margin = self._margin((slot, symbol, side), instrument.settle)
        margin.value = abs(value) if qty > 0 else -abs(value) if qty < 0 else 0
        changed: list[str] = []
        self._renew(slot, margin, changed)
        return changed

    def flatten(self) -> None:
        """Nothing is held any more: the exchange has begun anew."""
        for (slot, _, _), margin in self._margins.items():
            margin.value = 0
            self._renew(slot, margin, [])

    # --- how --------------------------------------------------------------------------------------

    def _part(self, spec: OrderSpec, left: int, price: int, slot: int) -> _Part | None:
        if left <= 0 or spec.own_reducing or only_reduces(spec):
            return None
        if spec.type is _MARKET:
            price = spec.trigger_int or price or self._references.get(spec.symbol, 0)
        of = left, price, slot
        if self._newest[0] is not spec or self._newest[1] != of:
            self._newest = spec, of, self._made(spec, left, price, slot)
        return self._newest[2]

    def _made(self, spec: OrderSpec, left: int, price: int, slot: int) -> _Part | None:
        instrument = self._instruments[spec.symbol]
        terms = self._terms.get(spec.symbol)
        if terms is None or terms.instrument is not instrument:
            terms = self._terms[spec.symbol] = _Terms(instrument)
        if terms.is_spot:
            spent = spending(instrument, spec, left, price)
            return None if spent is None else _Part(slot, spent.currency, spent.amount)
        if not price:
            return None
        value = abs(instrument.core.notional(price, left))
        over, under = terms.fees[spec.post_only]
        fee = max(-(-value * over // under), 0)
        key = (slot, spec.symbol, spec.position_side)
        return _Part(slot, instrument.settle, value, fee, key, spec.side)

    def _margin(self, key: Key, currency: str) -> _Margin:
        found = self._margins.get(key)
        if found is None:
            found = self._margins[key] = _Margin(currency)
        return found

    def _apply(self, part: _Part, sign: int, changed: list[str]) -> None:
        if part.key is None:
            self._move(part.currency, part.slot, sign * part.amount, changed)
            return
        margin = self._margin(part.key, part.currency)
        _add(margin, part, sign)
        self._renew(part.slot, margin, changed)

    def _renew(self, slot: int, margin: _Margin, changed: list[str]) -> None:
        need = self._need(margin)
        self._move(margin.currency, slot, need - margin.held, changed)
        margin.held = need

    def _need(self, margin: _Margin) -> int:
        return -(-margin.worst() * self._under // self._over) + margin.fees

    def _move(self, currency: str, slot: int, amount: int, changed: list[str]) -> None:
        if amount:
            at = (currency, slot)
            self._held[at] = self._held.get(at, 0) + amount
            changed.append(currency)


def _add(margin: _Margin, part: _Part, sign: int) -> None:
    if part.side is _SELL:
        margin.sells += sign * part.amount
    else:
        margin.buys += sign * part.amount
    margin.fees += sign * part.fee
