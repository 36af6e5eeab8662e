"""Bad input ends in one line that says what, where and what to do; the home is as it was before."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

GOOD = """
from onetape import Strategy


class Good(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    size: float = 0.01
    count: int = 3

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)

    def on_quote(self, q):
        if self.position(self.symbol).qty == 0:
            self.set_target(self.symbol, self.size)
"""
BODY = "from onetape import Strategy\n\n\nclass Bad(Strategy):\n    def on_start(self):\n        "


@pytest.fixture(scope="module")
def tape(tmp_path_factory) -> Path:
    from onetape.data.sample import write_sample

    path = tmp_path_factory.mktemp("tape") / "sample.tape"
    write_sample(path, events=400, seed=1)
    return path


@pytest.fixture
def place(tmp_path) -> Path:
    """A folder with strategies; the home is beside it."""
    (tmp_path / "good.py").write_text(GOOD)
    (tmp_path / "two.py").write_text(GOOD + "\n\nclass Other(Good):\n    pass\n")
    (tmp_path / "none.py").write_text("x = 1\n")
    (tmp_path / "syntax.py").write_text("def broken(:\n")
    (tmp_path / "at_import.py").write_text("raise ValueError('no luck')\n")
    (tmp_path / "leaves.py").write_text("import sys\nsys.exit(0)\n")
    (tmp_path / "missing_module.py").write_text("import no_such_module\n")
    (tmp_path / "at_start.py").write_text(BODY + "raise RuntimeError('not today')\n")
    (tmp_path / "exits.py").write_text(BODY + "raise SystemExit(0)\n")
    (tmp_path / "clash.py").write_text(
        "from onetape import Strategy\n\n\nclass Clash(Strategy):\n    equity: float = 1.0\n"
    )
    (tmp_path / "unknown.py").write_text(BODY + "self.subscribe('kraken:BTC/USD', quotes=True)\n")
    return tmp_path


def tree(home: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(home)): path.read_bytes() if path.is_file() else b"" for path in sorted(home.rglob("*"))
    }


CASES = [
    ("a strategy file that is not there", "gone.py", [], 2, "BAD_CONFIG", "gone.py"),
    ("a class that is not there", "good.py:Nope", [], 2, "BAD_CONFIG", "Good"),
    ("several classes and no choice", "two.py", [], 2, "BAD_CONFIG", "Other"),
    ("a file without a strategy", "none.py", [], 2, "BAD_CONFIG", "no strategy class"),
    ("a module that is not there", "no.such.module:X", [], 2, "BAD_CONFIG", "no.such"),
    ("a syntax error", "syntax.py", [], 1, "STRATEGY_ERROR", "syntax.py:1"),
    ("an exception at import", "at_import.py", [], 1, "STRATEGY_ERROR", "no luck"),
    ("an exit at import", "leaves.py", [], 1, "STRATEGY_ERROR", "SystemExit"),
    ("an import that is not there", "missing_module.py", [], 1, "STRATEGY_ERROR", "no_such_module"),
    ("a parameter named like a service", "clash.py", [], 1, "STRATEGY_ERROR", "equity"),
    ("an exception in on_start", "at_start.py", [], 1, "STRATEGY_ERROR", "not today"),
    ("an exit in on_start", "exits.py", [], 1, "STRATEGY_ERROR", "SystemExit"),
    ("a symbol in on_start", "unknown.py", [], 3, "UNKNOWN_SYMBOL", "binance:BTC/USDT:USDT"),
    ("an unknown parameter", "good.py", ["--param", "sise=1"], 2, "BAD_CONFIG", "size"),
    ("a parameter of the wrong type", "good.py", ["--param", "count=x"], 2, "BAD_CONFIG", "int"),
    ("a parameter without value", "good.py", ["--param", "count"], 2, "", "name=value"),
    ("a parameter twice", "good.py", ["--param", "count=1", "--param", "count=2"], 2, "", "twice"),
    ("a symbol", "good.py", ["--symbol", "kraken:BTC/USD"], 3, "UNKNOWN_SYMBOL", "binance:BTC"),
    ("a symbol as parameter", "good.py", ["--param", "symbol=x:Y/Z"], 3, "UNKNOWN_SYMBOL", "x:Y/Z"),
    ("a start after the data", "good.py", ["--from", "2030-01-01"], 3, "BAD_INPUT", "2026-01-01T"),
    ("an end before the data", "good.py", ["--to", "2020-01-01"], 3, "BAD_INPUT", "2026-01-01T"),
    ("a range", "good.py", ["--from", "2026-02-01", "--to", "2026-01-01"], 2, "", "swap"),
    ("a time that is none", "good.py", ["--from", "yesterday"], 2, "BAD_CONFIG", "--from"),
    ("cash in an unknown currency", "good.py", ["--cash", "100 EUR"], 2, "BAD_CONFIG", "USDT"),
    ("cash that is none", "good.py", ["--cash", "plenty"], 2, "", "plenty"),
    ("a fee that is none", "good.py", ["--fee", "cheap"], 2, "BAD_CONFIG", "--fee"),
    ("three fees", "good.py", ["--fee", "1,2,3"], 2, "BAD_CONFIG", "--fee"),
    ("a latency that is none", "good.py", ["--latency", "soon"], 2, "BAD_CONFIG", "--latency"),
    ("a negative latency", "good.py", ["--latency=-5ms"], 2, "BAD_CONFIG", "--latency"),
    ("a queue model", "good.py", ["--queue", "magic"], 2, "BAD_CONFIG", "magic"),
    ("a leverage", "good.py", ["--leverage", "0"], 2, "", "leverage"),
    ("an instruments file", "good.py", ["--instruments", "gone.toml"], 2, "", "gone.toml"),
    ("cash that is empty", "good.py", ["--cash", ""], 2, "INVALID_AMOUNT", "100000 USDT"),
    ("a seed beyond 64 bits", "good.py", ["--seed", "9" * 30], 2, "BAD_CONFIG", "--seed"),
    ("a parameter beyond 64 bits", "good.py", ["--param", f"count={10**20}"], 2, "BAD_CONFIG", "'count'"),
    ("an option as a parameter", "good.py", ["--param", "on_error=halt"], 2, "BAD_CONFIG", "--on-error"),
    ("a folder as the report", "good.py", ["--report", "."], 2, "BAD_CONFIG", "--report"),
]


@pytest.mark.parametrize(
    ("strategy", "more", "code", "name", "words"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_a_backtest_that_cannot_begin_leaves_nothing(onetape, place, tape, strategy, more, code, name, words):
    home = place / "home"
    done = onetape("backtest", strategy, "--data", tape, "--home", home, "--json", *more, cwd=place)
    assert done.code == code, done.err
    error = done.value["error"]
    assert name in ("", error["name"])
    assert words in error["message"] and "\n" not in error["message"]
    assert "error " not in error["message"]  # one error is said once, not within another
    assert "Traceback" not in done.err
    assert not home.exists()


def test_records_until_a_time_before_their_beginning_are_refused(onetape, place):
    done = onetape("ledger", "--since", "2027-01-01", "--until", "2026-01-01", "--json", cwd=place)
    assert (done.code, done.value["error"]["name"]) == (2, "BAD_CONFIG") and "swap" in done.value["error"]["message"]
    assert not (place / ".onetape").exists()


def test_without_json_it_is_one_line_on_standard_error(onetape, place, tape):
    done = onetape("backtest", "at_start.py", "--data", tape, "--home", place / "home", cwd=place)
    assert done.code == 1 and done.out == ""
    assert done.err.count("\n") == 1
    assert done.err.startswith("error STRATEGY_ERROR(4603): RuntimeError: not today, ")
    assert "at_start.py:6" in done.err


def test_debug_shows_the_traceback(onetape, place, tape):
    done = onetape("backtest", "at_import.py", "--data", tape, "--home", place / "home", "--debug", cwd=place)
    assert done.code == 1 and "Traceback" in done.err


def test_what_a_strategy_prints_goes_to_standard_error(onetape, place, tape):
    (place / "talks.py").write_text(
        GOOD.replace("    def on_quote", "        print('hello there')\n\n    def on_quote")
    )
    done = onetape("backtest", "talks.py", "--data", tape, "--home", place / "home", "--json", cwd=place)
    assert done.code == 0 and done.value["strategy"] == "Good"
    assert "hello there" in done.err


def test_a_strategy_that_fails_in_the_middle_keeps_its_run_and_says_where(onetape, place, tape):
    (place / "later.py").write_text(
        GOOD.replace(
            "        if self.position",
            "        if self.now > 1767225602000000000:\n            1 / 0\n        if self.position",
        )
    )
    home = place / "home"
    done = onetape("backtest", "later.py", "--data", tape, "--home", home, "--out", "r", "--json", cwd=place)
    assert done.code == 1
    message = done.value["error"]["message"]
    assert "ZeroDivisionError" in message and "later.py:" in message and "on_quote" in message
    assert str(home / "runs" / "r") in message
    assert onetape("replay", "r", "--verify", "--home", home, cwd=place).code == 0


# --- data


def backtest(onetape, place, data):
    done = onetape("backtest", "good.py", "--data", data, "--home", place / "home", "--json", cwd=place)
    return done, done.value["error"]


def test_data_that_is_not_there(onetape, place):
    done, error = backtest(onetape, place, "gone.tape")
    assert (done.code, error["name"]) == (3, "BAD_INPUT") and "gone.tape" in error["message"]
    assert not (place / "home").exists()


@pytest.mark.parametrize("verb", ["ls", "cat", "tail", "verify", "repair"])
def test_a_file_is_no_tape(onetape, place, verb):
    done = onetape("journal", verb, "good.py", "--json", cwd=place)
    assert (done.code, done.value["error"]["name"]) == (3, "BAD_INPUT")
    assert "good.py" in done.value["error"]["message"]
    assert (place / "good.py").read_text() == GOOD


def test_a_folder_that_is_no_tape(onetape, place):
    (place / "folder").mkdir()
    done, error = backtest(onetape, place, "folder")
    assert (done.code, error["name"]) == (3, "BAD_INPUT")


@pytest.mark.parametrize("content", ["", "timestamp,bid,ask\n", "what,is,this\n1,2,3\n", "\x00\x01\x02"])
def test_a_file_that_cannot_be_read_as_data(onetape, place, content):
    (place / "data.csv").write_text(content)
    done, error = backtest(onetape, place, "data.csv")
    assert done.code == 3 and error["code"] >= 4501
    assert "Traceback" not in done.err and not (place / "home").exists()


def test_a_csv_header_that_is_not_understood_is_shown_with_what_would_be(onetape, place):
    (place / "data.csv").write_text("what,is,this\n1,2,3\n")
    _, error = backtest(onetape, place, "data.csv")
    assert "what, is, this" in error["message"] and "--columns" in error["message"]


def test_an_empty_tape(onetape, place):
    from onetape.tape.journal import JournalWriter

    JournalWriter(place / "empty.tape", durable=False).close()
    done, error = backtest(onetape, place, "empty.tape")
    assert (done.code, error["name"]) == (3, "BAD_INPUT") and not (place / "home").exists()


def test_a_damaged_tape(onetape, place, tape):
    import shutil

    copy = place / "copy.tape"
    shutil.copytree(tape, copy)
    (segment,) = copy.glob("*.tape")
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 1
    segment.chmod(0o600)
    segment.write_bytes(content)
    done, error = backtest(onetape, place, copy)
    assert (done.code, error["name"]) == (3, "TORN_TAPE") and not (place / "home").exists()


def test_a_tape_of_a_newer_version(onetape, place, tape):
    import shutil

    copy = place / "newer.tape"
    shutil.copytree(tape, copy)
    (segment,) = copy.glob("*.tape")
    content = bytearray(segment.read_bytes())
    at = 8  # the header's format version, after the magic
    (version,) = struct.unpack_from("<I", content, at)
    struct.pack_into("<I", content, at, version + 1)
    segment.chmod(0o600)
    segment.write_bytes(content)
    done, error = backtest(onetape, place, copy)
    assert done.code == 3 and error["name"] == "SCHEMA_MISMATCH" and not (place / "home").exists()


# --- runs


def test_an_existing_run_is_not_overwritten(onetape, place, tape):
    home = place / "home"
    arguments = ("backtest", "good.py", "--data", tape, "--home", home, "--out", "mine", "--json")
    assert onetape(*arguments, cwd=place).code == 0
    before = tree(home)
    done = onetape(*arguments, cwd=place)
    assert done.code == 2 and "mine" in done.value["error"]["message"]
    assert tree(home) == before


def test_a_folder_that_is_no_run_is_not_written_into(onetape, place, tape):
    folder = place / "papers"
    folder.mkdir()
    (folder / "letter.txt").write_text("dear")
    done = onetape(
        "backtest", "good.py", "--data", tape, "--home", place / "home", "--out", folder, "--json", cwd=place
    )
    assert done.code == 2 and [path.name for path in folder.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("verb", [["replay", "gone"], ["parity", "gone", "gone"]])
def test_a_run_that_is_not_there(onetape, place, verb):
    done = onetape(*verb, "--home", place / "home", "--json", cwd=place)
    assert done.code == 2 and "gone" in done.value["error"]["message"]
    assert not (place / "home").exists()


@pytest.mark.parametrize("until", ["never", "12:00"])
def test_replay_until_nothing_known(onetape, place, tape, until):
    home = place / "home"
    onetape("backtest", "good.py", "--data", tape, "--home", home, "--out", "r", cwd=place)
    done = onetape("replay", "r", f"--until={until}", "--home", home, "--json", cwd=place)
    assert done.code == 2 and "--until" in json.dumps(done.value)


def test_a_run_whose_record_is_broken(onetape, place, tape):
    home = place / "home"
    onetape("backtest", "good.py", "--data", tape, "--home", home, "--out", "r", cwd=place)
    (home / "runs" / "r" / "run.toml").write_text("[run\n")
    done = onetape("replay", "r", "--home", home, "--json", cwd=place)
    assert done.code == 2 and "run.toml" in done.value["error"]["message"]
