"""What a new user types wrong ends in one line: what is wrong, its value, where, and what to write instead."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from onetape.data.sample import write_sample

TRADES = "time,price,size\n"
BARS = "time,open,high,low,close,volume\n"
DAY = "2026-01-01 00:00:0"

# (file, exit code, words of the message)
FILES = [
    ("a price that is no number", f"{TRADES}{DAY}0,abc,1\n", ["line 2", "price is not a number", "'abc'", "d.csv"]),
    ("a size below zero", f"{TRADES}{DAY}0,100,-1\n", ["line 2", "size is negative", "'-1'", "d.csv"]),
    ("an unknown side", f"{TRADES[:-1]},side\n{DAY}0,100,1,up\n", ["side is neither buy nor sell", "'up'"]),
    ("thousands", f'{TRADES}{DAY}0,"60,000.5",1\n', ["thousands separators", "'60,000.5'"]),
    (
        "a high below the low",
        f"{BARS}{DAY}0,100,90,110,100,1\n{DAY}1,100,90,110,100,1\n",
        ["d.csv", "line 2", "open 100, high 90, low 110, close 100 contradict each other"],
    ),
    ("a size that is missing", f"time,price\n{DAY}0,100\n", ["trades also need size", "time, price"]),
    ("a bid that is missing", f"time,ask\n{DAY}0,100\n", ["quotes also need bid"]),
    ("a close that is missing", f"time,open,high,low\n{DAY}0,1,1,1\n", ["bars also need close"]),
    ("no header", f"{DAY}0,100,1\n{DAY}1,100,1\n", ["no header", "--columns"]),
    ("a page", "<html><body>404</body></html>\n", ["a web page", "d.csv"]),
    ("JSON", '{"a":1}\n', ["JSON", "d.csv"]),
    ("an empty file", "", ["the file is empty", "d.csv"]),
    ("a header alone", TRADES, ["a header and no rows", "d.csv"]),
]


@pytest.mark.parametrize(("text", "words"), [c[1:] for c in FILES], ids=[c[0] for c in FILES])
def test_a_table_that_is_refused_shows_the_value_and_where_it_stands(onetape, tmp_path, text, words):
    (tmp_path / "d.csv").write_text(text)
    done = onetape("import", "csv", "d.csv", "--symbol", "kraken:BTC/USD", "--out", "d.tape", "--json")
    error = done.value["error"]
    assert (done.code, error["name"]) == (3, "BAD_INPUT"), error
    assert [word for word in words if word not in error["message"]] == [], error["message"]
    assert not (tmp_path / "d.tape").exists()


def test_rows_that_were_left_out_are_counted_and_where_their_reasons_are_is_said(onetape, tmp_path):
    (tmp_path / "d.csv").write_text(f"{TRADES}{DAY}0,100,1\n{DAY}1,abc,1\n")
    done = onetape("import", "csv", "d.csv", "--symbol", "kraken:BTC/USD", "--out", "d.tape")
    assert done.code == 0 and "1, listed with the reason of each in d.tape/rejects.jsonl" in done.out, done.out
    assert "price is not a number" in (tmp_path / "d.tape" / "rejects.jsonl").read_text()


@pytest.mark.parametrize(
    "rows",
    [f"{TRADES}-5,100,1\n", f"{TRADES}1800-01-01,100,1\n", f"time|price|size\n{DAY}0|100|1\n"],
    ids=["seconds before 1970", "a day before 1970", "columns between |"],
)
def test_what_is_unusual_and_clear_is_read(onetape, tmp_path, rows):
    (tmp_path / "d.csv").write_text(rows)
    done = onetape("import", "csv", "d.csv", "--symbol", "kraken:BTC/USD", "--out", "d.tape", "--json")
    assert (done.code, done.value["events"]) == (0, 1), done.value


@pytest.mark.parametrize(
    "verb",
    [
        "import csv gone.csv --symbol kraken:BTC/USD --out d.tape",
        "backtest good.py --data gone.csv",
        "journal ls gone.csv",
        "journal verify gone.csv",
    ],
)
def test_data_that_is_not_there_is_bad_input_for_every_command(onetape, tmp_path, verb):
    (tmp_path / "good.py").write_text("from onetape import Strategy\nclass Good(Strategy):\n    pass\n")
    done = onetape(*verb.split(), "--json")
    error = done.value["error"]
    assert (done.code, error["name"]) == (3, "BAD_INPUT") and "gone.csv" in error["message"], error
    assert error["message"].endswith("check the path")


CONFIG = """\
[venues.kraken]
kind = "kraken"
mode = "sim"
[accounts.main]
venue = "kraken"
subaccounts = { a = 2, b = 3 }
[robots.mm]
strategy = "mm.py"
account = "main"
"""
# (old, new, words of the message)
CONFIGS = [
    ("[robots.mm]", "[robts.mm]", ["unknown section `robts`", "c.toml:7", "did you mean robots?"]),
    ('mode = "sim"', 'mod = "sim"', ["unknown key `mod`", "c.toml:3", "did you mean mode?"]),
    ('mode = "sim"', 'mode = "simulated"', ["'simulated'", "c.toml:3", "sim, demo or live"]),
    ("{ a = 2, b = 3 }", '["a"]', ["['a'] is not a table", "accounts.main.subaccounts", "c.toml:6"]),
    ("{ a = 2, b = 3 }", '{ a = "two" }', ["'two' is not a whole number", "c.toml:6"]),
    ('venue = "kraken"\n', "", ["missing key `venue`", "c.toml:4", "venue = "]),
    ('venue = "kraken"', 'venue = "krakn"', ["no venue `krakn`", "c.toml:5", "did you mean kraken?"]),
    ('account = "main"', 'account = "mian"', ["no account `mian`", "c.toml:9", "did you mean main?"]),
    (
        'account = "main"',
        'account = "main"\nsubaccount = "z"',
        ["no sub-account `z`", "c.toml:10", "it has main, a, b"],
    ),
    ('kind = "kraken"', "kind = kraken", ["c.toml:2", "`kind = kraken`", "text stands in quotes"]),
    ('mode = "sim"', 'mode = "sim"\nmode = "sim"', ["c.toml:4", '`mode = "sim"`']),
    ("[robots.mm]", "[dashboard]\nport = 99999\n[robots.mm]", ["99999", "dashboard.port", "c.toml:8", "65535"]),
    ('venue = "kraken"', 'venue = "kraken"\ncheck_every = "soon"', ["'soon'", "check_every", "c.toml:6"]),
    ("[robots.mm]", '[guardian]\nhard_stop = "700%"\n[robots.mm]', ["700%", "c.toml:8", "below 100%"]),
    ('venue = "kraken"', 'venue = "kraken"\nkey = 12345', ["accounts.main.key", "c.toml:6", "not text"]),
]


@pytest.mark.parametrize(("old", "new", "words"), CONFIGS, ids=[c[1] or "no venue" for c in CONFIGS])
def test_a_wrong_configuration_names_the_line_the_value_and_what_to_write(onetape, tmp_path, old, new, words):
    (tmp_path / "mm.py").write_text("from onetape import Strategy\nclass Mm(Strategy):\n    pass\n")
    (tmp_path / "c.toml").write_text(CONFIG.replace(old, new, 1))
    done = onetape("up", "--config", "c.toml", "--json")
    error = done.value["error"]
    assert (done.code, error["name"]) == (2, "BAD_CONFIG"), error
    assert [word for word in words if word not in error["message"]] == [], error["message"]
    assert "12345" not in error["message"]  # it may be a secret


def test_an_unknown_kind_of_venue_is_answered_with_the_nearest(onetape, tmp_path):
    (tmp_path / "onetape.toml").write_text(CONFIG.replace('kind = "kraken"', 'kind = "krakn"'))
    message = onetape("up", "--json").value["error"]["message"]
    assert "'krakn' is no kind of venue" in message and "onetape.toml:1" in message, message
    assert "did you mean kraken?" in message, message


# (command line, exit code, words of the message)
LINES = [
    ("replay frist", 2, ["no run 'frist'", "did you mean first?"]),
    ("parity first secnd", 2, ["no run 'secnd'"]),
    ("compare first frist", 2, ["no run 'frist'", "did you mean first?"]),
    ("analyze frist --db sqlite:///x.db", 3, ["no run 'frist'", "did you mean first?"]),
    ("analyze whole --db oracle://x", 2, ["no known kind of database", "--db", "sqlite:///FILE"]),
    ("journal cat whole --from x", 2, ["'x'", "--from"]),
    ("ledger --since x", 2, ["'x'", "--since"]),
    ("sim krakn", 2, ["'krakn'", "did you mean kraken?"]),
    ("import csv d.csv --symbol kraken: --out d.tape", 2, ["not a symbol: 'kraken:'", "--symbol"]),
    ("import cvs d.csv --symbol kraken:BTC/USD --out d.tape", 2, ["'cvs'", "did you mean csv?"]),
    ("import csv d.csv --symbol kraken:BTC/USD --out d.csv/x.tape", 2, ["d.csv", "cannot be made", "--out"]),
    ("import csv d.csv --symbol kraken:BTC/USD --out d.tape --tz Mars", 2, ["'Mars'", "--tz"]),
    ("import csv d.csv --symbol kraken:BTC/USD --out d.tape --period minute", 2, ["'minute'", "--period"]),
    ("backtest good.py --data d.csv --from 2026-01-02 --to 2026-01-01", 2, ["2026-01-02", "2026-01-01", "swap"]),
    ("backtest good.py --data d.csv --instruments gone.toml", 2, ["gone.toml", "no such file", "check the path"]),
    ("backtest good.py --data d.csv --home /proc/none", 5, ["the home /proc/none", "--home"]),
    ("send gateway:main kill reason", 2, ["'reason'", "name=value"]),
]


@pytest.mark.parametrize(("line", "code", "words"), LINES, ids=[c[0] for c in LINES])
def test_a_wrong_command_line_names_the_option_the_value_and_what_to_write(onetape, tmp_path, line, code, words):
    (tmp_path / "good.py").write_text("from onetape import Strategy\nclass Good(Strategy):\n    pass\n")
    (tmp_path / "d.csv").write_text(f"{TRADES}{DAY}0,100,1\n")
    run = tmp_path / ".onetape" / "runs" / "first"
    run.mkdir(parents=True)
    (run / "run.toml").write_text("")
    if "whole" in line:
        write_sample(tmp_path / "whole" / "journal" if "analyze" in line else tmp_path / "whole", events=100, seed=1)
    if "good.py" in line:
        line += " --symbol binance:BTC/USDT:USDT"
    done = onetape(*line.split(), "--json")
    error = done.value["error"]
    assert done.code == code, error
    assert [word for word in words if word not in error["message"]] == [], error["message"]


def test_a_process_that_cannot_start_says_its_error_once(onetape, tmp_path):
    (tmp_path / "bad.py").write_text(
        "from onetape import Strategy\n\n\nclass Bad(Strategy):\n    symbol: str = 'kraken:BTC/USD'\n\n"
        "    def on_start(self):\n"
        "        raise RuntimeError('not today')\n"
    )
    (tmp_path / "onetape.toml").write_text(CONFIG.replace("mm.py", "bad.py") + "[guardian]\nenabled = false\n")
    try:
        done = onetape("up", "--json")
    finally:
        onetape("down")
    message = done.value["error"]["message"]
    assert "robot:mm failed: RuntimeError: not today" in message and "bad.py:8" in message, message
    assert "error " not in message and "onetape status" in message


def test_what_a_process_refuses_is_said_once(onetape, tmp_path):
    (tmp_path / "onetape.toml").write_text(CONFIG.partition("[robots")[0] + "[guardian]\nenabled = false\n")
    try:
        assert onetape("up", "--json").code == 0
        done = onetape("send", "gateway:main", "allocate", "strategy=z", "currency=USD", "amount=5")
    finally:
        onetape("down")
    assert done.code != 0 and done.err.count("\n") == 1
    said = done.err.partition(": ")[2].strip()
    assert said and said not in done.out and "error" not in done.out


def test_a_status_that_is_watched_ends_quietly(tmp_path):
    command = [sys.executable, "-m", "onetape", "status", "--watch"]
    watched = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert watched.stdout is not None
    assert "nothing runs" in watched.stdout.readline()
    time.sleep(0.2)
    watched.send_signal(signal.SIGINT)
    _, err = watched.communicate(timeout=20)
    assert (watched.returncode, err.strip()) == (0, "")


def test_the_help_of_import_names_every_kind(onetape):
    from onetape.data.registry import KINDS

    said = onetape("import", "--help").out
    assert [kind for kind in KINDS if kind not in said] == []
