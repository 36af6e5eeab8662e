"""Makes entries of events of positions: fills, funding, and forced closes by the venue.

Each sub-account has its own positions, at its own entry prices; the account has the venue's position, which is their
sum, at the venue's entry price. A fill changes both. The total changes like the venue's, the sub-account by its own
position, and `netting` takes the difference.

The legs of an entry are in groups that each add up to zero: the trade, then its fee. `explain` relies on it.

The order manager removes duplicate fills. The order of fills changes intermediate profits, because entry prices are
averages. So a late fill is inserted before the fills that the venue had after it, and the change of their profits is
part of its own entry: positions and realized profits equal the venue's, in whatever order fills arrive.
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

FORCED: Final = "forced"  # note of an entry: readers of the tape must share its fill in the same way
# Recent fills of each position, before which a late fill can be inserted. Older late fills count on arrival.
RECENT_KEPT: Final = 256

_MARKET: Final = int(Outside.MARKET)
_FEES: Final = int(Outside.FEES)
_FUNDING: Final = int(Outside.FUNDING)
_NETTING: Final = int(Outside.NETTING)
_SELL: Final = Side.SELL
_MAKER: Final = Liquidity.MAKER
_BY_FILL: Final = Cause.FILL
# Legs and entries of fills are made from their tuples: by keyword it takes three times as long.
_made: Final = tuple.__new__

Key = tuple[int, str, PositionSide]
_State = tuple[int, int, int]  # quantity, cost, realized


class _Recent(NamedTuple):
    """A fill, with its sub-account's and the account's holding before it. sweep: sort key of fills with equal times: 0
    where trade ids are ordered, else the price, negated where a taker meets the highest price first."""

    time: int
    trade_id: int
    sweep: int
    slot: int
    change: int
    value: int
    own: _State = (0, 0, 0)
    account: _State = (0, 0, 0)


class BookingRecord(msgspec.Struct, frozen=True):
    """All positions in a checkpoint."""

    positions: list[tuple[int, str, PositionSide, _State]]
    account: list[tuple[str, PositionSide, _State]]
    recent: list[tuple[str, PositionSide, list[_Recent]]]


class Booking:
    """Books fills, funding and liquidations of one account as entries of its ledger. on_forced: called with the size of
    each sub-account's position that the venue has closed by force."""

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
        self._slots: dict[tuple[str, PositionSide], list[int]] = {}  # slots in order
        self._recent: dict[tuple[str, PositionSide], deque[_Recent]] = {}

    def terms(self, symbol: str) -> Terms:
        found = self._terms.get(symbol)
        instrument = self._instruments[symbol]
        if found is None or found.instrument is not instrument:
            found = self._terms[symbol] = Terms(instrument)
        return found

    def own(self, slot: int, symbol: str, side: PositionSide) -> int:
        """Returns a sub-account's position in units, signed."""
        held = self.positions.get((slot, symbol, side))
        return held.qty if held is not None else 0

    def sharing(self, symbol: str, side: PositionSide) -> list[tuple[Key, Own]]:
        """Returns the sub-accounts' parts of one position of the account."""
        found = []
        for slot in self._slots.get((symbol, side), ()):
            key = slot, symbol, side
            found.append((key, self.positions[key]))
        return found

    # --- fills ------------------------------------------------------------------------------------

    def fill(self, fill: FillReport, slot: int) -> Entry:
        """Books a fill for the sub-account of its order, or for the pool if the order is unknown. The venue does not
        see an internal trade: its counterpart is `netting`, until the other side's fill is booked, and the account's
        position does not change."""
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
        """Inserts a late fill; returns the legs of its profit and of the changed profits of later fills."""
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
        """Removes the fills after a late one and returns them, oldest first; holdings are restored to the state before
        them. realized: receives the realized profit of each of their sub-accounts before the removal."""
        recent = self._recent_of(key)
        after: list[_Recent] = []
        if len(recent) < RECENT_KEPT or not _is_before(late, recent[0]):
            while recent and _is_before(late, recent[-1]):
                after.append(recent.pop())
        else:  # the order before the kept fills is unknown
            recent.clear()
        for each in after:  # the newest first, which ends with the state before all of them
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
        """Returns the legs of the profits realized since those states."""
        profits = [(slot, self.positions[(slot, *key)].realized - before) for slot, before in realized.items()]
        account = self.account[key]
        return _profit_legs(profits, account.realized - total, account.terms.settle)

    def forced(self, fill: FillReport) -> Entry:
        """Books a liquidation, a deleveraging or a settlement: it closes part of the account's position, and of each
        sub-account's position in that direction a proportional share, in whole lots as far as possible; the fee is
        shared in proportion, too. A late one is inserted like a late fill."""
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
            return self.fill(fill, MAIN)  # more than all known positions: someone else's
        self._recent_of(key).clear()  # the sharing depends on the positions now, so earlier insertions end here
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
        """Books a position from before the first fill, at an assumed entry price. No money moves."""
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
        """Returns the position side of a funding payment that names the symbol only: the one with a position. In hedge
        mode each side has its own event, which does not name it; the larger position is assumed."""
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
        """Books the venue's payment (negative: it took), in proportion to signed positions: longs pay while shorts
        receive. Amounts below one unit per holder are the pool's.

        rate (1e-12) and mark: used if the account is flat and sub-accounts are not; they pay each other then. Without
        these nobody pays, and an amount is the pool's.
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
        """Fills an empty booking from a checkpoint. Positions of unlisted instruments are left out."""
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
    """Tells whether a fill precedes another: by the venue's time, then by trade id where ids are ordered, else in the
    order in which a taker meets the prices of one side; equal ones keep their order of arrival."""
    if one[0] != other[0]:
        return one[0] < other[0]
    if one[1] < HASHED_TRADES or one[1] >= INTERNAL_TRADES:
        return one[1] < other[1]
    return one[2] < other[2] and one[2] * other[2] > 0


def _profit_legs(
    profits: tuple[tuple[int, int], ...] | list[tuple[int, int]], total: int, currency: str
) -> tuple[Leg, ...]:
    """Makes the legs of profits, with the difference to the venue's as `netting`. total: the venue's profit."""
    legs = [Leg(slot, currency, amount) for slot, amount in profits if amount]
    gap = total - sum(amount for _, amount in profits)
    if gap:
        legs.append(Leg(_NETTING, currency, gap))
    if total:
        legs.append(Leg(_MARKET, currency, -total))
    return tuple(legs)
