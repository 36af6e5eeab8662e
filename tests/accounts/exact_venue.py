"""What a venue does with the orders of `shared_account`, exactly: it takes each request once, fills
no more than it was asked for, and says what is there. It dies with nobody."""

from __future__ import annotations

from dataclasses import dataclass, field

from accounts.shared_account import PERP, Account
from onetape.model.enums import Liquidity, OrderState, PositionSide, Side
from onetape.model.time import SECOND
from onetape.orders.calls import Purpose
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import FillReport, OrderStatusReport


class Died(Exception):
    """The gateway, between two steps."""


class Steps:
    """left: until the gateway dies, None: never."""

    def __init__(self, left: int | None = None) -> None:
        self.left = left
        self.taken = 0

    def __call__(self) -> None:
        if self.left is not None and self.taken == self.left:
            self.left = None
            raise Died
        self.taken += 1


class Tape(list):
    """Of which a record is there or not."""

    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self._steps = steps

    def append(self, record) -> None:
        self._steps()
        super().append(record)


@dataclass(slots=True)
class There:
    """An order at the venue."""

    side: Side
    size: int
    filled: int = 0
    state: OrderState = OrderState.ACCEPTED
    fills: list[FillReport] = field(default_factory=list)

    @property
    def left(self) -> int:
        return 0 if self.state.is_final else self.size - self.filled


class Venue:
    """Behind an account. rest: ids of requests whose answers are lost."""

    def __init__(self, account: Account, steps: Steps | None = None) -> None:
        self.account, self.steps = account, steps or Steps()
        self.orders: dict[str, There] = {}
        self.sent: list[Purpose] = []
        self.trades = 0
        self.refuses = False  # what is placed
        self.loses = False  # answers
        account.tape = Tape(self.steps)

    # --- what it does -----------------------------------------------------------------------------

    def fill(self, name: str, size: int, price: int, *, is_reported: bool = True) -> FillReport:
        there = self.orders[name]
        assert 0 < size <= there.left
        there.filled += size
        there.state = OrderState.PARTIALLY_FILLED if there.left else OrderState.FILLED
        self.trades += 1
        reported = FillReport(
            PERP,
            name,
            "",
            self.trades,
            there.side,
            PositionSide.BOTH,
            price,
            size,
            self.account.now,
            0,
            "",
            Liquidity.MAKER,
        )
        there.fills.append(reported)
        if is_reported:
            self.account.manager.hear([reported], self.account.now)
            self.account.write()
        return reported

    def report(self, name: str) -> OrderStatusReport:
        there = self.orders[name]
        return OrderStatusReport(
            PERP,
            name,
            "",
            there.state,
            self.account.now,
            side=there.side,
            size=there.size,
            filled=there.filled,
            price=0,
        )

    # --- what it is asked -------------------------------------------------------------------------

    def take(self) -> list[Purpose]:
        """All that has been sent to it, each carried out and answered in turn. What it was."""
        account, request = self.account, []
        while account.manager.calls:
            call = account.manager.calls.pop(0)
            self.steps()  # it left
            request.append(call.purpose)
            answer = self._answer(call)
            self.steps()  # it was carried out
            if self.loses and call.purpose in (Purpose.PLACE, Purpose.CANCEL):
                answer = Answer(Outcome.AMBIGUOUS)
            account.manager.answered(call, answer, account.now)
            account.write()
        self.sent += request
        return request

    def _answer(self, call) -> Answer:
        name = call.subject.client_id if call.subject else ""
        there = self.orders.get(name)
        match call.purpose:
            case Purpose.PLACE:
                assert there is None, f"{name} was sent twice"
                if self.refuses:
                    return Answer(Outcome.DEFINITIVE, text="no")
                size = int(call.terms["quantity"].replace(".", ""))
                self.orders[name] = There(Side(call.terms["side"].lower()), size)
                return Answer(Outcome.DONE)
            case Purpose.CANCEL if there is not None and there.left:
                there.state = OrderState.CANCELED
                return Answer(Outcome.DONE, (self.report(name),))
            case Purpose.CANCEL:
                return Answer(Outcome.DEFINITIVE, not_found=True)
            case Purpose.QUERY if there is not None:
                return Answer(Outcome.DONE, (self.report(name),))
            case Purpose.QUERY:
                return Answer(Outcome.DEFINITIVE, not_found=True)
            case _:
                rows = [fill for each in self.orders.values() for fill in each.fills]
                return Answer(Outcome.DONE, tuple(rows))

    def settle(self, seconds: int = 40) -> None:
        """Time passes, and all is answered."""
        for _ in range(seconds * 2):
            self.take()
            self.account.now += SECOND // 2
            self.account.manager.tick(self.account.now)
            if self.account.crossing is not None:
                self.account.crossing.tick(self.account.now)
            self.account.write()

    # --- what has to be true ----------------------------------------------------------------------

    def check(self, *, is_settled: bool = True) -> None:
        """No order has more than it asked for, here and at the venue together; what works there is
        what is left of it. is_settled: nothing is on its way."""
        manager = self.account.manager
        ours = {o.client_id: o for o in manager.orders.values()}
        for order in ours.values():
            names = [n for n in self.orders if manager.orders.get(n) is order]
            there = sum(self.orders[n].filled for n in names)
            inside = sum(
                words[0].size
                for what, words in self.account.tape
                if what == "fill" and words[0].is_internal and words[0].client_id == order.client_id
            )
            left = sum(self.orders[n].left for n in names)
            assert there + inside + left <= order.spec.size_int, order
            assert sum(bool(self.orders[n].left) for n in names) <= 1, order
            if is_settled:
                assert there + inside == order.filled, order
                assert left == order.remaining, order
        assert set(self.orders) <= set(manager.orders)
