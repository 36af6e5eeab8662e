"""How a pause after refusals grows and shrinks, and for whom it holds."""

from __future__ import annotations

import pytest

from onetape.model.time import SECOND
from onetape.orders.budget import ANSWERS, ReadPause
from onetape.orders.calls import Purpose

NOW = 1_795_000_000 * SECOND


def refuse(pause: ReadPause, now: int, times: int) -> list[int]:
    """Each as soon as it may be asked again. How long the pauses were, in seconds."""
    found = []
    for _ in range(times):
        assert pause.refused(now, 0)
        found.append((pause.until - now) // SECOND)
        now = pause.until
    return found


def test_it_doubles_up_to_a_minute():
    assert refuse(ReadPause(), NOW, 6) == [5, 10, 20, 40, 60, 60]


def test_refusals_of_what_was_under_way_are_one():
    pause = ReadPause()
    assert pause.refused(NOW, 0)
    assert not pause.refused(NOW + SECOND, 0)
    assert pause.until == NOW + 5 * SECOND


def test_a_time_that_is_known_is_kept_to():
    pause = ReadPause()
    pause.refused(NOW, 90 * SECOND)
    assert pause.until == NOW + 90 * SECOND
    pause.refused(pause.until, 0)
    assert pause.until == NOW + 100 * SECOND


def test_answers_halve_it_until_it_is_gone():
    pause = ReadPause()
    refuse(pause, NOW, 3)
    lengths = []
    for _ in range(3):
        for _ in range(ANSWERS):
            pause.answered(Purpose.BALANCES, pause.until)
        lengths.append(pause.length // SECOND)
    assert lengths == [10, 5, 0]


def test_answers_to_orders_and_answers_under_way_say_nothing():
    pause = ReadPause()
    refuse(pause, NOW, 1)
    for _ in range(ANSWERS):
        pause.answered(Purpose.CANCEL, pause.until)
        pause.answered(Purpose.BALANCES, pause.until - 1)
    assert pause.length == 5 * SECOND


@pytest.mark.parametrize(
    ("purpose", "seconds"),
    [
        (Purpose.PLACE, 0),
        (Purpose.CANCEL, 0),
        (Purpose.DEAD_MAN, 0),
        (Purpose.TIME, 0),
        (Purpose.QUERY, 5),
        (Purpose.STREAM_KEY, 5),
        (Purpose.BALANCES, 6),
        (Purpose.OPEN_ORDERS, 6),
    ],
)
def test_when_it_opens(purpose, seconds):
    pause = ReadPause()
    assert pause.opens_at(purpose, NOW) == 0
    pause.refused(NOW, 0)
    opens = NOW + seconds * SECOND
    assert pause.opens_at(purpose, NOW) == (opens if seconds else 0)
    assert pause.opens_at(purpose, opens) == 0
