"""Which halts begin, change and end: commands to gateways, the same after any restart."""

from __future__ import annotations

import random

import pytest

from onetape.model.loss_limit import parse_loss_limit
from onetape.model.money import money_units
from onetape.model.time import DAY, HOUR
from onetape.orders.halts import Halts, Scope, halt_of
from onetape.risk.halt_decisions import (
    HaltDecisions,
    HaltLifted,
    HaltReported,
    IncomeCame,
    NotCounted,
    Send,
    TimePassed,
    Unrealized,
)
from onetape.risk.income_windows import Income, IncomeWindows, Kind, Subject, halt_id

NOW = 1_795_000_000 * 10**9 // DAY * DAY + 10 * HOUR
BTC, ETH = "binance:BTC/USDT:USDT", "binance:ETH/USDT:USDT"
LIMITS = ((Scope.SYMBOL, "4h 150 USDT"), (Scope.STRATEGY, "4h 120 USDT"), (Scope.SYSTEM, "day 500 USDT"))


def came(amount, *, time=NOW, symbol=BTC, account="main", asset="USDT"):
    return IncomeCame(Income(time, account, symbol, "main", Kind.REALIZED, asset, money_units(amount)))


class Desk:
    """Decisions, and gateways that do what is sent: each command once, by its id."""

    def __init__(self, *limits, accounts=("main", "other"), unrealized=False, since: Desk | None = None) -> None:
        parsed = [(scope, parse_loss_limit(text)) for scope, text in limits or LIMITS]
        self.core = HaltDecisions(IncomeWindows(parsed, "USDT", counts_unrealized=unrealized), accounts)
        self.now = NOW
        self.halts = since.halts if since else {account: Halts() for account in accounts}
        self.done = since.done if since else set()
        self.tape = list(since.tape) if since else []  # what gateways' tapes say, in order
        for event in self.tape:
            self.core.handle(event)
        if since:
            self.now = since.now

    def hear(self, *events) -> list[Send]:
        self.tape += events
        for event in events:
            assert self.core.handle(event) == []  # it decides when time has passed, and then only
        return self.pass_to(self.now)

    def pass_to(self, now: int) -> list[Send]:
        self.now = now
        for halts in self.halts.values():
            halts.expire(now)
        effects = self.core.handle(TimePassed(now))
        for each in effects:
            if isinstance(each, Send):
                self._carry(each)
        return effects

    def _carry(self, each: Send) -> None:
        name = each.account, each.id
        if name in self.done:  # its answer is a duplicate's
            return
        self.done.add(name)
        if each.command == "halt":
            halt = halt_of(each.fields, actor="guardian", account=each.account, time=self.now)
            self.halts[each.account].begin(halt)
            self._said(HaltReported(each.account, halt.id, halt.since, halt.until))
        else:
            assert self.halts[each.account].lift(each.fields["id"]) is not None
            self._said(HaltLifted(each.account, each.fields["id"], self.now, by_hand=False))

    def _said(self, event) -> None:
        self.tape.append(event)
        assert self.core.handle(event) == []

    def lift(self, account: str, id_: str) -> list[Send]:
        assert self.halts[account].lift(id_) is not None
        return self.hear(HaltLifted(account, id_, self.now, by_hand=True))

    def held(self, account: str = "main") -> dict[str, int]:
        """By rule: until."""
        return {each.rule: each.until for each in self.halts[account] if each.holds(self.now)}


def test_a_halt_says_rule_loss_limit_since_and_until_to_each_gateway_it_is_about():
    desk = Desk()
    assert desk.hear(came("-149.99")) != []  # of the sub-account
    sent = desk.hear(came("-0.01"))
    assert [(each.account, each.command) for each in sent] == [("main", "halt"), ("other", "halt")]
    assert sent[0].fields == {
        "id": sent[0].fields["id"],
        "scope": "symbol",
        "subject": BTC,
        "rule": "4h 150 USDT",
        "loss": "150 USDT",
        "limit": "150 USDT",
        "since": NOW,
        "until": NOW + 4 * HOUR,
    }
    assert (desk.held(), desk.held("other")) == (
        {"4h 120 USDT": NOW + 4 * HOUR, "4h 150 USDT": NOW + 4 * HOUR},
        {"4h 150 USDT": NOW + 4 * HOUR},
    )
    assert desk.pass_to(NOW + 1) == []


