"""Margin that moves between accounts in steps, over gateways that delay, refuse, are silent, and a control plane that
is killed at any record: it is somewhere at each moment, once, and is said to be where it is."""

from __future__ import annotations

import asyncio
import errno
import random
from collections import Counter
from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest
from leg_views import perpetual, view

from long_form import LONG
from onetape.accounts.entries import MAIN, Cause, Entry, Leg, Outside
from onetape.control.margin_moves import MarginMoves
from onetape.hedge.margin import InFlight, Route, Transfer, in_transit
from onetape.hedge.model import LegView
from onetape.hedge.moves import NOTHING, Booked, Books, Margin, Move, Step, ways
from onetape.ipc.system import CommandResult
from onetape.model.errors import Killed as KillSwitch
from onetape.model.errors import NotAvailable, VenueUnavailable
from onetape.model.instrument import from_symbol
from onetape.model.money import money, money_units
from onetape.simulation.operations_world import SECOND, START, Killed, VirtualLoop

ACCOUNTS = ("master", "sub")
WAYS = {
    ("master", "sub"): [("master", "trading", "spot"), ("master", "spot", "venue.sub.trading")],
    ("sub", "master"): [
        ("sub", "trading", "spot"),
        ("sub", "spot", "venue.master.spot"),
        ("master", "spot", "trading"),
    ],
}
STEPS = {Step(*each) for steps in WAYS.values() for each in steps} | {Step("sub", "spot", "trading")}


