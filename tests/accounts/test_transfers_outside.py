"""A transfer that leaves its venue: taken, then carried out or not, then seen at its target."""

from __future__ import annotations

import pytest
from account_world import U
from transfer_world import OWN, THERE, Desk

from onetape.accounts.entries import Cause, Outside
from onetape.accounts.transfers import AskHistory, Found, Outcome, Send, State, Tell
from onetape.accounts.unexplained import moved
from onetape.model.time import SECOND
from onetape.orders.reports import OUTSIDE, MoveReport, TransferReport, TransferState

FEE = 2 * U
HOUR = 3600 * SECOND


class Withdrawing(Desk):
    """Up to where the request is on the wire."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        for name in names or ("t",):
            for each in self.ask(THERE, amount=40 if not names else 10, name=name):
                if not isinstance(each, Send):
                    self.carry_out(each)
        self.sent = self.now

    def do(self, effects: list) -> list:
        """Books and records; what is left is asked of others."""
        left = []
        for each in effects:
            if isinstance(each, AskHistory | Tell):
                left.append(each)
            else:
                self.carry_out(each)
        return left

    def answered(self, outcome: Outcome, name: str = "t", venue_id: str = "") -> list:
        return self.do(self.transfers.answered(name, outcome, self.now, venue_id=venue_id))

    def row(
        self, state: str, *, amount: int = 40, name: str = "", venue_id: str = "v1", fee: int = FEE, txid: str = "abc"
    ) -> TransferReport:
        return TransferReport(
            venue_id, "", OUTSIDE, "USD", amount * U, self.sent, TransferState(state), name, fee, txid
        )

    def looked(self, *rows: TransferReport, name: str = "t", after: int = 0) -> list:
        self.now += after
        return self.do(self.transfers.looked(name, rows, self.now, as_of=self.now))

    def state(self, name: str = "t") -> State:
        return self.transfers.get(name).state

    @property
    def fees(self) -> float:
        return self.ledger.balance("USD", int(Outside.FEES)) / U


def test_it_is_on_its_way_until_the_other_gateway_has_it():
    desk = Withdrawing()
    assert desk.answered(Outcome.ACCEPTED, venue_id="v1") == []
    assert (desk.state(), desk.money) == (State.ACCEPTED, (60, 40, 0))
    desk.looked(desk.row("underway"))
    assert (desk.state(), desk.money) == (State.ACCEPTED, (60, 40, 0))
    (tell,) = desk.looked(desk.row("done"))
    assert (tell.amount, tell.txid) == (38 * U, "abc")
    assert (desk.money, desk.fees) == ((60, 38, 0), 2)
    assert not desk.transfers.get("t").is_finished
    desk.do(desk.transfers.acknowledged("t", desk.now, arrived=38 * U))
    assert (desk.money, desk.fees) == ((60, 0, 0), 2)
    assert desk.ledger.balance("USD", int(Outside.WORLD)) == 38 * U
    assert desk.transfers.get("t").is_finished


def test_what_is_lost_between_the_venues_is_a_fee():
    desk = Withdrawing()
    desk.answered(Outcome.ACCEPTED, venue_id="v1")
    desk.looked(desk.row("done"))
    desk.do(desk.transfers.acknowledged("t", desk.now, arrived=37 * U))
    assert (desk.money, desk.fees) == ((60, 0, 0), 3)


def test_one_that_the_venue_has_taken_is_never_sent_again():
    desk = Withdrawing()
    desk.answered(Outcome.ACCEPTED, venue_id="v1")
    for _ in range(5):
        assert desk.looked(after=HOUR) == []
    assert (desk.state(), desk.money) == (State.ACCEPTED, (60, 40, 0))
    assert desk.transfers.get("t").tries == 1


def test_an_unknown_one_that_the_history_has_is_taken():
    desk = Withdrawing()
    desk.answered(Outcome.LOST)
    desk.looked(desk.row("underway"))
    assert desk.state() is State.ACCEPTED
    assert desk.transfers.get("t").venue_id == "v1"


def test_an_unknown_one_that_two_looks_do_not_show_is_sent_again():
    desk = Withdrawing()
    desk.answered(Outcome.LOST)
    desk.looked(after=70 * SECOND)
    assert desk.state() is State.UNKNOWN
    desk.looked(after=SECOND)
    assert desk.state() is State.PENDING


@pytest.mark.parametrize("amount", [40, 42])
def test_whether_the_history_has_the_fee_in_its_amount_nothing_is_paid_twice(amount):
    desk = Withdrawing()
    desk.answered(Outcome.LOST)
    desk.looked(desk.row("underway", amount=amount), after=70 * SECOND)
    desk.looked(desk.row("underway", amount=amount), after=SECOND)
    assert desk.state() is State.ACCEPTED


def test_a_row_of_another_name_is_anothers_and_its_own_name_is_enough():
    desk = Withdrawing()
    desk.answered(Outcome.LOST)
    desk.looked(desk.row("underway", name="other"))
    assert desk.state() is State.UNKNOWN
    desk.looked(desk.row("underway", name="t", amount=7))
    assert desk.state() is State.ACCEPTED


def test_of_two_alike_that_are_unknown_the_older_has_the_row():
    desk = Withdrawing("a", "b")
    for name in ("a", "b"):
        desk.answered(Outcome.LOST, name)
    row = desk.row("underway", amount=10)
    desk.looked(row, name="b")
    assert desk.state("b") is State.UNKNOWN
    desk.looked(row, name="a")
    assert desk.state("a") is State.ACCEPTED
    desk.looked(row, name="b")  # it is the other's
    assert desk.state("b") is State.UNKNOWN


def test_one_that_fails_later_comes_back_whole():
    desk = Withdrawing()
    desk.answered(Outcome.ACCEPTED, venue_id="v1")
    desk.looked(desk.row("failed"))
    assert (desk.state(), desk.money, desk.fees) == (State.FAILED, (100, 0, 0), 0)


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("tells_of_leaving", [True, False])
def test_what_the_venue_tells_of_one_that_came_back_counts_once(is_first, tells_of_leaving):
    desk = Withdrawing()
    desk.answered(Outcome.ACCEPTED, venue_id="v1")
    if tells_of_leaving:
        desk.keeper.book(moved(MoveReport("L1", "USD", -40 * U, desk.now + 1)))
    assert desk.money == (60, 40, 0)
    desk.now += 10 * SECOND
    back = moved(MoveReport("L2", "USD", 40 * U, desk.now + 1))
    if tells_of_leaving and is_first:
        desk.keeper.book(back)
    desk.looked(desk.row("failed"))
    if tells_of_leaving and not is_first:
        desk.keeper.book(back)
    assert desk.money == (100, 0, 0)
    assert desk.report(100, at=desk.now + 2 * SECOND, now=desk.now + 2 * SECOND) == []
    desk.start()
    assert desk.money == (100, 0, 0)


def test_a_word_that_comes_after_the_end_is_told_and_moves_nothing():
    desk = Withdrawing()
    desk.answered(Outcome.REFUSED)
    assert desk.money == (100, 0, 0)
    (health,) = desk.transfers.answered("t", Outcome.ACCEPTED, desk.now)
    assert health.severity == "critical"
    assert (desk.state(), desk.money) == (State.FAILED, (100, 0, 0))


@pytest.mark.parametrize("has_left", [False, True])
def test_one_that_takes_too_long_is_said_once(has_left):
    desk = Withdrawing()
    desk.answered(Outcome.ACCEPTED, venue_id="v1")
    if has_left:
        desk.looked(desk.row("done"))
    said = []
    for _ in range(5):
        desk.now += HOUR // 2
        said += [e for e in desk.transfers.tick(desk.now) if not isinstance(e, AskHistory | Tell)]
    (health,) = said
    assert (health.severity, "has not arrived" in health.state) == ("warning", True)


def test_a_restart_at_any_effect_goes_on_and_books_once():
    ends = set()
    for dies_after in range(8):
        desk = Withdrawing()
        effects = [
            *desk.transfers.answered("t", Outcome.ACCEPTED, desk.now, venue_id="v1"),
            *desk.transfers.looked("t", [desk.row("done")], desk.now, as_of=desk.now),
        ]
        for each in effects[:dies_after]:
            if not isinstance(each, AskHistory | Tell):
                desk.carry_out(each)
        desk.start()
        left = desk.do(desk.transfers.resume(desk.now + SECOND))
        if any(isinstance(each, AskHistory) for each in left):
            left = desk.looked(desk.row("done"))
        assert any(isinstance(each, Tell) for each in left), dies_after
        desk.do(desk.transfers.acknowledged("t", desk.now, arrived=38 * U))
        assert (desk.money, desk.fees) == ((60, 0, 0), 2), dies_after
        ends.add(desk.transfers.get("t").txid)
    assert ends == {"abc"}


def test_records_of_before_there_were_withdrawals_are_read():
    desk = Withdrawing()
    desk.answered(Outcome.ACCEPTED, venue_id="v1")
    for record in desk.records:
        del record["txid"], record["fee"]
    desk.start()
    assert desk.state() is State.ACCEPTED
    assert desk.transfers.get("t").fee == 0


def test_its_fee_is_an_entry_of_its_own():
    desk = Withdrawing()
    desk.answered(Outcome.ACCEPTED, venue_id="v1")
    desk.looked(desk.row("done"))
    (entry,) = [e for e in desk.tape if e.cause is Cause.FEE]
    assert [(leg.holder, leg.amount) for leg in entry.legs] == [(Outside.TRANSIT, -FEE), (Outside.FEES, FEE)]
    assert entry.reference == "t/fee"


def test_found_by_hand_it_is_the_same_as_by_a_row():
    desk = Withdrawing()
    desk.answered(Outcome.LOST)
    desk.do(desk.transfers.history("t", Found.UNDERWAY, desk.now, as_of=desk.now))
    assert desk.state() is State.ACCEPTED
    assert OWN.venue != THERE.venue


class Between(Desk):
    """A venue that takes withdrawals and a target that books what comes, each by a script. After
    every effect of any life the sum is what it was."""

    def __init__(self, answers: tuple[str, ...], ends: str, dies_at: int) -> None:
        self.taken = 0
        self.ends = ends
        self.looks = 0
        self.arrived: dict[str, int] = {}
        self.requests = 0
        super().__init__(answers, dies_at)

    def carry_out(self, effect: object) -> list:
        left: list = []
        match effect:
            case Send():
                left = self.sends(effect)
            case AskHistory():
                self.looks += 1
                rows = [self.row(each + 1) for each in range(self.taken)]
                left = self.transfers.looked(effect.name, rows, self.now, as_of=self.now)
            case Tell():
                self.requests += 1
                if self.requests > 1:  # the first time it is not there yet
                    self.arrived.setdefault(effect.name, effect.amount)
                    left = self.transfers.acknowledged(effect.name, self.now, arrived=effect.amount)
            case _:
                left = super().carry_out(effect)
        assert self.sum == 100 * U
        return left

    def sends(self, send: Send) -> list:
        word = self.venue.script.pop(0) if self.venue.script else "taken"
        self.taken += word.startswith("taken")
        if word == "taken":
            return self.transfers.answered(send.name, Outcome.ACCEPTED, self.now, venue_id=f"v{self.taken}")
        outcome = {"refused": Outcome.REFUSED, "busy": Outcome.BUSY}.get(word, Outcome.LOST)
        return self.transfers.answered(send.name, outcome, self.now)

    def row(self, number: int) -> TransferReport:
        state = TransferState.UNDERWAY if self.looks < 3 else TransferState(self.ends)
        sent = self.transfers.get("t").first_sent
        return TransferReport(f"v{number}", "", OUTSIDE, "USD", 40 * U, sent, state, "", FEE, f"txid{number}")

    @property
    def sum(self) -> int:
        """Here, on its way, in fees, there; what has come is on its way no longer."""
        come = sum(
            amount for name, amount in self.arrived.items() if not self.ledger.has(Cause.TRANSFER, f"{name}/out")
        )
        fees = self.ledger.balance("USD", int(Outside.FEES))
        ours = self.ledger.total("USD") + self.ledger.transit("USD") + fees
        return ours - come + sum(self.arrived.values())


@pytest.mark.parametrize("ends", ["done", "failed"])
@pytest.mark.parametrize(
    "answers",
    [
        ("taken",),
        ("taken, no answer",),
        ("lost", "taken"),
        ("busy", "taken"),
        ("refused",),
        ("busy", "taken, no answer"),
        ("lost", "lost", "taken"),
    ],
    ids="-".join,
)
def test_at_no_step_of_any_life_is_money_lost_or_made(answers, ends):
    for dies_at in range(60):
        desk = Between(answers, ends, dies_at)
        desk.run(desk.ask(THERE), seconds=2 * 3600)
        one = desk.transfers.get("t")
        if one is None:  # it died before anything was on the tape
            assert desk.money == (100, 0, 0)
            continue
        assert one.is_finished, (dies_at, one)
        assert desk.taken <= 1, dies_at
        is_done = desk.taken == 1 and ends == "done"
        assert desk.money == ((60, 0, 0) if is_done else (100, 0, 0)), dies_at
        assert desk.arrived == ({"t": 38 * U} if is_done else {}), dies_at
        if 0 < desk.steps < dies_at:
            return
    raise AssertionError("it never ended")
