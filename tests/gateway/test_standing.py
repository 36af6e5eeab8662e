"""Positions and margin in the table of an account: what a gateway shows, a real exchange behind
it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from exchange.venue_client import served
from onetape.accounts import StrategyBalanceManager
from onetape.accounts.booking import Booking
from onetape.accounts.entries import MAIN
from onetape.accounts.ledger import Ledger
from onetape.accounts.table import AccountReader, AccountTable
from onetape.gateway.account_table import AccountTableWriter
from onetape.model import catalogue
from onetape.model.enums import Liquidity, PositionSide, Side
from onetape.model.errors import ProcessDown, UnknownCurrency
from onetape.model.sections import AccountConfig, Config
from onetape.model.time import SECOND
from onetape.orders.reports import BalanceReport, FillReport, MarginReport
from onetape.projections.account_balances import balances
from onetape.projections.account_views import positions
from waiting import PATIENCE_S, wait_for
from worlds.gateway_process import SYMBOL, GatewayProcess, Robot, news_of

U = 10**18
BOTH = PositionSide.BOTH
CONFIG = Config(accounts={"main": AccountConfig(venue="here", subaccounts={"a": 2, "b": 3})})


def test_two_robots_positions_and_the_accounts_margin_are_in_the_table(tmp_path):
    home = tmp_path / "home"
    with served("binance-usdm", seed=11, limits=False) as (dialect, port):
        account = dialect.exchange.accounts[0]
        gateway = GatewayProcess(
            "binance-usdm",
            home,
            port,
            account,
            venue="here",
            subaccounts={"a": 2, "b": 3},
            leverage=10,
            check_every_ns=10**9,
        )
        gateway.start()
        robots = []
        try:
            manager = StrategyBalanceManager("here", strategy_count=4, home=home, max_age=PATIENCE_S)
            assert manager.positions() == []
            assert manager.margin("USDT").unrealized == 0
            pool = Robot(tmp_path / "pool", gateway, 1)
            robots.append(pool)
            for side in (Side.BUY, Side.BUY, Side.SELL):
                order = pool.place(side, 0)
                wait_for(lambda order=order: "accepted" in [w for w, _ in news_of(home, order)])
            wait_for(lambda: 3 <= gateway.ask("status")["booked"] == len(account.trades))
            realized = Decimal(account.money.position(0).realized).scaleb(-18)
            wait_for(lambda: [p.qty for p in manager.positions(0)] == [Decimal("0.01")])
            wait_for(lambda: manager.positions(0)[0].realized == realized)
            (whole,) = manager.positions(0)
            (part,) = manager.positions(1)
            assert (whole.symbol, whole.side) == (SYMBOL, "both")
            assert (part.qty, part.entry_price) == (whole.qty, whole.entry_price)
            own = account.money
            held = own.position(0)
            assert whole.qty == Decimal(held.qty).scaleb(-3)
            # The venue's word of margin comes with the next check.
            wait_for(lambda: manager.margin("USDT").initial)
            at = dialect.exchange.currencies.index("USDT")
            margin = manager.margin("USDT")
            ours = [margin.equity, margin.maintenance, margin.initial, margin.available]
            theirs = [own.equity(at), own.maintenance_margin(at), own.initial_margin(at), own.available(at)]
            for mine, venue in zip(ours, theirs, strict=True):  # the market has gone on meanwhile
                assert float(mine) == pytest.approx(int(venue) / 1e18, rel=0.02)
            # The command line's rows are the same.
            (row,) = positions(home, CONFIG)
            assert (row["qty"], row["side"]) == ("0.010", "both")
            assert row["subaccounts"]["main"]["qty"] == "0.010"
            shown = {r["currency"]: r for r in balances(home, CONFIG)}
            assert Decimal(shown["USDT"]["margin"]["maintenance"]) > 0
            wait_for(lambda: manager.margin("USDT").ts > margin.ts)
        finally:
            gateway.kill()
            for robot in robots:
                robot.writer.close()
        # Once that shows, which takes two seconds at most, its journal says what is held.
        wait_for(lambda: is_down(StrategyBalanceManager("here", strategy_count=4, home=home)))
        assert "subaccounts" not in positions(home, CONFIG)[0]
        assert positions(home, CONFIG)[0]["qty"] == "0.010"


def is_down(manager: StrategyBalanceManager) -> bool:
    try:
        manager.positions()
    except ProcessDown:
        return True
    return False


def fill(trade: int, side: Side, price: int, size: int) -> FillReport:
    return FillReport(SYMBOL, "c", "1", trade, side, BOTH, price, size, trade, 0, "USDT", Liquidity.TAKER)


def test_what_nobody_knows_is_none_and_sub_accounts_keep_their_own(tmp_path):
    instrument = catalogue.find(SYMBOL)
    instruments, references, margins = {SYMBOL: instrument}, {}, {}
    table = AccountTable(tmp_path, venue="here", account="main", kind="binance-usdm")
    booking = Booking(instruments)
    state = AccountTableWriter(table, Ledger(), instruments, references, margins)
    try:
        one = 10**instrument.size_decimals
        price = 60_000 * 10**instrument.price_decimals
        booking.fill(fill(1, Side.BUY, price, 2 * one), 2)
        booking.fill(fill(2, Side.SELL, price + 10**instrument.price_decimals, 3 * one), 3)
        state.tick(booking, 7, SECOND)
        reader = AccountReader(tmp_path, "gateway:main")
        shown = {each.slot: each for each in reader.positions()}
        assert {slot: each.qty for slot, each in shown.items()} == {0: -U, 2: 2 * U, 3: -3 * U}
        assert [each.unrealized for each in shown.values()] == [None] * 3
        assert (shown[2].entry, shown[3].entry) == (60_000 * U, 60_001 * U)
        margin = reader.margin("USDT")
        assert (margin.equity, margin.unrealized, margin.available) == (None, None, None)
        assert reader.margin("BTC") is None
        # A price is known, and the venue has told of margin.
        references[SYMBOL] = price - 10 * 10**instrument.price_decimals
        margins["USDT"] = BalanceReport("USDT", 0, 5, margin=MarginReport(9, 8, 7))
        state.tick(booking, 8, 2 * SECOND)
        shown = {each.slot: each for each in reader.positions()}
        assert (shown[2].unrealized, shown[3].unrealized) == (-20 * U, 33 * U)
        margin = reader.margin("USDT")
        assert (margin.available, margin.initial, margin.reported_at) == (8, 7, 5)
        assert margin.equity == margin.unrealized == shown[0].unrealized
        # Flat is shown as flat, with what it has realized.
        booking.fill(fill(3, Side.SELL, price, 2 * one), 2)
        state.tick(booking, 9, 2 * SECOND)
        flat = next(each for each in reader.positions() if each.slot == 2)
        assert (flat.qty, flat.entry, flat.unrealized, flat.realized) == (0, 0, 0, 0)
        # The exchange has begun anew: nothing of the one before is held.
        state.tick(Booking(instruments), 10, 2 * SECOND)
        assert not any(each.qty for each in reader.positions())
    finally:
        table.close()


def test_a_currency_without_margin_is_said(tmp_path):
    table = AccountTable(tmp_path, venue="here", account="main", kind="kraken")
    try:
        table.put("USD", [5 * U, 5 * U], [0, 0], ts=1, sequence=1)
        table.ready()
        manager = StrategyBalanceManager("here", home=tmp_path, max_age=PATIENCE_S)
        assert manager.get_balance("USD", MAIN) == 5
        with pytest.raises(UnknownCurrency, match="there is no margin in USD"):
            manager.margin("USD")
        assert manager.positions() == []
    finally:
        table.close()
