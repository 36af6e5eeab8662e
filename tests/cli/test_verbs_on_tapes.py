"""The verbs that work on tapes and runs, from a folder of their own, as a newcomer types them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import copied_process
from waiting import PATIENCE_S

EVENTS = 6_000
BACKTEST_KEYS = (
    "run strategy symbols events seconds wall_seconds events_per_second orders fills pnl fees "
    "funding final_equity max_drawdown action_hash report why_no_orders"
)

TAKER = """
from onetape import Strategy

class Taker(Strategy):
    every: int = 50
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        print("hello from the strategy")
        self.subscribe(self.symbol, quotes=True)
        self.seen = 0

    def on_quote(self, quote):
        self.seen += 1
        if self.seen % self.every == 0:
            (self.buy if self.seen // self.every % 2 else self.sell)(self.symbol, 0.01)
"""


def shell(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return copied_process.run(*arguments, "--home", folder / "home", cwd=folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A tape, a strategy and a run of it."""
    place = tmp_path_factory.mktemp("newcomer")
    (place / "taker.py").write_text(TAKER)
    for arguments in (
        ("sample", "--out", "market.tape", "--events", EVENTS, "--seed", 3),
        ("backtest", "taker.py", "--data", "market.tape", "--out", "first"),
    ):
        done = shell(place, *arguments)
        assert done.returncode == 0, done.stderr
    return place


def value(done: subprocess.CompletedProcess[str]) -> dict:
    assert done.stdout.count("\n") == 1, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_sample_counts_what_it_wrote_and_equal_seeds_are_equal(folder):
    one = value(shell(folder, "sample", "--out", "a.tape", "--events", 500, "--seed", 9, "--json"))
    two = value(shell(folder, "sample", "--out", "b.tape", "--events", 500, "--seed", 9, "--json"))
    assert one["events"] == sum(one["by_type"].values()) == 500
    assert {k: v for k, v in one.items() if k != "tape"} == {k: v for k, v in two.items() if k != "tape"}
    assert (folder / "a.tape" / "0000000001.tape").read_bytes() == (folder / "b.tape" / "0000000001.tape").read_bytes()


def test_verify_says_ok_and_a_flipped_bit_is_exit_3_with_its_name(folder):
    good = shell(folder, "journal", "verify", "market.tape", "--json")
    assert good.returncode == 0 and value(good)["ok"] is True
    shutil.copytree(folder / "market.tape", folder / "flipped")
    segment = folder / "flipped" / "0000000001.tape"
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 1
    segment.write_bytes(content)
    bad = shell(folder, "journal", "verify", "flipped", "--json")
    assert bad.returncode == 3
    assert value(bad)["ok"] is False and value(bad)["error"]["name"] == "TORN_TAPE"
    reported = shell(folder, "journal", "verify", "flipped")
    assert reported.returncode == 3 and reported.stderr.startswith("error TORN_TAPE(4504)")


def test_a_folder_without_a_tape_is_bad_input(folder):
    done = shell(folder, "journal", "verify", ".", "--json")
    assert done.returncode == 3 and value(done)["error"]["code"] == 4501


def test_cat_filters_and_jsonl_is_one_object_a_line(folder):
    call = ("journal", "cat", "market.tape", "--type", "trade", "--where", "size > 0.05", "--jsonl")
    lines = shell(folder, *call).stdout.splitlines()
    records = [json.loads(line) for line in lines]
    assert records
    assert {r["type"] for r in records} == {"trade"} and all(float(r["size"]) > 0.05 for r in records)
    whole = value(shell(folder, "journal", "cat", "market.tape", "--json"))
    assert len(whole) == EVENTS + 1  # and the instrument


def test_cat_for_a_reader_has_times_and_no_empty_fields(folder):
    line = shell(folder, "journal", "cat", "market.tape", "--type", "quote").stdout.splitlines()[0]
    assert "2026-01-01 00:00:00" in line and "bid=" in line
    assert "=0 " not in line and "None" not in line


def test_cat_into_a_pipe_that_closes_ends_quietly(folder):
    call = [sys.executable, "-m", "onetape", "journal", "cat", str(folder / "market.tape")]
    process = subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout and process.stderr
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(PATIENCE_S) == 0
    process.stderr.close()


def test_tail_is_the_end_and_ls_knows_the_range(folder):
    last = value(shell(folder, "journal", "tail", "market.tape", "-n", 2, "--json"))
    assert [record["sequence"] for record in last] == [EVENTS, EVENTS + 1]
    listed = value(shell(folder, "journal", "ls", "market.tape", "--json"))
    assert listed[0]["last_seq"] == EVENTS + 1
    assert "2026-01-01" in shell(folder, "journal", "ls", "market.tape").stdout


def test_prune_tries_dry_and_repair_leaves_a_sound_tape(folder):
    done = shell(folder, "journal", "prune", "market.tape", "--size", "1KiB", "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    done = shell(folder, "journal", "repair", "market.tape", "--json")
    assert done.returncode == 0 and value(done)["changed"] is False


def test_prune_packs_closed_segments_and_every_frame_stays(folder):
    made = shell(folder, "sample", "--out", "packed.tape", "--events", 200_000, "--json")
    assert made.returncode == 0, made.stderr
    before = value(shell(folder, "journal", "verify", "packed.tape", "--json"))
    done = shell(folder, "journal", "prune", "packed.tape", "--compress", "--json")
    assert done.returncode == 0 and value(done)["compressed"], done.stderr
    assert list((folder / "packed.tape").glob("*.tape.zst"))
    after = value(shell(folder, "journal", "verify", "packed.tape", "--json"))
    assert after["ok"] and after["frames"] == before["frames"] > 200_000


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_export_writes_a_table_for_each_type(folder, form):
    if form == "parquet":
        pytest.importorskip("pyarrow", reason="pip install 'onetape[research]'")
    done = shell(folder, "export", "market.tape", "--format", form, "--out", f"tables-{form}", "--json")
    assert done.returncode == 0, done.stderr
    assert value(done)["tables"]["trade"] > 0
    assert (folder / f"tables-{form}" / f"trade.{form}").stat().st_size > 0


def test_import_refuses_what_is_there_and_counts(folder):
    (folder / "q.csv").write_text("ts,bid,ask\n1700000000,1.0,1.1\n1700000001,1.1,1.2\n")
    call = ("import", "csv", "q.csv", "--symbol", "kraken:BTC/USD", "--out", "q.tape", "--json")
    done = shell(folder, *call)
    assert done.returncode == 0 and value(done)["by_type"] == {"quote": 2}
    assert shell(folder, *call).returncode == 2
    assert shell(folder, *call, "--force").returncode == 0
    missing = shell(folder, "import", "csv", "no.csv", "--symbol", "a:B/C", "--out", "x", "--json")
    assert missing.returncode in (2, 3) and "no.csv" in value(missing)["error"]["message"]
    assert shell(folder, "import", "wat", "q.csv", "--symbol", "a:B/C", "--out", "x").returncode == 2


def test_backtest_has_the_contracts_keys_and_the_strategys_print_is_kept_apart(folder):
    done = shell(folder, "backtest", "taker.py", "--data", "market.tape", "--param", "every=20", "--json")
    assert done.returncode == 0, done.stderr
    assert set(value(done)) >= set(BACKTEST_KEYS.split())
    assert "hello from the strategy" in done.stderr
    assert value(done)["orders"] > 10 and isinstance(value(done)["pnl"], str)
    assert Path(value(done)["report"]).stat().st_size > 20_000


def test_backtest_shows_assumptions_above_figures(folder):
    text = shell(folder, "backtest", "taker.py", "--data", "market.tape").stdout
    assert text.index("What this result assumes") < text.index("events per second")


def test_replay_proves_the_run_and_finds_an_edit(folder):
    proof = shell(folder, "replay", "first", "--verify", "--json")
    assert proof.returncode == 0, proof.stderr
    assert value(proof)["divergences"] == 0 and value(proof)["actions"] > 5
    (folder / "edited.py").write_text(TAKER.replace("0.01", "0.02"))
    edited = shell(folder, "replay", "first", "--source", "edited.py", "--json")
    assert edited.returncode == 4
    assert value(edited)["divergences"] > 0 and value(edited)["first_divergence"]
    assert value(edited)["error"]["name"] == "DIVERGENCE"
    (folder / "same.py").write_text(TAKER)
    same = shell(folder, "replay", "first", "--source", "same.py").stdout
    assert "verified" not in same and re.search(r"compared +actions of the edited source", same)
    opened = shell(folder, "replay", "first", "--until", "50").stdout
    assert ("divergences" in opened) is (re.search(r"compared +nothing", opened) is None) and "verified" not in opened


def test_paper_runs_a_tape_at_speed_and_shows_the_same_table(folder):
    call = ("run", "taker.py", "--paper", "--data", "market.tape", "--speed", "100000")
    done = shell(folder, *call, "--json")
    assert done.returncode == 0, done.stderr
    assert value(done)["orders"] > 5 and value(done)["wall_seconds"] >= value(done)["seconds"]
    assert "hello from the strategy" in done.stderr


def test_parity_of_a_run_with_itself_and_with_another(folder):
    same = shell(folder, "parity", "first", "first", "--json")
    assert same.returncode == 0 and value(same)["differing"] == 0
    other = ("--param", "every=30", "--out", "other")
    assert shell(folder, "backtest", "taker.py", "--data", "market.tape", *other).returncode == 0
    differs = shell(folder, "parity", "first", "other", "--json")
    assert differs.returncode == 4 and value(differs)["first_difference"]


@pytest.mark.parametrize(
    ("arguments", "codes"),
    [
        (("backtest", "nowhere.py", "--data", "market.tape"), (2, 3)),
        (("backtest", "taker.py:Nope", "--data", "market.tape"), (2, 3)),
        (("backtest", "taker.py", "--data", "nowhere.tape"), (3,)),
        (("backtest", "taker.py", "--data", "market.tape", "--param", "nope=1"), (2,)),
        (("backtest", "taker.py", "--data", "market.tape", "--param", "every=often"), (2,)),
        (("backtest", "taker.py", "--data", "market.tape", "--from", "yesterdayish"), (2,)),
        (("backtest", "taker.py", "--data", "market.tape", "--symbol", "a:B/C"), (3,)),
        (("backtest", "taker.py", "--data", "market.tape", "--out", "first"), (2,)),
        (("replay", "nowhere"), (2, 3)),
        (("parity", "first", "nowhere"), (2, 3)),
        (("journal", "cat", "market.tape", "--where", "price >"), (2,)),
        (("journal", "cat", "market.tape", "--type", "nonsense"), (2, 3)),
        (("export", "nowhere", "--format", "csv", "--out", "t"), (3,)),
    ],
)
def test_what_is_wrong_is_named_with_its_exit_code(folder, arguments, codes):
    done = shell(folder, *arguments, "--json")
    assert done.returncode in codes, done.stdout + done.stderr
    assert value(done)["error"]["message"]
    assert "Traceback" not in done.stderr
