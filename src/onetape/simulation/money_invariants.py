"""What must hold after every event of an account's money, in what any reader can see.

Folds the gateway's own tape with sums of its own, reads the table as every process does, and never
asks the code that it judges for a conclusion.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from fractions import Fraction
from math import ceil
from typing import Any

from onetape.accounts.entries import MAIN, SLOTS_MAX, TOTAL, Cause, Entry, Outside
from onetape.accounts.entry_frames import unpack
from onetape.accounts.reserves import Reserves
from onetape.accounts.table import AccountReader
from onetape.gateway.explain_tape import explain_journal
from onetape.model.enums import Kind, OrderType, PositionSide, RequestKind
from onetape.model.home import gateway_journal
from onetape.model.instrument import Instrument
from onetape.model.money import money
from onetape.orders.managed import FillOut, IntentOut, Out
from onetape.orders.order import Order
from onetape.simulation.gateway_life import Home
from onetape.simulation.invariants import SUMS_EVERY, Broken, check
from onetape.tape.journal import JournalReader, type_id

ENTRY = type_id("entry")
WAITS_MAX = 6 * 10**9  # ns: as long as an answer is waited for, and the next look
ALWAYS = 2**62  # of whatever age
OURS = (*range(MAIN, SLOTS_MAX), int(Outside.NETTING))


class MoneyInvariants:
    """Of one world."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.checks = 0
        self.sums: dict[str, dict[int, int]] = {}  # by currency and holder, of the tape
        self.before: Counter[tuple[str, PositionSide]] = Counter()  # spot fills from before the ledger
        self.traded: Counter[str] = Counter()  # by currency: what fills have moved, by the tape
        self.fees: Counter[str] = Counter()
        self.wanted: Counter[str] = Counter()  # the same by the fills themselves
        self.wanted_fees: Counter[str] = Counter()
        self.slot_of: dict[str, int] = {}  # by reference: whose fill that is
        self.references: set[tuple[Cause, str]] = set()
        self.frames: JournalReader | None = None
        self.table: AccountReader | None = None
        self.groups: dict[str, Any] = {}
        self.held_before: dict[Any, int] = {}
        self.seen_before: dict[str, Any] = {}
        self.transfers: set[str] = set()  # that adjusts have named
        self.waiting: dict[str, int] = {}  # orders for money, since when

    def follow(self, home: Home) -> None:
        """This gateway's files; all that has been summed up is forgotten."""
        self.__init__(self.world)  # type: ignore[misc]
        self.frames = JournalReader(gateway_journal(home.path, "main"))
        self.table = AccountReader(home.path, "gateway:main")
        self._read_tape()

    # --- what happens -----------------------------------------------------------------------------

    def out(self, out: Out) -> None:
        """To the journal, in its order."""
        if isinstance(out, IntentOut):
            self._intent(out)
        if not isinstance(out, FillOut):
            return
        fill, world = out.fill, self.world
        instrument = next(i for i in world.instruments if i.symbol == fill.symbol)
        signed = fill.size * fill.side.sign
        if not self.sums:  # what came before the ledger began is in what it began with
            if instrument.kind is Kind.SPOT:
                self.before[fill.symbol, fill.position_side] += signed
            return
        value = instrument.notional_units(fill.price, signed)
        self.wanted[instrument.settle] -= _turned(instrument, value)
        if instrument.kind is Kind.SPOT:
            self.wanted[instrument.base] += signed * 10 ** (18 - instrument.size_decimals)
        self.wanted_fees[fill.fee_currency or instrument.settle] += fill.fee
        robot = out.order.robot if out.order is not None else 0
        self.slot_of[f"{fill.symbol} {fill.trade_id} {fill.side}"] = world.tape.parts.slot_of(robot)

    def _intent(self, out: IntentOut) -> None:
        """What waits for money is bought with what is there when it leaves, and not for ever."""
        order = out.order
        if out.kind is RequestKind.PLACE and order.is_unfunded:
            self.waiting[order.client_id] = self.world.now
        elif out.is_reissue and self.waiting.pop(order.client_id, None) is not None:
            self.world.seen["had its money"] += 1
            self.submitted(order)

    def _check_waiting(self) -> None:
        world = self.world
        for name, since in list(self.waiting.items()):
            order = world.manager.orders.get(name)
            if order is None or not order.is_open:
                del self.waiting[name]
                continue
            check(order.is_held and order.is_unfunded, f"{name} waits, and has left")
            check(not world.money.reserves.of(order, world.quote), f"{name} waits, and holds money")
            check(world.now - since < WAITS_MAX, f"{name} has waited since {since}")
            check(name not in world.invariants.placed, f"{name} waits, and the venue was asked")

    def submitted(self, order: Order, held_before: dict[Any, int] | None = None) -> None:
        """An order leaves: what it holds is there. Of one that makes no position
        greater no more than the fee need be: money never bars the way out."""
        world = self.world
        slot = world.tape.parts.slot_of(order.robot)
        fee, settle = self._fee_most(order)
        for currency in self.sums:
            accounts = world.money.accounts
            free, held = accounts.free(currency, slot), accounts.held(currency, slot)
            before = (held_before or self.held_before).get((currency, slot), 0)
            if held > max(free, before + (fee if currency == settle else 0)):
                raise Broken(f"slot {slot} holds {money(held)} of {money(free)} {currency}")
        self.note_held()

    def _fee_most(self, order: Order) -> tuple[int, str]:
        """Of all that is left of an order for contracts."""
        spec = order.spec
        instrument = next(i for i in self.world.instruments if i.symbol == spec.symbol)
        if instrument.kind is Kind.SPOT:
            return 0, instrument.settle
        price = order.price or spec.trigger_int or self.world.manager.references[spec.symbol]
        rate = instrument.maker_fee if spec.post_only else instrument.taker_fee
        value = instrument.notional_units(price, order.worst_left)
        return max(ceil(abs(value) * Fraction(rate)), 0), instrument.settle

    def ready(self) -> None:
        """Readers will be told: what was allocated is backed, by the credit that is configured."""
        self._read_tape()
        for currency, of in self.sums.items():
            credit = int(self.world.credit.get(currency, "0")) * 10**18
            pool = of.get(MAIN, 0) + min(of.get(Outside.NETTING, 0), 0) + credit
            if pool < 0 and any(amount for holder, amount in of.items() if holder > MAIN):
                raise Broken(f"{currency}: {money(-pool)} of what was allocated is not there")

    def _read_tape(self) -> bool:
        """Whether there was anything."""
        assert self.frames is not None
        is_new = False
        while (raw := self.frames.next_raw()) is not None:
            is_new = True
            if raw[0] == ENTRY:
                self._entry(unpack(raw[5]))
        return is_new

    def _entry(self, entry: Entry) -> None:
        moved: dict[str, int] = defaultdict(int)
        for holder, currency, amount, wallet in entry.legs:
            check(not wallet, f"{entry} in another wallet")
            of = self.sums.setdefault(currency, {})
            of[holder] = of.get(holder, 0) + amount
            moved[currency] += amount
            if entry.cause is Cause.FILL:
                self.traded[currency] -= amount if holder == Outside.MARKET else 0
                self.fees[currency] += amount if holder == Outside.FEES else 0
        check(not any(moved.values()), f"{entry} does not add up")
        if entry.reference:
            key = (entry.cause, entry.reference)
            check(key not in self.references, f"{key} is booked twice")
            self.references.add(key)
            if entry.reference.startswith("transfer "):
                self.transfers.add(entry.reference.removeprefix("transfer "))
        slot = self.slot_of.get(entry.reference) if entry.cause is Cause.FILL else None
        if slot is not None and entry.note != "forced":
            # Of one that was heard late the pool may give back what it took up.
            late = any(leg.holder == Outside.UNEXPLAINED for leg in entry.legs)
            most = MAIN if late else TOTAL
            others = {leg.holder for leg in entry.legs if leg.holder > most} - {slot}
            check(not others, f"{entry} moves {others}, not only {slot}")

    # --- after every event ------------------------------------------------------------------------

    def slots(self) -> dict[str, list[int]]:
        """Of each currency, as a reader of the table sees them: total, pool, sub-accounts."""
        return {name: rows[0] for name, rows in self._seen().items()}

    def _seen(self) -> dict[str, tuple[list[int], list[int]]]:
        assert self.table is not None
        seen = {}
        for currency in self.sums:
            group = self.groups.get(currency)
            if group is None:
                group = self.table.slots(currency, max_age=ALWAYS)
                if group is None:
                    continue
                self.groups[currency] = group
            recorded = group.all()
            if recorded is not None:  # else nobody is told of it yet
                seen[currency] = recorded[0], recorded[1]
        return seen

    def check(self) -> None:
        """Words are made only of what is wrong: this is most of what a simulation does."""
        if self.frames is None:
            return
        self.checks += 1
        is_new, is_due = self._read_tape(), self.checks % SUMS_EVERY == 0
        self._check_table(is_new=is_new)
        self._check_waiting()
        if is_new or is_due:
            self._check_positions()
        if is_due:
            self._check_held()
        self.note_held()

    def _check_table(self, *, is_new: bool) -> None:
        """Where neither the tape nor the table has changed the last answer holds."""
        seen_now = self._seen()
        if not is_new and seen_now == self.seen_before:
            return
        self.seen_before = seen_now
        for currency, (totals, held) in seen_now.items():
            of = self.sums[currency]
            mine = [0] * len(totals)
            for holder, amount in of.items():
                if holder > 0:
                    mine[holder] += amount
                elif holder == Outside.NETTING:
                    mine[MAIN] += amount
            mine[TOTAL] = sum(mine)
            if totals[TOTAL] != sum(totals[1:]) or held[TOTAL] != sum(held[1:]) or min(held) < 0:
                raise Broken(f"{currency}: {totals}, {held} held do not add up")
            if totals != mine:
                raise Broken(f"{currency}: readers see {totals}, the tape says {mine}")

    def _check_positions(self) -> None:
        world = self.world
        booking, manager = world.money.booking, world.manager
        costs: Counter[str] = Counter()
        by_account: dict[Any, int] = defaultdict(int)
        for (_, symbol, side), own in booking.positions.items():
            by_account[symbol, side] += own.qty
        for key, held in booking.account.items():
            costs[held.terms.settle] += _turned(held.terms.instrument, held.cost)
            if by_account[key] != held.qty and not held.terms.is_spot:
                raise Broken(f"{key}: sub-accounts hold {by_account[key]} of {held.qty}")
        for key, qty in manager.positions.items() if self.sums else ():
            if by_account[key] + self.before[key] != qty:
                raise Broken(f"{key}: sub-accounts {by_account[key]}, before {self.before[key]}, orders {qty}")
        for currency in self.sums:
            moved, wanted = self.traded[currency], self.wanted[currency] + costs[currency]
            if moved != wanted and (not world.hands or world.instruments[0].kind is Kind.SPOT):
                raise Broken(f"{currency}: fills moved {money(moved)}, not {money(wanted)}")
            check(self.fees[currency] == self.wanted_fees[currency], "fees")

    def note_held(self) -> None:
        """What is held before the next orders leave: a fill may have changed it."""
        held = self.world.money.reserves.held
        self.held_before = {(currency, slot): held(currency, slot) for currency in self.sums for slot in (2, 3)}

    def _check_held(self) -> None:
        """What is held, made anew from all orders and positions."""
        world = self.world
        money_, manager = world.money, world.manager
        kinds = {(o.spec.type, bool(o.spec.trigger_int)) for o in manager.open.values()}
        if (OrderType.MARKET, False) in kinds:
            return  # reckoned at a price of then
        anew = Reserves(
            {i.symbol: i for i in world.instruments},
            leverage=world.life.options.leverage,
            references=manager.references,
        )
        for (slot, symbol, side), own in money_.booking.positions.items():
            anew.position(slot, symbol, side, own.qty, own.cost)
        for order in manager.open.values():
            anew.update(order, world.tape.parts.slot_of(order.robot))
        for currency, (_, held) in self._seen().items():
            want = [anew.held(currency, slot) for slot in range(len(held))]
            want[TOTAL] = sum(want)
            check(held == want, f"{currency}: {held} is held, not {want}")

    # --- when all is quiet ------------------------------------------------------------------------

    def unequal(self) -> list[str]:
        """Where readers do not see the exchange's balance, to the last unit that it tells."""
        slots, found = self.slots(), []
        for number, currency in enumerate(self.world.exchange.currencies):
            ours = slots.get(currency, [0])[TOTAL]
            theirs = int(self.world.account.money.balance(number))
            if abs(ours - theirs) >= max(self.world.protocol.slack(currency), 1):
                found.append(f"balance {currency}: {money(ours)} {money(theirs)}")
        return found

    def differences(self) -> list[str]:
        """The same, and where money is not explained."""
        world, found = self.world, self.unequal()
        slots = self.slots()
        for currency in world.exchange.currencies:
            open_ = world.money.statements.unexplained.open(currency)
            if open_ and not world.is_open:
                found.append(f"{money(open_)} {currency} is unexplained")
        path = gateway_journal(world.home.path, "main")
        for row in explain_journal(path, since=0, until=ALWAYS):  # raises where it is not explained
            seen = slots[row.currency][row.slot]
            if row.slot == MAIN:
                seen -= self.sums[row.currency].get(Outside.NETTING, 0)
            if row.closing != seen:
                found.append(f"{row.currency} of {row.slot}: {seen}, explained {row.closing}")
        return found


def _turned(instrument: Instrument, value: int) -> int:
    """An inverse contract earns what it was bought for less what it was sold for, all others the other way round."""
    return -value if instrument.kind is Kind.INVERSE else value
