"""A gateway's journal written and read again: the next life knows what the last one did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from accounts.booking_world import INSTRUMENTS
from onetape.accounts.entries import MAIN
from onetape.accounts.kept_money import KeptMoney
from onetape.gateway.checkpoint import Recovered, recover
from onetape.model import catalogue
from onetape.model.enums import Liquidity, OrderNews, OrderState, PositionSide, RequestKind, Side
from onetape.model.ids import EPOCH_MAX, epoch_of, is_past_gateway, next_by_hand
from onetape.model.order import OrderSpec
from onetape.model.request_key import RequestKey
from onetape.orders import order_frames
from onetape.orders.books import OPENING
from onetape.orders.managed import (
    AccountOut,
    CycleOut,
    FillOut,
    HealthOut,
    IntentOut,
    NewsOut,
    Request,
    TakenOut,
    requested_order,
)
from onetape.orders.reports import INTERNAL_TRADES, FillReport
from onetape.projections.gateway_state import GatewayState
from onetape.projections.recovered_orders import RecoveredOrders
from onetape.projections.robot_life import RobotLife
from onetape.tape.journal import JournalReader, JournalWriter
from worlds.gateway_money import options_of
from worlds.gateway_tapes import first_tape, manager_of

SYMBOL = "binance:BTC/USDT:USDT"
BTC = catalogue.find(SYMBOL)
NOW = 1_795_000_000 * 10**9
BOTH = PositionSide.BOTH


class Desk:
    """A tape with a robot on it; `again` is what the next life makes of it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.writer = JournalWriter(home / "tape", durable=False)
        self.tape = first_tape(self.writer, [BTC])
        self.tape.open(NOW)
        for number in (1, 2):
            life = RobotLife(number, f"robot-{number}", 3, "", slot=number + 1, taken=5, rate=9)
            self.tape.attach(life, NOW)
        self.read: Recovered

    def order(self, number: int = 1, *, robot: int = 1, once: RequestKey | None = None):
        spec = OrderSpec(symbol=SYMBOL, side=Side.BUY, size_int=10, price_int=600_000, once=once)
        life = self.tape.robots[robot]
        order_id = life.base + number
        request = Request(robot, RequestKind.PLACE, order_id, spec)
        return requested_order(life.client_id(order_id), request, NOW)

    def say(self, *outs: Any) -> list[int]:
        return [self.tape.write(out, NOW) for out in outs]

    def place(self, order, **more: Any) -> None:
        self.say(IntentOut(order, RequestKind.PLACE, 600_000, 10, **more))

    def news(self, order, news: OrderNews, state: OrderState, **more: Any) -> None:
        self.say(NewsOut(order, news, state, NOW, **more))

    def frames(self, *types: str) -> list[Any]:
        with JournalReader(self.home / "tape") as reader:
            return list(reader.frames(types))

    def reopened(self) -> GatewayState:
        self.writer.close()
        kept = KeptMoney(options_of(self.home), {**INSTRUMENTS, SYMBOL: BTC}, {}, lambda currency: 0)
        self.read = recover(self.home / "tape", self.home / "none", manager_of(BTC).account, kept)
        return self.read.state

    @property
    def orders(self) -> RecoveredOrders:
        return self.read.state.orders

    def recovered(self, order):
        return self.orders.account.orders[order.client_id]

    def waiting(self) -> FillReport:
        """The newest fill that the next life read, as it is to be booked."""
        return self.read.account._report_of(
            order_frames.fill_of(self.frames("fill")[-1].payload),
            SYMBOL,
            self.read.account.robots.get(1),
            is_forced=False,
        )

    def fill(self, order, *, trade: int = 7, venue_id: str = "77", currency: str = "USDT"):
        return FillReport(
            SYMBOL, order.client_id, venue_id, trade, Side.BUY, BOTH, 600_000, 4, NOW, 3, currency, Liquidity.MAKER
        )


@pytest.fixture
def desk(tmp_path) -> Desk:
    return Desk(tmp_path)


def test_robots_are_known_with_their_sub_accounts_and_how_far_they_were_taken(desk):
    desk.say(TakenOut(1, 6, 8, NOW))
    desk.reopened()
    robots = desk.read.account.robots
    assert [(r.name, r.epoch, r.slot, r.rate) for r in robots.values()] == [("robot-1", 3, 2, 9), ("robot-2", 3, 3, 9)]
    assert [r.taken for r in robots.values()] == [8, 5]


