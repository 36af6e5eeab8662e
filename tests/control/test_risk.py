"""Figures of accounts now and before, alerts, and what they block: on a gateway's table and tape, records and a
supervisor's journal that are written as these processes write them."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import struct
import time
from contextlib import closing, nullcontext
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from onetape.accounts.entries import TOTAL
from onetape.accounts.holding import Holding, Terms
from onetape.accounts.table import AccountTable, Margin
from onetape.control.accounts import state_of
from onetape.control.call import Call
from onetape.control.risk import Risk
from onetape.control.state import State
from onetape.figures.views import MARKS, Views
from onetape.model.config import parse_config
from onetape.model.enums import Kind, Liquidity, PositionSide, Side
from onetape.model.errors import (
    BadConfig,
    BadInput,
    BlockedByRiskAlert,
    InvalidAccount,
    NotAvailable,
    ProcessDown,
    ProxyFailed,
    ServiceTimeout,
)
from onetape.model.home import gateway_journal, supervisor_journal
from onetape.model.instrument import from_symbol
from onetape.model.money import money_units
from onetape.model.time import MINUTE
from onetape.orders.reports import INTERNAL_TRADES
from onetape.store.records import Records, add
from onetape.tape.journal import JournalWriter
from onetape.web.control_models import Alert, DeltaStatus
from onetape.web.refusals import NotServed
from worlds.frames import FILL, QUOTE

CONFIG = """
[venues.x]
kind = "binance-usdm"
[venues.y]
kind = "bitmex"
[accounts.main]
venue = "x"
leverage = 4
[accounts.inverse]
venue = "y"
[accounts.other]
venue = "x"
[robots.mm]
strategy = "m.py"
account = "other"
"""
LINEAR = from_symbol("binance:BTC/USDT:USDT", tick="0.1", lot="0.001", taker_fee="0.0005")
INVERSE = from_symbol("bitmex:BTC/USD:BTC", tick="0.5", lot="100", size_decimals=0)


class Gateway:
    """What one of an account leaves for others to read."""

    def __init__(self, home: Path, account: str, instrument) -> None:
        self.instrument = instrument
        self.tape = JournalWriter(gateway_journal(home, account), process=f"gateway:{account}")
        self.tape.append_instrument(1, time.time_ns(), instrument.to_msgpack())
        self.table = AccountTable(home, venue=instrument.venue, account=account, kind="x")
        self.table.ready()

    def quote(self, bid: str, ask: str) -> None:
        now = time.time_ns()
        units = [int(Decimal(price).scaleb(self.instrument.price_decimals)) for price in (bid, ask)]
        size = 10**self.instrument.size_decimals
        self.tape.append("quote", QUOTE.pack(now, now, *units, size, size, 0), stream=1, time=now)

    def stand(self, equity: str, qty: str = "0", unrealized: str = "0", side: PositionSide = PositionSide.BOTH) -> None:
        instrument, now = self.instrument, time.time_ns()
        held, price = Holding(Terms(instrument)), int(Decimal(50_000).scaleb(instrument.price_decimals))
        held.qty = int(Decimal(qty).scaleb(instrument.size_decimals))
        gain = money_units(unrealized) * (-1 if instrument.kind is Kind.INVERSE else 1)
        held.cost = held.terms.value(price, held.qty) - gain
        key, entry, sequence = (TOTAL, instrument.symbol, side), money_units("50000"), self.tape.published
        self.table.put_position(key, held, entry=entry, price=price, ts=now, sequence=sequence)
        self.stand_by_money(equity, unrealized)

    def stand_by_money(self, equity: str, unrealized: str = "0") -> None:
        """Its table has no row of a position that was flat when its process began."""
        instrument, now, sequence = self.instrument, time.time_ns(), self.tape.published
        money = [money_units(each) for each in (equity, unrealized)]
        self.table.put_margin(Margin(instrument.settle, *money, 0, None, None, now, now), sequence=sequence)
        self.table.alive(now)

    def fill(self, trade: int, side: Side, size: int) -> None:
        """On its tape; its table has it later."""
        now, liquidity = time.time_ns(), Liquidity.TAKER.id
        row = FILL.pack(1, 1, trade, now, 500_000, size, 0, 0, side.id, liquidity, PositionSide.BOTH.id, 1, 0, 0)
        self.tape.append("fill", row, stream=1, time=now)

    def close(self) -> None:
        self.table.close()
        self.tape.close()


@pytest.fixture
def views(tmp_path):
    made = Views(parse_config(CONFIG), tmp_path)
    yield made
    made.close()


@pytest.fixture
def gateway(tmp_path):
    made = Gateway(tmp_path, "main", LINEAR)
    yield made
    made.close()


def metrics(risk: Risk, views: Views, account: str = "main"):
    views.refresh()
    if (currency := risk.unread(account)) is not None:
        risk.read(account, currency)
    return risk.metrics(account)


def test_metrics_follow_the_account(views, gateway):
    risk = Risk(views, lambda: None)
    with pytest.raises(InvalidAccount):
        risk.metrics("nobody")
    with pytest.raises(ProxyFailed, match="its gateway does not run"):
        metrics(risk, views, "other")
    gateway.quote("49999.9", "50000.1")
    drawdowns = []
    for equity in ("100", "120", "90", "110"):
        gateway.stand(equity, "-0.002", "-3")
        drawdowns.append(metrics(risk, views).max_drawdown)
    assert drawdowns == [0, 0, 0.25, 0.25]
    found = metrics(risk, views)
    assert (found.delta_deviation, found.delta_unit, found.unrealized_pnl) == (0.002, "BTC", -3)
    assert found.leverage_ratio == pytest.approx(100 / 110) and found.utilization_rate == pytest.approx(25 / 110)
    assert found.ages.keys() == {"account", "market", "confirmed"}


def test_calls_that_are_there_together_are_of_one_moment_and_one_after_an_answer_is_of_a_later_one(tmp_path, gateway):
    """Of what comes within one turn of the loop the tapes are read once; what an answer said is never missing of the
    next."""
    gateway.quote("49999.9", "50000.1")
    gateway.stand("100", "0.001")

    async def work() -> None:
        state = State(tmp_path, parse_config(CONFIG), stop=lambda: None)
        state.views.clock = itertools.count(time.time_ns(), 10**9).__next__
        call = Call("r", "", "GET", "", request=DeltaStatus(symbol="BTC-USD"))
        show = state.handlers["delta_status"]
        try:
            first, second = await asyncio.gather(show(call), show(call))
            assert first == second and first.symbols[0].net_delta == 0.001
            gateway.fill(1, Side.BUY, 2)
            third = await asyncio.ensure_future(show(call))
            assert third.timestamp > second.timestamp and third.symbols[0].net_delta == 0.003
        finally:
            await state.close()

    asyncio.run(work())


def test_contracts_of_an_inverse_market_are_counted_in_coins(tmp_path, views):
    gateway = Gateway(tmp_path, "inverse", INVERSE)
    gateway.quote("50000", "50000.5")
    gateway.stand("0.5", "-5000")
    views.refresh()
    (leg,) = views.legs("BTC-USD", ["inverse"])
    mark = Decimal("50000.25")
    assert leg.mark == mark and abs(leg.position + 5000 / mark) < Decimal("1e-25")
    assert leg.gross == -leg.position and abs(leg.bids[0].base - 1 / Decimal(50000)) < Decimal("1e-25")
    assert leg.utilization == pytest.approx(0.2, abs=0.001)
    gateway.close()


def test_equity_of_a_spot_account_has_each_of_its_coins_once(tmp_path, views):
    """Two markets trade BTC, ETH leads there over BTC, and a coin without a price is named."""
    markets = ["BTC/USDT", "BTC/USDC", "ETH/BTC", "SOL/USDT", "DOT/SOL"]
    instruments = [from_symbol(f"kraken:{each}", tick="0.01", lot="0.001") for each in markets]
    gateway = Gateway(tmp_path, "main", instruments[0])
    now = time.time_ns()
    for stream, each in enumerate(instruments[1:], 2):
        gateway.tape.append_instrument(stream, now, each.to_msgpack())
    for stream, price in ((1, 50_000), (2, 49_000), (3, 0.04)):
        gateway.tape.append("quote", QUOTE.pack(now, now, *[int(price * 100)] * 2, 1, 1, 0), stream=stream, time=now)
    for coin, total in {"USDT": 1000, "USDC": 7, "BTC": 2, "ETH": 10, "SOL": 0}.items():
        gateway.table.put(coin, [money_units(str(total))] * 2, [0, 0], ts=now, sequence=1)
    gateway.table.ready()
    gateway.table.alive(now)
    views.refresh()
    expected = {"BTC/USDT": 121_000, "BTC/USDC": 117_607, "ETH/BTC": Decimal("2.4"), "SOL/USDT": 121_000}
    for market, equity in expected.items():
        (leg,) = views.legs(f"kraken:{market}", ["main"])
        assert (leg.equity, leg.unpriced) == (equity, ())
    assert views.any_leg("main").equity == 121_000
    risk = Risk(views, lambda: None)
    assert not metrics(risk, views).unpriced
    for sequence, coin in enumerate(("SOL", "DOT"), 2):  # DOT leads there over SOL
        gateway.table.put(coin, [money_units("3")] * 2, [0, 0], ts=now, sequence=sequence)
    gateway.table.put("BTC", [money_units("1")] * 2, [0, 0], ts=now, sequence=4)
    gateway.table.alive(now)
    found = metrics(risk, views)
    assert (found.unpriced, found.max_drawdown) == (["DOT", "SOL"], 0)
    state = state_of(views, "main")
    assert (state.total_balance, state.unpriced) == (71_000, ["DOT", "SOL"])
    gateway.close()


def test_a_fill_that_the_table_is_younger_than_is_in_it_also_where_it_has_no_position(views, gateway):
    gateway.quote("49999.9", "50000.1")
    gateway.fill(1, Side.SELL, 100)  # it has closed what was bought long ago
    gateway.stand_by_money("100")
    views.refresh()
    assert views.any_leg("main").position == 0


def test_a_fill_counts_once_whether_the_table_has_it_or_not(views, gateway):
    """A gateway writes its tape first; of an internal trade the account's position hears nothing."""
    gateway.quote("49999.9", "50000.1")
    gateway.stand("100", "0.002")
    gateway.fill(7, Side.BUY, 3)
    gateway.fill(INTERNAL_TRADES, Side.BUY, 500)
    for is_in_table in (False, True):
        if is_in_table:
            gateway.stand("100", "0.005")
        views.refresh()
        (leg,) = views.legs("binance:BTC/USDT:USDT", ["main"])
        assert leg.position == Decimal("0.005")
    gateway.fill(8, Side.SELL, 5)
    views.refresh()
    (leg,) = views.legs("binance:BTC/USDT:USDT", ["main"])
    assert not leg.position


