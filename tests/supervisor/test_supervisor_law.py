"""When processes start, come back, are given up and stop: tables of what is told and done."""

from __future__ import annotations

from collections import deque

import pytest

from onetape.model.errors import BY_NAME
from onetape.supervisor.restart_rules import (
    FAULTS_MAX,
    FAULTS_S,
    PASSING,
    PERMANENT,
    SILENT_S,
    START_WITHIN_S,
    STOP_WITHIN_S,
    STORM_MAX,
    STORM_S,
    Bounds,
    Child,
    Do,
    Law,
    State,
    Step,
)

VENUE, GATEWAY, ROBOT = "venue:x", "gateway:main", "robot:mm"


def law() -> Law:
    return Law([Child(VENUE, "venue"), Child(GATEWAY, "gateway", (VENUE,)), Child(ROBOT, "robot", (GATEWAY,))])


def running(now: float = 0.0) -> Law:
    made = law()
    for name in (VENUE, GATEWAY, ROBOT):
        assert made.step(now) == [(Do.START, name)]
        made.ready(name, now)
    return made


def states(made: Law) -> list[str]:
    return [str(unit.state) for unit in made.units.values()]


def test_each_starts_when_what_it_needs_runs():
    made = law()
    assert made.step(0) == [(Do.START, VENUE)]
    assert states(made) == ["starting", "waiting", "waiting"]
    assert made.units[GATEWAY].reason == "waits for venue:x (starting)"
    assert made.step(1) == []
    made.ready(VENUE, 1)
    assert made.step(1) == [(Do.START, GATEWAY)]
    assert not made.is_settled
    made.ready(GATEWAY, 2)
    assert made.step(2) == [(Do.START, ROBOT)]
    made.ready(ROBOT, 3)
    assert made.is_settled
    assert made.step(100) == []


def test_the_first_end_costs_no_time_and_the_next_ones_do():
    made = running()
    starts = []
    now = 0.0
    made.ended(ROBOT, now, -9)
    while len(starts) < 4:
        if made.step(now) == [(Do.START, ROBOT)]:
            starts.append(round(now, 2))
            made.ready(ROBOT, now)
            made.ended(ROBOT, now, -9)
        now += 0.01
    assert starts == [0.0, 0.2, 0.7, 1.7]
    assert made.units[ROBOT].restarts == 4


def test_too_many_ends_within_a_minute_and_it_is_given_up():
    made = running()
    now = 0.0
    for _ in range(STORM_MAX - 1):
        made.ended(GATEWAY, now, 1, "no")
        now += 5
        assert made.step(now) == [(Do.START, GATEWAY)]
        made.ready(GATEWAY, now)
    made.ended(GATEWAY, now, 1, "no")
    unit = made.units[GATEWAY]
    assert unit.state is State.FAILED
    assert unit.reason == f"ended {STORM_MAX} times within 60 s, at last: no"
    assert made.step(now + 1000) == []
    assert made.is_settled
    assert made.restart(GATEWAY, now) == []
    assert made.step(now) == [(Do.START, GATEWAY)]


def test_what_cannot_reach_its_venue_tries_on():
    made = law()
    made.step(0)
    made.ready(VENUE, 0)
    made.step(0)
    for at in range(1, 100):
        made.ended(GATEWAY, at * 5.1, 6, "error VENUE_UNAVAILABLE(4402)")
        assert made.units[GATEWAY].state is State.BACKOFF
        assert made.step((at + 1) * 5.1) == [(Do.START, GATEWAY)]
        assert made.units[GATEWAY].why == "its last try ended: error VENUE_UNAVAILABLE(4402)"
    assert not made.is_settled
    made.ready(GATEWAY, 600)
    assert made.units[GATEWAY].why == ""


def refused_at_its_start(name: str, code: int, times: int) -> str:
    """The state of a gateway whose starts have ended so."""
    made = law()
    made.step(0)
    made.ready(VENUE, 0)
    now = 0.0
    for _ in range(times):
        assert made.step(now) == [(Do.START, GATEWAY)]
        made.ended(GATEWAY, now, code, f"error {name}({BY_NAME[name].code}): no")
        now += 5.1
        if made.units[GATEWAY].state is State.FAILED:
            break
    return str(made.units[GATEWAY].state) + ("" if now > 6 else " at once")