def test_ids_by_hand_go_on_after_those_of_the_life_before_and_are_none_of_a_guardian_s(desk):
    ids = [desk.tape.state.take_by_hand(NOW) for _ in range(2)]
    past = next_by_hand(0, NOW, is_past_gateway=True)
    for each in (*ids, past):
        spec = OrderSpec(symbol=SYMBOL, side=Side.BUY, size_int=10, price_int=600_000)
        name = desk.tape.robots[1].client_id(each)
        desk.place(requested_order(name, Request(1, RequestKind.PLACE, each, spec), NOW))
    later = desk.reopened().take_by_hand(NOW)
    assert later == ids[-1] + 1 and not is_past_gateway(later)


def test_ids_of_one_life_of_a_robot_are_none_of_another_s():
    epochs = [RobotLife(1, "mm", epoch, "") for epoch in (1, 2)]
    assert [life.base for life in epochs] == [1 << 32, 2 << 32]
    names = {life.client_id(life.base + number) for life in epochs for number in (1, 2)}
    assert len(names) == 4


def test_an_order_is_as_it_was_with_the_venue_s_id(desk):
    order = desk.order()
    desk.place(order)
    order.venue_id = "77"
    desk.news(order, OrderNews.ACCEPTED, OrderState.ACCEPTED)
    desk.reopened()
    recorded = desk.recovered(order)
    assert (recorded.state, recorded.venue_id, recorded.robot) == (OrderState.ACCEPTED, "77", 1)


def test_an_order_that_waited_here_is_known_to_have(desk):
    order = desk.order()
    order.is_held = True
    desk.place(order)
    desk.reopened()
    assert desk.recovered(order).is_held


def test_what_was_to_be_placed_again_is_known_to_be(desk):
    order = desk.order()
    desk.place(order)
    desk.news(order, OrderNews.ACCEPTED, OrderState.ACCEPTED)
    desk.say(IntentOut(order, RequestKind.CANCEL, 600_000, 10, is_reissue=True))
    desk.reopened()
    assert desk.recovered(order).is_taken_off


@pytest.mark.parametrize("is_local", [True, False])
def test_an_amendment_that_was_refused_here_is_no_answer_of_the_venue(desk, is_local):
    order = desk.order()
    desk.place(order)
    desk.news(order, OrderNews.ACCEPTED, OrderState.ACCEPTED)
    desk.say(IntentOut(order, RequestKind.AMEND, 600_001, 20))
    desk.say(IntentOut(order, RequestKind.CANCEL, 600_000, 10))
    desk.news(order, OrderNews.UPDATE_REJECTED, OrderState.PENDING_CANCEL, is_local=is_local)
    desk.reopened()
    recorded = desk.recovered(order)
    assert (recorded.update_open, recorded.worst_left) == (is_local, 20 if is_local else 10)


def test_a_request_key_is_taken_until_its_cycle_was_ended(desk):
    key, other = RequestKey("k"), RequestKey("o")
    for number, each in enumerate((key, other), 1):
        desk.place(desk.order(number, once=each))
    desk.say(CycleOut(other, 2, 1), CycleOut(key, 2, 2, "another robot's"))
    first = desk.reopened().first
    assert first.refusal(key, 2, NOW) is not None
    assert first.refusal(other, 2, NOW) is None


def test_why_an_order_was_refused_lies_before_that_it_was(desk):
    order = desk.order()
    desk.place(order)
    desk.news(order, OrderNews.REJECTED, OrderState.REJECTED, code=4101, reason="why")
    reason, news = desk.frames("reply", "order_event")
    assert b"why" in reason.payload
    assert reason.sequence < news.sequence


def test_which_orders_were_denied_is_known_until_they_count_as_taken(desk):
    order = desk.order()
    desk.place(order)
    desk.news(order, OrderNews.DENIED, OrderState.DENIED)
    desk.reopened()
    assert desk.read.account.robots[1].denied == {order.order_id}


@pytest.mark.parametrize("currency", ["USDT", "BNB", ""])
def test_a_fill_has_its_fee_in_its_currency_and_its_robot_s_sub_account(desk, currency):
    order = desk.order()
    desk.place(order)
    reported = desk.fill(order, currency=currency)
    assert desk.say(FillOut(order, reported))[0] > 0
    desk.reopened()
    assert desk.waiting() == reported._replace(fee_currency=currency or "USDT")
    assert desk.read.account.parts.slot_of(1) == 2
    assert desk.recovered(order).filled == 4


@pytest.mark.parametrize("epoch", [4, epoch_of(NOW), EPOCH_MAX])
def test_a_fill_inside_names_the_other_order(desk, epoch):
    desk.tape.attach(RobotLife(2, "robot-2", epoch, ""), NOW)
    order, other = desk.order(), desk.order(4, robot=2)
    desk.place(other)
    reported = desk.fill(order, trade=INTERNAL_TRADES, venue_id=other.client_id)
    desk.say(FillOut(order, reported))
    desk.reopened()
    assert desk.waiting().venue_id == other.client_id
    desk.orders.account.begin_anew()
    assert desk.waiting().venue_id == "foreign"


