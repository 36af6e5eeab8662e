"""A transfer is sent once or known not to have been, and its money is always somewhere."""

from __future__ import annotations

import itertools

import pytest
from account_world import U, World
from transfer_world import ATTEMPTS, OWN, SPOT, THERE, Desk

from onetape.accounts import transfers as transfers_module
from onetape.accounts.entries import MAIN, Entry, Outside
from onetape.accounts.slots import Refused
from onetape.accounts.transfers import Found, Outcome, Place, Record, Send, State
from onetape.accounts.unexplained import moved
from onetape.model.errors import UsageError
from onetape.model.time import SECOND
from onetape.orders.managed import HealthOut
from onetape.orders.reports import MoveReport, TransferReport, TransferState


def test_a_transfer_leaves_is_on_its_way_and_arrives():
    desk = Desk()
    effects = desk.ask()
    kinds = [type(each).__name__ for each in effects]
    assert kinds == ["Record", "Entry", "Record", "Send"]  # on the tape before it is on the wire
    for each in effects[:3]:
        desk.carry_out(each)
    assert desk.money == (60, 40, 0)
    desk.run([effects[3]])
    assert desk.money == (60, 0, 40)
    assert desk.transfers.get("t").state is State.DONE
    assert desk.venue.carried_out == 1


def test_a_sub_accounts_money_leaves_its_slot_and_comes_back_there():
    desk = Desk(("refused",))
    desk.command("allocate", 50, at=desk.now, index=2)
    desk.run(desk.ask(slot=2))
    assert desk.rows[:3] == [100, 50, 50]
    effects = desk.ask(name="t2", slot=2)
    for each in effects[:3]:
        desk.carry_out(each)
    assert (desk.rows[:3], desk.money) == ([60, 50, 10], (60, 40, 0))
    desk.run(effects[3:])
    assert desk.ask(name="t3", slot=2, amount=11).kind.name == "INSUFFICIENT_FUNDS"
    assert desk.ask(name="t2", slot=1).kind.name == "DUPLICATE_COMMAND"
    desk.run(desk.ask(name="t4", source=SPOT, target=OWN, slot=2))
    assert (desk.rows[:3], desk.money) == ([100, 50, 50], (100, 0, 0))


@pytest.mark.parametrize("is_first", [True, False])
def test_a_sub_accounts_half_that_the_stream_tells_too_counts_once(is_first):
    desk = Desk()
    desk.command("allocate", 50, at=desk.now, index=2)
    reported = moved(MoveReport("venue 77", "USD", 40 * U, desk.now + 1))
    desk.run(desk.ask(slot=2))
    effects = desk.ask(name="back", source=SPOT, target=OWN, slot=2)
    for each in effects[:3]:
        desk.carry_out(each)
    if is_first:
        desk.keeper.book(reported)
        assert desk.rows[:3] == [100, 90, 10]  # whose it is, the stream does not say
    desk.run(effects[3:])
    if not is_first:
        desk.keeper.book(reported)
    assert desk.rows[:3] == [100, 50, 50]
    assert desk.report(100, at=desk.now + SECOND, now=desk.now) == []


def test_an_id_that_an_adjust_has_told_of_is_not_used_again():
    desk = Desk()
    desk.command("adjust", -40, at=desk.now, transfer_id="t")
    assert desk.ask().kind.name == "DUPLICATE_COMMAND"
    assert desk.money == (60, 0, 0)


def test_a_venue_that_says_when_is_not_asked_before():
    desk = Desk()
    for each in desk.ask():
        if not isinstance(each, Send):
            desk.carry_out(each)
    desk.run(desk.transfers.answered("t", Outcome.BUSY, desk.now, wait=50 * SECOND), seconds=0)
    assert desk.transfers.tick(desk.now + 49 * SECOND) == []
    (record, send) = desk.transfers.tick(desk.now + 50 * SECOND)[-2:]
    assert (record.fields["state"], send.name) == ("sent", "t")