# What ends no process says nothing here; "": it may be either, and is tried as often as others.
OF_ORDERS = range(4101, 4200)
OF_BOTH = {
    "DELTA_DEVIATION_EXCEEDED", "HEDGE_FAILED", "BLOCKED_BY_RISK_ALERT", "INSUFFICIENT_FUNDS",
    "FUNDS_LOCKED", "POSITION_LIMIT", "LOSS_HALT", "STALE_DATA", "KILLED", "PRICE_BAND",
    "ORDER_RATE", "HALTED_ACCOUNT", "NO_GUARDIAN", "NOT_PROTECTED", "TRADING_STOPPED",
    "STRATEGY_ERROR", "DUPLICATE_COMMAND",
    "INVARIANT_VIOLATION",
}  # fmt: skip


def test_every_error_is_permanent_or_passing_or_neither():
    of_orders = {name for name, kind in BY_NAME.items() if kind.code in OF_ORDERS}
    groups = (PERMANENT, PASSING, OF_BOTH, of_orders)
    assert set().union(*groups) == set(BY_NAME)
    assert sum(map(len, groups)) == len(BY_NAME)


@pytest.mark.parametrize("name", sorted(PERMANENT))
def test_what_will_not_pass_is_tried_once(name):
    assert refused_at_its_start(name, BY_NAME[name].exit_code, 2) == "failed at once"


@pytest.mark.parametrize("name", sorted(PASSING))
def test_what_passes_is_never_given_up(name):
    assert refused_at_its_start(name, BY_NAME[name].exit_code, 3 * STORM_MAX) == "backoff"


@pytest.mark.parametrize("code", [2, 3, 5])
def test_without_a_name_the_exit_code_decides(code):
    made = law()
    made.step(0)
    made.ready(VENUE, 0)
    made.step(0)
    made.ended(GATEWAY, 1, code, "a traceback")
    assert made.units[GATEWAY].state is State.FAILED


def test_a_robot_whose_strategy_failed_stays_away():
    made = running()
    made.ended(ROBOT, 1, 4, "error STRATEGY_ERROR(4603)")
    assert made.units[ROBOT].state is State.FAILED
    assert made.step(100) == []


def test_ends_that_are_far_apart_are_no_storm():
    made = running()
    for at in range(30):
        now = at * STORM_S
        made.ended(VENUE, now, -9)
        assert made.step(now) == [(Do.START, VENUE)]
        made.ready(VENUE, now)
    assert made.units[VENUE].restarts == 30


def test_a_wrong_configuration_is_not_tried_again_and_its_dependents_say_why():
    made = law()
    made.step(0)
    made.ready(VENUE, 0)
    made.step(0)
    made.ended(GATEWAY, 1, 2, "error BAD_CONFIG(4602): no key")
    assert made.step(100) == []
    assert states(made) == ["running", "failed", "waiting"]
    assert made.units[GATEWAY].reason == "error BAD_CONFIG(4602): no key"
    assert made.units[ROBOT].reason == "waits for gateway:main (failed)"
    assert made.is_settled


def test_dependents_run_on_while_what_they_need_comes_back():
    made = running()
    made.ended(VENUE, 1, -9)
    assert made.step(1) == [(Do.START, VENUE)]
    made.ended(ROBOT, 1, -9)
    assert made.step(1) == [(Do.START, ROBOT)]
    made.ended(GATEWAY, 1, -9)
    assert made.step(1) == []
    assert made.units[GATEWAY].reason == "waits for venue:x (starting)"


def test_one_that_does_not_become_ready_is_killed():
    made = law()
    made.step(0)
    assert made.step(START_WITHIN_S) == []
    assert made.step(START_WITHIN_S + 1) == [(Do.KILL, VENUE)]
    made.ended(VENUE, START_WITHIN_S + 1, -9)
    assert made.units[VENUE].reason == "not ready within 30 s"


def test_one_without_a_heartbeat_is_killed_and_comes_back():
    made = running()
    assert made.silent(GATEWAY, SILENT_S) == []
    assert made.silent(GATEWAY, SILENT_S + 0.1) == [(Do.KILL, GATEWAY)]
    made.ended(GATEWAY, 1, -9)
    assert made.units[GATEWAY].reason == f"no heartbeat for {SILENT_S + 0.1:.1f} s"
    assert made.step(1) == [(Do.START, GATEWAY)]


