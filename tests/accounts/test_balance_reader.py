"""What a strategy is told of balances, and what it is refused instead of an old or a wrong one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from enum import Enum, StrEnum
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from long_form import examples
from onetape.accounts import SingleQuote, StrategyBalanceManager, get_balance
from onetape.accounts.reader import _manager
from onetape.accounts.table import AccountReader, AccountTable, accounts_in
from onetape.compat import hft
from onetape.model.errors import (
    BadInput,
    InvariantViolation,
    JournalLocked,
    NotAvailable,
    ProcessDown,
    StaleData,
    UnknownCurrency,
    UnknownSubaccount,
)
from onetape.model.money import money

UNIT = 10**18
HOUR = 3600.0  # the table's own process is this one: it shows life when the test says so


class Exchange(Enum):
    KRAKEN = 1
    BINANCE_USDM = 2


class Coin(StrEnum):
    USD = "usd"


@pytest.fixture
def table(tmp_path: Path) -> Iterator[AccountTable]:
    made = opened(tmp_path)
    put(made, "USD", [900, 100, 5])
    made.ready()
    yield made
    made.close()


def opened(home: Path, account: str = "main", venue: str = "kraken", **more: str) -> AccountTable:
    kind = more.get("kind", venue)
    names = {"a": 2, "b": 3}
    return AccountTable(home, venue=venue, account=account, kind=kind, names=names)


def crash(table: AccountTable) -> None:
    """What is there stays."""
    table._writer.close()


def put(table: AccountTable, currency: str, whole: list[int], sequence: int = 7) -> None:
    totals = [each * UNIT for each in whole]
    held = [total // 10 for total in totals]
    table.put(currency, [sum(totals), *totals], [sum(held), *held], ts=5_000, sequence=sequence)


def manager_in(home: Path, exchange: str | Enum = "kraken", count: int = 8, **more: str):
    return StrategyBalanceManager(exchange, count, home=home, max_age=HOUR, **more)


def test_total_pool_and_sub_accounts_are_told_exactly(tmp_path: Path, table: AccountTable) -> None:
    manager = manager_in(tmp_path)
    assert manager.get_balance("USD") == 1005
    assert manager.get_balance("USD", index=1) == 900
    assert manager.get_balance("USD", 2) == 100
    assert manager.get_balance("USD", 3) == 5
    assert manager.held("USD", 2) == 10
    assert manager.available("USD", 2) == 90
    assert manager.get_all("USD") == [1005, 900, 100, 5, 0, 0, 0, 0]
    table.put("BTC", [3, 1, 2], [0, 0, 0], ts=5, sequence=9)
    assert manager.get_balance("BTC") == Decimal("3E-18")
    assert str(manager.get_balance("USD", 1)) == "900"
    assert manager.names == {"a": 2, "b": 3}
    assert manager.currencies == ["BTC", "USD"]


def test_a_change_is_seen_by_the_next_read(tmp_path: Path, table: AccountTable) -> None:
    manager = manager_in(tmp_path)
    for step in range(20):
        put(table, "USD", [step, 2 * step])
        assert manager.get_balance("USD") == 3 * step
        assert manager.get_balance("USD", 2) == 2 * step


@pytest.mark.parametrize("exchange", ["kraken", "KRAKEN", Exchange.KRAKEN])
@pytest.mark.parametrize("currency", ["USD", "usd", Coin.USD])
def test_exchange_and_currency_are_text_of_any_case_or_an_enum(
    tmp_path: Path, table: AccountTable, exchange: str | Enum, currency: str | Enum
) -> None:
    manager = manager_in(tmp_path, exchange)
    assert [manager.get_balance(currency) for _ in range(2)] == [1005, 1005]


def test_a_code_that_is_not_all_capitals_is_found(tmp_path: Path, table: AccountTable) -> None:
    put(table, "kBONK", [4])
    assert manager_in(tmp_path).get_balance("KBONK") == 4


def test_a_slot_below_the_count_that_nobody_uses_is_zero(tmp_path: Path, table: AccountTable) -> None:
    manager = manager_in(tmp_path, count=20)
    assert manager.get_balance("USD", 4) == 0
    assert manager.get_balance("USD", 19) == 0
    assert manager.held("USD", 19) == 0
    assert len(manager.get_all("USD")) == 20


@pytest.mark.parametrize("index", [8, 64, -1])
def test_a_slot_out_of_range_is_refused(tmp_path: Path, table: AccountTable, index: int) -> None:
    manager = manager_in(tmp_path)
    manager.get_balance("USD")
    with pytest.raises(UnknownSubaccount, match="slots are 0 to 7"):
        manager.get_balance("USD", index)
    with pytest.raises(UnknownSubaccount):
        manager.held("USD", index)


def test_an_unknown_currency_is_refused_and_not_zero(tmp_path: Path, table: AccountTable) -> None:
    manager = manager_in(tmp_path)
    with pytest.raises(UnknownCurrency, match="there are USD"):
        manager.get_balance("EUR")
    put(table, "EUR", [3])
    assert manager.get_balance("EUR") == 3
    assert table.remove("EUR")
    with pytest.raises(UnknownCurrency):
        manager.get_balance("EUR")


def test_money_beyond_the_count_is_refused_and_not_hidden(tmp_path: Path, table: AccountTable) -> None:
    put(table, "USD", [1, 1, 1, 0, 0, 0, 0, 0, 4])
    with pytest.raises(UnknownSubaccount, match="slot 9 has USD and strategy_count is 8"):
        manager_in(tmp_path).get_all("USD")
    assert manager_in(tmp_path).get_balance("USD") == 7
    assert sum(manager_in(tmp_path, count=10).get_all("USD")) == 14


def test_slots_that_do_not_add_up_are_shown_to_nobody(tmp_path: Path, table: AccountTable) -> None:
    with pytest.raises(InvariantViolation, match="add up"):
        table.put("USD", [4, 1, 2], [0, 0, 0], ts=5, sequence=8)
    with pytest.raises(InvariantViolation, match="add up"):
        table.put("USD", [3, 1, 2], [1, 0, 0], ts=5, sequence=8)
    assert manager_in(tmp_path).get_balance("USD") == 1005


def test_nothing_is_told_before_the_gateway_is_ready(tmp_path: Path) -> None:
    table = opened(tmp_path)
    manager = manager_in(tmp_path)
    put(table, "USD", [1])
    table.alive(1)
    for ask in (manager.get_balance, manager.get_all, manager.held, manager.quote):
        with pytest.raises(StaleData, match="not ready, starting"):
            ask("USD")
    with pytest.raises(StaleData, match="not ready"):
        manager.get_balance("EUR")
    table.ready()
    assert manager.get_balance("USD") == 1
    table.close()


def test_a_gateway_that_shows_no_life_is_stale(tmp_path: Path, table: AccountTable) -> None:
    brief = StrategyBalanceManager("kraken", home=tmp_path, max_age=1e-9)
    for ask in (brief.get_balance, brief.get_all, brief.available):
        with pytest.raises(StaleData, match="has had no heartbeat for"):
            ask("USD")


def test_the_manager_may_be_there_before_the_gateway_and_after_it(tmp_path: Path) -> None:
    manager = manager_in(tmp_path)
    with pytest.raises(ProcessDown, match="no gateway of kraken"):
        manager.get_balance("USD")
    for amount in (1, 2):
        table = opened(tmp_path)
        put(table, "USD", [amount])
        table.ready()
        assert manager.get_balance("USD") == amount
        table.close()
        assert list((tmp_path / "state").iterdir()) == []
        with pytest.raises(ProcessDown):
            manager.get_balance("USD")


def test_a_second_gateway_of_an_account_is_refused(tmp_path: Path, table: AccountTable) -> None:
    with pytest.raises(JournalLocked):
        opened(tmp_path)
    assert manager_in(tmp_path).get_balance("USD") == 1005


def test_several_accounts_that_are_meant_are_named(tmp_path: Path, table: AccountTable) -> None:
    other = opened(tmp_path, account="second")
    put(other, "USD", [1])
    other.ready()
    binance = opened(tmp_path, account="perp", venue="binance", kind="binance-usdm")
    put(binance, "USDT", [2])
    binance.ready()
    with pytest.raises(BadInput, match="several accounts: kraken/main, kraken/second"):
        manager_in(tmp_path)
    assert manager_in(tmp_path, account="second").get_balance("USD") == 1
    assert manager_in(tmp_path, account="main").get_balance("USD") == 1005
    assert manager_in(tmp_path, "binance").get_balance("USDT") == 2
    assert manager_in(tmp_path, Exchange.BINANCE_USDM).get_balance("USDT") == 2
    with pytest.raises(ProcessDown):
        manager_in(tmp_path, "bitmex").get_balance("USDT")
    other.close()
    binance.close()


def test_a_table_of_another_version_is_named_where_none_is_found(tmp_path: Path) -> None:
    from onetape.tape.state import GroupSpec, Layout, StateWriter

    layout = Layout([GroupSpec(1, "x", (("a", "i"),))])
    writer = StateWriter(tmp_path / "state", "gateway:old", layout)
    writer.publish()
    assert accounts_in(tmp_path) == ([], ["gateway:old"])
    with pytest.raises(ProcessDown, match="gateway:old cannot be read here"):
        manager_in(tmp_path).get_balance("USD")
    writer.close()


def test_files_that_somebody_removed_are_found_again(tmp_path: Path, table: AccountTable) -> None:
    attached = StrategyBalanceManager("kraken", home=tmp_path, max_age=0.05)
    assert attached.names == {"a": 2, "b": 3}
    for file in (tmp_path / "state").iterdir():
        file.unlink()
    assert table.alive(3)
    put(table, "USD", [8])
    assert manager_in(tmp_path).get_balance("USD") == 8
    # Who has the old files mapped finds the new ones once those show no life any more.
    until = time.monotonic() + 60
    seen = Decimal(0)
    while seen != 8 and time.monotonic() < until:
        table.alive(4)
        with suppress(StaleData):
            seen = attached.get_balance("USD")
    assert seen == 8


def test_a_quote_has_the_times_of_the_data_and_of_life(tmp_path: Path, table: AccountTable) -> None:
    table.alive(9_000_000)
    assert manager_in(tmp_path).quote("usd", 2) == SingleQuote(5, 9_000, Decimal(100))
    _manager.cache_clear()
    table.alive(10_000_000)
    reported = get_balance("kraken", "USD", home=tmp_path, max_age=HOUR)
    assert (reported.timestamp, reported.localTimestamp, reported.mid) == (5, 10_000, 1005)
    assert reported.local_timestamp == reported.localTimestamp


def test_the_home_is_found_as_the_command_line_finds_it(
    tmp_path: Path, table: AccountTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONETAPE_HOME", str(tmp_path))
    assert StrategyBalanceManager("kraken", max_age=HOUR).get_balance("USD") == 1005


def test_sub_accounts_are_renamed(tmp_path: Path, table: AccountTable) -> None:
    reader = AccountReader(tmp_path, "gateway:main")
    assert (reader.venue, reader.account, reader.kind) == ("kraken", "main", "kraken")
    table.name({"b": 2, "c": 4})
    assert list(reader.names.items()) == [("b", 2), ("c", 4)]


def test_an_account_that_does_not_run_is_still_one_of_several(tmp_path: Path) -> None:
    table, other = opened(tmp_path), opened(tmp_path, account="second")
    crash(other)
    with pytest.raises(BadInput, match=r"kraken/main, kraken/second \(stopped\)"):
        manager_in(tmp_path)
    table.close()


CODES = ("USD", "BTC", "ETH")
part = st.integers(-(2**100), 2**100)
steps_of_a_gateway = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from(CODES), st.lists(part, min_size=1, max_size=20)),
        st.tuples(st.just("remove"), st.sampled_from(CODES), st.none()),
        st.tuples(st.sampled_from(["ready", "alive", "crash", "stop", "start"]), st.none(), st.none()),
    ),
    max_size=30,
)


@settings(max_examples=examples(60), deadline=None)
@given(steps=steps_of_a_gateway)
def test_any_life_of_a_gateway_is_told_as_it_is_or_not_at_all(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, list[int]]]
) -> None:
    home = tmp_path_factory.mktemp("life")
    manager = manager_in(home, count=32)
    table: AccountTable | None = None
    seen: dict[str, list[int]] = {}
    is_ready = False
    left = False  # a dead one's table, which vouched for what is in it when it died
    for step, code, parts in [("start", "", []), *steps]:
        if step == "start" and table is None:
            table, seen, is_ready, left = opened(home), {}, False, False
        elif table is None:
            continue
        elif step == "put":
            seen[code] = [sum(parts), *parts]
            table.put(code, seen[code], [0] * len(seen[code]), ts=1, sequence=1)
        elif step == "remove":
            assert table.remove(code) == (seen.pop(code, None) is not None)
        elif step == "ready":
            is_ready = True
            table.ready()
        elif step == "alive":
            assert not table.alive(1)
        elif step in ("crash", "stop"):
            left = step == "crash" and is_ready
            crash(table) if step == "crash" else table.close()
            table = None
        for request in CODES:
            try:
                reported = manager.get_all(request)
            except UnknownCurrency:
                assert (table is not None or left) and is_ready and request not in seen
            except StaleData:
                assert table is not None and not is_ready
            except ProcessDown:
                assert table is None and not left
            else:
                # An hour is this test's patience: the last word of one that died is still told.
                assert (table is not None or left) and is_ready
                wanted = [money(units) for units in seen[request]]
                assert reported == wanted + [0] * (32 - len(wanted))
                assert [manager.get_balance(request, i) for i in range(32)] == reported
    if table is not None:
        table.close()


@pytest.mark.parametrize("count", [0, 1, 65])
def test_a_count_of_slots_that_cannot_be_is_refused(tmp_path: Path, count: int) -> None:
    with pytest.raises(BadInput, match="2 to 64"):
        manager_in(tmp_path, count=count)


@pytest.mark.parametrize(("exchange", "currency"), [("kraken", "usd"), (Exchange.KRAKEN, Coin.USD)])
def test_a_script_for_hft_reads_a_balance_as_a_quote(table, tmp_path, monkeypatch, exchange, currency):
    monkeypatch.setenv("ONETAPE_HOME", str(tmp_path))
    monkeypatch.setattr(hft, "get_balance", partial(get_balance, max_age=HOUR))
    quote = hft.getSingleQuoteCurrency(exchange, hft.DataType.BALANCE, currency)
    assert (quote.mid * 0.5, quote.timestamp) == (502.5, 5)
    assert quote.localTimestamp == get_balance(exchange, currency, home=tmp_path, max_age=HOUR).local_timestamp
    with pytest.raises(NotAvailable):
        hft.getSingleQuoteCurrency(exchange, "ticker", currency)
    with pytest.raises(UnknownCurrency):
        hft.getSingleQuoteCurrency(exchange, hft.DataType.BALANCE, "EUR")
