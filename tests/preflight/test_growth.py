"""What the journals of processes that run take in a day, by what they wrote of late."""

from __future__ import annotations

import shutil
import time

import pytest

from onetape.model.time import DAY, SECOND
from onetape.preflight.growth import check_growth
from onetape.tape.journal import JournalWriter

PAYLOAD = bytes(100)  # with its header and up to the next eight: 136 bytes


@pytest.fixture
def written(tmp_path):
    """A journal with ten frames a second for a minute, until now."""
    writer = JournalWriter(tmp_path / "journal" / "collector-x", process="collector:x", heartbeat=True)
    now = time.time_ns()
    for n in range(600):
        writer.append("log", PAYLOAD, time=now - (600 - n) * SECOND // 10)
    yield writer
    writer.close()


def test_a_journal_that_grows_is_told_with_its_day_and_the_room_for_it(written, tmp_path):
    one, total = check_growth(tmp_path)
    a_day = 10 * 136 * DAY / SECOND
    assert (one.state, one.subject) == ("ok", "journal collector-x")
    assert float(one.text.partition(" ")[0]) == pytest.approx(a_day / 1e9, rel=0.2)
    assert total.subject == "journals" and "room for " in total.text


def test_little_room_is_a_warning(written, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9 - 10**8, 10**8))
    *_, total = check_growth(tmp_path)
    assert total.state == "warning" and "room for 1 days" in total.text


def test_of_a_journal_that_nobody_writes_nothing_is_told(written, tmp_path):
    written.close()
    assert list(check_growth(tmp_path)) == []