def test_both_sides_of_hedge_mode_take_margin(views, gateway):
    gateway.quote("49999.9", "50000.1")
    gateway.stand("100", "0.003", side=PositionSide.LONG)
    gateway.stand("100", "-0.003", side=PositionSide.SHORT)
    found = metrics(Risk(views, lambda: None), views)
    assert (found.delta_deviation, found.leverage_ratio, found.utilization_rate) == (0, 3, 0.75)


def test_a_mark_serves_while_it_is_told_and_a_market_is_as_old_as_its_quotes(views, gateway):
    """A mark alone is no market; one of long ago is no price."""
    gateway.stand("100")
    now = time.time_ns()
    gateway.tape.append("mark", struct.pack("<4q", now, now, 510_000, 0), stream=1, time=now)
    views.refresh()
    (leg,) = views.legs("binance:BTC/USDT:USDT", ["main"])
    assert leg.mark == 51_000 and leg.refusal == "its price is unknown"
    gateway.quote("49999.9", "50000.1")
    views.refresh()
    (leg,) = views.legs("binance:BTC/USDT:USDT", ["main"])
    assert (leg.mark, leg.refusal) == (51_000, "")
    views.clock = lambda: time.time_ns() + MARKS * views.market_age
    views.refresh()
    (leg,) = views.legs("binance:BTC/USDT:USDT", ["main"])
    assert leg.mark == 50_000


