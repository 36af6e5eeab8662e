"""Income from gateways' tapes: each entry once, over any number of rows between two reads and any restart,
and in all what the ledger explains."""

from __future__ import annotations

import random
import shutil
import struct
import time
import uuid
from collections import Counter
from collections.abc import Iterable
from fractions import Fraction

import msgspec
import pytest
from msgspec import structs

from exchange.venue_client import served
from onetape.accounts.entries import MAIN, Cause, Entry, Leg, Outside
from onetape.accounts.entry_frames import pack
from onetape.accounts.explain import Part
from onetape.gateway.explain_tape import explain_journal
from onetape.guardian.halt_watch import HaltWatch
from onetape.guardian.income_tape import IncomeTape, incomes_of
from onetape.model import catalogue
from onetape.model.enums import Side
from onetape.model.errors import BannedSymbol, LossHalt
from onetape.model.home import gateway_journal
from onetape.model.loss_limit import parse_loss_limit
from onetape.model.money import money_units
from onetape.model.sections import GUARDIAN, HaltsConfig
from onetape.model.time import DAY, HOUR, SECOND
from onetape.orders.halts import Scope
from onetape.risk.halt_decisions import HaltDecisions, IncomeCame, NotCounted, Priced, Send, TimePassed, Unrealized
from onetape.risk.income_windows import IncomeWindows
from onetape.risk.income_windows import Kind as IncomeKind
from onetape.security.tokens import read_token
from onetape.tape.journal import JournalWriter
from waiting import wait_for
from worlds.gateway_process import SYMBOL, GatewayProcess, Robot, news_of

NOW = 1_795_000_000 * 10**9
A = 2
SLOTS = {A: "a"}


def entry(
    number: int, *legs: tuple[int, str, str], time: int = NOW, cause: Cause = Cause.FILL, note: str = ""
) -> Entry:
    moved = tuple(Leg(holder, currency, money_units(amount)) for holder, currency, amount in legs)
    reference = f"{SYMBOL} {number} buy" if cause is Cause.FILL else f"r{number}"
    return Entry(time, cause, moved, reference, 0, note)


def shown(*entries: Entry, spot=frozenset()) -> list[tuple]:
    """(strategy, "" of the account; kind; asset; amount)"""
    found = [income for each in entries for income in incomes_of(each, "main", {MAIN: "main", **SLOTS}, set(spot))]
    return [(i.strategy, str(i.kind), i.asset, str(Fraction(i.amount, 10**18)), i.of_account) for i in found]


MARKET, FEES, FUNDING, NETTING = Outside.MARKET, Outside.FEES, Outside.FUNDING, Outside.NETTING


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (
            entry(1, (A, "USDT", "-5"), (MARKET, "USDT", "5"), (A, "BNB", "-1"), (FEES, "BNB", "1")),
            [
                ("", "realized", "USDT", "-5", True),
                ("a", "realized", "USDT", "-5", False),
                ("", "fee", "BNB", "-1", True),
                ("a", "fee", "BNB", "-1", False),
            ],
        ),
        # The venue has netted two sub-accounts' positions: the account's loss is another one.
        (
            entry(2, (A, "USDT", "-5"), (NETTING, "USDT", "2"), (MARKET, "USDT", "3")),
            [("", "realized", "USDT", "-3", True), ("a", "realized", "USDT", "-5", False)],
        ),
        (entry(3, (A, "USDT", "-5"), (NETTING, "USDT", "5")), [("a", "realized", "USDT", "-5", False)]),
        (
            entry(4, (MAIN, "USDT", "-1"), (A, "USDT", "3"), (FUNDING, "USDT", "-2"), cause=Cause.FUNDING, note=SYMBOL),
            [
                ("", "funding", "USDT", "2", True),
                ("main", "funding", "USDT", "-1", False),
                ("a", "funding", "USDT", "3", False),
            ],
        ),
        (entry(5, (MAIN, "USDT", "-1"), (Outside.WORLD, "USDT", "1"), cause=Cause.TRANSFER), []),
        # What a correction had taken up before goes back: no income.
        (
            entry(
                6, (MAIN, "USDT", "-5"), (MARKET, "USDT", "5"), (MAIN, "USDT", "5"), (Outside.UNEXPLAINED, "USDT", "-5")
            ),
            [("", "realized", "USDT", "-5", True), ("main", "realized", "USDT", "-5", False)],
        ),
    ],
)
def test_what_an_entry_brought(made, expected):
    assert shown(made) == expected