def test_all_stop_in_reverse_order_and_one_that_does_not_is_killed():
    made = running()
    made.stop_all()
    assert made.step(10) == [(Do.STOP, ROBOT)]
    assert made.step(11) == []
    made.ended(ROBOT, 11, 0)
    assert made.step(11) == [(Do.STOP, GATEWAY)]
    assert made.step(11 + STOP_WITHIN_S + 0.1) == [(Do.KILL, GATEWAY)]
    made.ended(GATEWAY, 30, -9)
    assert made.step(30) == [(Do.STOP, VENUE)]
    assert not made.is_down
    made.ended(VENUE, 30, 0)
    assert made.is_down
    assert states(made) == ["stopped"] * 3


def test_a_recorder_ends_after_the_gateways_that_end_with_it_and_alone_at_once():
    """What gateways and robots do last is in the records."""
    recorder = Child("recorder", "recorder", ends_after="gateway")
    made = Law([recorder, Child(GATEWAY, "gateway"), Child(ROBOT, "robot", (GATEWAY,))])
    for now, name in enumerate(("recorder", GATEWAY, ROBOT)):
        made.step(now)
        made.ready(name, now)
    made.stop("recorder")
    assert made.step(10) == [(Do.STOP, "recorder")]
    made.ended("recorder", 10, 0)
    made.add(recorder)
    made.step(11)
    made.ready("recorder", 11)
    made.stop_all()
    order = []
    for now in range(12, 16):
        for _, name in made.step(now):
            order.append(name)
            made.ended(name, now, 0)
    assert order == [ROBOT, GATEWAY, "recorder"] and made.is_down


def test_what_has_not_started_yet_is_stopped_without_a_signal():
    made = law()
    made.step(0)
    made.stop_all()
    assert made.step(1) == [(Do.STOP, VENUE)]
    assert states(made) == ["stopping", "stopped", "stopped"]


def test_a_restart_stops_first_and_is_no_storm():
    made = running()
    for at in range(1, 20):
        assert made.restart(ROBOT, at) == [(Do.STOP, ROBOT)]
        made.ended(ROBOT, at, 0)
        assert made.step(at) == [(Do.START, ROBOT)]
        made.ready(ROBOT, at)
    assert made.units[ROBOT].restarts == 19


def test_one_that_ends_without_being_asked_to_has_failed_whatever_its_exit_status():
    made = running()
    made.ended(ROBOT, 1, 0)
    assert made.units[ROBOT].reason == "ended without a request"
    assert made.step(1) == [(Do.START, ROBOT)]
    assert made.units[ROBOT].restarts == 1


def test_an_adopted_one_goes_on_where_it_stands():
    made = law()
    made.adopted(VENUE, 0, ready=True, restarts=2)
    made.adopted(GATEWAY, 0, ready=False, restarts=0)
    assert made.step(0) == []
    made.ready(GATEWAY, 1)
    assert made.step(1) == [(Do.START, ROBOT)]
    assert made.units[VENUE].restarts == 2
    made.ended(VENUE, 2, None)
    assert made.units[VENUE].reason == "ended while no supervisor looked after it"
    assert made.step(2) == [(Do.START, VENUE)]
    assert made.units[VENUE].restarts == 3


def bounded(**bounds) -> Law:
    made = Law([Child(ROBOT, "robot", (), Bounds(**bounds))])
    made.step(0)
    made.ready(ROBOT, 0)
    return made


def test_one_that_does_not_come_on_is_ended_once_and_started_again():
    made = bounded(stuck_after=20.0)
    assert made.stuck(ROBOT, 30, 20.0) == []
    assert made.stuck(ROBOT, 30, 20.1) == [(Do.KILL, ROBOT)]
    assert made.stuck(ROBOT, 30, 20.2) == []  # it is on its way
    made.tells(ROBOT, "all is well")  # what it has said before
    made.ended(ROBOT, 30, -9, "a line of its log")
    assert made.units[ROBOT].reason == "a callback did not return for 20 s (stuck_after)"
    assert made.step(30) == [(Do.START, ROBOT)]
    assert made.stuck(ROBOT, 31, 99) == []  # it only starts


@pytest.mark.parametrize(
    ("code", "said", "reason"),
    [
        (-9, "", "ended by signal 9"),
        (-9, "a line of its log", "ended by signal 9, its last report: a line of its log"),
        (1, "", "ended with exit code 1"),
        (1, "error BAD_INPUT(4501): no", "error BAD_INPUT(4501): no"),
    ],
)
def test_a_signal_is_named_whatever_the_process_has_said_before(code, said, reason):
    made = running()
    made.ended(ROBOT, 1, code, said)
    assert made.units[ROBOT].reason == reason


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (-15, "ended by signal 15, its last report: waits for the market"),
        (0, "ended without a request, its last report: waits for the market"),
        (None, "ended while no supervisor looked after it, its last report: waits for the market"),
        (1, "waits for the market"),
    ],
)
def test_what_a_process_has_said_of_itself_is_no_reason_for_its_end_by_a_signal(code, reason):
    made = running()
    made.tells(ROBOT, "waits for the market")
    made.ended(ROBOT, 1, code)
    assert (made.units[ROBOT].reason, made.units[ROBOT].last_end) == (reason, reason)