def test_it_ends_when_the_window_has_slid_on_and_nobody_needs_to_say_so():
    desk = Desk((Scope.SYMBOL, "4h 150 USDT"))
    desk.hear(came(-150))
    assert desk.pass_to(NOW + 4 * HOUR - 1) == []
    assert desk.held()
    assert desk.pass_to(NOW + 4 * HOUR) == []
    assert desk.held() == {}


def test_more_loss_moves_its_end_and_a_profit_ends_it():
    desk = Desk((Scope.SYMBOL, "4h 150 USDT"))
    desk.hear(came(-150))
    desk.now += HOUR
    sent = desk.hear(came(-150, time=NOW + HOUR))
    assert [each.fields["until"] for each in sent] == [NOW + 5 * HOUR] * 2
    assert {each.fields["since"] for each in sent} == {NOW}
    sent = desk.hear(came("150.01", time=NOW + HOUR))
    assert [each.command for each in sent] == ["lift_halt"] * 2
    assert desk.held() == {}


def test_a_day_stays_until_it_is_lifted_and_then_begins_anew():
    desk = Desk((Scope.SYSTEM, "day 500 USDT"))
    (sent, _) = desk.hear(came(-500))
    assert "until" not in sent.fields
    assert desk.pass_to(NOW + 3 * DAY) == []
    assert desk.held() == {"day 500 USDT": 0}
    assert [(each.account, each.command) for each in desk.lift("main", sent.fields["id"])] == []
    assert desk.held() == {}
    assert desk.held("other")  # lifted where it was lifted
    desk.lift("other", sent.fields["id"])
    desk.pass_to(desk.now + 1)
    assert desk.hear(came("-499.99", time=desk.now)) == []
    assert len(desk.hear(came("-0.01", time=desk.now))) == 2


def test_a_sliding_halt_that_is_lifted_by_hand_at_one_gateway_ends_at_all():
    desk = Desk((Scope.SYMBOL, "4h 150 USDT"))
    (sent, _) = desk.hear(came(-200))
    ended = desk.lift("main", sent.fields["id"])
    assert [(each.account, each.command) for each in ended] == [("other", "lift_halt")]
    assert desk.hear(came("-149.99")) == []  # as late: of before
    desk.pass_to(NOW + 1)
    assert desk.held() == {}


def test_what_cannot_be_counted_is_said_once_and_when_it_is_over():
    desk = Desk((Scope.SYSTEM, "1h 12 USDT"))
    assert desk.hear(came("-0.02", asset="BNB")) == [NotCounted({"BNB": money_units("-0.02")})]
    assert desk.hear(came("-0.02", asset="BNB")) == []


def open_(amount, symbol=BTC, account="main") -> Unrealized:
    return Unrealized(account, "", symbol, "USDT", None if amount is None else money_units(amount))


def test_an_end_that_comes_back_with_the_market_is_sent_again():
    desk = Desk((Scope.SYSTEM, "4h 150 USDT"), accounts=("main",), unrealized=True)
    ends = []
    for at, amount in enumerate((-60, -160, -60)):  # the middle of the market is where it was before
        desk.now = NOW + at
        desk.hear(*[came(-100)][at:], open_(amount))
        ends.append(desk.held())
    assert ends == [{"4h 150 USDT": NOW + 4 * HOUR}, {"4h 150 USDT": 0}, {"4h 150 USDT": NOW + 4 * HOUR}]


def halted_by_open_losses(*events: HaltReported | HaltLifted | IncomeCame) -> tuple[HaltDecisions, dict[str, str]]:
    """A life whose tapes have two halts, of -10 realised and -145 open; and their ids by scope."""
    limits = [(scope, parse_loss_limit("4h 150 USDT")) for scope in (Scope.SYMBOL, Scope.ACCOUNT)]

    def life() -> HaltDecisions:
        return HaltDecisions(IncomeWindows(limits, "USDT", counts_unrealized=True), ["main"])

    before, after = life(), life()
    for each in (came(-10), open_(-145)):
        before.handle(each)
    sent = before.handle(TimePassed(NOW))
    for each in (came(-10), *(HaltReported("main", s.fields["id"], NOW, s.fields["until"]) for s in sent), *events):
        after.handle(each)
    return after, {each.fields["scope"]: each.fields["id"] for each in sent}