@pytest.mark.parametrize(("severity", "count"), [("critical", 1), ("warning", 0), ("info", 0)])
def test_what_is_critical_is_an_alert_too(desk, severity, count):
    desk.say(HealthOut("kind", "subject", "state", severity))
    assert (len(desk.frames("alert")), len(desk.frames("health"))) == (count, 1)


def test_a_round_that_ended_and_what_the_books_began_with_are_known(desk):
    desk.say(AccountOut(SYMBOL, BOTH, 7, NOW, OPENING))
    desk.say(HealthOut("reconciled", "start", "0 differences"))
    desk.reopened()
    assert desk.orders.has_begun
    assert desk.orders.account.books.positions == {(SYMBOL, BOTH): 7}
    assert desk.orders.newest_fill > 0


def test_at_another_exchange_nothing_is_held_and_no_trade_has_been_seen(desk):
    order = desk.order()
    desk.place(order)
    desk.say(AccountOut(SYMBOL, BOTH, 7, NOW, OPENING), HealthOut("reconciled", "start", "0 differences"))
    desk.say(FillOut(order, desk.fill(order)), HealthOut("exchange", "main", "new"))
    desk.reopened()
    assert not desk.orders.has_begun
    assert not desk.orders.account.books.positions and not desk.orders.account.open
    assert not desk.orders.account.books.has(desk.fill(order))  # its trades are numbered anew


@pytest.mark.parametrize(
    ("commands", "killed"), [(["kill"], "lunch"), (["kill", "unkill"], ""), (["unkill", "kill"], "lunch")]
)
def test_the_kill_switch_holds_over_a_restart(desk, commands, killed):
    for number, name in enumerate(commands):
        fields = {"reason": "lunch"} if name == "kill" else {}
        record = {"id": f"c{number}", "actor": "operator", "command": name, "fields": fields}
        desk.tape.command(record, NOW)
    assert desk.reopened().halts.killed == killed


def test_a_refused_kill_is_none(desk):
    record = {"id": "c", "actor": "operator", "command": "kill", "fields": {"reason": "x"}, "refused": {"name": "NO"}}
    desk.tape.command(record, NOW)
    made = desk.reopened()
    assert made.halts.killed == ""
    assert b"refused" in made.once.find("c").answer


def test_what_a_command_was_answered_is_known(desk):
    record = {"id": "c1", "actor": "operator", "command": "kill", "fields": {}}
    desk.tape.command(record, NOW)
    desk.tape.command_reply({"id": "c1", "status": "applied", "result": 1, "error": None}, NOW)
    assert b"applied" in desk.reopened().once.find("c1").answer


@pytest.mark.parametrize(("said", "settled"), [("closed", {"x"}), ("filled", {"x"}), ("open", set())])
def test_an_operator_s_word_on_an_order_is_known(desk, said, settled):
    fields = {"order": "x", "as": said}
    record = {"id": "c1", "actor": "operator", "command": "settle", "fields": fields}
    desk.tape.command(record, NOW)
    desk.reopened()
    assert desk.orders.account.resolved == settled


def test_other_hands_trade_with_the_pool(desk):
    assert [desk.tape.parts.slot_of(robot) for robot in (0, 1, 2)] == [MAIN, 2, 3]


@pytest.mark.parametrize("is_closed", [True, False])
def test_only_a_journal_that_was_closed_or_is_of_this_boot_has_its_end(desk, is_closed):
    if is_closed:
        desk.reopened()
        assert not desk.read.may_lack_end
        return
    control = desk.home / "tape" / "control"
    desk.writer.close()
    data = bytearray(control.read_bytes())
    data[48] ^= 1  # another boot
    data[216:220] = bytes(4)  # not closed
    control.write_bytes(data)
    desk.reopened()
    assert desk.read.may_lack_end


@pytest.mark.parametrize("kind", [RequestKind.CANCEL, RequestKind.AMEND])
def test_a_request_that_an_earlier_life_lost_is_over_once_the_next_one_found_its_order(desk, kind):
    order = desk.order()
    desk.place(order)
    desk.news(order, OrderNews.ACCEPTED, OrderState.ACCEPTED)
    desk.say(IntentOut(order, kind, 600_100, 12))
    desk.tape.open(NOW)  # killed before it was answered; the next life asks
    desk.news(order, OrderNews.FOUND, OrderState.ACCEPTED)
    desk.reopened()
    found = desk.recovered(order)
    assert (found.state, found.cancel_open, found.update_open) == (OrderState.ACCEPTED, False, False)
    assert desk.orders.finish(manager_of(BTC), NOW) == 0