class Lost(Desk):
    """Two alike that are sent and not answered."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        for name in names:
            for each in self.ask(name=name, amount=10):
                if not isinstance(each, Send):
                    self.carry_out(each)
            self.sent = self.now
            self.now += SECOND
        for name in names:
            self.transfers.answered(name, Outcome.LOST, self.now)

    def row(self, venue_id: str, *, after: int = 0, state=TransferState.DONE, amount: int = 10):
        time = 1000 * SECOND + after
        return TransferReport(venue_id, "", "spot", "USD", amount * U, time, state)

    def looked(self, name: str, *rows: TransferReport, after: int = 0) -> str:
        now = self.now + after
        for each in self.transfers.looked(name, rows, now, as_of=now):
            self.carry_out(each)
        return str(self.transfers.get(name).state)


def test_a_row_of_the_history_belongs_to_one_transfer():
    desk = Lost("a", "b")
    rows = [desk.row("7", after=SECOND // 2)]
    assert desk.looked("b", *rows) == "unknown"  # it may be the older one's
    assert desk.looked("a", *rows) == "done"
    assert desk.looked("b", *rows) == "unknown"
    assert desk.looked("b", *rows, desk.row("8", after=SECOND)) == "done"
    assert [desk.transfers.get(name).venue_id for name in "ab"] == ["7", "8"]


def test_rows_that_are_another_transfers_are_passed_over():
    desk = Lost("a")
    rows = [
        desk.row("1", after=-10 * SECOND),  # before it was sent
        desk.row("2", after=200 * SECOND),  # when the venue would not have taken it any more
        desk.row("3", amount=11),
        desk.row("4")._replace(currency="EUR"),
        desk.row("5")._replace(source="spot", target=""),
    ]
    assert desk.looked("a", *rows) == "unknown"
    assert desk.looked("a", *rows, after=70 * SECOND) == "unknown"
    assert desk.looked("a", *rows, after=71 * SECOND) == "pending"


@pytest.mark.parametrize(
    ("state", "becomes"),
    [(TransferState.DONE, "done"), (TransferState.FAILED, "failed"), (TransferState.UNDERWAY, "unknown")],
)
def test_what_the_history_says_of_a_row_is_what_it_is(state, becomes):
    desk = Lost("a")
    assert desk.looked("a", desk.row("1", state=state), after=100 * SECOND) == becomes
    desk.transfers.resume(desk.now)
    assert desk.money == {"done": (90, 0, 10), "failed": (100, 0, 0)}.get(becomes, (90, 10, 0))


def test_asking_twice_is_asking_once():
    desk = Desk(("lost",))
    first = desk.ask()
    assert desk.ask() == []
    other = desk.ask(amount=41)
    assert isinstance(other, Refused)
    assert other.kind.name == "DUPLICATE_COMMAND"
    desk.run(first)
    assert desk.ask() == []  # also when it has ended
    assert desk.venue.carried_out == 1


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"amount": 0}, "INVALID_AMOUNT"),
        ({"amount": -1}, "INVALID_AMOUNT"),
        ({"amount": 101}, "INSUFFICIENT_FUNDS"),
        ({"source": SPOT, "target": OWN}, "INSUFFICIENT_FUNDS"),
        ({"target": OWN}, "INVALID_ACCOUNT"),
        ({"source": THERE, "target": OWN}, "INVALID_ACCOUNT"),
        ({"name": "a/b"}, "DUPLICATE_COMMAND"),
    ],
)
def test_what_cannot_be_moved_is_refused_with_a_code(fields, name):
    desk = Desk()
    refused = desk.ask(**fields)
    assert isinstance(refused, Refused)
    assert refused.kind.name == name
    assert desk.transfers.unfinished == []


def test_an_id_that_the_ledger_knows_is_not_sent_again_by_a_later_life():
    desk = Desk()
    desk.run(desk.ask())
    desk.records.clear()
    desk.start()
    assert isinstance(desk.ask(), Refused)


@pytest.mark.parametrize("target", [SPOT, THERE], ids=str)
@pytest.mark.parametrize("script", list(itertools.product(ATTEMPTS, repeat=2)), ids=" - ".join)
def test_a_death_before_any_step_pays_neither_twice_nor_half(script, target):
    whole = Desk(script)
    whole.run(whole.ask(target))
    assert whole.steps > 4
    for dies_at in range(whole.steps + 1):  # before step 0: never
        desk = Desk(script, dies_at)
        desk.run(desk.ask(target))
        state = desk.transfers.get("t").state if desk.records else None
        assert desk.venue.carried_out == (1 if state is State.DONE else 0), (dies_at, state)
        assert desk.venue.later == []
        if state is not State.DONE:
            assert state in (None, State.FAILED, State.EXPIRED)
            assert desk.money == (100, 0, 0)
        elif target is SPOT:
            assert desk.money == (60, 0, 40)
        else:
            assert desk.money == (60, 0, 0)
            assert {each.amount for each in desk.sent_on} == {40 * U}
        rows = desk.money
        desk.start()
        assert desk.transfers.resume(desk.now) == []
        assert desk.money == rows


def test_only_what_is_known_not_to_have_happened_is_tried_again_before_the_deadline():
    desk = Desk(("busy",) * 50)
    desk.run(desk.ask())
    one = desk.transfers.get("t")
    assert one.state is State.EXPIRED
    assert 5 <= one.tries <= 15
    assert desk.now < 1000 * SECOND + 121 * SECOND
    assert desk.money == (100, 0, 0)


def test_while_all_is_stopped_nothing_is_sent_and_what_was_sent_ends():
    desk = Desk(("busy", "done"))
    desk.is_stopped = True
    effects = desk.ask()
    desk.run(effects, seconds=60)
    one = desk.transfers.get("t")
    assert (one.state, one.tries, desk.venue.carried_out) == (State.PENDING, 0, 0)
    assert desk.money == (100, 0, 0)  # it has not left
    desk.run([], seconds=61)
    assert one.state is State.EXPIRED
    desk = Desk(("done, no answer",))
    effects = desk.ask()
    desk.is_stopped = True
    desk.run(effects, seconds=60)
    assert desk.transfers.get("t").state is State.DONE
    assert desk.money == (60, 0, 40)


def test_what_is_unknown_is_not_given_up_at_the_deadline_but_said():
    desk = Desk(("lost",))
    desk.venue.history = lambda now: Found.UNDERWAY
    effects = desk.ask()
    desk.run(effects, seconds=300)
    assert desk.transfers.get("t").state is State.UNKNOWN
    assert desk.money == (60, 40, 0)
    late = desk.transfers.answered("t", Outcome.DONE, desk.now)
    desk.run(late)
    assert desk.money == (60, 0, 40)


def test_a_look_at_the_history_too_early_proves_nothing():
    desk = Desk(("lost",))
    for each in desk.ask():
        desk.carry_out(each)
    desk.run(desk.transfers.answered("t", Outcome.LOST, desk.now), seconds=60)
    assert desk.transfers.get("t").state is State.UNKNOWN
    assert desk.transfers.get("t").tries == 1


def test_one_look_at_the_history_that_does_not_show_it_is_not_enough():
    desk = Desk(("lost",))
    for each in desk.ask():
        desk.carry_out(each)
    desk.transfers.answered("t", Outcome.LOST, desk.now)
    later = desk.now + 70 * SECOND
    assert desk.transfers.history("t", Found.ABSENT, later, as_of=later) == []
    effects = desk.transfers.history("t", Found.ABSENT, later + 1, as_of=later + 1)
    assert [each.fields["state"] for each in effects] == ["pending"]


def test_what_a_dead_process_had_booked_and_not_sent_comes_back_when_it_is_too_late():
    desk = Desk()
    for each in desk.ask()[:2]:
        desk.carry_out(each)
    assert desk.money == (60, 40, 0)
    desk.start()
    desk.now += 200 * SECOND
    desk.run(desk.transfers.resume(desk.now))
    assert desk.transfers.get("t").state is State.EXPIRED
    assert (desk.money, desk.venue.carried_out) == ((100, 0, 0), 0)


def test_what_a_venue_does_after_it_has_refused_is_booked_and_said():
    desk = Desk(("refused",))
    desk.run(desk.ask())
    assert desk.money == (100, 0, 0)
    effects = desk.transfers.answered("t", Outcome.DONE, desk.now)
    for dies_after in range(len(effects) + 1):
        second = Desk(("refused",))
        second.run(second.ask())
        effects = second.transfers.answered("t", Outcome.DONE, second.now)
        for each in effects[:dies_after]:
            second.carry_out(each)
        second.start()
        second.run(second.transfers.resume(second.now))
        if not dies_after:
            second.run(second.transfers.answered("t", Outcome.DONE, second.now))
        assert second.money == (60, 0, 40)


def test_the_other_accounts_gateway_books_its_half_once_by_the_same_id():
    desk, other = Desk(), World(total=10)
    desk.run(desk.ask(THERE))
    for number, tell in enumerate((*desk.sent_on, *desk.sent_on)):
        fields = {"currency": tell.currency, "amount": 40, "transfer_id": tell.name}
        entry = other.accounts.command("operator", "adjust", fields, f"c{number}", desk.now)
        other.keeper.book(entry)
    assert other.rows[0] == 50
    assert desk.ledger.balance("USD", Outside.WORLD) == 40 * U
    assert other.ledger.balance("USD", Outside.WORLD) == -40 * U


def test_a_half_that_the_venues_stream_tells_too_counts_once():
    for is_first in (True, False):
        desk = Desk()
        effects = desk.ask()
        for each in effects[:3]:
            desk.carry_out(each)
        moved = Entry(
            desk.now + 1,
            "transfer",
            tuple(
                leg._replace(holder=holder, amount=amount)
                for leg, holder, amount in zip(effects[1].legs, (MAIN, Outside.WORLD), (-40 * U, 40 * U), strict=True)
            ),
            "venue 77",
        )
        if is_first:
            desk.keeper.book(moved)
        desk.run([effects[3]])
        if not is_first:
            desk.keeper.book(moved)
        assert desk.money == (60, 0, 40)
        assert desk.report(60, at=desk.now + SECOND, now=desk.now) == []


def test_a_place_is_written_as_venue_account_and_wallet():
    assert Place.parse("kraken.main") == OWN
    assert Place.parse("kraken.main.spot") == SPOT
    assert str(SPOT) == "kraken.main.spot"
    for text in ("", "kraken", "a.b.c.d", "a..b", ".a"):
        with pytest.raises(UsageError):
            Place.parse(text)


def test_however_many_are_unfinished_none_is_forgotten(monkeypatch):
    monkeypatch.setattr(transfers_module, "FINISHED_KEPT", 2)
    desk = Desk(script=("lost",) * 9)
    names = [f"t{number}" for number in range(5)]
    for number, name in enumerate(names):
        target = Place("binance", f"hedge-{number}")
        desk.run(desk.ask(target, 1, name), seconds=0)
    assert [each.name for each in desk.transfers.unfinished] == names


def test_that_nobody_knows_what_became_of_money_is_said_once_and_is_critical():
    desk = Desk(script=("lost",))
    said = []
    effects = desk.ask(SPOT)
    for _ in range(300):
        said += [each for each in effects if isinstance(each, HealthOut)]
        for each in effects:
            if isinstance(each, Record | Entry):
                desk.carry_out(each)
        desk.now += SECOND
        effects = desk.transfers.tick(desk.now)  # the history is never read
    assert [each.severity for each in said] == ["critical"]
    assert "its outcome is not known" in said[0].state


# --- a clock that is set --------------------------------------------------------------------------


@pytest.mark.parametrize("step_s", [-90, 90])
@pytest.mark.parametrize("script", [("busy",), ("lost",), ("busy", "lost", "busy")])
def test_a_step_of_the_venues_clock_holds_no_transfer_up_and_proves_nothing(script, step_s):
    """It takes as long, and is sent as often, as without."""
    ends = []
    for step in (0, step_s * SECOND):
        desk = Desk(script)
        for each in desk.ask():
            if not isinstance(each, Send) or desk.venue.send(desk.now) is None:
                desk.carry_out(each)
            else:
                desk.run(desk.transfers.answered("t", Outcome.BUSY, desk.now), seconds=0)
        desk.now += step
        effects = desk.transfers.restate(step)
        began = desk.now
        desk.run([*effects, *desk.transfers.tick(desk.now)])
        ends.append((desk.now - began, desk.transfers.get("t").tries, desk.venue.carried_out))
        assert desk.transfers.get("t").state is State.DONE
    assert ends[0] == ends[1]


@pytest.mark.parametrize("step_s", [-90, 90])
@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_row_is_a_transfers_whichever_of_two_clocks_the_venue_dated_it_by(step_s, is_restarted):
    for row_s in (0, step_s):
        desk = Lost("a")
        desk.now += step_s * SECOND
        for each in desk.transfers.restate(step_s * SECOND):
            desk.carry_out(each)
        if is_restarted:
            desk.start()
        assert desk.looked("a", desk.row("7", after=row_s * SECOND + SECOND // 2)) == "done"
