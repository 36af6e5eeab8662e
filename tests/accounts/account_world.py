"""An account with its ledger, sub-accounts and statements, as a gateway has them, with a tape."""

from __future__ import annotations

from onetape.accounts.bookkeeper import Bookkeeper
from onetape.accounts.entries import MAIN, Cause, Entry, Leg, Outside
from onetape.accounts.ledger import Ledger
from onetape.accounts.slots import Slots, SubAccounts
from onetape.accounts.statement import Statements
from onetape.accounts.unexplained import Unexplained
from onetape.orders.reports import BalanceReport

U = 10**18  # one of a currency


class World:
    """An account with 10000 USD at time 0, of which a and b may have some."""

    def __init__(self, total: int = 10_000, credit: int = 0, slack: int = 0) -> None:
        self.slack = slack
        self.credit = credit
        self.tape: list[Entry] = []
        self.start()
        legs = (Leg(MAIN, "USD", total * U), Leg(Outside.OPENING, "USD", -total * U))
        self.keeper.book(Entry(0, Cause.OPENING, legs))

    def start(self) -> None:
        """From the tape."""
        self.ledger = Ledger()
        self.accounts = SubAccounts(
            self.ledger, Slots({"a": 2, "b": 3}), {"USD": self.credit * U} if self.credit else None
        )
        unexplained = Unexplained(lambda currency: self.slack)
        self.statements = Statements(self.accounts, unexplained, lambda currency: self.slack)
        self.keeper = Bookkeeper(self.ledger, self.statements, self.tape.append)
        for entry in self.tape:
            assert self.keeper.replay(entry)

    def command(self, name: str, amount: float, *, actor: str = "operator", at: int, **fields):
        terms = {"currency": "USD", "amount": amount, **fields}
        entry = self.accounts.command(actor, name, terms, f"{name} {len(self.tape)}", at)
        assert isinstance(entry, Entry), entry
        self.keeper.book(entry)

    def fill(self, amount: int, *, at: int, slot: int = 2) -> None:
        legs = (Leg(slot, "USD", amount * U), Leg(Outside.MARKET, "USD", -amount * U))
        self.keeper.book(Entry(at, Cause.FILL, legs, f"fill {at} {amount}"))

    def report(
        self,
        total: float,
        *,
        at: int,
        now: int | None = None,
        is_queried: bool = True,
        units: int | None = None,
        span: tuple[int, int] = (0, 0),
    ) -> list:
        """units: the total exactly. span: it was read off at some moment of it."""
        units = int(total * U) if units is None else units
        reported = BalanceReport("USD", units, at, *span)
        effects = self.statements.on_balance(reported, now or at, is_queried=is_queried)
        for each in effects:
            if isinstance(each, Entry):
                assert self.keeper.book(each) is not None
        return effects

    @property
    def rows(self) -> list[float]:
        return [each / U for each in self.ledger.slots("USD", 4)]

    @property
    def open(self) -> float:
        assert self.statements.unexplained.open("USD") == -self.ledger.balance("USD", Outside.UNEXPLAINED)
        return self.statements.unexplained.open("USD") / U
