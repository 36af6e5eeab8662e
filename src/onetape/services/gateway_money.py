"""An account's money at its gateway: what happens to it becomes entries, on the tape first, then in
the ledger, then in the table that every process reads.

Fills, moves and the venue's statements come in as the gateway hears of them; commands move money
between the pool and sub-accounts. What a robot may use is what its sub-account has.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from onetape.accounts.booking import FORCED, Booking
from onetape.accounts.bookkeeper import Bookkeeper
from onetape.accounts.entries import MAIN, TOTAL, Cause, Entry, Outside
from onetape.accounts.entry_frames import pack, unpack
from onetape.accounts.ledger import Ledger
from onetape.accounts.locks import Locks
from onetape.accounts.reductions import Reductions
from onetape.accounts.slots import Refused, Slots, SubAccounts
from onetape.accounts.statement import LookAgain, OwnersStopped, Statements
from onetape.accounts.table import AccountTable
from onetape.accounts.transfers import State
from onetape.accounts.unexplained import DEADLINE, Unexplained, moved
from onetape.model.decimals import decimal_text
from onetape.model.enums import Kind, PositionSide
from onetape.model.errors import InsufficientFunds
from onetape.model.instrument import Instrument
from onetape.model.money import money, money_units
from onetape.model.order import OrderSpec
from onetape.model.time import SECOND
from onetape.orders.filters import Refusal
from onetape.orders.managed import AccountOut, FillOut, HealthOut, Managed, NewsOut, Out
from onetape.orders.told import BalanceTold, FillTold, MoveKind, MoveTold, Told
from onetape.services.gateway_options import GatewayOptions
from onetape.services.gateway_standing import Standing
from onetape.tape.journal import JournalWriter, type_id

__all__ = ["LEDGER", "AccountMoney", "KeptMoney"]

# Cause and other side of what came or went otherwise than from the world.
_CAUSES: Final = {
    MoveKind.FUNDING: (Cause.FUNDING, Outside.FUNDING),
    MoveKind.INTEREST: (Cause.INTEREST, Outside.INTEREST),
    MoveKind.FEE: (Cause.FEE, Outside.FEES),
}

LEDGER: Final = "ledger"  # source of the positions that it begins with

_ENTRY: Final = type_id("entry")
_NO_MARGINS: Final[Mapping[str, BalanceTold]] = MappingProxyType({})

GRACE: Final = SECOND  # for the fill behind a balance that the stream tells
OTHER_EXCHANGE: Final = "another exchange"  # note of the entry with which it begins

Balances = Mapping[str, BalanceTold]  # by currency
Positions = Mapping[tuple[str, PositionSide], int]


class KeptMoney:
    """What a journal says of money: read at a start, before there is anything else."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.fills: list[tuple[FillTold, int, int]] = []  # with the slot and the frame
        self.positions: list[tuple[str, PositionSide, int, int]] = []  # at its beginning
        self.booked = 0  # how many fills are older than the newest entry
        self.forced: set[int] = set()  # frames of fills that were shared as such
        self.names: dict[str, int] = {}  # of slots, as they were last
        self.transfers: list[dict[str, Any]] = []  # records of what became of them

    def entry(self, payload: bytes) -> None:
        entry = unpack(payload)
        self.entries.append(entry)
        if entry.note == FORCED:
            self.forced.add(entry.of)
        if entry.note == OTHER_EXCHANGE:  # what was held at the one before is gone
            self.fills.clear()
            self.positions.clear()
            self.transfers.clear()
        self.booked = len(self.fills)

    def fill(self, fill: FillTold, slot: int, sequence: int) -> None:
        if self.entries:  # else it is in the balances that the ledger begins with
            self.fills.append((fill, slot, sequence))

    def transfer(self, record: dict[str, Any]) -> None:
        self.transfers.append(record)

    @property
    def slots_away(self) -> set[int]:
        """Those that a transfer may yet give money back to."""
        states = {record["id"]: record for record in self.transfers}
        return {r["slot"] for r in states.values() if not State(r["state"]).is_final}

    def position(self, symbol: str, side: PositionSide, qty: int, price: int) -> None:
        self.positions.append((symbol, side, qty, price))


