"""Journals are packed and cut by the rules of [retention], and never what is needed for a start."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from onetape.model.config import parse_config
from onetape.model.errors import BadConfig
from onetape.model.sections import Config, RetentionConfig
from onetape.options.recorder import note_recorded, unrecorded_from
from onetape.supervisor.retention import PLAIN_KEPT, keep_to, retain
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.tape.prune import pin
from onetape.tape.segments import list_segments
from waiting import PATIENCE_S
from worlds.command_lines import command_line

FRAMES = 400


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Of eight or more closed segments."""
    path = tmp_path / "journal" / "gateway-main"
    with JournalWriter(path, durable=False, segment_bytes_first=1 << 16, segment_bytes_max=1 << 16) as writer:
        for time in range(1, FRAMES + 1):
            writer.append("log", os.urandom(2048), time=time)
    assert len(list_segments(path)) > PLAIN_KEPT + 4
    return path


def frames_of(journal: Path) -> list[int]:
    with JournalReader(journal) as reader:
        return [frame.sequence for frame in reader.frames(("log",))]


def test_without_rules_nothing_goes_and_closed_segments_are_packed(tmp_path, journal):
    before = frames_of(journal)
    (said,) = retain(tmp_path, Config())
    assert "were compressed" in said
    segments = list_segments(journal)
    assert [s.compressed for s in segments[-PLAIN_KEPT:]] == [False] * PLAIN_KEPT
    assert segments[0].compressed
    assert frames_of(journal) == before
    assert retain(tmp_path, Config()) == []


def test_the_oldest_go_beyond_the_size_but_not_what_is_needed(tmp_path, journal):
    rules = Config(retention=RetentionConfig(size="1kB", compress=False))
    needed = list_segments(journal)[3].first_seq
    pin(journal, "books", needed, 2**63 - 1)
    gone, stays = retain(tmp_path, rules)
    assert "3 segments" in gone
    assert "old segments stay for books" in stays
    assert list_segments(journal)[0].first_seq == needed


def test_runs_go_only_where_that_is_said_and_are_named(tmp_path, journal):
    pin(journal, "first-run", 1, FRAMES)
    keeps, drops = (
        Config(retention=RetentionConfig(size="1kB", compress=False, runs=runs)) for runs in ("keep", "drop")
    )
    (said,) = retain(tmp_path, keeps)
    assert "old segments stay for first-run" in said
    said = retain(tmp_path, drops)
    assert any("can no longer be replayed completely: first-run" in line for line in said)


def test_what_the_recorder_has_not_read_stays_whatever_the_rules_say(tmp_path, journal):
    text = '[retention]\nsize = "1kB"\ncompress = false\nruns = "drop"\n'
    recorded = parse_config(f"{text}[recorder]\n")
    (said,) = retain(tmp_path, recorded)  # its database was never there
    assert "stay until they are recorded" in said
    read = list_segments(journal)[3].first_seq
    note_recorded(journal, read - 1)
    gone, stays = retain(tmp_path, recorded)
    assert "3 segments" in gone
    assert "stay until they are recorded" in stays
    assert list_segments(journal)[0].first_seq == read
    for name in ("gateway-main", "guardian"):  # who is no gateway is not recorded
        assert unrecorded_from(journal.with_name(name), recorded) == (read if name == "gateway-main" else None)
    (gone,) = retain(tmp_path, parse_config(text))  # nobody waits for it any more
    assert "were deleted" in gone


def test_prune_takes_what_was_not_recorded_only_by_force_and_says_so(tmp_path, journal):
    (tmp_path / "onetape.toml").write_text("[recorder]\n")
    (tmp_path / ".onetape").mkdir()
    (tmp_path / "journal").rename(tmp_path / ".onetape" / "journal")
    words = ["journal", "prune", ".onetape/journal/gateway-main", "--size", "1kB", "--json"]
    code, said, _ = command_line(words, tmp_path)
    kept = json.loads(said)
    assert (code, kept["removed"], kept["kept_by_sequence"]) == (0, [], [1])
    code, said, _ = command_line([*words, "--force"], tmp_path)
    gone = json.loads(said)
    assert gone["removed"]
    assert gone["unrecorded"] == [0, gone["first_seq"] - 1]


def test_a_journal_that_cannot_be_kept_to_is_said_and_the_others_are_kept_to(tmp_path, journal):
    pins = tmp_path / "journal" / "gateway-main" / "pins"
    other = tmp_path / "journal" / "a"
    with JournalWriter(other, durable=False) as writer:
        writer.append("log", b"x", time=1)
    pins.mkdir()
    (pins / "run.json").write_text("{")
    (said,) = retain(tmp_path, Config(retention=RetentionConfig(size="1kB", compress=False)))
    assert said.startswith("gateway-main: ")


def test_the_rules_are_applied_again_and_again_and_said_once(tmp_path, journal):
    said: list[str] = []

    async def work() -> None:
        rules = Config(retention=RetentionConfig(every="10ms"))
        keeping = asyncio.ensure_future(keep_to(tmp_path, lambda: rules, said.append))
        while len(said) < 1:
            await asyncio.sleep(0.01)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)

    asyncio.run(asyncio.wait_for(work(), PATIENCE_S))
    assert len(said) == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [('older = "soon"', "soon"), ('size = "much"', "much"), ('every = ""', "no time"), ('runs = "all"', "runs")],
)
def test_a_rule_that_makes_no_sense_names_its_line(line, words):
    with pytest.raises(BadConfig) as refused:
        parse_config(f"[retention]\n{line}\n")
    assert words in str(refused.value)
    assert "onetape.toml:2" in str(refused.value)
