"""What happens to positions becomes entries: fills, funding, and what the venue closes by force.

Each sub-account holds its own positions, at its own entry prices; the account holds what the venue
has, which is their sum, at the venue's entry price. A fill moves both. The total moves as the
venue's does, the sub-account as its own position says, and `netting` takes the gap.

The legs of an entry stand in groups that add up to zero one after the other: what a trade moved,
then its fee. `explain` reads them so.

Whether a fill has been booked before is the order manager's question. In another order the same
fills lead to other profits on the way, since entry prices are averages; but a holding's profit less
its cost is the same in any order, and so is the profit of everything that has been closed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from onetape.accounts.entries import MAIN, Cause, Entry, Leg, Outside
from onetape.accounts.holding import Holding, Own, Terms
from onetape.accounts.sharing import shares, split
from onetape.model.enums import PositionSide, Side
from onetape.model.instrument import Instrument
from onetape.model.money import RATE_DECIMALS, divide_half_even
from onetape.orders.told import INTERNAL_TRADES, FillTold

__all__ = ["FORCED", "Booking"]

FORCED: Final = "forced"  # note of an entry: a reader of the tape has to share its fill likewise

_MARKET: Final = int(Outside.MARKET)
_FEES: Final = int(Outside.FEES)
_FUNDING: Final = int(Outside.FUNDING)
_NETTING: Final = int(Outside.NETTING)
_SELL: Final = Side.SELL
_BY_FILL: Final = Cause.FILL
# Legs and entries of fills are made of their tuples: by name it takes three times as long.
_made: Final = tuple.__new__

Key = tuple[int, str, PositionSide]


class Booking:
    """Of one account."""

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._instruments = instruments
        self._terms: dict[str, Terms] = {}
        self.positions: dict[Key, Own] = {}  # of slots
        self.account: dict[tuple[str, PositionSide], Holding] = {}
        self._slots: dict[tuple[str, PositionSide], list[int]] = {}  # in order

    def terms(self, symbol: str) -> Terms:
        found = self._terms.get(symbol)
        instrument = self._instruments[symbol]
        if found is None or found.instrument is not instrument:
            found = self._terms[symbol] = Terms(instrument)
        return found

    # --- fills ------------------------------------------------------------------------------------

    def fill(self, fill: FillTold, slot: int) -> Entry:
        """A fill of an order of that sub-account; of the pool where nobody's order is known. Of an
        internal trade the venue knows nothing: the other side is `netting`, until that side's fill
        comes, and the account's position stays."""
        symbol, _, _, trade_id, side, position_side, price, size, time, fee, fee_name, _ = fill
        terms = self._terms.get(symbol)
        if terms is None or terms.instrument is not self._instruments[symbol]:
            terms = self.terms(symbol)
        sells = side is _SELL
        change = -size if sells else size
        value = terms.value(price, change)
        settle = terms.settle
        own = self.positions.get((slot, symbol, position_side))
        if own is None or own.terms is not terms:
            own = self._holding(slot, symbol, position_side, terms)
        profit = own.fill(change, value)
        legs: tuple[Leg, ...] = ()
        is_internal = trade_id >= INTERNAL_TRADES
        if terms.is_spot:
            base, amount = terms.base, change * terms.base_factor
            outside = _NETTING if is_internal else _MARKET
            legs = (
                _made(Leg, (slot, base, amount, "")),
                _made(Leg, (outside, base, -amount, "")),
                _made(Leg, (slot, settle, -value, "")),
                _made(Leg, (outside, settle, value, "")),
            )
        else:
            total = 0 if is_internal else own.account.fill(change, value)
            if profit != total:
                legs = _profit_legs(((slot, profit),), total, settle)
            elif profit:
                legs = (
                    _made(Leg, (slot, settle, profit, "")),
                    _made(Leg, (_MARKET, settle, -profit, "")),
                )
        if fee:
            name = fee_name or settle
            legs = (
                *legs,
                _made(Leg, (slot, name, -fee, "")),
                _made(Leg, (_FEES, name, fee, "")),
            )
        reference = f"{symbol} {trade_id} {'sell' if sells else 'buy'}"
        return _made(Entry, (time, _BY_FILL, legs, reference, 0, ""))

    def forced(self, fill: FillTold) -> Entry:
        """A liquidation, a deleveraging, a settlement: it closes part of the account's position,
        and every sub-account that holds in that direction loses of its own in proportion, in whole
        lots as far as they go; the fee likewise."""
        terms = self.terms(fill.symbol)
        key = (fill.symbol, fill.position_side)
        sign = -fill.side.sign
        held = {
            slot: self.positions[slot, *key].qty * sign
            for slot in self._slots.get(key, ())
            if self.positions[slot, *key].qty * sign > 0
        }
        if terms.is_spot or sum(held.values()) < fill.size:
            return self.fill(fill, MAIN)  # more than anybody is known to hold: a foreign hand's
        lot = max(int(terms.instrument.lot.scaleb(terms.instrument.size_decimals)), 1)
        sizes = split(fill.size, held, lot)
        value = terms.value(fill.price, -sign * fill.size)
        values = shares(value, sizes, rest_to=max(sizes, key=lambda slot: sizes[slot]))
        profits = [
            (slot, self.positions[slot, *key].fill(-sign * size, values[slot]))
            for slot, size in sizes.items()
            if size
        ]
        total = self.account[key].fill(-sign * fill.size, value)
        settle = terms.settle
        legs = _profit_legs(profits, total, settle)
        if fill.fee:
            name = fill.fee_currency or settle
            paid = shares(fill.fee, sizes, rest_to=MAIN)
            legs += tuple(Leg(slot, name, -amount) for slot, amount in paid.items() if amount)
            legs += (Leg(_FEES, name, fill.fee),)
        reference = f"{fill.symbol} {fill.trade_id} {fill.side}"
        return Entry(fill.time, Cause.FILL, legs, reference, 0, FORCED)

    def adopt(
        self, symbol: str, side: PositionSide, qty: int, price: int, *, slot: int = MAIN
    ) -> None:
        """A position that was there before the first fill that is known, at a price that it is
        reckoned from. No money moves."""
        terms = self.terms(symbol)
        holding = self._holding(slot, symbol, side, terms)
        value = terms.value(price, qty)
        for each in (holding, self.account[symbol, side]):
            each.fill(qty, value)

    def _holding(self, slot: int, symbol: str, side: PositionSide, terms: Terms) -> Own:
        found = self.positions.get((slot, symbol, side))
        if found is None:
            total = self.account.setdefault((symbol, side), Holding(terms))
            found = self.positions[slot, symbol, side] = Own(terms, account=total)
            slots = self._slots.setdefault((symbol, side), [])
            slots.append(slot)
            slots.sort()
        elif found.terms is not terms:  # the instrument has a new version
            found.terms = found.account.terms = terms
        return found

    def one_side(self, symbol: str) -> PositionSide:
        """Whose funding it is where the venue says the symbol only: the leg that is held. In hedge
        mode each leg has an event of its own, which does not say which; the larger one is taken."""
        held = {
            side: abs(each.qty) for (name, side), each in self.account.items() if name == symbol
        }
        return max(held, key=lambda side: held[side], default=PositionSide.BOTH)

    # --- funding ----------------------------------------------------------------------------------

    def funding(
        self,
        symbol: str,
        side: PositionSide,
        amount: int,
        currency: str,
        time: int,
        reference: str,
        *,
        rate: int = 0,
        mark: int = 0,
    ) -> Entry:
        """What the venue paid (negative: took), in proportion to signed positions: who is long pays
        while who is short receives. Less than a unit for each is the pool's.

        rate (1e-12) and mark: what is paid where the account is flat and sub-accounts are not; they
        pay each other then. Without them nobody does, and an amount is the pool's.
        """
        key = (symbol, side)
        held = {
            slot: self.positions[slot, *key].qty
            for slot in self._slots.get(key, ())
            if self.positions[slot, *key].qty
        }
        net = sum(held.values())
        if net:
            paid = shares(amount, held, rest_to=MAIN)
        else:
            value = self.terms(symbol).value
            paid = {
                slot: divide_half_even(-value(mark, qty) * rate, 10**RATE_DECIMALS)
                for slot, qty in (held if mark and rate else {}).items()
            }
            paid[MAIN] = paid.get(MAIN, 0) + amount - sum(paid.values())
        legs = tuple(Leg(slot, currency, each) for slot, each in paid.items() if each)
        if amount:
            legs += (Leg(_FUNDING, currency, -amount),)
        return Entry(time, Cause.FUNDING, legs, reference, 0, symbol)


def _profit_legs(
    profits: tuple[tuple[int, int], ...] | list[tuple[int, int]], total: int, currency: str
) -> tuple[Leg, ...]:
    """total: the venue's."""
    legs = [Leg(slot, currency, amount) for slot, amount in profits if amount]
    gap = total - sum(amount for _, amount in profits)
    if gap:
        legs.append(Leg(_NETTING, currency, gap))
    if total:
        legs.append(Leg(_MARKET, currency, -total))
    return tuple(legs)
