"""Records in each database: one writer, tables of any version, a database that goes away and comes back."""

from __future__ import annotations

import base64
import json
import random
import subprocess
import sys
from collections import defaultdict
from decimal import Decimal

import pytest
import sqlalchemy as sa

from long_form import long_form
from onetape.model import catalogue
from onetape.model.errors import BadConfig, NotAvailable
from onetape.recorder.recorder import Recorder
from onetape.simulation.record_sums import moved, opened
from onetape.simulation.seeds import Seed, play
from onetape.store import records as records_module
from onetape.store.records import HEAD, LeaseLost, Records, metadata, migrate
from recorder.recorded_worlds import Killed, contents, record_all, record_with_kills
from worlds.databases import mariadb, postgresql

COIN = "binance:BTC/USDT"
_APART = {"record_cursors", "record_lease"}


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def url(request, tmp_path_factory):
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('db') / 'records.db'}"
    else:
        with {"postgresql": postgresql, "mariadb": mariadb}[request.param]() as found:
            yield found


@pytest.fixture(autouse=True)
def empty(url, tmp_path):
    """Each test begins without tables."""
    records = Records(url, home=tmp_path)
    with records.transaction() as connection:
        migrate(connection, "base")
    records.close()


@pytest.fixture(scope="module")
def world():
    return play(Seed("World", "binance-usdm", 4, 60).begun(), 60)


def test_sums_are_exact_after_kills_and_as_in_another_database(url, world, tmp_path):
    home = world.home.path
    assert record_with_kills(home, url, random.Random(1)) > 3
    records = record_all(home, url)
    beside = record_all(home, f"sqlite:///{tmp_path / 'beside.db'}")
    try:
        came, began = moved(records, "symbol"), opened(records)
        for asset in world.money.ledger.currencies():
            total = Decimal(world.money.ledger.total(asset)).scaleb(-18)
            assert began.get(asset, 0) + came.get(asset, 0) == total
        ours, others = contents(records), contents(beside)
        for table in ours:
            keys = [c.name for c in metadata.tables[table].primary_key.columns]
            assert _sorted(ours[table], keys) == _sorted(others[table], keys), table
    finally:
        records.close()
        beside.close()


def _sorted(rows, keys):
    return sorted(rows, key=lambda row: [row[key] for key in keys])


def test_a_second_recorder_is_refused_until_the_first_has_gone(url, tmp_path):
    first, second = Records(url, home=tmp_path), Records(url, home=tmp_path)
    first.holder, second.holder = "one:1:1", "two:2:2"
    try:
        assert first.take_lease() == ""
        assert second.take_lease() == "one:1:1"
        with pytest.raises(LeaseLost), second.transaction() as connection:
            second.keep_lease(connection)
        first.drop_lease()
        assert second.take_lease() == ""
        with pytest.raises(LeaseLost), first.transaction() as connection:
            first.keep_lease(connection)
    finally:
        first.close()
        second.close()


def test_the_lease_of_a_process_that_was_killed_is_free_at_once(url, tmp_path):
    holder = subprocess.run(
        [
            sys.executable,
            "-c",
            f"""
import os, pathlib
from onetape.store.records import Records
records = Records({url!r}, home=pathlib.Path({str(tmp_path)!r}))
print(records.holder, repr(records.take_lease()), flush=True)
os.kill(os.getpid(), 9)
""",
        ],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    ).stdout.split()
    assert holder[1] == "''"
    records = Records(url, home=tmp_path)
    try:
        assert records.take_lease() == ""
    finally:
        records.close()


def test_tables_go_up_and_down_and_are_those_of_the_models(url, tmp_path):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    records = Records(url, home=tmp_path)
    try:
        options = {"version_table": "record_version", "compare_type": True}
        context = MigrationContext.configure(records.connection, opts=options)
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == HEAD
        records.connection.rollback()
        with records.transaction() as connection:
            migrate(connection, "base")
        left = {each for each in sa.inspect(records.connection).get_table_names() if each.startswith("record_")}
        records.connection.rollback()
        assert left <= {"record_version"}
        with records.transaction() as connection:
            migrate(connection)
        records.close()
        records = Records(url, home=tmp_path)
        assert records.take_lease() == ""
    finally:
        records.close()