def test_on_spot_what_was_bought_is_not_lost_and_its_fee_is():
    bought = entry(
        1,
        (MAIN, "BTC", "1"),
        (MARKET, "BTC", "-1"),
        (MAIN, "USD", "-600"),
        (MARKET, "USD", "600"),
        (MAIN, "USD", "-2"),
        (FEES, "USD", "2"),
    )
    assert [(each[1], each[3]) for each in shown(bought, spot={SYMBOL})] == [("fee", "-2")] * 2


def test_each_row_comes_once_however_many_lie_between_two_reads(tmp_path):
    path, rng, written = tmp_path / "gateway-main", random.Random(1), []
    with JournalWriter(path, process="gateway:main", account="main") as writer:
        writer.append_instrument(1, NOW, catalogue.find(SYMBOL).to_msgpack())

        def write(count: int) -> None:
            for _ in range(count):
                number = len(written)
                amount = f"-{rng.randrange(1, 10_000) / 100}"
                at = NOW + number
                made = entry(number, (MAIN, "USDT", amount), (MARKET, "USDT", amount[1:]), time=at)
                written.append(made.legs[0].amount)
                writer.append("entry", pack(made), time=at)

        def read(tape: IncomeTape) -> list[int]:
            return [e.income.amount for _, e in tape.events() if isinstance(e, IncomeCame) and e.income.of_account]

        tape = IncomeTape(path, "main", "USDT", SLOTS, since=0)
        seen: list[int] = []
        for count in (1, 2500, 0, 1200):
            write(count)
            seen += read(tape)
        assert seen == written
        second = IncomeTape(path, "main", "USDT", SLOTS, since=NOW)  # another life
        assert read(second) == written
        write(1100)
        assert read(second) == read(tape) == written[-1100:]
        for each in (tape, second):
            each.close()


def test_a_read_begins_before_its_window_and_knows_instruments_of_before(tmp_path):
    path = tmp_path / "gateway-main"
    instrument = catalogue.find(SYMBOL)
    spot = catalogue.find("kraken:BTC/USD")
    with JournalWriter(path, process="gateway:main", account="main") as writer:
        writer.append_instrument(1, NOW - 9 * HOUR, instrument.to_msgpack())
        writer.append_instrument(2, NOW - 9 * HOUR, spot.to_msgpack())
        writer.append_instrument(1, NOW - 8 * HOUR, structs.replace(instrument, price_decimals=2).to_msgpack())
        for hours in (5, 2, 0):
            made = entry(hours, (MAIN, "USDT", "-1"), (MARKET, "USDT", "1"), time=NOW - hours * HOUR)
            writer.append("entry", pack(made), time=NOW - hours * HOUR)
        writer.append("mark", struct.pack("<4q", NOW, NOW, 6_000_000, 0), stream=1, time=NOW)
    tape = IncomeTape(path, "main", "USDT", {}, since=NOW - 2 * HOUR)
    events = [event for _, event in tape.events()]
    tape.close()
    times = {each.income.time for each in events if isinstance(each, IncomeCame)}
    assert times == {NOW - 2 * HOUR, NOW}  # five hours ago is too old
    assert [each for each in events if isinstance(each, Priced)] == [Priced("BTC", Fraction(60_000))]
    assert {e.income.kind for e in events if isinstance(e, IncomeCame)} == {IncomeKind.REALIZED}


@pytest.fixture
def venue():
    with served("binance-usdm", seed=3, limits=False) as made:
        yield made