class Bank:
    """Gateways of two accounts of a venue, in virtual time: a slow model of what they do with transfers."""

    def __init__(self, seed: int, *, is_bad: bool) -> None:
        self.random, self.is_bad, self.now = random.Random(seed), is_bad, START
        self.is_killed = self.loop_ends = False
        self.money = {(name, wallet): Decimal(1000) for name in ACCOUNTS for wallet in ("trading", "spot")}
        self.rows: dict[str, dict] = {}
        self.books: dict[str, list[Booked]] = {name: [] for name in ACCOUNTS}  # of the wallets that are traded from
        self.answered = dict.fromkeys(ACCOUNTS, 0)  # frames of them that the table has: an answer was given since
        self.silent = dict.fromkeys(ACCOUNTS, 0)  # until when
        self.begins = dict.fromkeys(ACCOUNTS, 0)  # until when it knows no money of its own
        self.records: list[bytes] = []
        self.kill_in = 0

    def advance(self, span: int) -> None:
        self.now += span

    def append(self, record: dict, event: str = "memory") -> None:
        """Of the control plane's tape."""
        self.kill_in -= 1
        if self.kill_in == 0:
            self.is_killed = True
        if not self.is_killed or self.random.random() < 0.5:
            self.records.append(msgspec.msgpack.encode(record))
        if self.is_killed:
            raise Killed

    def chance(self, part: float) -> bool:
        return self.is_bad and self.random.random() < part

    async def send(self, account: str, command: str, fields: dict, id_: str, within_s: float) -> CommandResult:
        await asyncio.sleep(self.random.uniform(0.001, 0.02))
        if self.chance(0.02):
            self.silent[account] = self.now + int(self.random.uniform(0.1, 40) * SECOND)
            self.begins[account] = self.silent[account] + int(self.random.uniform(0, 5) * SECOND)
        if self.silent[account] > self.now or self.chance(0.1):
            await asyncio.sleep(within_s)
            return CommandResult(id_, "timeout")
        answer = self._act(account, command, fields)
        if self.chance(0.2):
            await asyncio.sleep(within_s)
            return CommandResult(id_, "timeout")
        return answer

    def _act(self, account: str, command: str, fields: dict) -> CommandResult:
        self.settle()
        self.answered = {name: len(booked) for name, booked in self.books.items()}
        row = self.rows.get(fields.get("id", ""))
        if command == "transfers":
            return CommandResult("", "applied", {"transfers": [row] if row else []})
        if self.begins[account] > self.now and row is None:
            return refused(VenueUnavailable.code, "the account's balances are not known yet")
        step, amount = Step(account, fields["from"], fields["to"]), Decimal(fields["amount"])
        if step not in STEPS:
            return refused(NotAvailable.code, "no such way")
        if row is None and self.chance(0.1):
            return refused(KillSwitch.code, "the kill switch is on")
        if row is not None or command == "check_transfer":
            return CommandResult("", "duplicate" if row else "applied", {})
        source = account, step.source
        owner, _, wallet = step.target.removeprefix("venue.").rpartition(".")
        assert self.money[source] >= amount
        self.book(fields["id"], source, -amount)
        self.rows[fields["id"]] = {
            "state": "failed" if self.chance(0.3) else "done",
            "reason": "the venue refuses",
            "is_over": False,
            "due": self.now + int(self.random.choice((0, 0.5, 3, 30 if self.is_bad else 3)) * SECOND),
            "named": self.random.choice((0, 0, SECOND, 3 * SECOND)),  # after the venue's own word of it
            "amount": amount,
            "from": source,
            "to": (owner or account, wallet),
        }
        self.answered[account] = len(self.books[account])
        return CommandResult("", "applied", {})

    def settle(self) -> None:
        """Books what has come to its end. Whose gateway has not sent it hears of it later than the venue says it."""
        for name, row in self.rows.items():
            has_failed = row["state"] == "failed"
            place = row["from" if has_failed else "to"]
            is_own = has_failed or place[0] == row["from"][0]
            if not row.get("is_there") and self.now >= row["due"]:
                row["is_there"] = True
                half = "/back" if has_failed else "/in"
                is_named = is_own or not row["named"]
                self.book(f"{name}{half}" if is_own else f"transfer {name}" if is_named else "", place, row["amount"])
            if not row["is_over"] and self.now >= row["due"] + (0 if is_own else row["named"]):
                row["is_over"] = True
                if not is_own and row["named"]:
                    self.book(f"transfer {name}", place, row["amount"], is_there=True)

    def book(self, reference: str, place: tuple[str, str], amount: Decimal, *, is_there: bool = False) -> None:
        account, wallet = place
        self.money[place] += Decimal(0) if is_there else amount
        units, holder = money_units(amount), Outside.WORLD if is_there else MAIN
        other = Outside.TRANSIT if reference and not reference.startswith("transfer ") else Outside.WORLD
        legs = (Leg(holder, "USDT", units, wallet.removeprefix("trading")), Leg(other, "USDT", -units))
        cause = Cause.COMMAND if reference.startswith("transfer ") else Cause.TRANSFER
        entry = Entry(self.now, cause, legs, reference)
        self.books[account].append(Booked(len(self.books[account]) + 1, self.now, entry))

    def views(self) -> list[LegView]:
        """Returns the accounts as their gateways' tables have them, which may be written later than their tapes."""
        self.settle()
        instrument, found = perpetual("venue"), []
        for name, booked in self.books.items():
            as_of = self.random.randint(self.answered[name], len(booked))
            legs = [each.entry.legs[0] for each in booked[:as_of]]
            moved = sum(each.amount for each in legs if each.holder == MAIN and not each.wallet)
            made = view(name, instrument=instrument, equity=str(1000 + money(moved)))
            found.append(replace(made, as_of=as_of))
        return found

    def life(self, work):
        """Runs one life of the control plane; None: it was killed."""
        loop = VirtualLoop(self)  # type: ignore[arg-type]
        try:
            return loop.run_until_complete(work())
        except Killed:
            return None
        finally:
            self.is_killed = True
            loop.end()
            self.is_killed = False

    def moves(self) -> MarginMoves:
        made = MarginMoves(self, {"venue": "binance-usdm"}, self.append, lambda: self.now, self.books.__getitem__)
        made.resume(msgspec.msgpack.decode(each) for each in self.records)
        return made


def refused(code: int, message: str) -> CommandResult:
    return CommandResult("", "refused", None, {"code": code, "name": "NO", "message": message})