def test_an_error_that_a_process_has_logged_decides_nothing_about_its_end_by_a_signal():
    """One that crashes again and again is given up, whatever passes by itself it had to do with before."""
    made = law()
    made.step(0)
    made.ended(VENUE, 1, -11, "error BAD_CONFIG(4602): of another file")
    assert str(made.units[VENUE].state) == "backoff"
    made = running()
    for _ in range(STORM_MAX):
        made.ended(VENUE, 1, -11, "error VENUE_UNAVAILABLE(4402): no answer")
        made.step(made.units[VENUE].retry_at)
        made.ready(VENUE, 1)
    assert str(made.units[VENUE].state) == "failed"


def test_one_that_is_killed_while_it_waits_for_what_passes_is_tried_on():
    made = law()
    made.step(0)
    made.tells(VENUE, "error VENUE_UNAVAILABLE(4402): no answer")
    for _ in range(2 * STORM_MAX):
        now = made.units[VENUE].since + START_WITHIN_S + 1
        assert made.step(now) == [(Do.KILL, VENUE)]
        made.ended(VENUE, now, -9, "a line of its log")
        assert made.units[VENUE].reason == "error VENUE_UNAVAILABLE(4402): no answer"
        made.step(made.units[VENUE].retry_at)
        made.tells(VENUE, "error VENUE_UNAVAILABLE(4402): no answer")


def test_one_that_takes_too_much_memory_is_ended_with_the_reason():
    made = bounded(memory_max=500_000_000)
    assert made.heavy(ROBOT, 1, 500_000_000) == []
    assert made.heavy(ROBOT, 1, 510_000_000) == [(Do.KILL, ROBOT)]
    made.ended(ROBOT, 1, -9)
    assert made.units[ROBOT].reason == "took 510 MB of memory, memory_max is 500 MB"
    assert made.step(1) == [(Do.START, ROBOT)]


def test_bounds_that_are_not_there_bind_nobody():
    made = bounded()
    assert made.stuck(ROBOT, 1, 1e9) == []
    assert made.heavy(ROBOT, 1, 1 << 50) == []


def go_beyond(made: Law, now: float) -> str:
    assert made.heavy(ROBOT, now, 2) == [(Do.KILL, ROBOT)]
    made.ended(ROBOT, now, -9)
    if made.step(now + 1):
        made.ready(ROBOT, now + 1)
    return str(made.units[ROBOT].state)


def test_the_third_time_within_ten_minutes_it_stays_away():
    made = bounded(memory_max=1)
    times = [100.0 * at for at in range(1, FAULTS_MAX + 1)]
    assert [go_beyond(made, at) for at in times] == ["running", "running", "failed"]
    assert made.is_settled
    assert "memory_max" in made.units[ROBOT].reason
    # Somebody has looked: it begins anew.
    made.restart(ROBOT, 1000)
    assert made.step(1000) == [(Do.START, ROBOT)]
    made.ready(ROBOT, 1000)
    assert go_beyond(made, 1001) == "running"


def test_seldom_is_not_too_often():
    made = bounded(memory_max=1)
    assert {go_beyond(made, at * FAULTS_S) for at in range(1, 9)} == {"running"}


def test_one_that_must_not_be_stuck_stays_away_at_once():
    made = bounded(stuck_after=1.0, stuck_is_final=True)
    made.stuck(ROBOT, 5, 2.0)
    made.ended(ROBOT, 5, -9)
    assert states(made) == ["failed"]


def test_what_a_process_says_of_itself_is_its_reason_while_it_starts_and_runs():
    made = law()
    made.step(0)
    made.tells(VENUE, "waits for the market")
    assert made.units[VENUE].reason == "waits for the market"
    made.ready(VENUE, 1)
    assert made.units[VENUE].reason == ""
    made = running()
    made.tells(ROBOT, "halted: no")
    assert made.units[ROBOT].reason == "halted: no"
    made.restart(ROBOT, 1)
    made.tells(ROBOT, "halted: no")
    assert made.units[ROBOT].reason == "restart requested"


