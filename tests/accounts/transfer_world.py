"""A world with transfers: a venue that follows a script, a process that dies where it is told."""

from __future__ import annotations

import msgspec
from account_world import U, World

from onetape.accounts.entries import MAIN, Entry
from onetape.accounts.slots import Refused
from onetape.accounts.transfers import AskHistory, Found, Outcome, Place, Record, Send, Tell, Transfers
from onetape.model.errors import InsufficientFunds
from onetape.model.time import SECOND

OWN = Place("kraken", "main")
SPOT = Place("kraken", "main", "spot")
THERE = Place("binance", "hedge")


class Venue:
    """What it does with each request in turn, and whether its answer comes."""

    def __init__(self, script: tuple[str, ...]) -> None:
        self.script = list(script)
        self.carried_out = 0
        self.later: list[int] = []  # when it will carry out what it has not yet

    def send(self, now: int) -> Outcome | None:
        match self.script.pop(0) if self.script else "done":
            case "done":
                self.carried_out += 1
                return Outcome.DONE
            case "done, no answer":
                self.carried_out += 1
                return None
            case "lost":
                return None
            case "slow, answer unclear":
                self.later.append(now + 4 * SECOND)
                return Outcome.LOST
            case "busy":
                return Outcome.BUSY
            case "refused":
                return Outcome.REFUSED
        raise AssertionError

    def history(self, now: int) -> Found:
        due = [each for each in self.later if each <= now]
        self.carried_out += len(due)
        self.later = self.later[len(due) :]
        return Found.DONE if self.carried_out else Found.ABSENT


class Desk(World):
    """A world with transfers, whose process dies before its step number `dies_at`."""

    def __init__(self, script: tuple[str, ...] = (), dies_at: int = -1) -> None:
        self.records: list[dict] = []
        self.now = 1000 * SECOND
        self.is_stopped = False
        self.venue = Venue(script)
        self.dies_at = dies_at
        self.steps = 0
        self.sent_on: list[Tell] = []
        super().__init__(total=100)

    def start(self) -> None:
        super().start()
        self.transfers = Transfers(self.ledger, "kraken", "main", self.refusal, is_stopped=lambda: self.is_stopped)
        for record in self.records:
            self.transfers.replay(msgspec.msgpack.decode(msgspec.msgpack.encode(record)))

    def refusal(self, currency: str, wallet: str, slot: int, amount: int) -> Refused | None:
        if not wallet:
            return self.accounts.cannot_leave(currency, slot, amount)
        has = self.ledger.balance(currency, MAIN, wallet)
        return Refused(InsufficientFunds, f"{wallet} has {has}") if amount > has else None

    def run(self, effects: list, seconds: int = 400) -> None:
        """Carries out, restarts after a death, lets time pass until nothing is left to do."""
        until = self.now + seconds * SECOND
        while True:
            while effects:
                self.steps += 1
                if self.steps == self.dies_at:
                    self.start()
                    effects = self.transfers.resume(self.now)
                    continue
                effects = self.carry_out(effects[0]) + effects[1:]
            if self.now >= until or not self.transfers.unfinished:
                return
            self.now += SECOND
            effects = self.transfers.tick(self.now)

    def carry_out(self, effect: object) -> list:
        match effect:
            case Record():
                self.records.append(effect.fields)
            case Entry():
                self.keeper.book(effect)
            case Send():
                outcome = self.venue.send(self.now)
                if outcome is not None:
                    return self.transfers.answered(effect.name, outcome, self.now)
            case AskHistory():
                found = self.venue.history(self.now)
                return self.transfers.history(effect.name, found, self.now, as_of=self.now)
            case Tell():
                self.sent_on.append(effect)
                return self.transfers.acknowledged(effect.name, self.now)
        return []

    def ask(self, target: Place = SPOT, amount: int = 40, name: str = "t", source: Place = OWN, slot: int = MAIN):
        return self.transfers.ask(source, target, "USD", amount * U, self.now, name=name, slot=slot)

    @property
    def money(self) -> tuple[float, float, float]:
        """Here, on its way, in the other wallet."""
        return (self.ledger.total("USD") / U, self.ledger.transit("USD") / U, self.ledger.total("USD", "spot") / U)


# What a venue may do with a request.
ATTEMPTS = ("done", "done, no answer", "lost", "slow, answer unclear", "busy", "refused")
