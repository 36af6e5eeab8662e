"""What was traded is told once, whoever is killed: its sums are those of the rows."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest
import sqlalchemy as sa

from onetape.accounts.entries import MAIN
from onetape.model.config import parse_config
from onetape.model.errors import BadConfig
from onetape.model.home import gateway_journal
from onetape.model.instrument import Instrument
from onetape.model.sections import TRADE_TYPES
from onetape.model.time import DAY, SECOND, TIME_MAX
from onetape.recorder.notes import LATE, LINES_MAX, NOTES, Notes
from onetape.recorder.recorder import Recorder
from onetape.simulation.seeds import Seed, play
from onetape.store.record_queries import EXTERNAL, ledger, slippage
from onetape.store.records import Records, metadata
from onetape.tape.journal import JournalReader

EVERY = 10 * SECOND
_FILL = re.compile(r"(\S+) (bought|sold) (\S+) (\S+) at (\S+?)(?: in (\d+) fills)?, fees (.+)")


@pytest.fixture(scope="module")
def home():
    world = play(Seed("World", "aster", 6, 60).begun(), 60)
    yield world.home.path


@pytest.fixture
def records(home):
    yield from _recorded(home)


def _recorded(home):
    for name in ("store.db", f"run/{NOTES}"):
        (home / name).unlink(missing_ok=True)
    made = Records("sqlite:///store.db", home=home)
    assert made.take_lease() == ""
    yield made
    made.close()


def _now(records: Records) -> int:
    fills = metadata.tables["record_fills"]
    return max((row["ts"] for row in records.rows(sa.select(fills.c.ts))), default=0)


def _play(home, records, kinds, *, dies: Callable[[], bool] = lambda: False):
    """All records that are told while the journal is read bit by bit. dies: whether the process ends behind a
    note, and another one goes on."""
    recorder, notes = Recorder(home, records, leverage={}, frames_max=40), Notes(home, kinds, EVERY)
    reported, now = [], EVERY
    assert list(notes.due(records, now)) == []
    while recorder.step():
        now, is_over = max(now, _now(records)), False
        while not is_over:
            notes._next = 0
            for record in notes.due(records, now):
                reported.append(record)
                if dies():
                    notes = Notes(home, kinds, EVERY)
                    break
            else:
                is_over = True
    return reported


def _lines(reported):
    return [line for record in reported for line in record["state"].split("; ")]


def test_all_fills_and_no_others_are_told(home, records):
    reported = _play(home, records, ["fill"])
    wanted = defaultdict(lambda: [0, Decimal(0), Decimal(0), Decimal(0)])
    for row in records.rows(sa.select(metadata.tables["record_fills"])):
        qty, price = Decimal(row["qty_exact"]), Decimal(row["price_exact"])
        mine = wanted[row["strategy"] or "external", row["side"], row["symbol"]]
        mine[:] = mine[0] + 1, mine[1] + qty, mine[2] + qty * price, mine[3] + Decimal(row["fee_exact"])
    found = defaultdict(lambda: [0, Decimal(0), Decimal(0), Decimal(0)])
    for line in _lines(reported):
        who, did, qty, symbol, price, times, fees = _FILL.fullmatch(line).groups()
        paid = [Decimal(amount) for amount, asset in (each.split() for each in fees.split(", ")) if asset == "USDT"]
        mine = found[who, "buy" if did == "bought" else "sell", symbol]
        worth = Decimal(qty) * Decimal(price)
        mine[:] = mine[0] + int(times or 1), mine[1] + Decimal(qty), mine[2] + worth, mine[3] + sum(paid)
    assert len(reported) > 3 and len(wanted) > 3
    assert {key: row[:2] + row[3:] for key, row in found.items()} == {
        key: row[:2] + row[3:] for key, row in wanted.items()
    }
    for key, row in wanted.items():  # prices are means, of twelve digits behind the point
        assert abs(found[key][2] - row[2]) < Decimal("1e-9")
    assert {(each["kind"], each["subject"], each["severity"]) for each in reported} == {("fill", "main", "info")}
    assert list(Notes(home, ["fill"], EVERY).due(records, _now(records) + DAY // 2)) == []  # of another life


def test_a_kill_behind_any_note_leaves_none_out_and_repeats_its_own_while_alone(home, records):
    kinds, rng, kills = ["fill", "position"], random.Random(3), []

    def dies() -> bool:
        kills.append(rng.random() < 0.5)
        return kills[-1]

    killed = [(each["kind"], each["state"]) for each in _play(home, records, kinds, dies=dies)]
    straight = [
        (each["kind"], each["state"])
        for each in _play(home, next(_recorded(home)), kinds)  # of the same journal
    ]
    assert sum(kills) > 3
    assert len(straight) == len(set(straight)) > 5
    assert list(dict.fromkeys(killed)) == straight
    assert len(killed) > len(straight)


def test_what_is_there_when_notes_begin_is_no_news_and_many_lines_are_counted(home, records):
    recorder = Recorder(home, records, leverage={})
    while recorder.step() and recorder.is_behind:
        pass
    now = _now(records)
    notes = Notes(home, TRADE_TYPES, EVERY)
    assert list(notes.due(records, now)) == []
    made = metadata.tables["record_fills"]
    row = records.rows(sa.select(made))[0]
    seq = records.rows(sa.select(metadata.tables["record_cursors"]))[0]["seq"]
    with records.transaction() as connection:
        connection.execute(metadata.tables["record_cursors"].update().values(seq=seq + 50))
        for number in range(LINES_MAX + 3):
            new = {**row, "seq": seq + 1 + number, "ts": now, "strategy": f"s{number:02}"}
            connection.execute(made.insert().values(**new))
    assert list(notes.due(records, now + EVERY - 1)) == []  # not yet
    (note,) = notes.due(records, now + EVERY)
    assert note["state"].count(" bought ") + note["state"].count(" sold ") == LINES_MAX
    assert note["state"].endswith("; and 3 others")


def test_positions_are_told_when_they_are_opened_and_closed(home, records):
    lines = _lines(_play(home, records, ["position"]))
    trips = records.rows(sa.select(metadata.tables["record_trips"]))
    closed = [line for line in lines if " closed " in line]
    assert len(trips) > 3 and {trip["side"] for trip in trips} == {"long", "short"}
    left = list(closed)
    for trip in trips:  # two may have the same words
        words = f"{trip['strategy'] or 'external'} closed {trip['side']} {trip['qty']} {trip['symbol']} "
        ends, price = f": net {trip['net']} USDT", f" at {trip['exit_price']} after "
        left.remove(next(line for line in left if line.startswith(words) and line.endswith(ends) and price in line))
    assert not left
    opened = [line for line in lines if line.startswith("opened ")]
    assert len(opened) + len(closed) == len(lines)
    figures = records.rows(sa.select(metadata.tables["record_risk"]))
    names = {row["slot"]: row["subaccount"] for row in figures}
    for row in records.rows(sa.select(metadata.tables["record_positions"])):
        of = f" of {names[row['slot']]} at " if row["slot"] != MAIN else " at "
        about = [line for line in opened if f" {row['symbol']}{of}" in line]
        if row["qty"]:  # the newest of it is the way that it is held now
            assert about[-1].split()[1] == ("long" if row["qty"] > 0 else "short")


@pytest.mark.parametrize("by", ["strategy", "symbol", "account", "day"])
def test_slippage_is_what_fills_cost_beyond_the_middle_of_the_market_at_their_order(home, records, by):
    recorder = Recorder(home, records, leverage={})
    while recorder.step():
        pass
    with JournalReader(gateway_journal(home, "main")) as reader:
        met = [Instrument.from_msgpack(each.payload) for each in reader.frames(("instrument",))]
    facts = {("main", each.symbol): each for each in met}
    tables = metadata.tables
    quoted = (
        sa.update(tables["record_orders"]).where(tables["record_orders"].c.side == "buy").values(bid=99.5, ask=100.3)
    )
    with sa.create_engine(f"sqlite:///{home}/store.db").begin() as database:  # this world's tape has no market
        database.execute(quoted)
    orders = {(o["robot"], o["order_id"]): o for o in records.rows(sa.select(tables["record_orders"]))}
    wanted, unpriced = defaultdict(lambda: [Decimal(0), Decimal(0)]), 0
    fills = records.rows(sa.select(tables["record_fills"]))
    for each in fills:
        order = orders.get((each["robot"], each["order_id"]))
        if order is None or order["bid"] is None or order["ask"] is None:
            unpriced += 1
            continue
        middle = (Decimal(str(order["bid"])) + Decimal(str(order["ask"]))) / 2
        size = Decimal(each["qty_exact"]) * facts["main", each["symbol"]].multiplier
        key = each[by] if by != "day" else datetime.fromtimestamp(each["ts_event"] / SECOND, tz=UTC).date().isoformat()
        row = wanted[key or EXTERNAL]
        row[0] += (Decimal(each["price_exact"]) - middle) * size * (1 if each["side"] == "buy" else -1)
        row[1] += middle * size
    found = slippage(records, facts, by=by, since=0, fills_max=len(fills))
    assert {each["key"]: [Decimal(each["slippage"]), Decimal(each["notional"])] for each in found["rows"]} == wanted
    assert {each["currency"] for each in found["rows"]} == {"USDT"}
    assert (found["unpriced"], found["is_cut"], 0 < unpriced < len(fills) - 5) == (unpriced, False, True)
    assert slippage(records, facts, by=by, since=0, fills_max=len(fills) - 1)["is_cut"]
    nothing = {"rows": [], "unpriced": 0, "is_cut": False}
    assert slippage(records, facts, by=by, since=TIME_MAX, fills_max=9) == nothing
    assert slippage(records, {}, by=by, since=0, fills_max=9)["unpriced"] == 9


def test_the_result_of_a_day_is_told_once_when_it_is_over(home, records):
    recorder = Recorder(home, records, leverage={})
    recorder.step()
    notes, day = Notes(home, ["day"], EVERY), _now(records) // DAY
    assert list(notes.due(records, day * DAY + LATE)) == []
    while recorder.step() and recorder.is_behind:
        pass
    assert list(notes.due(records, (day + 1) * DAY + LATE - 1)) == []
    (note,) = notes.due(records, (day + 1) * DAY + LATE + EVERY)
    made = ledger(records, by="account", since=day * DAY, until=(day + 1) * DAY)
    (usdt,) = (row for row in made if row["currency"] == "USDT")
    assert f"realized {usdt['realized']}, funding {usdt['funding']}, fees {usdt['fees']['USDT']} USDT" in note["state"]
    made_by_trading = Decimal(usdt["net"]) - Decimal(usdt["transfers"]) - Decimal(usdt["corrections"])
    assert f"net {made_by_trading.normalize():f} USDT" in note["state"]
    assert "; equity now " in note["state"]
    second = Notes(home, ["day"], EVERY)
    assert list(second.due(records, (day + 1) * DAY + LATE + 3 * EVERY)) == []
    late = list(second.due(records, (day + 4) * DAY + LATE))  # nobody was there for three days
    assert [each["state"].partition(":")[2] for each in late] == [
        f" nothing was booked{note['state'][note['state'].index('; equity') :]}"
    ] * 3


def test_what_was_traded_needs_a_recorder():
    text = '[notify]\nurls = ["json://127.0.0.1:9/"]\ntypes = ["risk", "day"]\n'
    with pytest.raises(BadConfig, match=r"add \[recorder\]"):
        parse_config(text)
    assert parse_config(f"{text}[recorder]\n").notify.trade_types == ["day"]
    with pytest.raises(BadConfig, match="not a duration"):
        parse_config('[notify]\nbatch = "soon"\n')
