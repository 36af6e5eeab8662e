"""The venue's word is compared as of its own time; what stays different is corrected once."""

from __future__ import annotations

import msgspec
import pytest
from account_world import U, World

from onetape.accounts.bookkeeper import Bookkeeper
from onetape.accounts.entries import MAIN, Cause, Entry, Leg, Outside
from onetape.accounts.ledger import Ledger
from onetape.accounts.statement import OwnersStopped, Recheck, Statements
from onetape.accounts.unexplained import Unexplained, moved
from onetape.model.time import SECOND
from onetape.orders.managed import HealthOut
from onetape.orders.reports import MoveReport

MINUTE = 60 * SECOND
RESET = ["correction", "reset", "OwnersStopped", "critical"]


def kinds(effects: list) -> list[str]:
    return [
        f"{each.severity}"
        if isinstance(each, HealthOut)
        else str(each.cause)
        if isinstance(each, Entry)
        else type(each).__name__
        for each in effects
    ]


def allocated(**options) -> World:
    world = World(**options)
    world.command("allocate", 2000, index=2, at=1)
    world.command("allocate", 3000, index=3, at=2)
    return world


def test_a_word_that_agrees_is_nothing():
    world = allocated()
    assert world.report(10_000, at=10) == []
    assert world.rows == [10_000, 5000, 2000, 3000]


def test_a_word_is_compared_as_of_its_own_time():
    world = allocated()
    world.fill(-7, at=20)
    world.fill(-5, at=30)
    assert world.report(10_000, at=19, now=40) == []
    assert world.report(9993, at=29, now=40) == []
    assert world.report(9988, at=30, now=40) == []


def test_a_word_of_a_span_may_have_what_happened_in_it_or_not():
    for total in (10_000, 9993, 9988):
        world = allocated()
        world.fill(-7, at=20)
        world.fill(-5, at=22)
        world.fill(-3, at=40)  # after all of it
        assert world.report(total, at=15, span=(14, 25), now=50) == []
        assert world.rows[0] == 9985
        assert world.report(9985, at=60) == []
    world = allocated()
    world.fill(-7, at=20)
    world.fill(-5, at=22)
    for total in (9995, 9985, 9992):  # no moment of it: not between two, not after it
        [second] = world.report(total, at=15, span=(14, 25), now=50)
        assert isinstance(second, Recheck)


def test_a_word_older_than_an_earlier_one_is_passed_over_and_counted():
    world = allocated()
    assert world.report(10_000, at=50) == []
    assert world.report(4000, at=49) == []
    assert world.report(4000, at=49) == []
    assert world.statements.stale == 2
    assert world.rows[0] == 10_000


def test_a_difference_is_looked_at_twice_and_then_corrected_once_by_the_pool():
    world = allocated()
    world.report(10_000, at=5)
    first = world.report(9900, at=10)
    assert first == [Recheck("USD", 0, -100 * U)]
    second = world.report(9900, at=11)
    assert kinds(second) == ["correction", "warning"]
    assert world.rows == [9900, 4900, 2000, 3000]
    assert world.report(9900, at=12) == []
    assert world.statements.corrections == 1
    assert world.open == -100


def test_changes_are_read_from_the_newest_agreement_and_at_least_from_an_hour_before():
    """Two that nobody has reported may cancel; the venue's history must show both or none."""
    hour = 3600 * SECOND
    for agreed, at, since in ((2 * hour, 4 * hour, 2 * hour), (4 * hour - 5, 4 * hour, 3 * hour)):
        world = allocated()
        assert world.report(10_000, at=agreed) == []
        assert world.report(9900, at=at) == [Recheck("USD", since, -100 * U)]


def test_a_fill_that_the_second_look_brings_is_no_correction():
    world = allocated()
    assert kinds(world.report(9993, at=21)) == ["Recheck"]
    world.fill(-7, at=20)
    assert world.report(9993, at=22) == []
    assert world.rows == [9993, 5000, 1993, 3000]
    assert world.statements.corrections == 0


def test_a_difference_that_was_explained_meanwhile_does_not_confirm_an_equal_one():
    world = allocated()
    world.report(10_000, at=5)
    assert kinds(world.report(10_013, at=20)) == ["Recheck"]
    world.keeper.book(moved(MoveReport("first", "USD", 13 * U, 15)))
    assert kinds(world.report(10_026, at=40)) == ["Recheck"]  # as large, and of another payment
    world.keeper.book(moved(MoveReport("second", "USD", 13 * U, 35)))
    assert world.report(10_026, at=41) == []
    assert (world.rows[0], world.open, world.statements.corrections) == (10_026, 0, 0)