def test_a_loss_at_the_venue_halts_at_the_gateway_and_a_restart_changes_nothing(venue, tmp_path):
    dialect, port = venue
    gateway = GatewayProcess("binance-usdm", tmp_path, port, dialect.exchange.accounts[0])
    gateway.start()
    robot = Robot(tmp_path / "robot", gateway, 1)
    try:
        for count, side in enumerate((Side.BUY, Side.SELL) * 3):
            robot.place(side, 0)  # at the market, so fees are lost at least
            wait_for(lambda count=count: gateway.ask("status")["booked"] > count)
        path = gateway_journal(tmp_path, "main")
        limit = parse_loss_limit("4h 0.01 USDT")

        def decided() -> tuple[HaltDecisions, list, Counter]:
            """By a guardian that starts anew."""
            core = HaltDecisions(IncomeWindows([(Scope.SYMBOL, limit)], "USDT"), ["main"])
            tape, sums = IncomeTape(path, "main", "USDT", {}, since=time.time_ns() - 4 * HOUR), Counter()
            for _, event in tape.events():
                core.handle(event)
                if isinstance(event, IncomeCame) and event.income.of_account:
                    sums[event.income.asset] += event.income.amount
            tape.close()
            return core, core.handle(TimePassed(time.time_ns() + SECOND)), sums

        def explained() -> Counter:
            sums: Counter = Counter()
            for row in explain_journal(path, since=0, until=2**63 - 1):
                if row.slot == 0:
                    sums[row.currency] += sum(row.parts.get(p, 0) for p in (Part.TRADES, Part.FEES, Part.FUNDING))
            return sums

        wait_for(lambda: decided()[2] == explained() and explained()["USDT"] < 0)
        _, effects, _ = decided()
        (send,) = effects
        assert isinstance(send, Send)

        def carry(each: Send) -> dict:
            return gateway.ask(
                "command",
                id=each.id,
                actor=GUARDIAN,
                token=read_token(tmp_path, GUARDIAN),
                target="gateway:main",
                command=each.command,
                fields=each.fields,
            )

        assert carry(send)["status"] == "applied"
        assert carry(send)["status"] == "duplicate"
        order = robot.place(Side.BUY, dialect.exchange.listings[0].bid - 2000)
        wait_for(lambda: news_of(tmp_path, order))
        assert news_of(tmp_path, order) == [("denied", BannedSymbol.code)]
        assert decided()[1] == []  # it knows from the tape that it holds
        lift = {"id": send.fields["id"], "reason": "looked at"}
        answer = gateway.ask("command", id=uuid.uuid4().hex, target="gateway:main", command="lift_halt", fields=lift)
        assert answer["status"] == "applied"
        assert decided()[1] == []  # what was lost until then counts no more
    finally:
        gateway.kill()
        robot.writer.close()


