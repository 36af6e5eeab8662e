"""Wallets beside those that are traded from, of a master account and its sub-account at one venue: a slow model of what
their gateways do with transfers. The money of the wallets that are traded from is the simulated exchanges' own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from onetape.exchange.hands import deposit
from onetape.hedge.moves import Margin, Move, Step
from onetape.model import errors as e
from onetape.model.time import SECOND
from onetape.model.typed import from_builtins

TRADING, SPOT = "trading", "spot"
COMMANDS = ("check_transfer", "transfer", "transfers")


class Wallets:
    """Of a house. moved: by account and wallet, what has come and gone since the beginning."""

    def __init__(self, house: Any, master: str, sub: str) -> None:
        self.house, venue = house, house.venues[master].place
        self.steps = {
            Step(master, TRADING, SPOT),
            Step(master, SPOT, TRADING),
            Step(master, SPOT, f"{venue}.{sub}.{TRADING}"),
            Step(sub, TRADING, SPOT),
            Step(sub, SPOT, TRADING),
            Step(sub, SPOT, f"{venue}.{master}.{SPOT}"),
        }
        self.moved: Counter[tuple[str, str]] = Counter()
        self.rows: dict[str, dict[str, Any]] = {}
        self.ends: Counter[str] = Counter()

    def answer(self, account: str, command: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Returns what the gateway says of a command; it is there."""
        row = self.rows.get(fields.get("id", ""))
        if command == "transfers":
            return _applied({"transfers": [row] if row else []})
        venue, chance = self.house.venues[account], self.house.random
        step, amount = Step(account, fields["from"], fields["to"]), Decimal(fields["amount"])
        if step not in self.steps:
            return _refused(e.NotAvailable, "no such way")
        if row is not None:
            return _applied({})
        if not venue.core.gate.ready:
            return _refused(e.VenueUnavailable, "its balances are not known yet")
        if command == "check_transfer":
            return _applied({})
        if amount > (venue.leg_view().available if step.source == TRADING else self.moved[account, SPOT]):
            return _refused(e.InsufficientFunds, "it has less")
        owner, _, wallet = step.target.rpartition(".")
        there = owner.rpartition(".")[2] or account, wallet
        is_refused = chance.random() < (0.3 if self.house.faults.lose_answer else 0)
        self.rows[fields["id"]] = row = {
            "state": "failed" if is_refused else "done",
            "reason": "the venue refuses" if is_refused else "",
            "is_over": False,
            "currency": venue.instrument.settle,
            "from": step.source,
            "amount": fields["amount"],
            "ts_asked": self.house.now,
        }
        self._book((account, step.source), -amount)
        goes = (account, step.source) if is_refused else there
        target = self.house.venues[goes[0]]
        target.at(max(self.house.now, target.now) + chance.choice((0, SECOND // 2, 3 * SECOND)), self._come, row, goes)
        return _applied({})

    def _come(self, row: dict[str, Any], place: tuple[str, str]) -> None:
        row["is_over"] = True
        self.ends[row["state"]] += 1
        self._book(place, Decimal(row["amount"]))

    def _book(self, place: tuple[str, str], amount: Decimal) -> None:
        self.moved[place] += amount  # type: ignore[assignment]
        account, wallet = place
        if wallet == TRADING:
            venue, reason = self.house.venues[account], "deposit" if amount > 0 else "withdraw"
            deposit(venue.exchange, venue.account, venue.instrument.settle, amount, venue.now, reason=reason)

    def expected(self) -> Counter[tuple[str, str]]:
        """Returns the same by what the control plane's records say of its moves: each counts once."""
        moves: dict[tuple[str, int], Move] = {}
        for each in self.house.read():
            record = each.record
            if record.get("kind") == "move_begun":
                made = Move(from_builtins(record["move"], Margin))
                moves[made.margin.operation, made.margin.number] = made
            elif record.get("kind") == "move_stepped":
                moves[record["operation"], record["number"]].take(record)
        found: Counter[tuple[str, str]] = Counter()
        for move in moves.values():
            assert move.is_over, move.words
            facts, at = move.margin, move.step
            local = facts.source, TRADING
            ends = {"arrived": (facts.target, TRADING), "stranded": (at.gateway, at.source)}
            found[local] -= facts.amount  # type: ignore[assignment]
            found[ends.get(move.state, local)] += facts.amount  # type: ignore[assignment]
        return found


def _applied(result: dict[str, Any]) -> dict[str, Any]:
    return {"status": "applied", "result": result, "error": None}


def _refused(kind: type[e.OnetapeError], message: str) -> dict[str, Any]:
    return {"status": "refused", "result": None, "error": {"code": kind.code, "name": kind.name, "message": message}}
