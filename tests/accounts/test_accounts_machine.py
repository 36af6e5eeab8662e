"""Fills, commands, balances, transfers, late and doubled news, deaths: against a slow exact model.

The model keeps every movement in lists of fractions and adds them up each time. What the venue has
is a list of its own; whatever has been told late, twice or never, our total is the venue's when all
is told and looked at.
"""

from __future__ import annotations

import os
from fractions import Fraction

from account_world import U
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from transfer_world import ATTEMPTS, OWN, SPOT, Desk, Venue

from onetape.accounts.entries import MAIN, TOTAL, Cause, Entry, Leg, Outside
from onetape.accounts.slots import Refused
from onetape.accounts.statement import OwnersStopped, Recheck
from onetape.accounts.unexplained import moved
from onetape.model.time import SECOND
from onetape.orders.reports import MoveReport

LONG = bool(os.environ.get("ONETAPE_LONG"))
OURS = (MAIN, 2, 3)

units = st.one_of(st.integers(1, 2000).map(lambda n: n * U), st.integers(1, 3000 * U))
signed = st.builds(lambda amount, sign: amount * sign, units, st.sampled_from([1, -1]))
slots = st.sampled_from([2, 3])
waits = st.sampled_from([1, SECOND, 40 * SECOND, 130 * SECOND, 4000 * SECOND])


class _Venue(Venue):
    """It says what it has carried out, to the one who keeps its balance."""

    def __init__(self, script: tuple[str, ...], carry_out) -> None:
        super().__init__(script)
        self.noted = 0
        self.carry_out = carry_out

    def send(self, now):
        outcome = super().send(now)
        self.note(now)
        return outcome

    def history(self, now):
        found = super().history(now)
        self.note(now)
        return found

    def note(self, now):
        for _ in range(self.carried_out - self.noted):
            self.carry_out(now)
        self.noted = self.carried_out