def test_a_watch_sends_until_it_is_answered_and_a_gateway_that_was_dead_is_halted_when_it_is_back(venue, tmp_path):
    dialect, port = venue
    gateway = GatewayProcess("binance-usdm", tmp_path, port, dialect.exchange.accounts[0])
    watch = HaltWatch(tmp_path, {"main": {}}, HaltsConfig(symbol=["4h 0.01 USDT"], day="0.01 USDT"))
    assert watch.look(time.time_ns()) == []  # nothing is there yet
    gateway.start()
    robot = Robot(tmp_path / "robot", gateway, 1)
    try:
        robot.place(Side.BUY, 0)
        wait_for(lambda: gateway.ask("status")["booked"])
        gateway.kill()

        now = time.time_ns() + SECOND
        found = watch.look(now)
        assert sorted(each.fields["scope"] for each in found) == ["symbol", "system"]
        assert watch.look(now + SECOND // 2) == []
        assert watch.look(now + SECOND) == found  # nobody has answered
        gateway.start()
        for each in found:
            answer = gateway.ask(
                "command",
                id=each.id,
                actor=GUARDIAN,
                token=read_token(tmp_path, GUARDIAN),
                target="gateway:main",
                command=each.command,
                fields=each.fields,
            )
            assert answer["status"] == "applied"
            watch.answered(each)
        assert watch.look(now + 10 * SECOND) == []
        second = HaltWatch(tmp_path, {"main": {}}, HaltsConfig(symbol=["4h 0.01 USDT"], day="0.01 USDT"))
        assert second.look(now + 10 * SECOND) == []
        order = robot.place(Side.BUY, dialect.exchange.listings[0].bid - 2000)
        wait_for(lambda: news_of(tmp_path, order))
        assert news_of(tmp_path, order) == [("denied", LossHalt.code)]  # the wider one
        second.close()
    finally:
        gateway.kill()
        robot.writer.close()
        watch.close()


def test_a_watch_that_begins_anew_keeps_the_halts_of_open_losses_until_it_knows_them(tmp_path):
    """The next life of its guardian, and one whose tape another has taken the place of."""
    path = gateway_journal(tmp_path, "main")
    config = HaltsConfig(symbol=["4h 150 USDT"], account=["24h 150 USDT"], unrealized=True)
    open_ = Unrealized("main", "", SYMBOL, "USDT", money_units("-145"))

    def write(halts: Iterable[Send]) -> None:
        with JournalWriter(path, process="gateway:main", account="main") as writer:
            writer.append_instrument(1, NOW - HOUR, catalogue.find(SYMBOL).to_msgpack())
            lost = entry(1, (MAIN, "USDT", "-10"), (MARKET, "USDT", "10"), time=NOW - HOUR)
            writer.append("entry", pack(lost), time=NOW - HOUR)
            for each in halts:
                record = {"id": each.id, "actor": GUARDIAN, "command": each.command, "fields": each.fields}
                writer.append("command", msgspec.msgpack.encode(record), time=NOW)

    write(())
    first = HaltWatch(tmp_path, {"main": {}}, config)
    halts = first.look(NOW, [open_])
    assert [each.command for each in halts] == ["halt", "halt"]
    first.close()
    shutil.rmtree(path)
    write(halts)
    watch = HaltWatch(tmp_path, {"main": {}}, config)
    for _ in range(2):
        assert watch.look(NOW + SECOND) == []
        assert watch.look(NOW + 2 * SECOND, [open_._replace(amount=None)]) == []
        assert watch.look(NOW + 3 * SECOND, [open_]) == []
        shutil.rmtree(path)
        write(halts)
    assert watch.look(NOW + 4 * SECOND, [open_._replace(amount=None)]) == []
    assert [each.command for each in watch.look(NOW + 5 * SECOND, [open_._replace(amount=0)])] == ["lift_halt"] * 2
    watch.close()


def test_a_day_that_was_lost_while_no_guardian_lived_halts_after_midnight(tmp_path):
    midnight = NOW // DAY * DAY
    path = gateway_journal(tmp_path, "main")
    with JournalWriter(path, process="gateway:main", account="main") as writer:
        writer.append_instrument(1, midnight - DAY, catalogue.find(SYMBOL).to_msgpack())
        for number, (time, amount) in enumerate(((midnight - DAY, "3"), (midnight - 1, "2"))):
            lost = entry(number, (MAIN, "USDT", f"-{amount}"), (MARKET, "USDT", amount), time=time)
            writer.append("entry", pack(lost), time=time)
    watch = HaltWatch(tmp_path, {"main": {}}, HaltsConfig(day="5 USDT"))
    (sent,) = watch.look(midnight + HOUR - SECOND)
    assert (sent.command, sent.fields["loss"]) == ("halt", "5 USDT") and "until" not in sent.fields
    watch.close()


@pytest.mark.parametrize("accounts", [("a", "b"), ("b", "a")])
def test_a_fee_is_worth_the_price_of_its_time_by_whichever_tape_also_after_a_restart(accounts, tmp_path):
    btc = catalogue.find(SYMBOL)
    writers = {}
    for account in accounts:
        path = gateway_journal(tmp_path, account)
        writers[account] = JournalWriter(path, process=f"gateway:{account}", account=account)
    writers["b"].append_instrument(
        1, NOW - 3 * HOUR, structs.replace(btc, symbol="binance:BNB/USDT:USDT", base="BNB").to_msgpack()
    )
    config, sent = HaltsConfig(system=["4h 150 USDT"]), []
    slots: dict = {account: {} for account in accounts}
    live = HaltWatch(tmp_path, slots, config)
    for number, price in enumerate((600, 300, 1000)):
        for at, account, event, payload in (
            (NOW + 2 * number, "b", "mark", struct.pack("<4q", NOW, NOW, price * 10**btc.price_decimals, 0)),
            (NOW + 2 * number + 1, "a", "entry", pack(entry(number, (MAIN, "BNB", "-0.1"), (FEES, "BNB", "0.1")))),
        ):
            writers[account].append(event, payload, stream=event == "mark", time=at)
            sent += live.look(at)
    anew = HaltWatch(tmp_path, slots, config)
    for effects in (sent, anew.look(NOW + SECOND)):
        assert [each.fields["loss"] for each in effects] == ["190 USDT"] * 2
    for each in (live, anew, *writers.values()):
        each.close()


def test_a_fee_is_worth_the_hubs_price_where_a_gateway_has_no_marks_on_its_tape(tmp_path):
    path = gateway_journal(tmp_path, "main")
    with JournalWriter(path, process="gateway:main", account="main") as writer:
        writer.append("entry", pack(entry(1, (MAIN, "BNB", "-0.1"), (FEES, "BNB", "0.1"))), time=NOW)
    watch = HaltWatch(tmp_path, {"main": {}}, HaltsConfig(system=["4h 60 USDT"]))
    assert watch.look(NOW) == [NotCounted({"BNB": money_units("-0.1")})]
    assert (watch.assets, watch.currency) == ({"BNB"}, "USDT")
    counted, halt = watch.look(NOW + 1, prices=[Priced("BNB", Fraction(600))])
    assert (halt.fields["loss"], counted) == ("60 USDT", NotCounted({}))
    watch.close()


def test_without_limits_nothing_is_followed(tmp_path):
    watch = HaltWatch(tmp_path, {"main": {}}, HaltsConfig())
    assert watch.is_idle
    assert watch.look(NOW) == []
