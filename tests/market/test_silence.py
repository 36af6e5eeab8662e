"""When a stream has fallen silent: by its own rhythm, on attended time alone."""

from __future__ import annotations

import random

import pytest

from onetape.market.silence import FLOOR, STEP_MAX, UNLEARNED, Attention, Rhythm, SilenceWatch
from onetape.model.time import HOUR, MS, SECOND

TICK = 20 * MS


def regular(gap: float):
    return lambda rng: gap


def at_random(mean: float):
    return lambda rng: rng.expovariate(1 / mean)


def bursts(rng: random.Random) -> float:
    """Ten at once, then nothing for a while."""
    return 0.02 if rng.random() < 0.9 else rng.uniform(5, 15)


def heard(watch: SilenceWatch, gaps, seconds: float, now: int = 0, seed: int = 1) -> tuple:
    """(now, silences) after so long, looked at as a gateway does."""
    rng = random.Random(seed)
    end, silences, due = now + int(seconds * SECOND), 0, now
    while now < end:
        if due <= now:
            watch.heard("s", now)
            while due <= now:
                due += int(gaps(rng) * SECOND)
        silences += len(watch.look(now))
        now += TICK
    return now, silences


def until_silent(watch: SilenceWatch, now: int) -> int:
    """After its last word, ns."""
    while not (changes := watch.look(now)):
        now += TICK
    return now - changes[0].since


@pytest.mark.parametrize(
    ("gaps", "seconds", "silent_after"),
    [
        (regular(0.02), 30, (1.4, 1.6)),
        (at_random(0.05), 60, (1.4, 1.6)),
        (at_random(0.1), 60, (1.4, 2.0)),
        (regular(1.0), 300, (1.4, 2.0)),
        (at_random(1.0), 600, (8, 30)),
        (regular(30.0), 4 * 3600, (31, 90)),
        (at_random(30.0), 8 * 3600, (200, 900)),
    ],
)
def test_a_stream_is_silent_after_what_is_unusual_for_it(gaps, seconds, silent_after):
    watch = SilenceWatch()
    now, silences = heard(watch, gaps, seconds)
    assert silences == 0
    least, most = silent_after
    assert least <= until_silent(watch, now) / SECOND <= most + 0.02


@pytest.mark.parametrize("mean", [0.05, 0.2, 0.5, 3.0, 30.0])
@pytest.mark.parametrize("seed", range(4))
def test_a_flow_at_random_is_never_silent(mean, seed):
    _, silences = heard(SilenceWatch(), at_random(mean), min(20_000 * mean, 7200), seed=seed)
    assert silences == 0


def test_before_a_rhythm_is_known_nothing_is_unusual_for_long():
    watch = SilenceWatch()
    watch.heard("s", 0)
    assert until_silent(watch, 0) > UNLEARNED
    watch = SilenceWatch()
    assert watch.look(HOUR) == []  # what has never spoken is not expected


def test_what_the_venue_promises_need_not_be_learned():
    watch = SilenceWatch()
    watch.expect("s", 0, SECOND)
    assert until_silent(watch, 0) <= 1.8 * SECOND
    watch = SilenceWatch()
    watch.expect("s", 0, 0)
    assert until_silent(watch, 0) > UNLEARNED
    watch = SilenceWatch()
    now, _ = heard(watch, regular(0.1), 60)
    watch.expect("s", now, 0)  # another connection of it
    assert until_silent(watch, now) <= 1.8 * SECOND


def test_it_ends_with_the_next_word_and_says_since_when():
    watch = SilenceWatch()
    now, _ = heard(watch, regular(0.1), 60)
    last = watch._rhythms["s"].last
    (change,) = watch.look(now + 5 * SECOND)
    assert change == ("s", True, last)
    assert watch.look(now + 6 * SECOND) == []  # said once
    assert watch.heard("s", now + 7 * SECOND) == ("s", False, last)
    assert watch.silent == {}


def test_bursts_are_learned():
    watch = SilenceWatch()
    now, first = heard(watch, bursts, 300)
    assert first < 5
    now, later = heard(watch, bursts, 3600, now)
    assert later == 0
    assert 15 <= until_silent(watch, now) / SECOND < 90


def test_a_market_that_becomes_quiet_is_learned():
    watch = SilenceWatch()
    now, _ = heard(watch, at_random(0.1), 60)
    now, first = heard(watch, regular(30.0), 900, now)
    assert 0 < first < 15
    _, later = heard(watch, regular(30.0), 3600, now)
    assert later == 0


def test_after_a_breakdown_the_limit_is_soon_what_it_was():
    watch = SilenceWatch()
    now, _ = heard(watch, at_random(0.05), 60)
    watch.look(now + 600 * SECOND)
    now, _ = heard(watch, at_random(0.05), 30, now + 600 * SECOND)
    assert until_silent(watch, now) <= 2 * SECOND


def test_a_limit_is_never_below_the_floor():
    rhythm = Rhythm(0)
    for n in range(10_000):
        rhythm.heard(n)
    assert rhythm.limit == FLOOR


def test_a_process_that_stood_still_has_attended_nothing():
    attention = Attention()
    steady = 10 * SECOND
    assert attention.look(steady) == 0 and attention.now == 0
    for _ in range(100):
        steady += TICK
        assert attention.look(steady) == 0
    assert attention.now == 100 * TICK
    steady += 30 * SECOND  # SIGSTOP
    assert attention.look(steady) == 30 * SECOND
    assert attention.now == 100 * TICK + STEP_MAX
    assert (attention.stalls, attention.longest) == (1, 30 * SECOND)


def test_who_stood_still_takes_nothing_for_silent():
    watch, attention, steady = SilenceWatch(), Attention(), 0
    for n in range(3000):
        attention.look(steady)
        if n % 5 == 0:
            watch.heard("s", attention.now)
        steady += TICK
    for _ in range(10):
        steady += 30 * SECOND
        attention.look(steady)
        assert watch.look(attention.now) == []
        watch.heard("s", attention.now)  # what had been sent meanwhile