def test_what_does_not_hold_still_is_left_to_the_next_check():
    world = allocated()
    looks = [kinds(world.report(9000 + n, at=10 + n)) for n in range(7)]
    assert looks == [["Recheck"]] * 5 + [["warning"]] + [["Recheck"]]
    assert world.rows[0] == 10_000


def test_what_does_not_hold_still_is_looked_at_until_what_was_allocated_is_there():
    world = allocated()
    world.command("set", 4000, index=0, actor="operator", at=3)  # by mistake: 5000 are allocated
    assert world.rows == [4000, -1000, 2000, 3000]
    looks = [kinds(world.report(9000 + n, at=10 + n)) for n in range(7)]
    assert looks == [["Recheck"]] * 5 + [["warning", "Recheck"]] + [["Recheck"]]
    assert kinds(world.report(9006, at=17)) == ["correction", "warning"]
    assert world.rows == [9006, 4006, 2000, 3000]


@pytest.mark.parametrize("command", ["set", "reset"])
def test_what_moved_before_an_operator_s_total_is_asked_for_with_what_came_after(command):
    world = allocated()
    world.report(10_000, at=5)  # then 4 leave, of which nobody hears
    world.command(command, 4000, index=0, actor="operator", at=20)
    assert world.report(9996, at=30) == [Recheck("USD", 0, 5996 * U)]
    world.keeper.book(moved(MoveReport("w1", "USD", -4 * U, 15)))
    world.report(9996, at=31)
    assert (world.rows[0], world.open) == (9996, 0)


def test_the_stream_can_make_us_look_and_corrects_nothing():
    world = allocated()
    assert kinds(world.report(9900, at=10, is_queried=False)) == ["Recheck"]
    assert world.report(9900, at=11, is_queried=False) == []
    assert kinds(world.report(9900, at=12)) == ["Recheck"]
    assert kinds(world.report(9900, at=13)) == ["correction", "warning"]


def test_the_pool_takes_up_what_is_missing_as_far_as_credit_goes():
    world = allocated(credit=5000)
    world.report(4000, at=10)
    world.report(4000, at=11)
    assert world.rows == [4000, -1000, 2000, 3000]
    assert not world.statements.is_stopped("USD", 2)


def test_beyond_credit_the_currency_is_reset_and_owners_wait_until_they_allocate():
    world = allocated(credit=500)
    world.report(4000, at=10)
    effects = world.report(4000, at=11)
    assert kinds(effects) == ["reset", "OwnersStopped", "critical", "warning"]
    assert effects[1] == OwnersStopped("USD", (2, 3))
    assert world.rows == [4000, 4000, 0, 0]
    assert world.report(4000, at=12) == []
    assert world.statements.is_stopped("USD", 2)
    world.start()  # and it is known after a restart
    assert world.statements.is_stopped("USD", 2)
    world.command("allocate", 100, actor="a", index=2, at=13)
    assert not world.statements.is_stopped("USD", 2)
    assert world.statements.is_stopped("USD", 3)


def test_a_lower_credit_is_checked_against_what_was_allocated():
    world = World(100, credit=50)
    world.command("allocate", 150, index=2, at=1)
    assert world.report(100, at=2) == []
    world.accounts.credit["USD"] = 40 * U  # as it is configured anew
    assert kinds(world.report(100, at=3)) == ["reset", "OwnersStopped", "critical"]
    assert world.rows == [100, 100, 0, 0]


def test_a_debt_without_allocations_is_said_once():
    world = World(100)
    world.report(-5, at=2)
    assert kinds(world.report(-5, at=3)) == ["correction", "warning", "critical"]
    assert world.report(-5, at=4) == []
    assert world.rows == [-5, -5, 0, 0]


