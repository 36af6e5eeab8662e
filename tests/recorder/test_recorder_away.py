"""A database that goes away and comes back: the recorder says so, waits, and goes on where it was."""

from __future__ import annotations

import json
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from copied_process import Copied
from long_form import long_form
from onetape.model.config import parse_config
from onetape.model.errors import ProcessDown
from onetape.model.time import HOUR, MINUTE
from onetape.options.recorder import recorder_journal, unrecorded_from
from onetape.recorder.main import BEHIND_MAX
from onetape.recorder.recorder import FRAMES_MAX, Recorder, gateway_journals
from onetape.simulation.record_sums import moved, opened
from onetape.simulation.seeds import Seed, play
from onetape.store.records import HOME_ID, Records
from onetape.tape.journal import JournalReader
from recorder.recorded_worlds import Retold, contents, record_all, record_with_kills
from waiting import wait_for
from worlds.databases import postgresql, postgresql_server


@pytest.fixture
def world():
    return play(Seed("World", "binance-usdm", 4, 60).begun(), 60)


def test_a_database_that_is_not_there_is_said_without_its_password(tmp_path):
    with pytest.raises(ProcessDown) as caught:
        Records("postgresql+psycopg://me:secret-word@127.0.0.1:1/x", home=tmp_path)
    assert "secret-word" not in str(caught.value)


def test_a_recorder_goes_on_where_it_was_when_its_database_comes_back(world):
    """Its process, and a server that is killed meanwhile."""
    home = world.home.path
    with postgresql() as address:
        import psycopg

        records = Records(address, home=home)
        assert records.take_lease() == ""
        recorder = Recorder(home, records, leverage={}, frames_max=50)
        assert recorder.step()
        with psycopg.connect(address, autocommit=True) as made:
            made.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        with pytest.raises(ProcessDown):
            while recorder.step():
                pass
        records.close()
        records = record_all(home, address)
        try:
            came, began = moved(records, "day"), opened(records)
            for asset in world.money.ledger.currencies():
                total = Decimal(world.money.ledger.total(asset)).scaleb(-18)
                assert began.get(asset, 0) + came.get(asset, 0) == total
        finally:
            records.close()


