"""Attempts to connect: however many processes of a home lose their connections, the venue's limit holds."""

from __future__ import annotations

import multiprocessing
import random
import time
from bisect import bisect_right

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetape.feeds.connect_pace import Bucket, ConnectPace, pace_file
from onetape.feeds.request_budget import budget_file
from onetape.model.time import SECOND
from onetape.net.connection import reconnect_after
from onetape.orders.budget import BudgetRule
from onetape.venues.contract import Addresses
from onetape.venues.open import open_trading_venue

BINANCE = BudgetRule(300 * SECOND, 300, "")
KRAKEN = BudgetRule(600 * SECOND, 150, "")


def most_in(times: list[int], window: int) -> int:
    return max(bisect_right(times, at + window - 1) - n for n, at in enumerate(times))


@given(st.sampled_from([BINANCE, KRAKEN]), st.lists(st.integers(0, 20 * SECOND), max_size=800), st.booleans())
def test_no_window_wherever_it_begins_has_more_than_is_allowed(rule, pauses, is_needed):
    bucket, full_at, now, made = Bucket.of(rule), 0, 10**15, []
    for pause in pauses:
        now += pause
        full_at, wait = bucket.take(full_at, now, is_needed=is_needed)
        if not wait:
            made.append(now)
    assert not made or most_in(made, rule.window) <= rule.most


@pytest.mark.parametrize("rule", [BINANCE, KRAKEN])
def test_a_storm_of_reconnects_stays_within_and_ends_with_everyone_connected(rule):
    """400 streams of several processes are lost at one moment and refused at random for an hour."""
    chance, bucket, full_at = random.Random(5), Bucket.of(rule), 0
    due = [(10**15, 0) for _ in range(400)]  # when each tries again, and how often it has failed
    made, connected, needed_waited = [], 0, 0
    while due:
        due.sort()
        now, failures = due.pop(0)
        is_needed = len(due) % 100 == 0
        full_at, wait = bucket.take(full_at, now, is_needed=is_needed)
        if wait:
            needed_waited += is_needed
            due.append((now + wait + chance.randrange(SECOND // 2), failures))
            continue
        made.append(now)
        if now < 10**15 + 3600 * SECOND and chance.random() < 0.5:
            pause = reconnect_after(failures) * chance.uniform(0.5, 1.0)
            due.append((now + int(pause * SECOND), failures + 1))
        else:
            connected += 1
    assert connected == 400 and most_in(made, rule.window) <= rule.most
    span = made[-1] - made[0]
    assert len(made) >= 0.55 * rule.most * span / rule.window  # and is used


@pytest.mark.parametrize("rule", [BINANCE, KRAKEN])
def test_many_may_connect_at_once_and_a_window_is_nearly_used_up(rule):
    """Lower bounds: a pace that lets one connect after the other holds all the upper ones."""
    bucket, full_at, began = Bucket.of(rule), 0, 10**15
    now, made = began, []
    while now < began + rule.window:
        full_at, wait = bucket.take(full_at, now, is_needed=True)
        if not wait:
            made.append(now)
        now += wait
    assert made.count(began) >= 0.3 * rule.most
    assert 0.9 * rule.most <= len(made) <= rule.most


def test_what_trading_needs_finds_room_that_a_storm_leaves():
    bucket, full_at, now = Bucket.of(BINANCE), 0, 10**15
    while True:
        full_at, wait = bucket.take(full_at, now, is_needed=False)
        if wait:
            break
    left = 0
    while not bucket.take(full_at, now, is_needed=True)[1]:
        full_at, _ = bucket.take(full_at, now, is_needed=True)
        left += 1
    assert left == bucket.burst // 4


def test_a_moment_of_another_boot_holds_nobody_for_longer_than_an_empty_bucket():
    bucket = Bucket.of(BINANCE)
    _, wait = bucket.take(10**18, 10**12, is_needed=True)
    assert 0 < wait <= bucket.step


def _storm(path, rule, until, out) -> None:
    pace = ConnectPace(path, rule)
    while (now := time.monotonic_ns()) < until:
        wait = pace.take(now)
        if not wait:
            out.put(now)
        time.sleep(min(wait, 20_000_000) / SECOND * random.random())
    pace.close()
    out.put(None)


def test_processes_of_a_home_share_one_limit(tmp_path):
    rule = BudgetRule(SECOND, 60, "")
    path = pace_file(budget_file(tmp_path, "http://127.0.0.1:1"))
    context = multiprocessing.get_context("fork")
    out, until = context.Queue(), time.monotonic_ns() + 3 * SECOND
    workers = [context.Process(target=_storm, args=(path, rule, until, out)) for _ in range(3)]
    for each in workers:
        each.start()
    made, ended = [], 0
    while ended < len(workers):
        found = out.get()
        ended, made = (ended + 1, made) if found is None else (ended, [*made, found])
    for each in workers:
        each.join()
    made.sort()
    # Each reads its clock before it has the file: an attempt may lie behind another by as much as that takes.
    assert len(made) > Bucket.of(rule).burst and most_in(made, rule.window * 9 // 10) <= rule.most


@pytest.mark.parametrize(("kind", "expected"), [("binance-usdm", BINANCE), ("kraken", KRAKEN)])
def test_venues_say_how_often_they_may_be_connected_to(kind, expected):
    assert open_trading_venue(kind, "", "", Addresses("", "ws://127.0.0.1:1", "")).connects == expected