def test_what_rounding_leaves_is_put_right_without_a_word():
    world = allocated(slack=U // 100)
    world.fill(-7, at=5)
    effects = world.report(9993.02, at=10)  # one fill: two roundings at most
    assert kinds(effects) == ["correction"]
    assert effects[0].legs[1].holder == Outside.MARKET
    assert world.rows[0] == 9993.02
    assert world.open == 0
    assert kinds(world.report(9993.04, at=11)) == ["Recheck"]  # nothing has happened since


def test_what_happened_after_a_word_may_be_rounded_in_the_next_one():
    world = allocated(slack=U // 100)
    world.fill(-7, at=5)
    world.fill(-7, at=20)
    assert world.report(9993, at=10, now=30) == []
    assert kinds(world.report(9986.015, at=40)) == ["correction"]
    assert kinds(world.report(9986.04, at=50)) == ["Recheck"]


def test_a_payment_that_was_taken_for_rounding_and_is_heard_of_later_leaves_nothing_unexplained():
    world = allocated(slack=U // 100)
    for at in range(10, 20):
        world.fill(-1, at=at)
    assert kinds(world.report(9990.1, at=20)) == ["correction"]  # ten changes may round by that
    legs = (Leg(MAIN, "USD", U // 10), Leg(Outside.FUNDING, "USD", -U // 10))
    world.keeper.book(Entry(15, Cause.FUNDING, legs, "late"))
    assert round(world.rows[0], 9) == 9990.2
    assert kinds(world.report(9990.1, at=30)) == ["correction"]
    assert world.rows[0] == 9990.1
    assert world.open == 0
    world.report(9990.2, at=40)  # that has been taken back once
    assert kinds(world.report(9990.2, at=41)) == ["correction", "warning"]


def test_a_fee_as_small_as_roundings_that_is_heard_of_later_leaves_nothing_unexplained():
    world = allocated(slack=10 * U)
    world.fill(-7, at=5)
    assert kinds(world.report(9978, at=10)) == ["correction"]
    world.fill(-15, at=10)
    assert kinds(world.report(9978, at=20)) == ["correction"]
    assert world.rows[0] == 9978
    assert world.open == 0
    assert kinds(world.report(9993, at=21)) == ["Recheck"]  # that has been taken back once


def test_a_rounding_beside_a_reset_counts_once_and_leaves_nothing_unexplained():
    world = allocated(slack=U // 100, credit=0)
    world.fill(-5000, at=5, slot=1)
    world.fill(-1, at=6, slot=1)
    effects = world.report(4999.01, at=10)
    assert kinds(effects) == RESET
    assert world.rows == [4999.01, 4999.01, 0, 0]
    assert world.open == 0


@pytest.mark.parametrize("total", [9993.01, 9993, 9992.99])
@pytest.mark.parametrize("wrong", [(8000,), (12_000,), (8000, 8500)])
def test_a_rounding_beside_a_wrong_set_that_the_venue_takes_back_is_no_part_of_it(wrong, total):
    world = allocated(slack=U // 100)
    for at, amount in enumerate(wrong, 10):
        world.command("set", amount, index=0, at=at)
    world.fill(-7, at=20)
    world.report(total, at=30)
    effects = world.report(total, at=40)
    rounded = ["correction"] if total != 9993 else []
    assert kinds(effects) == [*rounded, "correction", "warning"]
    assert world.rows[0] == total
    assert world.open == 0


def test_what_differs_by_more_than_may_be_rounded_is_unexplained():
    world = allocated(slack=U // 8)
    world.command("set", 8000, index=0, at=10)
    world.fill(-7, at=20)
    world.report(9993.5, at=30)  # one change, and the balance itself: a quarter may be rounded
    assert kinds(world.report(9993.5, at=40)) == ["correction", "warning"]
    assert world.rows[0] == 9993.5
    assert round(world.open, 9) == 0.5


@pytest.mark.parametrize(("paid", "said"), [(5001, ["correction"]), (5002, RESET)])
def test_what_rounding_gives_back_backs_the_pool(paid, said):
    world = allocated(slack=U, credit=0)
    world.fill(-paid, at=5, slot=MAIN)
    assert kinds(world.report(10_001 - paid, at=10)) == said


def test_many_corrections_in_a_row_are_an_alert():
    world = allocated()
    alerts = []
    for number in range(1, 8):
        at = number * MINUTE
        world.report(10_000 - number, at=at)
        alerts.append(kinds(world.report(10_000 - number, at=at + 1)))
    warned = ["correction", "warning"]
    assert alerts == [warned] * 4 + [[*warned, "critical"]] + [warned] * 2
    world = allocated()
    for number in range(1, 8):
        at = number * 20 * MINUTE
        world.report(10_000 - number, at=at)
        assert kinds(world.report(10_000 - number, at=at + 1)) == warned


def corrected(by: int) -> World:
    world = allocated()
    world.report(10_000 + by, at=99)
    world.report(10_000 + by, at=100)
    assert world.rows == [10_000 + by, 5000 + by, 2000, 3000]
    return world


def test_a_late_fill_takes_its_amount_out_of_what_was_unexplained():
    world = corrected(-7)
    world.fill(-7, at=90)
    assert world.rows == [9993, 5000, 1993, 3000]
    assert world.open == 0
    world.fill(-3, at=95)  # the venue's word of 100 had that, too: something else is open
    assert world.rows == [9993, 5003, 1990, 3000]
    assert world.open == 3
    world.fill(-4, at=101)
    assert world.rows == [9989, 5003, 1986, 3000]
    assert world.report(9989, at=110) == []


def test_a_late_deposit_takes_its_amount_out_too():
    world = corrected(50)
    legs = (Leg(MAIN, "USD", 50 * U), Leg(Outside.WORLD, "USD", -50 * U))
    world.keeper.book(Entry(90, Cause.TRANSFER, legs, "d1"))
    assert (world.rows[0], world.open) == (10_050, 0)
    world.keeper.book(Entry(101, Cause.TRANSFER, legs, "d2"))
    assert (world.rows[0], world.open) == (10_100, 0)


def test_a_late_command_takes_the_equal_amount_out_and_no_other():
    world = corrected(50)
    world.command("adjust", 49, at=200)
    assert (world.rows[0], world.open) == (10_099, 50)
    world.command("adjust", 50, at=201)
    assert (world.rows[0], world.open) == (10_099, 0)
    world.command("adjust", 50, at=202)
    assert (world.rows[0], world.open) == (10_149, 0)


def test_hours_later_an_equal_amount_is_another_transfer():
    world = corrected(50)
    world.command("adjust", 50, at=100 + 61 * MINUTE)
    assert (world.rows[0], world.open) == (10_100, 50)


def test_what_was_told_by_a_command_may_be_missing_at_the_venue_until_the_deadline():
    world = allocated()
    world.command("adjust", 1000, at=10)
    assert world.rows[0] == 11_000
    assert world.report(10_000, at=60 * SECOND) == []
    assert world.report(10_000, at=119 * SECOND) == []
    assert kinds(world.report(10_000, at=121 * SECOND)) == ["Recheck"]
    assert kinds(world.report(10_000, at=122 * SECOND)) == ["correction", "warning"]
    assert world.rows[0] == 10_000
    assert kinds(world.report(11_000, at=300 * SECOND)) == ["Recheck"]  # it has come in the end
    world.report(11_000, at=301 * SECOND)
    assert (world.rows[0], world.open) == (11_000, 0)


def test_a_word_as_of_before_a_command_may_have_what_the_command_tells_of():
    world = allocated()
    world.command("adjust", 1000, at=50)
    assert world.report(11_000, at=40, now=60) == []  # the venue's time is that of its last change
    assert world.report(11_000, at=40, now=70) == []
    assert world.rows[0] == 11_000


def test_a_checkpoint_holds_what_is_open():
    world = corrected(-7)
    world.command("adjust", 1000, at=150)
    record = msgspec.msgpack.decode(msgspec.msgpack.encode([world.ledger.to_record(), world.statements.to_record()]))
    second = World()
    second.ledger = Ledger.from_record(record[0])
    second.accounts.ledger = second.ledger
    second.statements = Statements(second.accounts, Unexplained())
    second.statements.restore(record[1])
    second.keeper = Bookkeeper(second.ledger, second.statements, second.tape.append)
    assert second.statements.to_record() == world.statements.to_record()
    for one in (world, second):
        one.fill(-7, at=90)
        assert one.report(9993, at=200) == []
        assert (one.rows[0], one.open) == (10_993, 0)


@pytest.mark.parametrize("cause", [Cause.FUNDING, Cause.INTEREST, Cause.FEE])
def test_whatever_the_venue_tells_late_is_taken_out(cause):
    world = corrected(-2)
    legs = (Leg(3, "USD", -2 * U), Leg(Outside.FUNDING, "USD", 2 * U))
    world.keeper.book(Entry(80, cause, legs, "f"))
    assert world.rows == [9998, 5000, 2000, 2998]
