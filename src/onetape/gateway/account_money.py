"""An account's money at its gateway: events become entries, first on the tape, then in the ledger, then in the table
that every process reads.

Fills, balance changes and the venue's statements arrive as the gateway receives them; commands move money between the
pool and sub-accounts. A robot may use what its sub-account has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from itertools import chain
from types import MappingProxyType
from typing import Any, Final

import msgspec

from onetape.accounts.booking import FORCED, Booking
from onetape.accounts.bookkeeper import Bookkeeper
from onetape.accounts.entries import MAIN, Cause, Entry, Leg, Outside
from onetape.accounts.entry_frames import pack
from onetape.accounts.kept_money import LEDGER, OTHER_EXCHANGE, KeptMoney
from onetape.accounts.reductions import Reductions
from onetape.accounts.slots import Refused, Slots
from onetape.accounts.statement import OwnersStopped, Recheck
from onetape.accounts.table import AccountTable
from onetape.accounts.unexplained import moved
from onetape.gateway.account_table import AccountTableWriter
from onetape.model.enums import Kind, PositionSide, Side
from onetape.model.errors import InsufficientFunds, VenueUnavailable
from onetape.model.instrument import Instrument
from onetape.model.money import money_text
from onetape.model.order import OrderSpec
from onetape.model.time import SECOND
from onetape.orders.backing import Spending
from onetape.orders.filters import Refusal
from onetape.orders.managed import AccountOut, FillOut, HealthOut, NewsOut, Out
from onetape.orders.order import Order
from onetape.orders.reports import BalanceReport, FillReport, MoveKind, MoveReport, VenueReport
from onetape.tape.journal import JournalWriter, type_id

__all__ = ["AccountMoney"]

# Cause and counterpart of balance changes that do not come from the outside world.
_CAUSES: Final = {
    MoveKind.FUNDING: (Cause.FUNDING, Outside.FUNDING),
    MoveKind.INTEREST: (Cause.INTEREST, Outside.INTEREST),
    MoveKind.FEE: (Cause.FEE, Outside.FEES),
}

_ENTRY: Final = type_id("entry")
_NO_MARGINS: Final[Mapping[str, BalanceReport]] = MappingProxyType({})

GRACE: Final = SECOND  # wait for the fill behind a balance of the stream
REPORT_STEP_NS: Final = 1000  # resolution of venues' rounded times: two times of one moment may differ by it

Balances = Mapping[str, BalanceReport]  # by currency
Positions = Mapping[tuple[str, PositionSide], int]


class AccountMoney:
    """Books events of an account's money, and shares it among sub-accounts.

    kept: the money state recovered from the journal.
    slot_of: returns a robot's sub-account.
    say: reports to people.
    stop: cancels the working orders of these slots' robots.
    wall: ns UTC, the time stamp of frames.
    """

    def __init__(
        self,
        kept: KeptMoney,
        writer: JournalWriter,
        table: AccountTable,
        reductions: Reductions,
        *,
        slot_of: Callable[[int], int],
        say: Callable[[AccountOut | HealthOut], None],
        stop: Callable[[tuple[int, ...]], None],
        wall: Callable[[], int],
        margins: Mapping[str, BalanceReport] = _NO_MARGINS,
    ) -> None:
        self._kept = kept
        self._instruments = kept.instruments
        self._references = kept.references
        self._writer = writer
        self._table = table
        self.reductions = reductions
        self._slot_of = slot_of
        self._say = say
        self._stop = stop
        self._wall = wall
        self._is_shared = bool(kept.options.subaccounts)
        self.ledger = kept.ledger
        self.reserves = kept.reserves
        self.accounts = kept.accounts
        self.statements = kept.statements
        self._books = Bookkeeper(self.ledger, self.statements, self._write)
        self._table_writer = AccountTableWriter(table, self.ledger, self._instruments, self._references, margins)
        self._heard: dict[str, tuple[BalanceReport, int]] = {}  # the newest report, and when it is compared
        self.changed: set[str] = set()  # currencies changed since the table was written
        self.filled: set[tuple[str, PositionSide]] = set()  # positions changed since the table was written
        self.slots_used = kept.slots_used()
        self._sequence = 0  # of the newest entry's frame
        self.moves_wanted: int | None = None  # start time of a required query of balance changes
        self.is_ready = self._has_begun = False
        self.lacks_price = ""  # symbol of a position without a price, which delays the start of the books

    @property
    def booking(self) -> Booking:
        """Returns the positions of slots and of the account."""
        return self._kept.booking

    # --- at a start -------------------------------------------------------------------------------

    def recover(self) -> None:
        """Restores the books from the journal, and books fills that the previous writer had not booked. Raises
        BadConfig if a slot with money would get another owner."""
        kept, slots = self._kept, self.accounts.slots
        away = kept.slots_away()
        slots.take_over(Slots(kept.names), lambda slot: slot in away or self._has_money(slot))
        if dict(slots) != kept.names:
            kept.names = dict(slots)
            record = {"slots": kept.names}
            self._writer.append("params", msgspec.msgpack.encode(record), time=self._wall())
        self._table.name(dict(slots))
        self.changed.update(self.ledger.currencies())
        for slot, symbol, side in self.booking.positions:
            self._lock(symbol, side, slot)
        for sequence, fill, slot in kept.fills.unbooked():
            self.book(self._booked(fill, slot, is_forced=fill.client_id == FORCED)._replace(of=sequence))

    def _has_money(self, slot: int) -> bool:
        return any(self.ledger.balance(name, slot) for name in self.ledger.currencies())

    def adopt(
        self, positions: Positions, entries: Mapping[tuple[str, PositionSide], Decimal], *, is_other: bool
    ) -> bool:
        """Books positions from before the ledger as the pool's, at the venue's entry price, which the venue uses for
        their profit, else at a recent price. Returns False if a price is missing: then nothing is booked, and the
        caller tries again. is_other: as in `begin`."""
        if self._has_begun or (self._kept.opened and not is_other):
            return True
        found: list[tuple[str, PositionSide, int, int]] = []
        for (symbol, side), qty in positions.items():
            instrument = self._instruments.get(symbol)
            # An earlier incarnation may have adopted positions and died before the balances.
            left = qty if is_other else qty - self.booking.own(MAIN, symbol, side)
            if instrument is None or instrument.kind is Kind.SPOT or not left:
                continue
            price = self._price_before(instrument, entries.get((symbol, side)))
            if not price:
                if symbol != self.lacks_price:
                    self._say(HealthOut("ledger", symbol, "a position has no price: waits for a quote", "warning"))
                    self.lacks_price = symbol
                return False
            found.append((symbol, side, left, price))
        if self.lacks_price:
            self._say(HealthOut("ledger", self.lacks_price, "has a price"))
            self.lacks_price = ""
        if is_other:
            self._kept.anew()
        for each in found:
            self._adopt(*each)
        return True

    def adopt_later(self, positions: Positions, entries: Mapping[tuple[str, PositionSide], Decimal]) -> None:
        """Books positions that the account held in newly followed symbols before they were followed, as the pool's."""
        for (symbol, side), qty in positions.items():
            instrument = self._instruments[symbol]
            if instrument.kind is Kind.SPOT:
                continue
            price = self._price_before(instrument, entries.get((symbol, side)))
            if not price:
                words = "a position from before this symbol was followed has no price: its profit is not counted"
                self._say(HealthOut("ledger", symbol, words, "warning"))
                continue
            self._adopt(symbol, side, qty, price)

    def _price_before(self, instrument: Instrument, entry: Decimal | None) -> int:
        price = int(entry.scaleb(instrument.price_decimals).to_integral_value()) if entry is not None else 0
        return price or self._references.get(instrument.symbol, 0)

    def _adopt(self, symbol: str, side: PositionSide, qty: int, price: int) -> None:
        self._kept.fills.adopt(symbol, side, qty, price)
        self._lock(symbol, side, MAIN)
        self._say(AccountOut(symbol, side, qty, 0, LEDGER, price=price))

    def begin(self, balances: Balances, *, is_other: bool) -> None:
        """Begins with the venue's first balances, after the outputs of `adopt` are on the tape. is_other: the journal
        is of another exchange."""
        if self._has_begun:
            return
        self._has_begun = True
        if not self._kept.opened:
            self._open(balances)
        elif is_other and balances:
            totals = dict.fromkeys(self.ledger.currencies(), 0)
            totals |= {currency: report.total for currency, report in balances.items()}
            time = max(report.time for report in balances.values())
            resets = (self.accounts.reset(currency, total, now=time).legs for currency, total in totals.items())
            self.book(Entry(time, Cause.RESET, tuple(chain.from_iterable(resets)), note=OTHER_EXCHANGE))

    def _open(self, balances: Balances) -> None:
        """Books what the account has in the beginning. It is one entry, because the process may die between two.
        Currencies that these balances lack are at zero: what comes later is a change that the venue lists."""
        if balances:
            time = max(report.time for report in balances.values())
            legs = (
                (Leg(MAIN, currency, report.total), Leg(Outside.OPENING, currency, -report.total))
                for currency, report in balances.items()
            )
            self.book(Entry(time, Cause.OPENING, tuple(chain.from_iterable(legs))))

    def ready(self) -> None:
        """Writes the balances to the table and marks it as ready for readers."""
        self.publish()
        if not self.is_ready:
            self.is_ready = True
            self._table.ready()

    # --- events -----------------------------------------------------------------------------------

    def book(self, entry: Entry) -> Entry | None:
        """Books an entry, first on the tape, then in the ledger. Returns None if it was booked before."""
        booked = self._books.book(entry)
        if booked is not None:
            self._note(booked)
        return booked

    def _write(self, entry: Entry) -> None:
        self.append_entry(pack(entry))

    def append_entry(self, payload: bytes) -> None:
        """Writes the frame of an entry."""
        self._sequence = self._writer.append_raw(_ENTRY, payload, 0, 0, self._wall())

    def _note(self, entry: Entry) -> None:
        self._kept.note(entry)
        for leg in entry.legs:
            if not leg.wallet:
                self.changed.add(leg.currency)
                if leg.amount:
                    self.slots_used = max(self.slots_used, leg.holder + 1)

    def wrote(self, out: Out, sequence: int) -> None:
        """Handles a record of the order manager that was written to the tape. sequence: of a fill's frame."""
        match out:
            case NewsOut():
                self.order(out.order)
            case HealthOut() if out.order is not None:
                self.order(out.order)
            case FillOut():
                self.fill(out, sequence)
                if out.order is not None:
                    self.order(out.order)

    def fill(self, out: FillOut, sequence: int) -> None:
        """Books a fill.

        sequence: of its frame.
        A fill from before the ledger began is part of its opening.
        """
        fill = out.fill
        if not self._kept.opened:
            return
        slot = self._slot_of(out.order.robot) if out.order is not None else MAIN
        is_position_closed = out.is_forced and self._instruments[fill.symbol].kind is not Kind.SPOT
        before = self.booking.account.get((fill.symbol, fill.position_side)) if is_position_closed else None
        realized = before.realized if before is not None else 0
        self.book(self._booked(fill, slot, is_forced=out.is_forced)._replace(of=sequence))
        if is_position_closed:
            self._say(self._forced_close(out, realized))

    def _forced_close(self, out: FillOut, before: int) -> HealthOut:
        """Returns the report about a position that the venue itself closed. before: its realized profit before that."""
        fill, instrument = out.fill, self._instruments[out.fill.symbol]
        name = fill.client_id or (out.order.client_id if out.order is not None else "")
        why = "auto-deleveraging" if "adl" in name else "settlement" if "settlement" in name else "liquidation"
        held = self.booking.account[fill.symbol, fill.position_side]
        whose, settle, profit = "long" if fill.side is Side.SELL else "short", instrument.settle, held.realized - before
        size, left, price = instrument.size(fill.size), instrument.size(abs(held.qty)), instrument.price(fill.price)
        words = f"{why}: the venue has closed {size} {whose} at {price}, {left} is left; "
        words += f"{'lost' if profit < 0 else 'made'} {money_text(abs(profit))} {settle}, fee {money_text(fill.fee)}"
        side = "" if fill.position_side is PositionSide.BOTH else f" {fill.position_side}"
        severity = "warning" if why == "settlement" else "critical"
        return HealthOut("forced close", f"{fill.symbol}{side}", words, severity)

    def _booked(self, fill: FillReport, slot: int, *, is_forced: bool) -> Entry:
        """Makes the entry of a fill, and updates the money that the changed positions lock."""
        self.filled.add((fill.symbol, fill.position_side))
        if not is_forced:
            entry = self.booking.fill(fill, slot)
            if self._instruments[fill.symbol].kind is not Kind.SPOT:
                self._lock(fill.symbol, fill.position_side, slot)
                self.reductions.position(slot, fill.symbol, fill.position_side, fill.side)
                for leg in entry.legs:  # a late fill changes the cost of other slots' positions
                    if leg.holder > 0 and leg.holder != slot:
                        self._lock(fill.symbol, fill.position_side, leg.holder)
            return entry
        entry = self.booking.forced(fill)
        for each, symbol, side in self.booking.positions:
            if (symbol, side) == (fill.symbol, fill.position_side):
                self._lock(symbol, side, each)
                self.reductions.position(each, symbol, side, fill.side)
        return entry

    def _lock(self, symbol: str, side: PositionSide, slot: int) -> None:
        held = self.booking.positions[slot, symbol, side]
        self.changed.update(self.reserves.position(slot, symbol, side, held.qty, held.cost))

    def order(self, order: Order) -> None:
        """Updates the money and the reductions that an order reserves, after it may have changed."""
        self.hold(order)
        self.reductions.order(order)

    def hold(self, order: Order) -> None:
        """Updates the money of its sub-account that an order reserves."""
        self.changed.update(self.reserves.update(order, self._slot_of(order.robot)))

    def own(self, slot: int, symbol: str, side: PositionSide) -> int:
        """Returns a sub-account's position in units, signed."""
        return self.booking.own(slot, symbol, side)

    def heard(self, reports: Iterable[VenueReport], now: int) -> None:
        """Handles the venue's own reports about money. A balance may arrive before the fill that caused it, so it is
        compared after GRACE."""
        opened = self._kept.opened
        for each in reports:
            if isinstance(each, MoveReport):
                began = opened.get(each.currency, min(opened.values(), default=0))
                # Earlier changes are part of the opening balance.
                if each.time > began + REPORT_STEP_NS and opened:
                    self.book(self._moved(each))
            elif isinstance(each, BalanceReport) and self.is_ready:
                self._heard[each.currency] = each, now + GRACE

    def tick(self, now: int) -> None:
        """Compares the stream's balances whose GRACE is over."""
        reports = {currency: report for currency, (report, due) in self._heard.items() if due <= now}
        for currency in reports:
            del self._heard[currency]
        self._compare(reports, now, is_queried=False)

    def _moved(self, report: MoveReport) -> Entry:
        """Makes the entry of a balance change: funding is shared by the position's holders, others are the pool's."""
        if report.kind is MoveKind.FUNDING and report.symbol in self._instruments:
            side = self.booking.one_side(report.symbol)
            return self.booking.funding(
                report.symbol, side, report.amount, report.currency, report.time, report.reference
            )
        entry = moved(report)
        if report.kind not in _CAUSES:
            return entry
        cause, outside = _CAUSES[report.kind]
        pool, world = entry.legs
        return entry._replace(cause=cause, legs=(pool, world._replace(holder=outside)))

    def check(self, balances: Balances, now: int) -> None:
        """Compares the venue's balances, after the fills until then have been read."""
        self.moves_wanted = None
        self._compare(balances, now, is_queried=True)

    def _compare(self, balances: Balances, now: int, *, is_queried: bool) -> None:
        if not self._kept.opened:
            self._open(balances)
        for report in balances.values():
            self._statement(report, now, is_queried=is_queried)

    def _statement(self, report: BalanceReport, now: int, *, is_queried: bool) -> None:
        for effect in self.statements.on_balance(report, now, is_queried=is_queried):
            match effect:
                case Entry():
                    self.book(effect)
                case Recheck():
                    wanted = self.moves_wanted
                    self.moves_wanted = effect.since if wanted is None else min(wanted, effect.since)
                case OwnersStopped():
                    self._stop_owners(effect.currency, effect.slots)
                case HealthOut():
                    self._say(effect)

    # --- commands and refusals --------------------------------------------------------------------

    def arrived(self, currency: str, amount: int, wallet: str, at: int, now: int, *, transfer: str, note: str) -> None:
        """Books a deposit of a transfer from another venue, credited after `at`. If the venue has reported it already,
        it is booked at that time, because it is the same money."""
        reported = 0 if wallet else self.statements.unexplained.report_time(currency, amount, at)
        entry = self.accounts.adjust(currency, amount, now=reported or now, transfer=transfer, note=note, wallet=wallet)
        if isinstance(entry, Refused) or not entry.legs:
            return
        began = self._kept.opened.get(currency, 0)
        if not wallet and not reported and at <= began + REPORT_STEP_NS:  # it is part of the ledger's opening
            first = entry.legs[0]._replace(holder=Outside.WORLD)
            entry = entry._replace(legs=(first, *entry.legs[1:]))
        self.book(entry)
        self.publish()

    def command(self, actor: str, name: str, fields: Mapping[str, Any], id_: str, now: int) -> Entry | Refused:
        """Executes a command about money, or refuses it: an entry before the venue's first balance would count as the
        books' beginning."""
        found = self.accounts.command(actor, name, fields, id_, now)
        if isinstance(found, Refused):
            return found
        if not self._kept.opened:
            return Refused(VenueUnavailable, "the account's balances are not known yet: try again")
        funded = [
            (leg.currency, leg.holder)
            for leg in found.legs
            if leg.amount > 0 and self.statements.is_stopped(leg.currency, leg.holder)
        ]
        booked = self.book(found)
        self.publish(has_moved=True)
        for currency, slot in funded:
            if not self.statements.is_stopped(currency, slot):
                owner = self.accounts.slots.name_of(slot) or str(slot)
                self._say(HealthOut("sub-account", owner, f"has {currency} from the pool"))
        if found.cause is Cause.RESET:
            slots = tuple(sorted({leg.holder for leg in found.legs if leg.holder > MAIN}))
            self._stop_owners(found.legs[0].currency, slots)
        return booked or found

    def _stop_owners(self, currency: str, slots: tuple[int, ...]) -> None:
        """Reports that these sub-accounts are stopped, because their money in the currency went back to the pool, and
        cancels their robots' orders."""
        for slot in slots:
            owner = self.accounts.slots.name_of(slot) or str(slot)
            words = f"its {currency} went back to the pool: allocate again"
            self._say(HealthOut("sub-account", owner, words, "critical"))
        self._stop(slots)

    def refusal(self, robot: int, spec: OrderSpec, left: int, old: Order | None = None) -> Refusal | None:
        """Refuses an order for which the robot's sub-account has too little; None: it has enough.

        left: the quantity that can be filled.
        old: the order that this one replaces.
        """
        if not self._is_shared:
            return None
        slot, price = self._slot_of(robot), self._price(spec)
        wanted = self.reserves.wanted(spec, left, price, slot=slot, without=old)
        if wanted is None:
            return None
        currency, amount = wanted
        free = self.accounts.available(currency, slot)
        name = "main" if slot == MAIN else self.accounts.slots.name_of(slot) or str(slot)
        if self.statements.is_stopped(currency, slot):
            text = f"the {currency} of sub-account {name} went back to the pool"
            return Refusal.of(InsufficientFunds, f"{text}: allocate again")
        # Missing money never blocks an order that only closes, not even for its fee.
        if amount <= free or not self.reserves.opens(spec, left, price, slot=slot):
            return None
        text = f"{money_text(amount)} {currency}, sub-account {name} has"
        return Refusal.of(InsufficientFunds, f"{text} {money_text(max(free, 0))} free")

    def measured(self, robot: int, spec: OrderSpec) -> tuple[str | None, str | None]:
        """Returns the figures that `refusal` compares: the money that a new order needs of its sub-account, and the
        free amount, as text. None: it needs nothing, or sub-accounts are not kept."""
        slot = self._slot_of(robot)
        wanted = self.reserves.wanted(spec, spec.size_int, self._price(spec), slot=slot)
        if not self._is_shared or wanted is None:
            return None, None
        currency, amount = wanted
        free = max(self.accounts.available(currency, slot), 0)
        figure, limit = (f"{money_text(each)} {currency}" for each in (amount, free))
        return figure, limit

    def lacks(self, robot: int, spec: OrderSpec, left: int) -> Spending | None:
        """Returns by how much an order's cost exceeds the free money of its sub-account, at least 0.

        None: it needs nothing, or the sub-account may not use that currency.
        """
        slot = self._slot_of(robot)
        wanted = self.reserves.wanted(spec, left, self._price(spec), slot=slot)
        if wanted is None or self.statements.is_stopped(wanted[0], slot):
            return None
        currency, amount = wanted
        return Spending(currency, max(amount - self.accounts.available(currency, slot), 0))

    def _price(self, spec: OrderSpec) -> int:
        return spec.price_int or spec.trigger_int or self._references.get(spec.symbol, 0)

    def shown_to(self, slot: int) -> dict[str, int]:
        """Returns a robot's balances: those of its sub-account, in each currency of the account."""
        return {name: self.ledger.balance(name, slot) for name in self.ledger.currencies()}

    # --- the table for readers --------------------------------------------------------------------

    def publish(self, *, has_moved: bool = False) -> None:
        """Writes changes to the table, each currency atomically. has_moved: money has come or gone; writes the margin,
        too, because planners read equity at once."""
        if has_moved and self.is_ready:
            self._table_writer.money(self.booking, self._writer.published, self._wall())
        if not self.changed and not self.filled:
            return
        now = self._wall()
        if self.filled and self.is_ready:  # else the first tick after `ready` writes all
            self._table_writer.fills(self.filled, self._kept.fills.booking, self._writer.published, now)
            self.filled.clear()
        count = max(self.slots_used, MAIN + 1)
        for currency in sorted(self.changed):
            self._table.put_money(self.ledger, self.reserves, currency, count, ts=now, sequence=self._sequence)
        self.changed.clear()

    def status(self) -> dict[str, Any]:
        """Returns the figures for `status`, amounts as decimal text."""
        unexplained = self.statements.unexplained
        open_ = {name: unexplained.open(name) for name in self.ledger.currencies()}
        return {
            "entries": self.ledger.posted,
            "corrections": self.statements.corrections,
            "stale": self.statements.stale,
            "unexplained": {n: money_text(a) for n, a in open_.items() if a},
        }

    def alive(self, lost: str) -> None:
        """Writes the table's heartbeat; to be called at least each half second. lost: why the account's
        stream is not live, "": it is."""
        now = self._wall()
        self._table.stream(lost)
        if self.is_ready:
            # The books include all that is on the tape.
            self._table_writer.tick(self.booking, self._writer.published, now)
        self._table.alive(now)

    def close(self) -> None:
        self._table.close()