def play(seed: int, *, is_bad: bool) -> tuple[Bank, Counter[str]]:
    """Moves margin to and fro, in a world that is bad or not, until all moves are over."""
    bank, chance = Bank(seed, is_bad=is_bad), random.Random(seed)
    total = sum(bank.money.values())

    wrong = []

    async def counted(moves: MarginMoves) -> None:
        """Nothing counts twice, and in a good world nothing is missed."""
        while True:
            views = bank.views()
            found = sum(each.equity for each in in_transit(views, moves.in_flight(views), bank.now))
            if found > 2000 or (found < 2000 and not is_bad):
                wrong.append(f"seed {seed}: {found} of 2000 after {(bank.now - START) / SECOND} s")
            await asyncio.sleep(0.1)

    async def work() -> MarginMoves:
        moves = bank.moves()
        watch = asyncio.ensure_future(counted(moves))
        found = [each for each in await moves.ways(bank.views()) if each.route is not None]
        number = sum(b"move_begun" in each for each in bank.records)
        if found:
            way = chance.choice(found)
            amount = Decimal(chance.randint(1, 100))
            moves.begin(f"op-{number}", [Transfer(way.route, amount)], [way])
            await moves.ended(f"op-{number}")
        watch.cancel()
        return moves

    for _ in range(6):
        bank.kill_in = chance.choice((0, 0, 1, 2, 3, 4)) if is_bad else 0
        bank.life(work)
    bank.is_bad, bank.kill_in, bank.silent = False, 0, dict.fromkeys(ACCOUNTS, 0)
    bank.begins = dict(bank.silent)

    async def rest() -> MarginMoves:
        moves = bank.moves()
        async with asyncio.timeout(600):
            while moves.under_way:
                await asyncio.sleep(1)
        return moves

    moves = bank.life(rest)
    assert not wrong
    assert sum(bank.money.values()) == total
    ended = [move for each in moves._moves.values() for move in each]
    expected = {place: Decimal(1000) for place in bank.money}
    for move in ended:
        facts, at = move.margin, move.step
        place = {"arrived": (facts.target, "trading"), "stranded": (at.gateway, at.source)}.get(
            move.state, (facts.source, "trading")
        )
        expected[facts.source, "trading"] -= facts.amount
        expected[place] += facts.amount
    assert bank.money == expected, f"seed {seed}: {[each.words for each in ended]}"
    return bank, Counter(each.state for each in ended)


@pytest.mark.parametrize("seed", range(2000 if LONG else 40))
def test_money_is_where_the_move_says_whatever_fails(seed):
    play(seed, is_bad=True)


def test_all_ends_of_a_move_come_to_be_played():
    found = sum((play(seed, is_bad=True)[1] for seed in range(100, 260)), Counter())
    assert found.keys() == {"arrived", "returned", "failed", "stranded"}
    assert sum((play(seed, is_bad=False)[1] for seed in range(20)), Counter()).keys() == {"arrived"}


def test_a_move_counts_once_at_each_moment_and_its_way_is_taken_once():
    bank = Bank(3, is_bad=False)
    seen = []

    async def work() -> None:
        moves = bank.moves()
        (way, back) = await moves.ways(bank.views())
        moves.begin("op", [Transfer(way.route, Decimal(300))], [way])
        while moves.under_way:
            views = bank.views()
            counted = in_transit(views, moves.in_flight(views[1:]), bank.now)
            seen.append((views[0].equity, {each.account: each.equity for each in counted}))
            taken, _ = await moves.ways(bank.views())
            assert taken.why == "a transfer is under way on it"
            await asyncio.sleep(0.05)
        assert moves.in_flight(bank.views()) == [] and (await moves.ways(bank.views()))[0].route == way.route
        assert [len(each.steps) for each in (way, back)] == [2, 3]

    bank.life(work)
    _, *rest = seen  # before its gateway has heard of it, and then
    assert {each[0] for each in rest} >= {Decimal(700)}
    assert all(each[1] == {"master": 700, "sub": 1300} for each in rest if each[0] == 700)


@pytest.mark.parametrize(("seconds", "state"), [(3, "arrived"), (60, "failed")])
def test_a_gateway_that_begins_anew_is_waited_for_until_the_move_is_late(seconds, state):
    bank = Bank(3, is_bad=False)

    async def work() -> Move:
        moves = bank.moves()
        way, _ = await moves.ways(bank.views())
        bank.begins["master"] = bank.now + seconds * SECOND
        moves.begin("op", [Transfer(way.route, Decimal(300))], [way])
        while moves.under_way:
            await asyncio.sleep(0.05)
        return moves.of("op")[0]

    move = bank.life(work)
    assert move.state == state, move.words
    assert state == "arrived" or (bank.now >= move.margin.due and "master did not take it in time" in move.words)


def failing(bank: Bank, *fails: tuple[str, int]) -> list[tuple[str, str | None]]:
    """Lets the tape fail at the records of some kinds, each with its number of its kind. Returns what is said."""
    append, counts, said = bank.append, Counter[str](), []

    def failed(record: dict, event: str = "memory") -> None:
        counts[record["kind"]] += 1
        if (record["kind"], counts[record["kind"]]) in fails:
            raise OSError(errno.EIO, "Input/output error")
        append(record, event)
        said.extend([(event, record["severity"])] if record["kind"] == "margin" else [])

    bank.append = failed  # type: ignore[method-assign]
    return said