class AccountMoney:
    """slot_of: a robot's sub-account; slack: what the venue may round by, of a currency; say: for
    what people have to know; stop: cancels what robots of these slots have working; forced: how
    client ids begin with which the venue closes by itself; wall: ns UTC, what is written is stamped
    with."""

    def __init__(
        self,
        options: GatewayOptions,
        instruments: Mapping[str, Instrument],
        references: Mapping[str, int],
        writer: JournalWriter,
        table: AccountTable,
        reductions: Reductions,
        *,
        slot_of: Callable[[int], int],
        slack: Callable[[str], int],
        say: Callable[[AccountOut | HealthOut], None],
        stop: Callable[[tuple[int, ...]], None],
        forced: tuple[str, ...] = (),
        margins: Mapping[str, BalanceTold] = _NO_MARGINS,
        wall: Callable[[], int] = time.time_ns,
    ) -> None:
        self._instruments = instruments
        self._references = references
        self._writer = writer
        self._table = table
        self.reductions = reductions
        self._slot_of = slot_of
        self._say = say
        self._stop = stop
        self._forced = forced
        self._wall = wall
        self._is_shared = bool(options.subaccounts)
        self.ledger = Ledger()
        self.locks = Locks(instruments, leverage=options.leverage, references=references)
        credit = {name: money_units(text) for name, text in options.credit.items()}
        slots = Slots(options.subaccounts)
        self.accounts = SubAccounts(self.ledger, slots, credit, held=self.locks.held)
        patience = max(DEADLINE, options.transfer_deadline_ns)
        unexplained = Unexplained(slack, deadline=patience)
        self.statements = Statements(self.accounts, unexplained, slack)
        self._books = Bookkeeper(self.ledger, self.statements, self._write)
        self.booking = Booking(instruments)
        self._standing = Standing(table, self.ledger, instruments, references, margins)
        self._heard: dict[str, tuple[BalanceTold, int]] = {}  # and when it is looked at
        self._opened: dict[str, int] = {}  # when the books of a currency began, the venue's time
        self._changed: set[str] = set()  # currencies, since readers were told
        self._slots_used = max([MAIN, *options.subaccounts.values()]) + 1
        self._sequence = 0  # of the newest entry's frame
        self.moves_wanted: int | None = None  # since when what moved money is to be read
        self.is_ready = self._has_begun = False

    # --- at a start -------------------------------------------------------------------------------

    def recover(self, kept: KeptMoney) -> None:
        """What the journal says; what its writer had no time to book is booked now. Raises
        BadConfig where a slot with money would be another's."""
        for entry in kept.entries:
            self._books.replay(entry)
            self._note(entry)
        slots = self.accounts.slots
        away = kept.slots_away
        slots.take_over(Slots(kept.names), lambda slot: slot in away or self._has_money(slot))
        if dict(slots) != kept.names:
            record = {"slots": dict(slots)}
            self._writer.append("params", msgspec.msgpack.encode(record), time=self._wall())
        self._table.name(dict(slots))
        for symbol, side, qty, price in kept.positions:
            self._adopt(symbol, side, qty, price)
        for at, (fill, slot, sequence) in enumerate(kept.fills):
            if fill.symbol not in self._instruments:
                continue
            entry = self._booked(fill, slot, is_forced=sequence in kept.forced)
            if at >= kept.booked:
                self.book(entry._replace(of=sequence))

    def _has_money(self, slot: int) -> bool:
        return any(self.ledger.balance(name, slot) for name in self.ledger.currencies())

    def begin(self, balances: Balances, positions: Positions, *, is_other: bool) -> None:
        """The first words of the venue. is_other: it is another exchange than the journal's."""
        if self._has_begun:
            return
        self._has_begun = True
        if is_other:
            self.booking = Booking(self._instruments)
            self.locks.flatten()
        if is_other or not self._opened:
            for (symbol, side), qty in positions.items():
                price = self._references.get(symbol, 0)
                if self._adopt(symbol, side, qty, price):
                    self._say(AccountOut(symbol, side, qty, 0, LEDGER, price=price))
        for currency, told in balances.items():
            if is_other and currency in self.ledger.currencies():
                note = OTHER_EXCHANGE
                self.book(self.accounts.reset(currency, told.total, now=told.time, note=note))
            else:
                self._open(currency, told.total, told.time)

    def _adopt(self, symbol: str, side: PositionSide, qty: int, price: int) -> bool:
        """A position that was there before anything was known: the pool's."""
        instrument = self._instruments.get(symbol)
        if instrument is None or instrument.kind is Kind.SPOT or not qty or not price:
            return False
        self.booking.adopt(symbol, side, qty, price)
        self._lock(symbol, side, MAIN)
        return True

    def ready(self) -> None:
        """Readers are told from here on."""
        self.publish()
        if not self.is_ready:
            self.is_ready = True
            self._table.ready()

    # --- what happens -----------------------------------------------------------------------------

    def book(self, entry: Entry) -> Entry | None:
        """On the tape, then in the ledger. None: that was done before."""
        booked = self._books.book(entry)
        if booked is not None:
            self._note(booked)
        return booked

    def _write(self, entry: Entry) -> None:
        self._sequence = self._writer.append_raw(_ENTRY, pack(entry), 0, 0, self._wall())

    def _note(self, entry: Entry) -> None:
        is_opening = entry.cause is Cause.OPENING or entry.note == OTHER_EXCHANGE
        for leg in entry.legs:
            if is_opening:
                self._opened[leg.currency] = entry.time
            if not leg.wallet:
                self._changed.add(leg.currency)
                if leg.amount:
                    self._slots_used = max(self._slots_used, leg.holder + 1)

    def wrote(self, out: Out, sequence: int) -> None:
        """What the manager says now stands on the tape, a fill in the frame of this sequence."""
        match out:
            case NewsOut():
                self.order(out.order)
            case FillOut():
                self.fill(out, sequence)
                if out.order is not None:
                    self.order(out.order)

    def fill(self, out: FillOut, sequence: int) -> None:
        """sequence: of its frame. What came before the ledger began is in what it began with."""
        fill = out.fill
        if not self._opened:
            return
        slot = self._slot_of(out.order.robot) if out.order is not None else MAIN
        is_ours = out.order is not None and not out.order.is_foreign
        is_forced = not is_ours and bool(self._forced) and fill.client_id.startswith(self._forced)
        self.book(self._booked(fill, slot, is_forced=is_forced)._replace(of=sequence))

    def _booked(self, fill: FillTold, slot: int, *, is_forced: bool) -> Entry:
        """With what the positions that it changes hold."""
        if not is_forced:
            entry = self.booking.fill(fill, slot)
            if self._instruments[fill.symbol].kind is not Kind.SPOT:
                self._lock(fill.symbol, fill.position_side, slot)
                self.reductions.position(slot, fill.symbol, fill.side)
                for leg in entry.legs:  # a late one changes what others' positions cost
                    if leg.holder > 0 and leg.holder != slot:
                        self._lock(fill.symbol, fill.position_side, leg.holder)
            return entry
        entry = self.booking.forced(fill)
        for each, symbol, side in self.booking.positions:
            if (symbol, side) == (fill.symbol, fill.position_side):
                self._lock(symbol, side, each)
                self.reductions.position(each, symbol, fill.side)
        return entry

    def _lock(self, symbol: str, side: PositionSide, slot: int) -> None:
        held = self.booking.positions[slot, symbol, side]
        self._changed.update(self.locks.position(slot, symbol, side, held.qty, held.cost))

    def order(self, order: Managed) -> None:
        """It may have changed: so may have what it holds."""
        self._changed.update(self.locks.update(order, self._slot_of(order.robot)))
        self.reductions.order(order)

    def own(self, slot: int, symbol: str) -> int:
        """A sub-account's one-way position, signed."""
        held = self.booking.positions.get((slot, symbol, PositionSide.BOTH))
        return held.qty if held is not None else 0

    def heard(self, told: Iterable[Told], now: int) -> None:
        """What the venue says of money by itself. A balance may come before the fill that made it,
        so it is looked at when that has had its time."""
        for each in told:
            if isinstance(each, MoveTold):
                began = self._opened.get(each.currency, min(self._opened.values(), default=0))
                # What happened by then is in the balance that they began with.
                if each.time > began and self._opened:
                    self.book(self._moved(each))
            elif isinstance(each, BalanceTold) and self.is_ready:
                self._heard[each.currency] = each, now + GRACE

    def tick(self, now: int) -> None:
        """What has been heard and has had its time."""
        for currency, (told, due) in list(self._heard.items()):
            if due <= now:
                del self._heard[currency]
                self._statement(told, now, asked=False)

    def _moved(self, told: MoveTold) -> Entry:
        """Funding is shared by who holds the position; other moves are the pool's."""
        if told.kind is MoveKind.FUNDING and told.symbol in self._instruments:
            side = self.booking.one_side(told.symbol)
            return self.booking.funding(
                told.symbol, side, told.amount, told.currency, told.time, told.reference
            )
        entry = moved(told)
        if told.kind not in _CAUSES:
            return entry
        cause, outside = _CAUSES[told.kind]
        pool, world = entry.legs
        return entry._replace(cause=cause, legs=(pool, world._replace(holder=outside)))

    def check(self, balances: Balances, now: int) -> None:
        """After the fills until then have been read: the venue's balances are looked at."""
        self.moves_wanted = None
        for told in balances.values():
            self._statement(told, now, asked=True)

    def _open(self, currency: str, total: int, told_at: int) -> bool:
        entry = self.statements.opening(currency, total, told_at)
        return entry is not None and self.book(entry) is not None

    def _statement(self, told: BalanceTold, now: int, *, asked: bool) -> None:
        if self._open(told.currency, told.total, told.time):
            return
        for effect in self.statements.told(told, now, asked=asked):
            match effect:
                case Entry():
                    self.book(effect)
                case LookAgain():
                    wanted = self.moves_wanted
                    self.moves_wanted = (
                        effect.since if wanted is None else min(wanted, effect.since)
                    )
                case OwnersStopped():
                    self._stop_owners(effect.currency, effect.slots)
                case HealthOut():
                    self._say(effect)

    # --- what may be done -------------------------------------------------------------------------

    def arrived(
        self, currency: str, amount: int, wallet: str, at: int, now: int, *, transfer: str,
        note: str,
    ) -> None:  # fmt: skip
        """A deposit of a transfer from another venue, credited after `at`. Where the venue has
        told of it already, it is booked as of then: it is the same money."""
        told = 0 if wallet else self.statements.unexplained.told_of(currency, amount, at)
        entry = self.accounts.adjust(
            currency, amount, now=told or now, transfer=transfer, note=note, wallet=wallet
        )
        if isinstance(entry, Refused) or not entry.legs:
            return
        began = self._opened.get(currency, 0)
        if not wallet and not told and at <= began:  # it is in what the ledger began with
            first = entry.legs[0]._replace(holder=Outside.WORLD)
            entry = entry._replace(legs=(first, *entry.legs[1:]))
        self.book(entry)
        self.publish()

    def command(
        self, actor: str, name: str, fields: Mapping[str, Any], id_: str, now: int
    ) -> Entry | Refused:
        """Carried out, or refused."""
        found = self.accounts.command(actor, name, fields, id_, now)
        if isinstance(found, Refused):
            return found
        booked = self.book(found)
        self.publish()
        if found.cause is Cause.RESET:
            slots = tuple(sorted({leg.holder for leg in found.legs if leg.holder > MAIN}))
            self._stop_owners(found.legs[0].currency, slots)
        return booked or found

    def _stop_owners(self, currency: str, slots: tuple[int, ...]) -> None:
        """Each is told, by its name; its robots' orders go."""
        for slot in slots:
            owner = self.accounts.slots.name_of(slot) or str(slot)
            words = f"its {currency} went back to the pool: allocate again"
            self._say(HealthOut("sub-account", owner, words, "critical"))
        self._stop(slots)

    def refusal(
        self, robot: int, spec: OrderSpec, left: int, old: Managed | None = None
    ) -> Refusal | None:
        """Of an order for which the robot's sub-account has not enough. left: what of it can be
        filled; old: the order that it takes the place of."""
        if not self._is_shared:
            return None
        slot = self._slot_of(robot)
        price = spec.price_int or spec.trigger_int or self._references.get(spec.symbol, 0)
        wanted = self.locks.wanted(spec, left, price, slot=slot, without=old)
        if wanted is None:
            return None
        free = self.accounts.available(wanted.currency, slot)
        name = "main" if slot == MAIN else self.accounts.slots.name_of(slot) or str(slot)
        if self.statements.is_stopped(wanted.currency, slot):
            text = f"the {wanted.currency} of sub-account {name} went back to the pool"
            return Refusal.of(InsufficientFunds, f"{text}: allocate again")
        # Money never bars the way out: not the fee of what only closes, either.
        if wanted.amount <= free or not self.locks.opens(spec, left, price, slot=slot):
            return None
        text = f"{decimal_text(money(wanted.amount))} {wanted.currency}, sub-account {name} has"
        return Refusal.of(InsufficientFunds, f"{text} {decimal_text(money(max(free, 0)))} free")

    def shown_to(self, slot: int) -> dict[str, int]:
        """What a robot can trade with: its sub-account's, of each currency of the account."""
        return {name: self.ledger.balance(name, slot) for name in self.ledger.currencies()}

    # --- what readers see -------------------------------------------------------------------------

    def publish(self) -> None:
        """What has changed, each currency at once."""
        if not self._changed:
            return
        now = self._wall()
        for currency in self._changed:
            totals = self.ledger.slots(currency, max(self._slots_used, MAIN + 1))
            held = [0, *(self.locks.held(currency, slot) for slot in range(1, len(totals)))]
            held[TOTAL] = sum(held)
            self._table.put(currency, totals, held, ts=now, sequence=self._sequence)
        self._changed.clear()

    def status(self) -> dict[str, Any]:
        """Amounts as decimal text."""
        unexplained = self.statements.unexplained
        open_ = {name: unexplained.open(name) for name in self.ledger.currencies()}
        return {
            "entries": self.ledger.posted,
            "corrections": self.statements.corrections,
            "stale": self.statements.stale,
            "unexplained": {n: decimal_text(money(a)) for n, a in open_.items() if a},
        }

    def alive(self) -> None:
        """At most half a second apart."""
        if self.is_ready:
            self._standing.tick(self.booking, self._sequence)
        self._table.alive(self._wall())

    def close(self) -> None:
        self._table.close()
