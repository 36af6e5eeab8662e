"""What must hold on a gateway's tape: it holds on those of all worlds, and each check fails on a tape without it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from onetape.model.enums import OrderNews, RequestKind
from onetape.model.home import gateway_journal
from onetape.simulation.seeds import Seed, play
from onetape.simulation.tape_checks import CHECKS, FoldedTape, problems, read_tape


@pytest.fixture(scope="module")
def path():
    """A tape of a gateway that was killed, with sub-accounts, denied orders and fills."""
    world = play(Seed("World", "binance-usdm", 9, 90).begun(), 90)
    yield gateway_journal(world.home.path, "main")


def first_of_a_robot(tape: FoldedTape, news: OrderNews) -> int:
    return next(at for at, (_, each) in enumerate(tape.news) if each.robot and each.news is news)


def without_a_request(tape: FoldedTape) -> None:
    _, news = tape.news[first_of_a_robot(tape, OrderNews.ACCEPTED)]
    key = news.robot, news.order_id
    tape.requests[:] = [(at, each) for at, each in tape.requests if (each.robot, each.order_id) != key]


def with_a_request_after_its_answer(tape: FoldedTape) -> None:
    _, news = tape.news[first_of_a_robot(tape, OrderNews.ACCEPTED)]
    key, last = (news.robot, news.order_id), tape.news[-1][0]
    for number, (at, each) in enumerate(tape.requests):
        if (each.robot, each.order_id) == key and each.kind is RequestKind.PLACE:
            tape.requests[number] = at + last, each


def with_news_of_a_denied_order(tape: FoldedTape) -> None:
    at, news = tape.news[first_of_a_robot(tape, OrderNews.DENIED)]
    tape.news.append((tape.news[-1][0] + at, news._replace(news=OrderNews.ACCEPTED)))


def with_a_fill_of_a_denied_order(tape: FoldedTape) -> None:
    at, news = tape.news[first_of_a_robot(tape, OrderNews.DENIED)]
    last, symbol, fill = tape.fills[-1]
    tape.fills.append((last + at, symbol, fill._replace(robot=news.robot, order_id=news.order_id, size=0)))


def with_a_fill_too_many(tape: FoldedTape) -> None:
    sizes = {(each.robot, each.order_id): each.spec.size_int for _, each in tape.requests}
    at, symbol, fill = next(each for each in tape.fills if (each[2].robot, each[2].order_id) in sizes)
    tape.fills.append((at, symbol, fill._replace(trade_id=1, size=sizes[fill.robot, fill.order_id])))


def with_a_unit_more(tape: FoldedTape) -> None:
    at, entry = tape.entries[-1]
    leg = entry.legs[0]
    tape.entries[-1] = at, entry._replace(legs=(leg._replace(amount=leg.amount + 1), *entry.legs[1:]))


def with_an_entry_twice(tape: FoldedTape) -> None:
    at, entry = next(each for each in tape.entries if each[1].reference)
    tape.entries.append((tape.entries[-1][0] + at, entry._replace(of=0)))


def with_a_fill_booked_twice(tape: FoldedTape) -> None:
    at, entry = next(each for each in tape.entries if each[1].of)
    tape.entries.append((tape.entries[-1][0] + at, entry._replace(reference="another")))


def with_an_entry_of_no_fill(tape: FoldedTape) -> None:
    at, entry = next(each for each in tape.entries if each[1].of)
    tape.entries[tape.entries.index((at, entry))] = at, entry._replace(of=tape.requests[0][0])


def with_a_fill_that_is_not_booked(tape: FoldedTape) -> None:
    tape.entries.remove([each for each in tape.entries if each[1].of][1])


def with_a_part_of_nobody(tape: FoldedTape) -> None:
    held = next(iter(tape.state.subaccounts.booking.positions.values()))
    held.qty += 1


def with_a_position_beside_the_fills(tape: FoldedTape) -> None:
    held = next(each for each in tape.state.held.values() if not each.terms.is_spot)
    held.qty += 1


BROKEN = {
    without_a_request: "requests_come_first",
    with_a_request_after_its_answer: "requests_come_first",
    with_news_of_a_denied_order: "refused_orders_stay_refused",
    with_a_fill_of_a_denied_order: "refused_orders_stay_refused",
    with_a_fill_too_many: "orders_are_filled_once",
    with_a_unit_more: "entries_add_up",
    with_an_entry_twice: "entries_are_booked_once",
    with_a_fill_booked_twice: "fills_are_booked_once",
    with_an_entry_of_no_fill: "fills_are_booked_once",
    with_a_fill_that_is_not_booked: "fills_are_booked_once",
    with_a_part_of_nobody: "parts_add_up",
    with_a_position_beside_the_fills: "parts_add_up",
}


def test_all_hold_on_a_killed_gateway_s_tape(path):
    assert problems(path) == []


@pytest.mark.parametrize("breaks", BROKEN, ids=lambda each: each.__name__)
def test_each_fails_without_it(path, breaks: Callable[[FoldedTape], None]):
    tape = read_tape(path)
    assert tape is not None
    breaks(tape)
    failed = {check.__name__ for check in CHECKS if list(check(tape))}
    assert BROKEN[breaks] in failed


def test_each_is_broken_here():
    assert set(BROKEN.values()) == {each.__name__ for each in CHECKS}
