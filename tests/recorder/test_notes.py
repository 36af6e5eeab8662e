"""What was traded is told once, whoever is killed: its sums are those of the rows."""

from __future__ import annotations

import re
from collections import defaultdict
from decimal import Decimal

import pytest
import sqlalchemy as sa

from onetape.model.config import parse_config
from onetape.model.errors import BadConfig
from onetape.model.sections import TRADE_TYPES
from onetape.model.time import DAY, SECOND
from onetape.recorder.notes import LATE, LINES_MAX, NOTES, Notes
from onetape.recorder.read import ledger
from onetape.recorder.recorder import Recorder
from onetape.store.records import Records, metadata
from orders.gateway_seeds import Seed, play

EVERY = 10 * SECOND
_FILL = re.compile(r"(\S+) (bought|sold) (\S+) (\S+) at \S+(?: in (\d+) fills)?, fees (\S+) USDT")


@pytest.fixture(scope="module")
def home():
    world = play(Seed("World", "binance-usdm", 3, 60).begun(), 60)
    yield world.home.path


@pytest.fixture
def records(home):
    for name in ("store.db", f"run/{NOTES}"):
        (home / name).unlink(missing_ok=True)
    made = Records("sqlite:///store.db", home=home)
    assert made.take_lease() == ""
    yield made
    made.close()


def _now(records: Records) -> int:
    fills = metadata.tables["record_fills"]
    return max((row["ts"] for row in records.rows(sa.select(fills.c.ts))), default=0)


def _play(home, records, kinds, *, kill_each=0):
    """All records that are told while the journal is read bit by bit. kill_each: so many notes later the
    process dies behind the next one, and another goes on."""
    recorder, notes = Recorder(home, records, leverage={}, frames_max=40), Notes(home, kinds, EVERY)
    reported, dies, now = [], kill_each, EVERY
    assert list(notes.due(records, now)) == []
    while recorder.step() or dies == -1:
        now = max(now, _now(records))
        dies = kill_each if dies == -1 else dies
        notes._next = 0
        for record in notes.due(records, now):
            reported.append(record)
            dies -= 1
            if kill_each and dies == 0:
                notes, dies = Notes(home, kinds, EVERY), -1
                break
    return reported


def _sums(reported):
    sums = defaultdict(lambda: [0, Decimal(0)])
    for record in reported:
        for who, did, qty, symbol, times, fee in _FILL.findall(record["state"]):
            row = sums[who, "buy" if did == "bought" else "sell", symbol]
            row[0] += int(times or 1)
            row[1] += Decimal(qty) + Decimal(fee) * 0
    return {key: tuple(row) for key, row in sums.items()}


def test_all_fills_and_no_others_are_told(home, records):
    reported = _play(home, records, ["fill"])
    wanted = defaultdict(lambda: [0, Decimal(0)])
    for row in records.rows(sa.select(metadata.tables["record_fills"])):
        mine = wanted[row["strategy"] or "external", row["side"], row["symbol"]]
        mine[0] += 1
        mine[1] += Decimal(row["qty_exact"])
    assert len(reported) > 3
    assert _sums(reported) == {key: tuple(row) for key, row in wanted.items()}
    assert {(each["kind"], each["subject"], each["severity"]) for each in reported} == {("fill", "main", "info")}
    assert list(Notes(home, ["fill"], EVERY).due(records, _now(records) + DAY // 2)) == []  # of another life


def test_a_kill_between_notes_leaves_none_out(home, records):
    reported = _play(home, records, ["fill"], kill_each=2)
    fills = metadata.tables["record_fills"]
    count = len(records.rows(sa.select(fills)))
    assert sum(times for times, _ in _sums(reported).values()) >= count > 0


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
    reported = _play(home, records, ["position"])
    trips = records.rows(sa.select(metadata.tables["record_trips"]))
    said = "; ".join(each["state"] for each in reported)
    assert len(trips) > 1
    assert said.count(" closed ") + sum(int(n) for n in re.findall(r"and (\d+) others", said)) >= len(trips)
    assert all(f"net {trip['net']} USDT" in said for trip in trips[:3])
    assert "opened long " in said or "opened short " in said


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
