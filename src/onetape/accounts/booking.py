"""What happens to positions becomes entries: fills, funding, and what the venue closes by force.

Each sub-account holds its own positions, at its own entry prices; the account holds what the venue
has, which is their sum, at the venue's entry price. A fill moves both. The total moves as the
venue's does, the sub-account as its own position says, and `netting` takes the gap.

The legs of an entry stand in groups that add up to zero one after the other: what a trade moved,
then its fee. `explain` reads them so.

Whether a fill has been booked before is the order manager's question. In another order the same
fills lead to other profits on the way, since entry prices are averages. So a fill that is heard
late takes its place among those that the venue had after it, and what that makes of their profits
is in its own entry: what is held and what was realized is the venue's, whoever was heard first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from onetape.accounts.entries import MAIN, Cause, Entry, Leg, Outside
from onetape.accounts.holding import Holding, Own, Terms
from onetape.accounts.sharing import shares, split
from onetape.model.enums import Liquidity, PositionSide, Side
from onetape.model.instrument import Instrument
from onetape.model.money import RATE_DECIMALS, divide_half_even
from onetape.orders.reports import HASHED_TRADES, INTERNAL_TRADES, FillReport

__all__ = ["FORCED", "Booking", "BookingRecord"]

FORCED: Final = "forced"  # note of an entry: a reader of the tape has to share its fill likewise
# Of each position: fills that a late one may come before. Older ones count as they come.
RECENT_KEPT: Final = 256

_MARKET: Final = int(Outside.MARKET)
_FEES: Final = int(Outside.FEES)
_FUNDING: Final = int(Outside.FUNDING)
_NETTING: Final = int(Outside.NETTING)
_SELL: Final = Side.SELL
_MAKER: Final = Liquidity.MAKER
_BY_FILL: Final = Cause.FILL
# Legs and entries of fills are made of their tuples: by name it takes three times as long.
_made: Final = tuple.__new__

Key = tuple[int, str, PositionSide]
_State = tuple[int, int, int]  # quantity, cost, realized


class _Recent(NamedTuple):
    """A fill, and what its sub-account's and the account's holding were before it. sweep: 0 where trade ids count;
    else its price, negative where an order that takes from the book meets the highest one first."""

    time: int
    trade_id: int
    sweep: int
    slot: int
    change: int
    value: int
    own: _State = (0, 0, 0)
    account: _State = (0, 0, 0)


class BookingRecord(msgspec.Struct, frozen=True):
    """All positions, as a checkpoint keeps them."""

    positions: list[tuple[int, str, PositionSide, _State]]
    account: list[tuple[str, PositionSide, _State]]
    recent: list[tuple[str, PositionSide, list[_Recent]]]


class Booking:
    """Books fills, funding and liquidations of one account as entries of its ledger. on_forced: hears how much of
    each sub-account's position the venue has closed by itself."""

    fill_type: Final = _Recent

    def __init__(
        self,
        instruments: Mapping[str, Instrument],
        on_forced: Callable[[FillReport, Mapping[int, int]], None] = lambda *_: None,
    ) -> None:
        self._instruments = instruments
        self._on_forced = on_forced
        self._terms: dict[str, Terms] = {}
        self.positions: dict[Key, Own] = {}  # of slots
        self.account: dict[tuple[str, PositionSide], Holding] = {}
        self._slots: dict[tuple[str, PositionSide], list[int]] = {}  # in order
        self._recent: dict[tuple[str, PositionSide], deque[_Recent]] = {}

    def terms(self, symbol: str) -> Terms:
        found = self._terms.get(symbol)
        instrument = self._instruments[symbol]
        if found is None or found.instrument is not instrument:
            found = self._terms[symbol] = Terms(instrument)
        return found

    def own(self, slot: int, symbol: str, side: PositionSide) -> int:
        """Returns a sub-account's position, signed."""
        held = self.positions.get((slot, symbol, side))
        return held.qty if held is not None else 0

    def sharing(self, symbol: str, side: PositionSide) -> list[tuple[Key, Own]]:
        """Returns sub-accounts' parts of one position of the account."""
        found = []
        for slot in self._slots.get((symbol, side), ()):
            key = slot, symbol, side
            found.append((key, self.positions[key]))
        return found

    # --- fills ------------------------------------------------------------------------------------

    def fill(self, fill: FillReport, slot: int) -> Entry:
        """Books a fill of an order of that sub-account; of the pool where nobody's order is known. Of an internal trade
        the venue knows nothing: the other side is `netting`, until that side's fill comes, and the account's position
        stays."""
        symbol, _, _, trade_id, side, position_side, price, size, time, fee, fee_name, liquidity = fill
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
        legs: tuple[Leg, ...] = ()
        is_internal = trade_id >= INTERNAL_TRADES
        sweep = 0
        if trade_id >= HASHED_TRADES and not is_internal:
            sweep = price if sells == (liquidity is _MAKER) else -price
        if terms.is_spot:
            own.fill(change, value)
            base, amount = terms.base, change * terms.base_factor
            outside = _NETTING if is_internal else _MARKET
            legs = (
                _made(Leg, (slot, base, amount, "")),
                _made(Leg, (outside, base, -amount, "")),
                _made(Leg, (slot, settle, -value, "")),
                _made(Leg, (outside, settle, value, "")),
            )
        elif (recent := own.recent) and time <= recent[-1][0] and _is_before((time, trade_id, sweep), recent[-1]):
            legs = self._late(_Recent(time, trade_id, sweep, slot, change, value), own, symbol)
        else:
            account = own.account
            before = account.state
            own_before = own.state
            recent.append(_made(_Recent, (time, trade_id, sweep, slot, change, value, own_before, before)))
            profit = own.fill(change, value)
            total = 0 if is_internal else account.fill(change, value)
            if profit != total:
                legs = _profit_legs(((slot, profit),), total, settle)
            elif profit:
                legs = (_made(Leg, (slot, settle, profit, "")), _made(Leg, (_MARKET, settle, -profit, "")))
        if fee:
            name = fee_name or settle
            legs = (*legs, _made(Leg, (slot, name, -fee, "")), _made(Leg, (_FEES, name, fee, "")))
        reference = f"{symbol} {trade_id} {'sell' if sells else 'buy'}"
        return _made(Entry, (time, _BY_FILL, legs, reference, 0, ""))

    def _late(self, late: _Recent, own: Own, symbol: str) -> tuple[Leg, ...]:
        """Returns the profits that it makes, and what it makes of those of the fills after it."""
        account = own.account
        side = next(at for at, each in self.account.items() if each is account)[1]
        key, total = (symbol, side), account.realized
        realized = {late.slot: own.realized}
        after = self._undo(late, key, realized)
        self._redo((late, *after), key)
        return self._made_of(realized, key, total)

    def _undo(
        self, late: tuple[int, ...] | _Recent, key: tuple[str, PositionSide], realized: dict[int, int]
    ) -> list[_Recent]:
        """Returns what the venue had after it, the oldest first: holdings are as they were before that. realized: gets
        what each of their sub-accounts had realized with it."""
        recent = self._recent_of(key)
        after: list[_Recent] = []
        if len(recent) < RECENT_KEPT or not _is_before(late, recent[0]):
            while recent and _is_before(late, recent[-1]):
                after.append(recent.pop())
        else:  # nobody knows any more what came before it
            recent.clear()
        for each in after:  # the newest first: it ends as it was before all of them
            held = self.positions[(each.slot, *key)]
            account = self.account[key]
            realized.setdefault(each.slot, held.realized)
            held.state = each.own
            account.state = each.account
        return after[::-1]

    def _redo(self, fills: Iterable[_Recent], key: tuple[str, PositionSide]) -> None:
        recent = self._recent_of(key)
        for each in fills:
            held, account = self.positions[(each.slot, *key)], self.account[key]
            recent.append(each._replace(own=held.state, account=account.state))
            held.fill(each.change, each.value)
            if each.trade_id < INTERNAL_TRADES:
                account.fill(each.change, each.value)

    def _made_of(self, realized: dict[int, int], key: tuple[str, PositionSide], total: int) -> tuple[Leg, ...]:
        """Returns what sub-accounts and the account have realized since they had so much."""
        profits = [(slot, self.positions[(slot, *key)].realized - before) for slot, before in realized.items()]
        account = self.account[key]
        return _profit_legs(profits, account.realized - total, account.terms.settle)

    def forced(self, fill: FillReport) -> Entry:
        """Books a liquidation, a deleveraging, a settlement: it closes part of the account's position, and every
        sub-account that holds in that direction loses of its own in proportion, in whole lots as far as they go; the
        fee likewise. A late one takes its place as a late fill does."""
        terms = self.terms(fill.symbol)
        if terms.is_spot:
            return self.fill(fill, MAIN)
        key = (fill.symbol, fill.position_side)
        sign = -fill.side.sign
        total = self.account[key].realized if key in self.account else 0
        realized: dict[int, int] = {}
        after = self._undo((fill.time, fill.trade_id, 0), key, realized)
        held = {
            slot: self.positions[slot, *key].qty * sign
            for slot in self._slots.get(key, ())
            if self.positions[slot, *key].qty * sign > 0
        }
        if sum(held.values()) < fill.size:
            self._redo(after, key)
            return self.fill(fill, MAIN)  # more than anybody is known to hold: a foreign hand's
        self._recent_of(key).clear()  # who held what is shared by from here on
        lot = max(terms.instrument.lot_int, 1)
        sizes = split(fill.size, held, lot)
        value = terms.value(fill.price, -sign * fill.size)
        values = shares(value, sizes, rest_to=max(sizes, key=lambda slot: sizes[slot]))
        for slot, size in sizes.items():
            if size:
                own = self.positions[slot, *key]
                realized.setdefault(slot, own.realized)
                own.fill(-sign * size, values[slot])
        self.account[key].fill(-sign * fill.size, value)
        self._redo(after, key)
        self._on_forced(fill, sizes)
        settle = terms.settle
        legs = self._made_of(realized, key, total)
        if fill.fee:
            name = fill.fee_currency or settle
            paid = shares(fill.fee, sizes, rest_to=MAIN)
            legs += tuple(Leg(slot, name, -amount) for slot, amount in paid.items() if amount)
            legs += (Leg(_FEES, name, fill.fee),)
        reference = f"{fill.symbol} {fill.trade_id} {fill.side}"
        return Entry(fill.time, Cause.FILL, legs, reference, 0, FORCED)

    def adopt(self, symbol: str, side: PositionSide, qty: int, price: int, *, slot: int = MAIN) -> None:
        """A position that was there before the first fill that is known, at a price that it is
        reckoned from. No money moves."""
        terms = self.terms(symbol)
        holding = self._holding(slot, symbol, side, terms)
        value = terms.value(price, qty)
        for each in (holding, holding.account):
            each.fill(qty, value)
        holding.recent.clear()

    def _holding(self, slot: int, symbol: str, side: PositionSide, terms: Terms) -> Own:
        found = self.positions.get((slot, symbol, side))
        if found is None:
            total = self.account.setdefault((symbol, side), Holding(terms))
            recent = self._recent_of((symbol, side))
            found = self.positions[slot, symbol, side] = Own(terms, account=total, recent=recent)
            slots = self._slots.setdefault((symbol, side), [])
            slots.append(slot)
            slots.sort()
        elif found.terms is not terms:  # the instrument has a new version
            found.terms = found.account.terms = terms
        return found

    def _recent_of(self, key: tuple[str, PositionSide]) -> deque[_Recent]:
        return self._recent.setdefault(key, deque(maxlen=RECENT_KEPT))

    def one_side(self, symbol: str) -> PositionSide:
        """Whose funding it is where the venue says the symbol only: the leg that is held. In hedge
        mode each leg has an event of its own, which does not say which; the larger one is taken."""
        held = {side: abs(each.qty) for (name, side), each in self.account.items() if name == symbol}
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
        """Books what the venue paid (negative: took), in proportion to signed positions: who is long pays while who is
        short receives. Less than a unit for each is the pool's.

        rate (1e-12) and mark: what is paid where the account is flat and sub-accounts are not; they
        pay each other then. Without them nobody does, and an amount is the pool's.
        """
        key = (symbol, side)
        held = {
            slot: self.positions[slot, *key].qty for slot in self._slots.get(key, ()) if self.positions[slot, *key].qty
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

    # --- checkpoints ------------------------------------------------------------------------------

    def to_record(self) -> BookingRecord:
        return BookingRecord(
            [(*key, each.state) for key, each in self.positions.items()],
            [(*key, each.state) for key, each in self.account.items()],
            [(*key, list(recent)) for key, recent in self._recent.items()],
        )

    def restore(self, record: BookingRecord) -> None:
        """Fill an empty booking. Positions of what is not traded any more are left out."""
        for slot, symbol, side, state in record.positions:
            if symbol in self._instruments:
                own = self._holding(slot, symbol, side, self.terms(symbol))
                own.state = state
        for symbol, side, state in record.account:
            if symbol in self._instruments:
                held = self.account[symbol, side]
                held.state = state
        for symbol, side, recent in record.recent:
            if symbol in self._instruments:
                self._recent_of((symbol, side)).extend(recent)


def _is_before(one: tuple[int, ...] | _Recent, other: _Recent) -> bool:
    """Tells whether a fill comes first: by the venue's time, then by trade id where ids count, else as an order that
    takes from the book meets the prices of one side; equal ones keep their arrival."""
    if one[0] != other[0]:
        return one[0] < other[0]
    if one[1] < HASHED_TRADES or one[1] >= INTERNAL_TRADES:
        return one[1] < other[1]
    return one[2] < other[2] and one[2] * other[2] > 0


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