def test_a_restart_whose_process_does_not_stop_is_killed_and_starts_again():
    made = running()
    assert made.restart(ROBOT, 10) == [(Do.STOP, ROBOT)]
    assert made.step(10 + STOP_WITHIN_S) == []
    assert made.step(10 + STOP_WITHIN_S + 1) == [(Do.KILL, ROBOT)]
    assert made.step(11 + STOP_WITHIN_S) == []
    assert made.step(12 + 2 * STOP_WITHIN_S) == [(Do.KILL, ROBOT)]  # it was not enough
    made.ended(ROBOT, 60, 1, "in the middle of it")
    unit = made.units[ROBOT]
    assert (unit.state, list(unit.ends)) == (State.WAITING, [])  # no storm
    assert made.step(60) == [(Do.START, ROBOT)]


def test_one_that_is_killed_and_does_not_end_is_killed_again():
    made = law()
    made.step(0)
    late = START_WITHIN_S + 1
    assert made.step(late) == [(Do.KILL, VENUE)]
    assert made.step(late + START_WITHIN_S) == []
    assert made.step(2 * late + 1) == [(Do.KILL, VENUE)]


def test_what_another_program_hinders_is_tried_on_and_not_waited_for():
    made = law()
    made.step(0)
    for at in range(1, 20):
        made.ended(VENUE, at * 5.1, 6, "error PROCESS_DOWN(4606): cannot listen on 127.0.0.1:1")
        assert made.is_settled == (at > 1)
        assert made.step((at + 1) * 5.1)[0] == (Do.START, VENUE)
        assert not made.is_settled  # this try may succeed
    made.ready(VENUE, 600)
    made.step(600)
    assert not made.is_settled


def test_a_database_that_comes_late_is_waited_for():
    made = law()
    made.step(0)
    for at in range(1, 5):
        made.ended(VENUE, at * 5.1, 6, "error PROCESS_DOWN(4606): the records' database does not answer")
        assert not made.is_settled
        made.step((at + 1) * 5.1)


def test_what_ran_and_ends_as_a_wrong_configuration_does_is_started_again():
    made = running()
    made.ended(GATEWAY, 1, 2, "error BAD_CONFIG(4602)")
    assert made.units[GATEWAY].state is State.BACKOFF
    assert made.step(1) == [(Do.START, GATEWAY)]


def test_one_that_is_being_stopped_starts_again_when_that_is_asked_for():
    made = running()
    made.stop(ROBOT)
    assert made.step(1) == [(Do.STOP, ROBOT)]
    assert made.restart(ROBOT, 2) == []
    made.ended(ROBOT, 3, 0)
    assert made.step(3) == [(Do.START, ROBOT)]
    assert made.units[ROBOT].ends == deque()


def test_one_that_was_given_up_for_its_bounds_begins_anew_when_it_is_asked_for():
    made = Law([Child(VENUE, "venue", (), Bounds(memory_max=10))])
    now = 0.0
    for _ in range(FAULTS_MAX):
        made.step(now)
        made.ready(VENUE, now)
        made.heavy(VENUE, now, 11)
        made.ended(VENUE, now, -9)
        now += 30
    assert made.units[VENUE].state is State.FAILED
    made.restart(VENUE, now)
    assert made.step(now) == [(Do.START, VENUE)]
    made.ready(VENUE, now)
    made.ended(VENUE, now, 1)
    assert made.units[VENUE].state is State.BACKOFF


def test_what_is_held_waits_and_says_why():
    made = law()
    made.add(Child("robot:late", "robot"), held="its account is paused")
    assert (Do.START, "robot:late") not in made.step(0)
    assert made.units["robot:late"].reason == "its account is paused"
    made.units["robot:late"].held = ""
    assert (Do.START, "robot:late") in made.step(1)


def test_nothing_starts_on_a_full_disk_until_there_is_room():
    made = law()
    made.lacks_room = "waits for room on the disk"
    assert made.step(0) == []
    assert {unit.reason for unit in made.units.values()} == {"waits for room on the disk"}
    made.lacks_room = ""
    assert Step(Do.START, VENUE) in made.step(1)


def test_what_waits_for_what_was_stopped_is_settled():
    made = law()
    made.step(0)
    made.ready(VENUE, 0)
    made.stop(GATEWAY)
    made.step(1)
    assert made.units[GATEWAY].state is State.STOPPED
    assert made.units[ROBOT].state is State.WAITING
    assert made.is_settled