def test_a_new_life_lifts_nothing_before_each_open_position_has_had_a_figure():
    desk, ids = halted_by_open_losses()
    assert desk.handle(TimePassed(NOW + 1, has_positions=False)) == []
    desk.handle(open_(None))
    desk.handle(open_(0, ETH))
    assert desk.handle(TimePassed(NOW + 2)) == []
    desk.handle(open_(-145))
    assert desk.handle(TimePassed(NOW + 3)) == []  # as it was
    desk.handle(open_(-100))
    assert [(each.command, each.fields["id"]) for each in desk.handle(TimePassed(NOW + 4))] == [
        ("lift_halt", id_) for id_ in ids.values()
    ]
    desk.handle(open_(None))  # its price is old: what was said before stays
    assert desk.handle(TimePassed(NOW + 5)) == []


def test_a_position_without_a_figure_holds_no_halt_that_does_not_count_it():
    desk, ids = halted_by_open_losses()
    desk.handle(open_(0))
    desk.handle(open_(None, ETH))
    assert [each.fields["id"] for each in desk.handle(TimePassed(NOW + 1))] == [ids["symbol"]]
    desk.handle(open_(None, ETH))
    desk.handle(open_(0, ETH))  # it was closed before anybody knew its price
    assert [each.fields["id"] for each in desk.handle(TimePassed(NOW + 2))] == [ids["account"]]


def test_a_halt_ends_no_earlier_before_each_open_position_has_had_a_figure():
    """-160 that was realised an hour ago, and an open loss that holds it when they have left."""
    desk, ids = halted_by_open_losses(came(-160, time=NOW - HOUR))
    assert desk.handle(TimePassed(NOW, has_positions=False)) == []
    desk.handle(open_(0))
    assert {(each.fields["id"], each.fields["until"]) for each in desk.handle(TimePassed(NOW + 1))} == {
        (id_, NOW + 3 * HOUR) for id_ in ids.values()
    }


def test_what_was_lifted_by_hand_at_one_gateway_waits_for_no_figure_at_the_others():
    limits = [(Scope.SYMBOL, parse_loss_limit("4h 150 USDT"))]
    desk = HaltDecisions(IncomeWindows(limits, "USDT", counts_unrealized=True), ["main", "other"])
    id_ = halt_id(Subject(Scope.SYMBOL, BTC), "4h 150 USDT")
    desk.handle(came(-10))
    for account in ("main", "other"):
        desk.handle(HaltReported(account, id_, NOW, NOW + 4 * HOUR))
    desk.handle(HaltLifted("main", id_, NOW, by_hand=True))
    sent = desk.handle(TimePassed(NOW + 1, has_positions=False))
    assert [(each.account, each.command, each.fields["id"]) for each in sent] == [("other", "lift_halt", id_)]


@pytest.mark.parametrize("seed", range(30))
def test_a_guardian_that_starts_anew_at_any_moment_comes_to_the_same(seed):
    """It reads the tapes again, and sends nothing that a gateway would do a second time."""
    rng = random.Random(seed)
    desk, plain = Desk(), Desk()
    for _ in range(150):
        now = desk.now + rng.choice((1, HOUR // 3, HOUR))
        amount = f"{rng.randrange(-9000, 5000) / 100}"
        if rng.random() < 0.2:
            desk = Desk(since=desk)
        for each in (desk, plain):
            each.pass_to(now)
            each.hear(came(amount, time=now, symbol=BTC))
        if rng.random() < 0.1 and (halts := list(desk.halts["main"])):
            id_ = halts[0].id
            for each in (desk, plain):
                each.lift("main", id_)
        for account in ("main", "other"):
            assert desk.held(account) == plain.held(account)
