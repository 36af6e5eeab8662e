"""A database that goes away and comes back: the recorder says so, waits, and goes on where it was."""

from __future__ import annotations

import json
import signal
import subprocess
from decimal import Decimal

import pytest

from copied_process import Copied
from onetape.model.config import parse_config
from onetape.model.errors import ProcessDown
from onetape.recorder.options import recorder_journal, unrecorded_from
from onetape.recorder.recorder import Recorder, gateway_journals
from onetape.store.records import Records
from onetape.tape.journal import JournalReader
from orders.gateway_seeds import Seed, play
from recorder.recorded_worlds import contents, moved, opened, record_all
from waiting import wait_for
from worlds.databases import postgresql


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


def test_the_process_says_that_its_database_is_away_and_that_it_is_back(world, tmp_path):
    home = world.home.path
    blocked = tmp_path / "away"
    blocked.write_text("a file where a folder is wanted")
    url = f"sqlite:///{blocked}/records.db"
    process = Copied("onetape.recorder.main", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        process.stdin.write(json.dumps({"home": str(home), "url": url, "leverage": {}}).encode())
        process.stdin.close()
        assert process.stdout.readline() == b"ready\n"

        def states() -> list[str]:
            with JournalReader(recorder_journal(home)) as reader:
                return [record.data["state"] for record in reader if record.type == "health"]

        wait_for(lambda: states() or process.poll() is not None)
        (journal,) = gateway_journals(home).values()
        config = parse_config("[recorder]")
        assert unrecorded_from(journal, config) == 0
        assert process.poll() is None
        blocked.unlink()
        wait_for(lambda: states()[-1:] == ["written"])
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
        with JournalReader(journal) as reader:
            assert 1 < unrecorded_from(journal, config) <= reader.last_sequence + 1
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
    records = Records(url, home=home)
    try:
        assert contents(records)["record_fills"]
    finally:
        records.close()