@contextmanager
def recorder(home: Path, url: str) -> Iterator[subprocess.Popen]:
    """Its process, which has begun."""
    process = Copied("onetape.recorder.main", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        process.stdin.write(json.dumps({"home": str(home), "url": url, "leverage": {}}).encode())
        process.stdin.close()
        assert process.stdout.readline() == b"ready\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def states(home: Path, kind: str = "records") -> list[str]:
    """What it has said of its database."""
    with JournalReader(recorder_journal(home)) as reader:
        said = [record.data for record in reader if record.type == "health"]
    return [each["state"] for each in said if each["kind"] == kind]


def memory_mib(process: subprocess.Popen) -> int:
    """What it has of its own now: a segment of the tape that it has mapped is none of it."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) >> 10


def test_the_process_says_that_its_database_is_away_and_that_it_is_back(world, tmp_path):
    home = world.home.path
    blocked = tmp_path / "away"
    blocked.write_text("a file where a folder is wanted")
    url = f"sqlite:///{blocked}/records.db"
    with recorder(home, url) as process:
        wait_for(lambda: states(home) or process.poll() is not None)
        (journal,) = gateway_journals(home).values()
        config = parse_config("[recorder]")
        assert unrecorded_from(journal, config) == 0
        assert process.poll() is None
        blocked.unlink()
        wait_for(lambda: states(home)[-1:] == ["written"])
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
        with JournalReader(journal) as reader:
            assert 1 < unrecorded_from(journal, config) <= reader.last_sequence + 1
    records = Records(url, home=home)
    try:
        assert contents(records)["record_fills"]
    finally:
        records.close()


@pytest.mark.parametrize("how", ["deleted", "another file", "a copy of before", "emptied"])
def test_a_database_that_was_deleted_or_put_back_is_told_and_made_anew(how, world, tmp_path):
    (journal,) = gateway_journals(world.home.path).values()
    retold, file = Retold(tmp_path, journal), tmp_path / "records.db"
    url = f"sqlite:///{file}"
    with recorder(tmp_path, url) as process:
        retold.write(100)
        wait_for(lambda: file.exists() and _recorded(tmp_path, url))
        with sqlite3.connect(file) as source, sqlite3.connect(tmp_path / "copy.db") as target:
            source.backup(target)
        retold.write(100)
        if how == "deleted":
            file.unlink()
        elif how == "another file":
            (tmp_path / "empty.db").touch()
            (tmp_path / "empty.db").replace(file)
        elif how == "a copy of before":
            with sqlite3.connect(tmp_path / "copy.db") as source, sqlite3.connect(file) as target:
                source.execute("UPDATE record_lease SET holder = 'elsewhere:1:1', until = 0 WHERE name = 'recorder'")
                source.commit()
                source.backup(target)
        else:
            with sqlite3.connect(file) as emptied:
                for (table,) in emptied.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                    if table != "record_version":
                        emptied.execute(f"DELETE FROM {table}")
        retold.write(10**6)
        wait_for(
            lambda: states(tmp_path)[-1:] == ["written"] and {*states(tmp_path)} != {"written"},
            lambda: states(tmp_path),
        )
        retold.close()
        process.send_signal(signal.SIGTERM)  # it reads to the end
        assert process.wait() == 0
    # SQLite may be locked for a moment, by this test's own change too: the recorder tries once more.
    reported = [each for each in states(tmp_path) if each != "written" and "is locked" not in each]
    assert all("deleted or replaced" in each or "restored from a copy" in each for each in reported), reported
    ours, beside = Records(url, home=tmp_path), record_all(tmp_path, "sqlite:///beside.db")
    try:
        kept, wanted = contents(ours), contents(beside)
        assert kept["record_fills"]
        for table in kept:
            assert sorted(kept[table], key=repr) == sorted(wanted[table], key=repr), table
    finally:
        ours.close()
        beside.close()


@pytest.mark.parametrize("away_s", [0, *long_form(600)])
def test_a_server_that_is_stopped_and_started_again_has_every_row_once(away_s, world, tmp_path):
    """Under load meanwhile, which the recorder catches up with; it keeps none of it in memory."""
    (journal,) = gateway_journals(world.home.path).values()
    retold = Retold(tmp_path, journal)
    with postgresql_server() as server, recorder(tmp_path, server.url) as process:
        retold.write(100)
        wait_for(lambda: _recorded(tmp_path, server.url))
        before, sizes = memory_mib(process), []
        server.stop()
        retold.write(100)
        wait_for(lambda: states(tmp_path)[-1:] not in ([], ["written"]))
        retold.fill_up(BEHIND_MAX + FRAMES_MAX + 1)
        end = time.monotonic() + away_s
        while time.monotonic() < end:
            sizes.append(memory_mib(process))
            retold.fill_up(2000)
            time.sleep(1)
        retold.write(100)
        server.start()
        wait_for(lambda: states(tmp_path)[-1:] == ["written"])
        wait_for(lambda: sizes.append(memory_mib(process)) or states(tmp_path, "lag")[1:])
        began, ended = states(tmp_path, "lag")
        assert int(began.split()[2]) > BEHIND_MAX
        assert ended.startswith("caught up after ")
        assert max(sizes) < before + 32
        retold.write(10**6)
        retold.close()
        process.send_signal(signal.SIGTERM)  # it reads to the end
        assert process.wait() == 0
        ours, beside = record_all(tmp_path, server.url), record_all(tmp_path, "sqlite:///beside.db")
        try:
            kept, wanted = contents(ours), contents(beside)
            assert kept["record_fills"]
            for table in kept:
                assert sorted(kept[table], key=repr) == sorted(wanted[table], key=repr), table
        finally:
            ours.close()
            beside.close()


def _recorded(home: Path, url: str) -> bool:
    records = Records(url, home=home)
    try:
        return bool(contents(records)["record_orders"])
    finally:
        records.close()


def test_of_two_recorders_one_writes_and_the_other_goes_on_when_that_is_killed(world, tmp_path):
    """Of a home and its copy, into one database."""
    (journal,) = gateway_journals(world.home.path).values()
    url, homes = f"sqlite:////{tmp_path}/records.db", (tmp_path / "one", tmp_path / "two")
    for home in homes:
        shutil.copytree(journal, home / "journal" / journal.name)
        (home / HOME_ID).write_text("copied")
    with recorder(homes[0], url) as first, recorder(homes[1], url) as second:
        wait_for(lambda: any("writes to this database" in each for home in homes for each in states(home)))
        wait_for(lambda: _recorded(tmp_path, url))
        waits = next(n for n, home in enumerate(homes) if any("writes to" in each for each in states(home)))
        writer, other = (first, second) if waits else (second, first)
        writer.kill()
        writer.wait()
        wait_for(lambda: states(homes[waits])[-1:] == ["written"])
        other.send_signal(signal.SIGTERM)
        assert other.wait() == 0
    ours, beside = record_all(homes[0], url), record_all(homes[1], "sqlite:///beside.db")
    try:
        assert contents(ours) == contents(beside)
    finally:
        ours.close()
        beside.close()


@pytest.mark.parametrize("shift", [HOUR, -HOUR])
def test_a_clock_that_moves_by_an_hour_and_back_loses_and_doubles_nothing(shift, world, tmp_path):
    (journal,) = gateway_journals(world.home.path).values()
    retold = Retold(tmp_path, journal)
    for count, by in ((150, 0), (150, shift), (10**6, 0)):
        last = retold.write(count, shift=by)
    retold.close()
    assert last > 400
    assert record_with_kills(tmp_path, "sqlite:///torn.db", random.Random(shift)) > 3
    torn, straight = record_all(tmp_path, "sqlite:///torn.db"), record_all(world.home.path, "sqlite:///straight.db")
    try:
        found, wanted = contents(torn), contents(straight)
        assert [row["amount_exact"] for row in found["record_income"]] == [
            row["amount_exact"] for row in wanted["record_income"]
        ]
        assert len(found["record_fills"]) == len(wanted["record_fills"]) > 3
        assert moved(torn, "symbol") == moved(straight, "symbol")
        minutes = [(row["slot"], row["currency"], row["ts"]) for row in found["record_equity"]]
        assert len(minutes) == len(set(minutes)) >= len(wanted["record_equity"])
        assert not {row["ts"] % MINUTE for row in found["record_equity"]} - {0}
    finally:
        torn.close()
        straight.close()