def test_an_account_whose_stream_is_lost_is_refused_also_by_who_begins_to_read_then(views, gateway):
    gateway.quote("49999.9", "50000.1")
    gateway.table.stream("lost")
    gateway.stand("100")
    views.refresh()
    (leg,) = views.legs("binance:BTC/USDT:USDT", ["main"])
    assert leg.refusal == "its account's stream is lost"
    gateway.table.stream("")
    gateway.stand("100")
    views.refresh()
    (leg,) = views.legs("binance:BTC/USDT:USDT", ["main"])
    assert leg.refusal == ""


def test_without_equity_there_is_no_leverage_and_a_fraction_of_one_is_kept(tmp_path, gateway):
    views = Views(parse_config(CONFIG.replace("leverage = 4", "leverage = 2.5")), tmp_path)
    gateway.quote("49999.9", "50000.1")
    gateway.stand("-5", "0.002")
    found = metrics(Risk(views, lambda: None), views)
    assert (found.leverage_ratio, found.utilization_rate) == (None, 1)
    gateway.stand("100", "0.002")
    assert metrics(Risk(views, lambda: None), views).utilization_rate == pytest.approx(0.4)
    views.close()


def test_another_home_s_records_are_refused(tmp_path, views, gateway):
    url, other = f"sqlite:///{tmp_path}/store.db", tmp_path / "other"
    records = Records(url, home=other)
    assert records.take_lease() == ""
    records.close()
    with pytest.raises(BadConfig, match="another home"):
        Risk(views, lambda: None, url).history("main")