class Accounts(RuleBasedStateMachine):
    @initialize(credit=st.sampled_from([0, 500]), is_clear=st.booleans())
    def begin(self, credit: int, is_clear: bool) -> None:
        self.is_clear = is_clear  # each transfer is told of, in time, and unlike every other
        self.desk = Desk()
        self.desk.credit = credit
        self.desk.start()
        self.credit = Fraction(credit)
        self.venue: list[tuple[int, Fraction]] = [(0, Fraction(100))]
        self.subs: dict[int, list[Fraction]] = {2: [], 3: []}
        self.unreported: list[tuple] = []  # what the venue did and nobody has heard of
        self.reports: list[tuple] = []
        self.held: dict[int, Fraction] = {}
        self.count = 0
        self.at_venue(1000 * U)
        self.desk.keeper.book(moved(MoveReport("first", "USD", 1000 * U, self.desk.now)))

    # --- the model --------------------------------------------------------------------------------

    def at_venue(self, amount: int) -> int:
        self.desk.now += 1
        self.venue.append((self.desk.now, Fraction(amount, U)))
        return self.desk.now

    def unlike_others(self, amount: int) -> int:
        """Two equal transfers that are each told of in another way cannot be told apart."""
        self.count += 1
        sign = 1 if amount > 0 else -1
        return sign * (abs(amount) // 10**9 * 10**9 + pow(7, self.count, 10**9 + 7))

    def venue_total(self, at: int) -> Fraction:
        return sum((amount for when, amount in self.venue if when <= at), Fraction(0))

    def of_tape(self, slot: int) -> Fraction:
        """Everything that the tape says has moved a slot of the trading wallet."""
        legs = [leg for entry in self.desk.tape for leg in entry.legs if not leg.wallet]
        if slot == TOTAL:
            return sum((Fraction(leg.amount, U) for leg in legs if leg.holder in OURS), Fraction(0))
        return sum((Fraction(leg.amount, U) for leg in legs if leg.holder == slot), Fraction(0))

    def free(self, slot: int) -> Fraction:
        return self.of_tape(MAIN) + self.credit if slot == MAIN else sum(self.subs[slot], Fraction(0))

    def answer(self, source: int, amount: Fraction) -> str:
        if amount > self.free(source):
            return "INSUFFICIENT_FUNDS"
        if amount > self.free(source) - self.held.get(source, Fraction(0)):
            return "FUNDS_LOCKED"
        return "ok"

    # --- what happens -----------------------------------------------------------------------------

    @rule(delay=waits)
    def time_passes(self, delay: int) -> None:
        self.desk.now += min(delay, 5 * SECOND) if self.is_clear else delay

    @rule(slot=slots, amount=signed, is_heard=st.booleans())
    def fill(self, slot: int, amount: int, is_heard: bool) -> None:
        self.count += 1
        self.unreported.append(("fill", self.at_venue(amount), slot, amount, f"fill {self.count}"))
        if is_heard:
            self.hear(len(self.unreported) - 1)

    @rule(amount=signed, by=st.sampled_from(["stream", "command", "both", "both, one name", "none"]))
    def money_comes_or_goes(self, amount: int, by: str) -> None:
        amount = self.unlike_others(amount)
        name = f"move {self.count}"
        if self.is_clear:
            amount = abs(amount)  # a command to take out more than there is would be refused
            if by == "none" or any(news[0] == "adjust" for news in self.unreported):
                by = "stream"  # of two at a time a correction shows the sum
        when = self.at_venue(amount)
        if by in ("stream", "both", "both, one name"):
            self.unreported.append(("move", when, amount, name))
        if by == "command":
            self.unreported.append(("adjust", amount, ""))
        if by in ("both", "both, one name"):
            self.unreported.append(("adjust", amount, name if "one" in by else f"my {name}"))

    @rule(data=st.data())
    def something_is_heard(self, data) -> None:
        if self.unreported:
            self.hear(data.draw(st.integers(0, len(self.unreported) - 1)))

    @rule(data=st.data())
    def repeat_report(self, data) -> None:
        if self.reports:
            before = [self.of_tape(slot) for slot in (TOTAL, *OURS)]
            second = self.reports[data.draw(st.integers(0, len(self.reports) - 1))]
            if second[0] == "adjust" and not second[2]:
                return  # nothing says that it is the same
            self.book(second)
            assert [self.of_tape(slot) for slot in (TOTAL, *OURS)] == before

    def hear(self, index: int) -> None:
        news = self.unreported.pop(index)
        if self.book(news):
            self.reports.append(news)
            if news[0] == "fill":
                self.subs[news[2]].append(Fraction(news[3], U))

    def book(self, news: tuple) -> bool:
        match news:
            case ("fill", when, slot, amount, name):
                legs = (Leg(slot, "USD", amount), Leg(Outside.MARKET, "USD", -amount))
                self.desk.keeper.book(Entry(when, Cause.FILL, legs, name))
            case ("move", when, amount, name):
                self.desk.keeper.book(moved(MoveReport(name, "USD", amount, when)))
            case ("adjust", amount, name):
                before = self.of_tape(TOTAL)
                fields = {"currency": "usd", "delta": _text(amount), "transfer_id": name}
                done = self.command("adjust", fields)
                recorded = any(entry.reference in (name, f"transfer {name}") for entry in self.desk.tape)
                if done != "ok":
                    assert done == "INSUFFICIENT_FUNDS"
                    assert self.free(MAIN) + Fraction(amount, U) < 0
                    return False
                assert self.of_tape(TOTAL) - before in (0, Fraction(amount, U))
                assert recorded or not name
        return True

    def command(self, name: str, fields: dict) -> str:
        self.count += 1
        self.desk.now += 1
        accounts = self.desk.accounts
        done = accounts.command("operator", name, fields, f"c{self.count}", self.desk.now)
        if isinstance(done, Refused):
            return done.kind.name
        self.desk.keeper.book(done)
        return "ok"

    @rule(slot=slots, amount=units, name=st.sampled_from(["allocate", "release"]))
    def quota(self, slot: int, amount: int, name: str) -> None:
        source = MAIN if name == "allocate" else slot
        expected = self.answer(source, Fraction(amount, U))
        fields = {"currency": "usd", "amount": _text(amount), "index": slot}
        assert self.command(name, fields) == expected
        if expected == "ok":
            self.subs[slot].append(Fraction(amount if name == "allocate" else -amount, U))

    @rule(slot=st.sampled_from(OURS), amount=units, is_held=st.booleans())
    def hold(self, slot: int, amount: int, is_held: bool) -> None:
        self.held[slot] = Fraction(amount, U) if is_held else Fraction(0)
        self.desk.accounts.held = lambda currency, slot: int(self.held.get(slot, 0) * U)

    @rule(amount=st.sampled_from([0, 50, 500, 5000]))
    def credit_changes(self, amount: int) -> None:
        """What it no longer backs is seen at the next look."""
        self.credit, self.desk.credit = Fraction(amount), amount
        self.desk.accounts.credit["USD"] = amount * U

    @rule(age=st.sampled_from([0, 1, SECOND, 100 * SECOND]), is_read=st.booleans())
    def look(self, age: int, is_read: bool) -> None:
        """The regular check; the shell reads what it has not heard before it looks again, where the
        venue's lists are not behind."""
        at = self.desk.now - age
        if self.is_clear and any(news[0] == "adjust" for news in self.unreported):
            is_read = True  # else a correction may be of the command's amount and another
        before = self.of_tape(TOTAL)
        effects = self.word(at)
        if any(isinstance(each, Recheck) for each in effects):
            assert self.of_tape(TOTAL) == before
            for index in range(len(self.unreported) - 1, -1, -1):
                if self.unreported[index][0] != "adjust" and is_read:
                    self.hear(index)
            self.desk.now += SECOND
            self.word(self.desk.now)

    def word(self, at: int) -> list:
        effects = self.desk.report(0, at=at, now=self.desk.now, units=int(self.venue_total(at) * U))
        for each in effects:
            if isinstance(each, OwnersStopped):
                assert self.of_tape(MAIN) == self.of_tape(TOTAL)
                self.subs = {2: [], 3: []}
                assert all(self.desk.statements.is_stopped("USD", slot) for slot in each.slots)
        return effects

    @rule(
        amount=units,
        script=st.tuples(st.sampled_from(ATTEMPTS), st.sampled_from(ATTEMPTS)),
        dies_at=st.integers(0, 12),
        is_reported=st.booleans(),
        slot=st.sampled_from(OURS),
    )
    def transfer(self, amount: int, script: tuple[str, str], dies_at: int, is_reported: bool, slot: int) -> None:
        amount = self.unlike_others(amount)
        desk, name = self.desk, f"transfer-{self.count}"
        spot = desk.ledger.total("USD", "spot")
        expected = self.answer(slot, Fraction(amount, U))

        def carry_out(now: int) -> None:
            self.venue.append((now, Fraction(-amount, U)))
            if is_reported:
                self.unreported.append(("move", now, -amount, f"venue's {name}"))

        desk.venue = _Venue(script, carry_out)
        desk.steps, desk.dies_at = 0, dies_at
        effects = desk.transfers.ask(OWN, SPOT, "USD", amount, desk.now, name=name, slot=slot)
        if isinstance(effects, Refused):
            assert effects.kind.name == expected
            return
        assert expected == "ok"
        desk.run(effects)
        desk.dies_at = -1
        self.hold(MAIN, 1, is_held=False)
        arrived = amount if desk.venue.carried_out else 0
        if slot != MAIN:
            self.subs[slot].append(Fraction(-arrived, U))
        assert desk.ledger.total("USD", "spot") == spot + arrived
        assert desk.ledger.transit("USD") == 0
        assert desk.venue.carried_out <= 1

    @rule()
    def death(self) -> None:
        rows, record = self.desk.ledger.to_record(), self.desk.statements.to_record()
        self.desk.start()
        self.desk.accounts.held = lambda currency, slot: int(self.held.get(slot, 0) * U)
        assert self.desk.ledger.to_record() == rows
        second = self.desk.statements.to_record()
        assert second["stopped"] == record["stopped"]
        for key in ("open", "corrected"):
            for currency, of in record["unexplained"].items():
                assert second["unexplained"][currency][key] == of[key]

    # --- what always holds ------------------------------------------------------------------------

    @invariant()
    def parts_are_the_total(self) -> None:
        if not hasattr(self, "desk"):
            return
        rows = self.desk.ledger.slots("USD", 4)
        assert rows[TOTAL] == sum(rows[1:]) == self.desk.ledger.total("USD")
        assert [Fraction(each, U) for each in rows] == [self.of_tape(slot) for slot in (TOTAL, *OURS)]
        for slot, moves in self.subs.items():
            assert Fraction(rows[slot], U) == sum(moves, Fraction(0))
        legs = [leg for entry in self.desk.tape for leg in entry.legs]
        assert sum(leg.amount for leg in legs) == 0
        if self.is_clear and not self.unreported:  # each counts once, without a look at the balance
            assert self.of_tape(TOTAL) == self.venue_total(self.desk.now)
        unexplained = self.desk.ledger.balance("USD", Outside.UNEXPLAINED)
        assert unexplained == -self.desk.statements.unexplained.open("USD")

    def teardown(self) -> None:
        """All is told, time passes, and the venue's word is ours."""
        if not hasattr(self, "desk"):
            return
        while self.unreported:
            self.hear(0)
        self.parts_are_the_total()
        for _ in range(3):
            self.desk.now += 200 * SECOND
            self.look(0, is_read=True)
        assert self.of_tape(TOTAL) == self.venue_total(self.desk.now)
        self.desk.now += SECOND
        assert [each for each in self.word(self.desk.now) if isinstance(each, Entry)] == []


def _text(units: int) -> str:
    sign = "-" if units < 0 else ""
    whole, rest = divmod(abs(units), U)
    return f"{sign}{whole}.{rest:018d}"


TestAccounts = Accounts.TestCase
TestAccounts.settings = settings(
    max_examples=3000 if LONG else 120,
    stateful_step_count=60 if LONG else 40,
    deadline=None,
    derandomize=not LONG,  # the same each time where others wait for it; LONG looks further
)
