"""Where an account's books begin, and what a late word changes: a gateway's money on a journal."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from accounts.booking_world import INSTRUMENTS, LINEAR, UNIT, fill_of
from onetape.accounts.entries import MAIN, Cause, Entry, Leg, Outside
from onetape.accounts.kept_money import KeptMoney
from onetape.accounts.slots import Refused
from onetape.accounts.table import AccountReader
from onetape.gateway.account_money import REPORT_STEP_NS
from onetape.model.enums import PositionSide, Side
from onetape.model.errors import InsufficientFunds, VenueUnavailable
from onetape.model.order import OrderSpec
from onetape.model.time import SECOND
from onetape.orders.managed import FillOut, HealthOut
from onetape.orders.reports import BalanceReport, MoveKind, MoveReport
from onetape.tape.journal import JournalReader, JournalWriter
from worlds.gateway_money import money_of, options_of

BEGAN = 1_000


class Life(AbstractContextManager):
    """Of a gateway's money, on a journal that lives on. Robots are numbered as their slots."""

    def __init__(self, home: Path, credit: str = "0") -> None:
        options = options_of(home, symbols=[LINEAR], subaccounts={"a": 2}, credit={"USDT": credit})
        kept = KeptMoney(options, INSTRUMENTS, {}, lambda currency: 0)
        if (home / "tape").exists():
            with JournalReader(home / "tape") as reader:
                for frame in reader.frames(("entry",)):
                    kept.entry(frame.payload)
        self.said: list[HealthOut] = []
        self.stopped: list[tuple[int, ...]] = []
        self.writer = JournalWriter(home / "tape", durable=False)
        said, stopped = self.said.append, self.stopped.append
        self.money = money_of(options, kept, self.writer, say=said, stop=stopped, wall=lambda: BEGAN)
        self.money.recover()

    def report(self, total: int, at: int) -> None:
        """The venue's balance, at a start and later."""
        balances = {"USDT": BalanceReport("USDT", total * UNIT, at)}
        self.money.begin(balances, is_other=False)
        self.money.check(balances, at)

    def send(self, name: str, **fields) -> Entry | Refused:
        fields = {"currency": "usdt", "index": 2, **fields}
        return self.money.command("operator", name, fields, "", BEGAN + 5)

    def rows(self) -> list[int]:
        return [amount // UNIT for amount in self.money.ledger.slots("USDT", 3)]

    def refusal(self) -> str:
        spec = OrderSpec(symbol=LINEAR, side=Side.BUY, size_int=1, price_int=10)
        refusal = self.money.refusal(2, spec, 1)
        return refusal.reason if refusal is not None else ""

    def __exit__(self, *report: object) -> None:
        self.money.close()
        self.writer.close()


@pytest.fixture
def money(tmp_path: Path):
    with Life(tmp_path) as life:
        life.report(1000, BEGAN)
        yield life.money


@pytest.mark.parametrize(
    ("credit", "rows", "is_reset"),
    [
        ("500", [1000, -400, 1400], False),
        ("400", [1000, -400, 1400], False),
        ("399.999999999999999999", [1000, 1000, 0], True),
        ("0", [1000, 1000, 0], True),
    ],
)
def test_another_credit_after_a_restart_is_held_against_what_was_allocated(
    tmp_path: Path, credit: str, rows: list[int], is_reset: bool
):
    with Life(tmp_path, credit="500") as life:
        life.report(1000, BEGAN)
        assert isinstance(life.send("allocate", amount="1400"), Entry)
    with Life(tmp_path, credit=credit) as life:
        life.report(1000, BEGAN + 10)
        assert life.rows() == rows
        alerts = {(each.kind, each.subject) for each in life.said if each.severity == "critical"}
        assert alerts == ({("balance", "USDT"), ("sub-account", "a")} if is_reset else set())
        assert life.stopped == ([(2,)] if is_reset else [])
        assert ("allocate again" in life.refusal()) is is_reset


def test_who_lost_his_allocation_trades_again_once_he_allocates(tmp_path: Path):
    """What a position brings in meanwhile is no allocation; a restart does not let it pass."""
    with Life(tmp_path) as life:
        life.report(1000, BEGAN)
        assert isinstance(life.send("allocate", amount="100"), Entry)
        assert not life.refusal()
        assert isinstance(life.send("reset", amount="1000", index=None), Entry)
        assert life.stopped == [(2,)]
        legs = (Leg(2, "USDT", 7 * UNIT), Leg(Outside.FUNDING, "USDT", -7 * UNIT))
        life.money.book(Entry(BEGAN + 6, Cause.FUNDING, legs, "f"))
        assert life.rows() == [1007, 1000, 7]
        assert "allocate again" in life.refusal()
    with Life(tmp_path) as life:
        life.report(1007, BEGAN + 10)
        assert "allocate again" in life.refusal()
        assert isinstance(life.send("allocate", amount="1"), Entry)
        assert not life.refusal()


@pytest.mark.parametrize(("name", "index"), [("adjust", 0), ("set", 2), ("allocate", 2)])
def test_no_command_moves_money_before_the_books_have_begun(tmp_path: Path, name, index):
    """They would never begin, and no fill would be booked."""
    with Life(tmp_path, credit="10") as life:
        refused = life.send(name, index=index, amount="5")
        assert isinstance(refused, Refused) and refused.kind is VenueUnavailable
        life.report(1000, BEGAN + 10)
        assert life.rows() == [1000, 1000, 0]
        bought = fill_of(LINEAR, "+1@100", trade=1, time=BEGAN + 20)
        life.money.fill(FillOut(None, bought), 7)
        assert life.money.own(MAIN, LINEAR, PositionSide.BOTH) == bought.size


@pytest.mark.parametrize(
    ("time", "total"), [(BEGAN, 1000), (BEGAN + REPORT_STEP_NS, 1000), (BEGAN + REPORT_STEP_NS + 1, 1007)]
)
def test_a_move_until_the_books_began_is_in_what_they_began_with(money, time, total):
    money.heard([MoveReport("d1", "USDT", 7 * UNIT, time, MoveKind.TRANSFER)], BEGAN + 2)
    assert money.ledger.total("USDT") == total * UNIT


def test_a_sub_account_without_money_gets_out_of_its_position(money):
    money.reserves.position(2, LINEAR, PositionSide.BOTH, 1000, 100 * UNIT)
    assert money.accounts.available("USDT", 2) < 0
    way_out = OrderSpec(symbol=LINEAR, side=Side.SELL, size_int=1000, price_int=1000)
    assert money.refusal(2, way_out, 1000) is None
    further = OrderSpec(symbol=LINEAR, side=Side.BUY, size_int=1, price_int=1000)
    assert money.refusal(2, further, 1).code == InsufficientFunds.code


def test_a_late_fill_gives_the_account_what_the_venue_has(money, tmp_path):
    """Bought at 100 and at 110, one sold at 120 between the two: 20, whoever is heard first."""
    received = [
        fill_of(LINEAR, text, trade=trade, time=BEGAN + trade)
        for trade, text in ((1, "+1@100"), (2, "+1@110"), (3, "-1@120"), (4, "+2@90"))
    ]
    for at in (0, 3, 2, 1):
        money.fill(FillOut(None, received[at]), at + 1)
        if at == 2:  # as far as anybody knows
            assert money.ledger.total("USDT") == (1000 + 20) * UNIT
    assert money.ledger.total("USDT") == (1000 + 15) * UNIT
    money.ready()
    reader = AccountReader(tmp_path, "gateway:main")
    group = reader.slots("USDT", max_age=2**62)
    totals, held, *_ = group.all()
    assert totals[0] == 1015 * UNIT
    assert held[1] == money.reserves.held("USDT", 1) == (105 + 2 * 90) * UNIT


def test_a_fill_is_in_the_table_with_its_positions_before_robots_are_woken(money, tmp_path):
    """Of the sub-account and of the account; a reader who is rung then finds what the tape has."""
    money.ready()
    money.alive("")
    reader = AccountReader(tmp_path, "gateway:main")
    for trade, (text, held) in enumerate((("+3@100", 3), ("-1@120", 2), ("-2@120", 0)), 1):
        money.fill(FillOut(None, fill_of(LINEAR, text, trade=trade, time=BEGAN + trade)), trade)
        money.publish()
        reader.state.refresh()
        assert {each.slot: each.qty // UNIT for each in reader.positions()} == {0: held, 1: held}


class Killed(BaseException):
    """The process ends, between two frames."""


@pytest.mark.parametrize("is_other", [False, True])
def test_whoever_dies_while_the_books_begin_has_no_correction(tmp_path: Path, is_other: bool):
    if is_other:
        with Life(tmp_path) as life:
            life.report(1000, BEGAN)
    later = BEGAN + SECOND
    balances = {name: BalanceReport(name, amount * UNIT, later) for name, amount in (("BTC", 2), ("USDT", 70))}
    with pytest.raises(Killed), Life(tmp_path) as life:
        write = life.money.append_entry

        def write_and_die(frame: bytes) -> None:
            write(frame)
            raise Killed

        life.money.append_entry = write_and_die  # type: ignore[method-assign]
        life.money.begin(balances, is_other=is_other)
    with Life(tmp_path) as life:
        life.money.begin(balances, is_other=is_other)
        for at in (later, later + SECOND):
            life.money.check({name: row._replace(time=at) for name, row in balances.items()}, at)
        assert {name: life.money.ledger.total(name) // UNIT for name in ("BTC", "USDT")} == {"BTC": 2, "USDT": 70}
        assert life.money.status()["corrections"] == 0


def test_an_account_that_had_nothing_gets_all_that_comes_first(tmp_path: Path):
    with Life(tmp_path) as life:
        life.money.begin({}, is_other=False)
        life.money.check({name: BalanceReport(name, 5 * UNIT, BEGAN) for name in ("BTC", "USDT")}, BEGAN)
        assert [life.money.ledger.total(name) for name in ("BTC", "USDT")] == [5 * UNIT, 5 * UNIT]


def test_a_currency_that_comes_between_two_lives_is_a_change_and_no_beginning(tmp_path: Path):
    """Its first balance may have it already, and the venue's list has it too: once is right."""
    with Life(tmp_path) as life:
        life.report(1000, BEGAN)
    came, made = BEGAN + 3 * REPORT_STEP_NS, BEGAN + 2 * REPORT_STEP_NS
    balances = {
        "USDT": BalanceReport("USDT", 1000 * UNIT, made),
        # It was requested before the coin came, and read after that.
        "BTC": BalanceReport("BTC", 2 * UNIT, made, made, came + REPORT_STEP_NS),
    }
    with Life(tmp_path) as life:
        life.money.begin(balances, is_other=False)
        life.money.heard([MoveReport("7", "BTC", 2 * UNIT, came, MoveKind.TRANSFER)], came)
        life.money.check(balances, came)
        assert life.money.ledger.total("BTC") == 2 * UNIT
        assert life.money.status()["unexplained"] == {} and life.money.status()["corrections"] == 0