def test_a_move_goes_on_once_the_tape_takes_its_step_and_an_alert_says_so_meanwhile():
    bank = Bank(3, is_bad=False)
    said = failing(bank, ("move_stepped", 1), ("move_stepped", 2), ("margin", 1))

    async def work() -> Move:
        moves = bank.moves()
        way, _ = await moves.ways(bank.views())
        moves.begin("op", [Transfer(way.route, Decimal(300))], [way])
        async with asyncio.timeout(600):
            while moves.under_way:
                await asyncio.sleep(0.05)
        assert moves.in_flight(bank.views()) == []
        return moves.of("op")[0]

    move = bank.life(work)
    assert (move.state, bank.money["sub", "trading"]) == ("arrived", 1300)
    assert said == [("alert", "critical"), ("health", None)]


def test_moves_of_which_one_is_not_on_the_tape_end_without_a_transfer():
    """In the next life, too: their operation has failed, and nobody would expect them."""
    bank = Bank(3, is_bad=False)
    failing(bank, ("move_begun", 2), ("move_stepped", 1))
    before = dict(bank.money)

    async def work() -> list[Move]:
        moves = bank.moves()
        way, back = await moves.ways(bank.views())
        with pytest.raises(OSError, match="Input/output error"):
            moves.begin("op", [Transfer(each.route, Decimal(300)) for each in (way, back)], [way, back])
        await asyncio.sleep(60)
        return moves.of("op")

    async def later() -> list[Move]:
        moves = bank.moves()
        await asyncio.sleep(60)
        return moves.of("op")

    for life in (work, later):
        (move,) = bank.life(life)
        assert move.state == "failed" and "could not begin: " in move.words
        assert bank.money == before


def test_a_venue_without_a_way_has_none_and_says_why():
    bank, other = Bank(1, is_bad=False), perpetual("elsewhere")

    async def work():
        views = [bank.views()[0], view("far", instrument=other), view("coin", instrument=coin)]
        return [each.why for each in await bank.moves().ways(views[:2])], await bank.moves().ways(views[::2])

    coin = from_symbol("venue:BTC/USD:BTC", tick="0.5", lot="1")
    far, (first, _) = bank.life(work)
    assert all(each.startswith("NOT_AVAILABLE") and "operator" in each for each in far)
    assert first.route is None and "currencies" in first.why


def moved(steps: int = 3) -> Move:
    found = ways("venue", "a", "b", "spot")[steps - 1]
    facts = {"source": "a", "target": "b", "currency": "USDT", "amount": Decimal(5), "begun": 1, "due": 9}
    return Move(Margin(operation="op", number=1, steps=found, **facts))


@pytest.mark.parametrize(
    ("answers", "state", "ids"),
    [
        (["", "", ""], "arrived", 3),
        (["no"], "failed", 1),
        (["", "no"], "returning", 4),
        (["", "no", ""], "returned", 4),
        (["", "no", "no"], "stranded", 4),
        (["", "", "no"], "stranded", 3),
    ],
)
def test_each_end_of_a_step_has_one_consequence_and_records_make_the_same(answers, state, ids):
    move, records = moved(), []
    for at, why in enumerate(answers):
        records.append(move.stepped(at, why))
        assert move.at < max(at, 2)  # it is not taken before it is on the tape
        move.take(records[-1])
    replayed = moved()
    for record in records:
        replayed.take(msgspec.msgpack.decode(msgspec.msgpack.encode(record)))
    assert (move.state, replayed.state, replayed.id) == (state, state, f"op.t1.{ids}")
    assert records[-1]["is_over"] == move.is_over
    counted = move.on_way(NOTHING, NOTHING)
    assert (counted is None) == move.is_over
    if counted is not None:  # what comes back is not counted on
        assert counted == InFlight(Transfer(Route("a", "b", "USDT", 8), Decimal(5)), 0, debited=True)


OWN, BACK, IN = "op.t1.1", "op.t1.1/back", "op.t1.3/in"


def booked(reference: str = "", amount: str = "5", at: int = 2, **fields) -> Booked:
    """The seventh frame of a gateway's tape. The sign of a transfer's amount is what it is here."""
    cause = Cause.COMMAND if reference.startswith("transfer ") else fields.get("cause", Cause.TRANSFER)
    holder = Outside.TRANSIT if reference.startswith("op.") else Outside.WORLD
    units, currency = money_units(amount), fields.get("currency", "USDT")
    wallet = fields.get("wallet", "")
    legs = (Leg(fields.get("by", MAIN), currency, units, wallet), Leg(holder, currency, -units))
    return Booked(7, at, Entry(at, cause, legs, reference))


