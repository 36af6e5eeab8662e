"""What older versions wrote on their last day: their tapes are read, their runs repeat, and `up` goes on with them.

old_homes/DAY.tar.xz: the home of `init` and `up` with the last commit of that day, after ten seconds of trading and
`down`: configuration, strategies, journals and runs.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from onetape.tape.journal import JournalReader
from onetape.tape.verify import verify
from worlds.supervised import Home

DAYS = sorted(path.name.removesuffix(".tar.xz") for path in (Path(__file__).parent / "old_homes").iterdir())


@pytest.mark.parametrize("day", DAYS)
def test_a_home_of_an_older_version_is_read_repeated_and_continued(tmp_path: Path, day: str):
    with tarfile.open(Path(__file__).parent / "old_homes" / f"{day}.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    config = (tmp_path / "onetape.toml").read_text().replace("[dashboard]", "[dashboard]\nenabled = false")
    with Home(tmp_path, config) as home:
        (run,) = (home.home / "runs").iterdir()
        replayed = home.run("replay", str(run), "--verify")
        assert replayed["divergences"] == 0 and home.fills()
        before = {}
        for journal in (home.home / "journal").iterdir():
            report = verify(journal)
            assert report.ok, journal
            before[journal] = report.last_seq, JournalReader(journal).uuid
        home.run("up")
        home.wait_for(lambda: home.process("robot:mm")["state"] == "running")
        home.wait_for_trades(1)
        home.run("down")
        for journal, (last, uuid) in before.items():  # they continue the same tapes
            if journal.name.startswith("venue-"):  # a simulated exchange does not make up the market of months
                continue
            assert verify(journal).last_seq >= last and JournalReader(journal).uuid == uuid, journal
        (later,) = set((home.home / "runs").iterdir()) - {run}
        assert home.run("replay", str(later), "--verify")["divergences"] == 0