def test_records_that_no_recorder_has_made_are_left_as_they_are(tmp_path, views, gateway):
    with pytest.raises(ProcessDown):
        Risk(views, lambda: None, "sqlite:///store.db").history("main")
    with closing(sqlite3.connect(tmp_path / "store.db")) as database:
        assert database.execute("SELECT name FROM sqlite_master").fetchall() == []


def rows(account: str, count: int, currency: str = "USDT") -> list[dict]:
    figures = {"subaccount": "", "strategy": "", "balance": "1", "coins": "0", "capital": "0", "leverage": 0.5}
    return [
        {
            "account": account,
            "slot": TOTAL,
            "currency": currency,
            "ts": minute * MINUTE,
            "equity": str(1000 + minute),
            "unrealized": str(minute),
            "delta": str(-minute),
            "utilization": None if minute == 1 else minute / 1000,
            "drawdown": 0.3 if minute == 7 else 0.01,
            **figures,
        }
        for minute in range(1, count + 1)
    ]


def test_history_is_the_newest_of_what_was_recorded(tmp_path, views, gateway):
    records = Records("sqlite:///store.db", home=tmp_path)
    with records.transaction() as connection:
        add(connection, "record_equity", [*rows("main", 150), *rows("other", 3), *rows("main", 20, "BTC")])
        now = rows("main", 1)[0] | {"drawdown": 0.2}
        add(connection, "record_risk", [now, now | {"currency": "BTC", "equity": "0.5"}])
    records.close()
    risk = Risk(views, lambda: None, "sqlite:///store.db")
    views.refresh()
    found = risk.history("main")
    assert [each.timestamp // 60_000 for each in found] == list(range(150, 50, -1))
    assert (found[0].delta_deviation, found[0].delta_unit, found[0].utilization_rate) == (150, "USDT", 0.15)
    assert [each.timestamp // 60_000 for each in risk.history("main", 1000, since=148 * 60_000)] == [150, 149]
    assert len(risk.history("main", 1000)) == 150 and risk.history("main", 1000)[-1].utilization_rate == 1
    assert risk.history("inverse") == []
    for limit in (0, 1001, -1):
        with pytest.raises(BadInput, match="limit is 1 to 1000"):
            risk.history("main", limit)
    with pytest.raises(InvalidAccount):
        risk.currency("nobody")
    with pytest.raises(NotAvailable, match="is not recorded"):
        Risk(views, lambda: None).history("main")
    gateway.quote("50000", "50000.1")
    gateway.stand("100")
    assert metrics(risk, views).max_drawdown == 0.3  # a minute of long ago, not what it is now
    assert risk.currency("main") == "USDT" and len(risk.history("main", currency="BTC")) == 20
    risk.close()


class Supervisor:
    def __init__(self, home: Path) -> None:
        self.tape = JournalWriter(supervisor_journal(home))

    def tell(self, subject: str, state: str = "begin", *, type_: str = "risk", severity: str = "critical") -> str:
        record = {"type": type_, "severity": severity, "subject": subject, "state": state, "message": f"{subject}: bad"}
        record |= {"time": time.time_ns(), "more": 0, **({"actor": "me"} if state == "ack" else {})}
        self.tape.append("alert", msgspec.msgpack.encode(record), time=time.time_ns())
        return str(self.tape.published)


@pytest.mark.parametrize("needs_alerts", [False, True])
def test_a_sink_that_takes_no_alerts_blocks_where_the_configuration_says_so(tmp_path, needs_alerts: bool):
    config = CONFIG + f"\n[control]\nneeds_alerts = {str(needs_alerts).lower()}\n"
    made = Views(parse_config(config), tmp_path)
    supervisor, risk = Supervisor(tmp_path), Risk(made, lambda: None)
    for subject in ("notify 1", "notify:phone 2"):
        supervisor.tell(subject, type_="process")
        assert len(risk.alerts(severity="CRITICAL")) == 1  # it is shown
        with pytest.raises(BlockedByRiskAlert, match=subject) if needs_alerts else nullcontext():
            risk.gate(["main"], reduces=False)
        supervisor.tell(subject, "end", type_="process")
    supervisor.tell("notifier:x", type_="process")
    with pytest.raises(BlockedByRiskAlert, match="notifier"):
        risk.gate(["main"], reduces=False)
    made.close()


@pytest.mark.parametrize(
    ("subject", "account"),
    [
        ("gateway:main disk", "main"),
        ("robot:mm strategy_error on_quote", "other"),
        ("guardian protection main binance:BTC/USDT:USDT", "main"),
        ("recorder utilization other USDT", "other"),
        ("control hedge main", "main"),
        ("hub market main", ""),  # a hub knows of no account
        ("venue:x", ""),
        ("disk", ""),
    ],
)
def test_a_critical_blocks_its_account_or_all_until_it_ends_or_is_acknowledged(tmp_path, views, subject, account):
    views.refresh()
    supervisor, risk = Supervisor(tmp_path), Risk(views, lambda: None)
    blocked = [account] if account else ["main", "other", "inverse"]

    def blocks() -> list[str]:
        found = []
        for each in ("main", "other", "inverse"):
            try:
                risk.gate([each], reduces=False)
            except BlockedByRiskAlert as error:
                assert f"{subject}: bad" in error.message and "/ack" in error.message
                found.append(each)
        risk.gate(["main", "other", "inverse"], reduces=True)
        return found

    assert blocks() == []
    supervisor.tell(subject, severity="warn")
    assert blocks() == []
    id_ = supervisor.tell(subject)
    assert sorted(blocks()) == sorted(blocked)
    (shown,) = risk.alerts(severity="CRITICAL")
    assert (shown.account_id, shown.type, shown.data["subject"]) == (account, "risk-alert", subject) and id_
    supervisor.tell(subject, "ack")
    assert blocks() == [] and risk.alerts() == [] and risk.alerts(all=True)[0].acked
    supervisor.tell(subject, "end")
    supervisor.tell(subject)  # it comes again: nobody has acknowledged that
    assert sorted(blocks()) == sorted(blocked)
    supervisor.tell(subject, "end")
    assert blocks() == [] and len(risk.alerts(all=True)) == 2
    supervisor.tell(subject, "note")  # of what is over nothing goes on
    assert blocks() == []
    supervisor.tell(subject, severity="warn")
    supervisor.tell(subject, "ack")
    supervisor.tell(subject)  # who has acknowledged a warning does not know of it
    assert sorted(blocks()) == sorted(blocked) and "actor" not in risk.alerts()[0].data
    supervisor.tell(subject, "ack")
    supervisor.tell(subject, severity="warn")
    assert blocks() == [] and risk.alerts() == [] and risk.alerts(all=True)[-1].data["actor"] == "me"
    risk.close()


@pytest.mark.parametrize("needs_alerts", [False, True])
def test_what_blocks_is_what_is_listed_and_the_answer_names_it(tmp_path, needs_alerts: bool):
    """Each listed alert says whether it blocks; the list of an account has those of the whole system, too."""
    made = Views(parse_config(CONFIG + f"\n[control]\nneeds_alerts = {str(needs_alerts).lower()}\n"), tmp_path)
    made.refresh()
    supervisor, risk = Supervisor(tmp_path), Risk(made, lambda: None)
    subjects = ("gateway:main disk", "robot:mm x", "disk", "notify 1")
    for subject in subjects:
        supervisor.tell(subject)
        supervisor.tell(f"{subject} y", severity="warn")
    for account in ("main", "other", "inverse"):
        while blocking := [each for each in risk.alerts(account=account) if each.data["blocks"]]:
            with pytest.raises(BlockedByRiskAlert) as refused:
                risk.gate([account], reduces=False)
            assert f"alert {blocking[0].id} goes on: {blocking[0].message}" == refused.value.what
            supervisor.tell(blocking[0].data["subject"], "end")
        risk.gate([account], reduces=False)
    assert {each.data["subject"] for each in risk.alerts(severity="CRITICAL")} == (
        set() if needs_alerts else {"notify 1"}
    )
    risk.close()
    made.close()


def test_a_stop_of_the_system_is_listed_and_ends_with_a_restart_alone(tmp_path, views):
    stop = Alert("stop-1", "risk-alert", "CRITICAL", "", "the system is stopped", 1, {"blocks": True})
    risk = Risk(views, lambda: stop)
    for wanted in ({}, {"all": True}, {"severity": "CRITICAL"}, {"type": "risk-alert"}, {"account": "main"}):
        assert risk.alerts(**wanted) == [stop]
    assert risk.alerts(severity="WARN") == risk.alerts(type="delta-alert") == []
    with pytest.raises(NotServed, match="restart"):
        asyncio.run(risk.acknowledge(None, "stop-1"))  # type: ignore[arg-type]


def test_an_acknowledgement_is_the_supervisor_s_and_names_the_alert(tmp_path, views):
    views.refresh()
    supervisor, risk = Supervisor(tmp_path), Risk(views, lambda: None)
    id_ = supervisor.tell("disk")
    answer = SimpleNamespace(error=None, result={"id": id_})

    async def send_command(*_, **__):
        return answer

    commands: Any = SimpleNamespace(send_command=send_command)
    assert asyncio.run(risk.acknowledge(commands, id_)).id == id_
    answer.error = {"code": BadInput.code, "message": "no such alert"}
    with pytest.raises(NotServed, match="no alert"):
        asyncio.run(risk.acknowledge(commands, "9999"))
    answer.error = {"code": ServiceTimeout.code, "message": "it is away"}
    with pytest.raises(ServiceTimeout, match="away"):
        asyncio.run(risk.acknowledge(commands, id_))
    risk.close()


def test_alerts_are_called_and_filtered_as_in_the_interface(tmp_path, views):
    views.refresh()
    supervisor, risk = Supervisor(tmp_path), Risk(views, lambda: None)
    for type_ in ("delta", "utilization", "failover", "proxy", "stop"):
        supervisor.tell(f"gateway:main {type_}", type_=type_, severity="warn" if type_ == "proxy" else "critical")
    supervisor.tell("gateway:other lag", type_="process", severity="info")
    types = [each.type for each in risk.alerts()]
    assert types == [f"{each}-alert" for each in ("delta", "utilization", "failover", "proxy", "stop", "process")]
    assert [each.type for each in risk.alerts(account="other")] == ["process-alert"]
    assert [each.type for each in risk.alerts(severity="WARN")] == ["proxy-alert"]
    assert [each.severity for each in risk.alerts(type="delta-alert")] == ["CRITICAL"]
    with pytest.raises(InvalidAccount):
        risk.alerts(account="nobody")
    supervisor.tell("gateway:main delta", "end", type_="delta")
    assert risk.alerts(type="delta-alert") == [] and len(risk.alerts(type="delta-alert", all=True)) == 1
    risk.close()