@pytest.mark.parametrize(
    ("as_of", "source", "debited", "is_counted"),
    [
        (7, [], False, True),
        (7, [booked(OWN, "-5")], True, True),
        (6, [booked(OWN, "-5")], False, True),
        (7, [booked("op.t1.2", "-5", wallet="spot")], False, True),
        (7, [booked(OWN, "-5"), booked(BACK)], True, False),
        (7, [booked(BACK)], True, False),
        (7, [booked(BACK, by=Outside.WORLD)], True, False),
    ],
)
def test_what_the_source_has_booked_is_off_it_before_a_reply_says_so(as_of, source, debited, is_counted):
    found = moved().on_way(Books(as_of, source), NOTHING)
    assert (found.debited, bool(found.due), found.credited) == (debited, is_counted, 0)


@pytest.mark.parametrize(
    ("steps", "at", "as_of", "target", "credited"),
    [
        (3, 3, 7, [], "0"),
        (3, 3, 7, [booked(IN)], "5"),
        (3, 3, 6, [booked(IN)], "0"),
        (3, 2, 7, [booked(at=2)], "0"),  # its last step has not begun
        (2, 2, 7, [booked("transfer op.t1.2")], "5"),
        (2, 2, 6, [booked("transfer op.t1.2")], "0"),
        (2, 2, 6, [booked("transfer op.t1.2", by=Outside.WORLD)], "5"),  # the venue had said it before
        (2, 2, 7, [booked("transfer op.t1.1"), booked("transfer x"), booked("op.t2.2/in")], "0"),
        (2, 2, 7, [booked("venue's")], "5"),
        (2, 2, 7, [booked(cause=Cause.CORRECTION, amount="6")], "5"),
        (2, 2, 7, [booked(cause=Cause.CORRECTION, amount="4.9")], "4.9"),  # it, and a loss
        (2, 2, 7, [booked(cause=Cause.CORRECTION, amount=each) for each in ("3", "-1", "1")], "4"),
        (2, 2, 6, [booked(cause=Cause.CORRECTION, amount="4.9")], "0"),
        (2, 2, 6, [booked("venue's")], "0"),
        (2, 2, 7, [booked("venue's", at=0)], "0"),  # before it had begun
        (2, 2, 7, [booked("venue's", amount="4.99")], "0"),
        (2, 2, 7, [booked("venue's", currency="BTC"), booked("venue's", wallet="spot"), booked(by=-5)], "0"),
        (2, 2, 7, [booked(cause=Cause.FUNDING)], "0"),
    ],
)
def test_what_the_target_has_booked_has_arrived_before_its_gateway_says_so(steps, at, as_of, target, credited):
    move = moved(steps)
    for _ in range(at - 1):
        move.take(move.stepped(1))
    found = move.on_way(NOTHING, Books(as_of, target))
    assert (found.credited, found.due, found.debited) == (Decimal(credited), 9, at > 1)


def test_what_is_left_of_a_pruned_tape_is_no_move():
    moves = Bank(1, is_bad=False).moves()
    moves.resume([{"kind": "move_stepped", "operation": "op", "number": 1, "index": 0, "why": "", "at": 1}])
    assert moves.of("op") == [] and moves.under_way == []


def test_what_is_stranded_is_an_alert_until_a_transfer_has_taken_it_also_over_a_restart():
    bank, move = Bank(1, is_bad=False), moved()
    bank.append(move.record)
    for at, why in enumerate(("", "", "no")):
        bank.append(record := move.stepped(bank.now + at, why))
        move.take(record)
    rows = {"state": "done", "currency": "USDT", "from": "b.spot", "amount": "5", "ts_asked": move.at}  # before that
    said = []

    async def send(account, command, fields, id_, within_s):
        said.append((account, command, fields))
        return CommandResult("", "applied", {"transfers": [rows]})

    async def life() -> None:
        moves = bank.moves()
        moves._sender.send = send
        await asyncio.sleep(25)
        moves.close()

    def alerts() -> list[str]:
        found = [msgspec.msgpack.decode(each) for each in bank.records]
        return [each["severity"] or each["state"] for each in found if each["kind"] == "margin"]

    for _ in range(2):
        bank.life(life)
    assert alerts() == ["critical"] * 2 and said[0] == ("b", "transfers", {})
    rows["ts_asked"] += 1
    bank.life(life)
    assert alerts() == [*["critical"] * 3, "has been moved on"]
    bank.life(life)
    assert len(alerts()) == 4  # it is over, and stays so