def test_tables_go_down_and_up_with_what_is_in_them(url, world, tmp_path):
    home = world.home.path
    records = Records(url, home=home)
    records.take_lease()
    recorder = Recorder(home, records, leverage={}, frames_max=150)
    assert recorder.step() and recorder.step() and recorder.is_behind
    before = contents(records)
    for version in ("0001", "head"):
        with records.transaction() as connection:
            migrate(connection, version)
    records.drop_lease()
    records.close()
    records, beside = record_all(home, url), record_all(home, f"sqlite:///{tmp_path / 'beside.db'}")
    try:
        assert before["record_income"]
        ours, others = contents(records), contents(beside)
        # The older tables have no sub-accounts: names of theirs, and what was their best, went with them.
        for each in (ours, others):
            for row in each["record_risk"]:
                del row["subaccount"]
                row["drawdown"] = None if row["slot"] else row["drawdown"]
            each["record_equity"] = [
                {name: row[name] for name in ("ts", "currency", "equity", "drawdown")}
                for row in each["record_equity"]
                if row["slot"] == 0
            ]
        del ours["record_openings"], others["record_openings"]
        for table in ours:
            keys = [c.name for c in metadata.tables[table].primary_key.columns if c.name not in ("account", "slot")]
            assert _sorted(ours[table], keys) == _sorted(others[table], keys), table
    finally:
        records.close()
        beside.close()


def test_spot_of_two_accounts_goes_to_what_sales_have_realized(url, tmp_path):
    """Each journal's own, by average cost, from nothing at another exchange, in a few statements whatever there is."""
    records = Records(url, home=tmp_path)
    with records.transaction() as connection:
        migrate(connection, "0003")
    coin = catalogue.find(COIN)
    state = json.dumps({"instruments": {COIN: base64.b64encode(coin.to_msgpack()).decode()}}).encode()
    trades = [("buy", "1", "100"), ("buy", "1", "200"), ("sell", "1", "250"), ("sell", "1", "250")]
    for account in ("a", "b"):
        own = {"account": account, "strategy": "s", "symbol": COIN, "currency": "USDT", "asset": "USDT"}
        _insert(records, "record_cursors", journal=account, account=account, seq=9, ts=9, state=state)
        _insert(records, "record_openings", journal=account, seq=0, account=account, symbol="", position_side="")
        if account == "b":  # its last sale is at another exchange, where nothing was bought
            _insert(records, "record_openings", journal=account, seq=4, account=account, symbol="", position_side="")
        for seq, (side, qty, price) in enumerate(trades, 1):
            amount = int(price) * (-1 if side == "buy" else 1)
            fill = {"symbol": COIN, "side": side, "price_exact": price, "qty_exact": qty, "account": account}
            _insert(records, "record_fills", journal=account, seq=seq, **fill)
            leg = {"slot": 1, "ts": 0, "ts_booked": 0, "kind": "realized", "amount": float(amount), "reference": ""}
            made = {**own, **leg, "amount_exact": str(amount), "fill": seq}
            _insert(records, "record_income", journal=account, seq=seq, part=0, **made)
        _insert(records, "record_days", **own, day=0, kind="realized", amount_exact="200")
    executed = []
    sa.event.listen(records.connection, "before_cursor_execute", lambda *each: executed.append(each[2]))
    try:
        with records.transaction() as connection:
            migrate(connection)
        queries = sum("record_fills" in each for each in executed)
        found = contents(records)
        days = {(row["account"], row["kind"]): Decimal(row["amount_exact"]) for row in found["record_days"]}
        assert days == {("a", "traded"): 0, ("a", "realized"): 200, ("b", "traded"): 100, ("b", "realized"): 100}
        summed = defaultdict(Decimal)
        for row in found["record_income"]:
            summed[row["account"], row["kind"]] += Decimal(row["amount_exact"])
        assert summed == days
        assert queries == 2  # once a journal
    finally:
        _forget_all(records)
        records.close()


def _forget_all(records) -> None:
    """No row is left that was made by hand: the next test goes back over all migrations with what is there."""
    with records.transaction() as connection:
        for table in metadata.sorted_tables:
            connection.execute(table.delete())


def _insert(records, name: str, **values) -> None:
    table = metadata.tables[name]
    blank = {c.name: "" if isinstance(c.type, sa.String) else 0 for c in table.columns if not c.nullable}
    with records.transaction() as connection:
        connection.execute(table.insert(), {**blank, **values})


def test_tables_of_a_newer_release_are_refused(url, tmp_path):
    records = Records(url, home=tmp_path)
    with records.transaction() as connection:
        connection.execute(sa.text("UPDATE record_version SET version_num = '9999'"))
    records.close()
    with pytest.raises(NotAvailable, match="9999"):
        Records(url, home=tmp_path)
    # As it was, for who comes after.
    engine = sa.create_engine(_driver(url))
    with engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE record_version SET version_num = '{HEAD}'"))
    engine.dispose()


def _driver(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://").replace("mariadb://", "mysql+pymysql://")


@pytest.mark.parametrize("bad", ["", "oracle://x/y", "postgresql://"])
def test_what_is_no_database_is_refused_without_its_text(bad, tmp_path):
    with pytest.raises(BadConfig) as caught:
        Records(bad, home=tmp_path)
    assert "oracle" not in str(caught.value)


# A table is made, the first of figures has a new form beside it, is dropped, has its name; the second is dropped.
@pytest.mark.parametrize("statements", [*long_form(*range(1, 28)), 6, 8, 10, 11, 15, 23])
def test_a_migration_that_is_killed_is_done_by_the_next_start(statements, url, world, tmp_path):
    """MariaDB commits each change of a table by itself."""
    records = record_all(world.home.path, url)
    with records.transaction() as connection:
        migrate(connection, "0001")
    before = _rows_of(records.connection)
    records.close()
    is_killed = _dies_migrating(url, tmp_path, statements)
    assert is_killed or statements > 15
    records = Records(url, home=tmp_path)  # goes to the newest version
    try:
        assert _rows_of(records.connection).keys() == metadata.tables.keys() - _APART | {"record_version"}
        with records.transaction() as connection:
            migrate(connection, "0001")
        assert _rows_of(records.connection) == before
        assert before["record_equity"]
    finally:
        records.close()


def test_a_first_start_that_is_killed_is_done_by_the_next(url, tmp_path):
    for statements in (8, 12):
        assert _dies_migrating(url, tmp_path, statements)
    records = Records(url, home=tmp_path)
    try:
        assert _rows_of(records.connection).keys() == metadata.tables.keys() - _APART | {"record_version"}
    finally:
        records.close()


def _dies_migrating(url, home, statements) -> bool:
    """Whether it was killed before so many statements; else it has come to its end."""
    seen = 0

    def count(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == statements:
            raise Killed

    engine = sa.create_engine(_driver(url), poolclass=sa.NullPool)
    if url.startswith("sqlite"):
        sa.event.listen(engine, "connect", records_module._as_sqlite)
        sa.event.listen(engine, "begin", records_module._begin)
    connection = engine.connect().execution_options(writes=True)
    try:
        with connection.begin():
            sa.event.listen(engine, "before_cursor_execute", count)
            migrate(connection)
    except Killed:
        return True
    finally:
        connection.invalidate()  # its socket is gone without a word
        connection.close()
        engine.dispose()
    return False


def _rows_of(connection) -> dict[str, list]:
    """All rows of the tables that there are, but of the cursors' states, whose words have no order."""
    found = {}
    for name in sorted(sa.inspect(connection).get_table_names()):
        if name.startswith("record_") and name not in _APART:
            found[name] = sorted(map(tuple, connection.execute(sa.text(f"SELECT * FROM {name}")).all()), key=repr)
    connection.rollback()
    return found


def test_a_database_is_of_one_home(url, tmp_path):
    """Accounts of two homes may have one name: their sums would be one, and nobody could tell."""
    homes = [tmp_path / "one", tmp_path / "two"]
    ours = Records(url, home=homes[0])
    assert ours.take_lease() == ""
    ours.drop_lease()
    other = Records(url, home=homes[1])
    try:
        with pytest.raises(BadConfig, match=f"another home.*{homes[0]}"):
            other.take_lease()
    finally:
        other.close()
    homes[0].rename(tmp_path / "moved")  # it is the same home elsewhere
    ours.close()
    ours = Records(url, home=tmp_path / "moved")
    try:
        assert ours.take_lease() == ""
        ours.drop_lease()
    finally:
        ours.close()


def test_what_spot_has_realized_is_found_for_what_an_older_release_recorded(tmp_path):
    """Down and up again it is what a recorder says that begins anew."""
    world = play(Seed("World", "kraken", 4, 150).begun(), 150)
    records = record_all(world.home.path)
    before = contents(records)
    try:
        assert {row["kind"] for row in before["record_days"] if row["kind"] in ("realized", "traded")} == {
            "realized",
            "traded",
        }
        with records.transaction() as connection:
            migrate(connection, "0003")
        older = contents(records)["record_income"]
        assert {row["kind"] for row in older}.isdisjoint({"traded"})
        with records.transaction() as connection:
            migrate(connection)
        after = contents(records)
        for name in ("record_income", "record_days"):
            assert _sorted(after[name], list(after[name][0])) == _sorted(before[name], list(before[name][0])), name
    finally:
        records.close()
