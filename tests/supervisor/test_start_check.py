"""What is known before anything starts is said then, with its line; an interrupted `up` leaves
nothing behind; `restart` reads the file."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from exchange.venue_client import served
from on_terminal import Terminal
from onetape.model.config import parse_config
from onetape.model.errors import OnetapeError
from onetape.model.home import supervisor_journal
from onetape.preflight.findings import ERROR
from onetape.security.tokens import make_token, token_file
from onetape.store.config import load_config
from onetape.supervisor.fork_server import is_readable
from onetape.supervisor.reread import changes, reread
from onetape.supervisor.start_check import check_clock, check_start, refuse
from onetape.tape.journal import JournalWriter
from waiting import PATIENCE_S
from worlds.supervised import CONFIG, MAKER, Home, is_there

ROBOT = 'strategy = "maker.py"'


def findings(folder: Path, config: str, **more) -> list[str]:
    (folder / "maker.py").write_text(MAKER)
    (folder / "onetape.toml").write_text(config)
    read = load_config(folder / "onetape.toml", {})
    reported = check_start(read, folder, folder / ".onetape", **more)
    return [f"{f.error}: {f.subject}: {f.text}" for f in reported if f.state == ERROR]


@pytest.mark.parametrize(
    ("old", "new", "name", "words"),
    [
        (ROBOT, 'strategy = "gone.py"', "BAD_CONFIG", "no strategy file"),
        (ROBOT, 'strategy = "maker.py:Nobody"', "BAD_CONFIG", "no strategy class 'Nobody'"),
        (ROBOT, f"{ROBOT}\nparams = {{ much = 1 }}", "BAD_CONFIG", "unknown parameter 'much'"),
        (ROBOT, f"{ROBOT}\nparams = {{ symbol = 7 }}", "BAD_CONFIG", "must be str"),
        (ROBOT, f"{ROBOT}\nvariants.v.params = {{ much = 1 }}", "BAD_CONFIG", "unknown parameter 'much'"),
        (
            ROBOT,
            f'{ROBOT}\nparams = {{ symbol = "binance:NO/USDT:USDT" }}',
            "UNKNOWN_SYMBOL",
            "binance:NO/USDT:USDT does not trade",
        ),
        (
            'mode = "sim"',
            'mode = "sim"\n[collectors.c]\nkind = "nats"\naddress = "tcp://x"',
            "BAD_CONFIG",
            "does not speak tcp",
        ),
    ],
)
def test_what_a_robot_cannot_be_is_known_before(tmp_path: Path, old, new, name, words):
    (found,) = findings(tmp_path, CONFIG.replace(old, new))
    assert found.startswith(f"{name}: ") and words in found and "onetape.toml:" in found


OTHER = '[robots.inverse]\nstrategy = "maker.py"\naccount = "main"\nparams = { symbol = "binance:BTC/USD:BTC" }\n'


@pytest.mark.parametrize(
    ("currency", "more", "words"),
    [
        ("USDT", "", None),
        ("USDC", "", "the traded symbols settle in USDT"),
        ("USDC", '[control]\n[symbols]\nBTC = ["binance:BTC/USDC:USDC"]\n', None),
        ("USDC", '[symbols]\nBTC = ["binance:BTC/USDC:USDC"]\n', "settle in USDT"),
        (
            "USDC",
            '[venues.y]\nkind = "bitmex"\nmode = "sim"\n[accounts.idle]\nvenue = "y"\n',
            None,
        ),  # which may trade anything by hand
        ("BTC", OTHER, None),
        ("USDC", OTHER, "settle in BTC, USDT"),
    ],
)
def test_a_total_loss_is_of_a_currency_that_something_settles_in(tmp_path: Path, currency, more, words):
    found = findings(tmp_path, f'{CONFIG}{more}[guardian]\ntotal_loss = "100 {currency}"\n')
    found = [each for each in found if "does not trade" not in each]
    if words is None:
        assert found == []
    else:
        assert [words in each and "BAD_CONFIG: guardian" in each and "onetape.toml:" in each for each in found] == [
            True
        ]


@pytest.mark.parametrize(
    ("currency", "more", "words"),
    [
        ("USDT", "", None),
        ("EUR", "", "halts is in EUR, but the traded symbols settle in USDT"),
        ("BTC", OTHER, None),
        ("USD", OTHER, None),  # a coin's price in it is the contract's
        ("EUR", OTHER, "settle in BTC, USD, USDT"),
    ],
)
def test_limits_of_losses_are_of_a_currency_that_can_be_counted_in(tmp_path: Path, currency, more, words):
    found = findings(tmp_path, f'{CONFIG}{more}[guardian.halts]\nday = "100 {currency}"\n')
    found = [each for each in found if "does not trade" not in each]
    assert [words is not None and words in each and "onetape.toml:" in each for each in found] == [True] * bool(words)


def test_a_total_loss_is_not_judged_where_robots_run_or_were_added(tmp_path: Path):
    config = f'{CONFIG}[guardian]\ntotal_loss = "100 USDC"\n'
    assert findings(tmp_path, config, running=["robot:mm"]) == []
    with JournalWriter(supervisor_journal(tmp_path / ".onetape"), process="supervisor") as tape:
        command = {"id": "1", "command": "add_robot", "actor": "operator", "fields": {"name": "usdc"}}
        tape.append("command", msgspec.msgpack.encode(command), time=1)
        reply = {"id": "1", "status": "applied", "result": {"name": "usdc", "section": {}}, "error": None}
        tape.append("reply", msgspec.msgpack.encode(reply), time=2)
    assert findings(tmp_path, config) == []


def test_a_strategy_that_ends_or_hangs_when_it_is_loaded_harms_nobody(tmp_path: Path):
    (tmp_path / "ends.py").write_text("import os\nos._exit(0)\n")
    config = CONFIG + '[robots.ends]\nstrategy = "ends.py"\naccount = "main"\n'
    (found,) = findings(tmp_path, config)
    assert found.startswith("STRATEGY_ERROR: robot ends: loading the strategy ended its process")


def test_what_is_all_right_is_not_refused(tmp_path: Path):
    assert findings(tmp_path, CONFIG) == []
    gone = CONFIG.replace(ROBOT, 'strategy = "gone.py"')
    # What runs goes on with the source that it has.
    assert findings(tmp_path, gone, running=("robot:mm",)) == []


def test_of_several_reasons_each_says_what_to_write(tmp_path: Path):
    file = tmp_path / "onetape.toml"
    file.write_text('[venues.b]\nkind = "binance-usdm"\nmode = "live"\n[accounts.main]\nvenue = "b"\n')
    with pytest.raises(OnetapeError) as caught:
        refuse(check_start(load_config(file, {}), tmp_path, tmp_path / ".onetape"))
    for line in ('live_account = "..."', 'write key = "env:NAME"', "write [accounts.main] price_band = 0.02"):
        assert line in caught.value.what


def test_a_venue_that_is_away_is_no_reason_but_a_missing_key_is(tmp_path: Path, monkeypatch):
    away = CONFIG.replace('mode = "sim"', 'mode = "sim"\nrest = "http://127.0.0.1:1"')
    monkeypatch.setenv("K", "k")
    keys = 'venue = "x"\nkey = "env:K"\nsecret = "env:NOT_THERE"'
    found = findings(tmp_path, away.replace('venue = "x"', keys))
    assert [each.partition(":")[0] for each in found] == ["BAD_CONFIG"]
    assert findings(tmp_path, away.replace('venue = "x"', keys.replace("NOT_THERE", "K"))) == []


def test_a_venue_that_answers_is_asked_what_it_lists(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("K", "k")
    with served("binance-usdm", limits=False) as (_, port):
        keys = 'venue = "x"\nkey = "env:K"\nsecret = "env:K"'
        there = CONFIG.replace('mode = "sim"', f'mode = "sim"\nrest = "http://127.0.0.1:{port}"')
        there = there.replace('venue = "x"', keys)
        assert findings(tmp_path, there) == []
        wrong = f'{ROBOT}\nparams = {{ symbol = "binance:NO/USDT:USDT" }}'
        (found,) = findings(tmp_path, there.replace(ROBOT, wrong))
    assert found.startswith("UNKNOWN_SYMBOL: account main") and "onetape.toml:" in found


def test_a_token_that_others_may_read_and_a_home_that_is_a_file_are_said(tmp_path: Path):
    make_token(tmp_path / ".onetape", "mm")
    token_file(tmp_path / ".onetape", "mm").chmod(0o644)
    (found,) = findings(tmp_path, CONFIG)
    assert found.startswith("PERMISSION_DENIED: token mm")
    token_file(tmp_path / ".onetape", "mm").chmod(0o600)
    read = load_config(tmp_path / "onetape.toml", {})
    with pytest.raises(OnetapeError, match="is not a folder") as refused:
        refuse(check_start(read, tmp_path, tmp_path / "maker.py"))
    assert refused.value.exit_code == 2


def test_a_clock_that_is_another_ones_is_named(monkeypatch):
    def fails(seconds: float) -> None:
        raise OSError(22, "Invalid argument")

    assert list(check_clock()) == []
    monkeypatch.setattr(time, "sleep", fails)
    monkeypatch.setenv("LD_PRELOAD", "libfaketime.so.1")
    (found,) = check_clock()
    assert "invalid argument" in found.text and "libfaketime.so.1" in found.todo


# --- an `up` that is interrupted ------------------------------------------------------------------

# It is not ready before the file is there.
SLOW = MAKER.replace(
    "    def on_start(self):",
    """    def on_start(self):
        import pathlib, time
        while not pathlib.Path("{go}").exists():
            time.sleep(0.05)""",
)


def started(home: Home, **more) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "onetape", "up"], cwd=home.folder, stderr=subprocess.PIPE, **more)


def all_pids(home: Home) -> list[int]:
    return [p["pid"] for p in home.now()["processes"] if p["pid"]]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_up_stops_what_it_has_started_and_says_so(tmp_path: Path, number):
    with Home(tmp_path) as home:
        (tmp_path / "maker.py").write_text(SLOW.format(go=tmp_path / "go"))
        up = started(home)
        home.wait_for(lambda: len(all_pids(home)) > 1)
        pids = all_pids(home)
        up.send_signal(number)
        (tmp_path / "go").touch()
        said = up.communicate(timeout=PATIENCE_S)[1].decode()
        assert up.returncode not in (0, -number)
        assert "interrupted" in said and "stopped " in said and "INTERRUPTED(4608)" in said
        assert [pid for pid in pids if is_there(pid)] == []
        assert home.status()["running"] is False


def test_interrupted_twice_it_leaves_and_says_what_runs_and_how_to_stop_it(tmp_path: Path):
    with Home(tmp_path) as home:
        (tmp_path / "maker.py").write_text(SLOW.format(go=tmp_path / "go"))
        up = started(home)
        home.wait_for(lambda: len(all_pids(home)) > 1)
        supervisor = home.process("supervisor")["pid"]
        os.kill(supervisor, signal.SIGSTOP)  # it takes its time to stop
        try:
            up.send_signal(signal.SIGINT)
            assert up.stderr is not None
            assert b"interrupted" in up.stderr.readline()
            up.send_signal(signal.SIGINT)
            (tmp_path / "go").touch()
            said = up.communicate(timeout=PATIENCE_S)[1].decode()
        finally:
            os.kill(supervisor, signal.SIGCONT)
        assert f"supervisor {supervisor}" in said and " down" in said
        assert is_there(supervisor)
        home.run("down")
        assert not is_there(supervisor)


def test_an_up_whose_terminal_is_closed_leaves_nothing(tmp_path: Path):
    with Home(tmp_path) as home:
        (tmp_path / "maker.py").write_text(SLOW.format(go=tmp_path / "go"))
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(tmp_path)
            os.execv(sys.executable, [sys.executable, "-m", "onetape", "up"])
        home.wait_for(lambda: len(all_pids(home)) > 1)
        pids = all_pids(home)
        while is_readable(terminal, 0):
            os.read(terminal, 4096)
        os.close(terminal)
        (tmp_path / "go").touch()
        os.waitpid(pid, 0)
        assert [each for each in pids if is_there(each)] == []


def of_mark(mark: str) -> set[int]:
    """Processes that have it in their environment."""
    found = set()
    for each in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if mark.encode() in each.read_bytes():
                found.add(int(each.parent.name))
    return found


def begun(home: Path) -> bool:
    """A supervisor has done more than to import what it is made of."""
    return supervisor_journal(home).exists() or (home / "logs").exists()


def test_a_refused_up_leaves_no_supervisor(tmp_path: Path):
    mark = f"MARK={tmp_path}"
    with Home(tmp_path, CONFIG.replace(ROBOT, 'strategy = "gone.py"')) as home:
        up = started(home, env={**os.environ, "MARK": str(tmp_path)})
        assert b"BAD_CONFIG" in up.communicate(timeout=PATIENCE_S)[1] and up.returncode == 2
        home.wait_for(lambda: not of_mark(mark))
        assert not begun(tmp_path / ".onetape")


def test_an_up_that_is_killed_while_it_looks_leaves_no_supervisor(tmp_path: Path):
    mark = f"MARK={tmp_path}"
    looks = tmp_path / "looks"
    maker = f"import pathlib, time\npathlib.Path({str(looks)!r}).touch()\ntime.sleep(3)\n{MAKER}"
    with Home(tmp_path, CONFIG, maker) as home:
        up = started(home, env={**os.environ, "MARK": str(tmp_path)})
        home.wait_for(looks.exists)
        assert len(of_mark(mark)) > 1
        up.kill()
        up.communicate()
        home.wait_for(lambda: not of_mark(mark))
        assert not begun(tmp_path / ".onetape")


# --- restart --------------------------------------------------------------------------------------


def test_restart_says_what_it_waits_for(tmp_path: Path):
    with Home(tmp_path) as home:
        (tmp_path / "maker.py").write_text(SLOW.format(go=tmp_path / "go"))
        (tmp_path / "go").touch()
        home.run("up")
        (tmp_path / "go").unlink()
        with Terminal("-m", "onetape", "restart", "robot:mm", cwd=tmp_path) as terminal:
            terminal.until(r"restart: robot:mm starting(: waits for the market)?  0:\d\d\r")
            (tmp_path / "go").touch()
            out, left = terminal.end()
        assert out.startswith("robot:mm runs, process ") and left == ""
        home.run("down")


def test_restart_reads_the_file_says_what_changed_and_refuses_a_broken_one(tmp_path: Path):
    config = CONFIG + "params = { size = 0.01 }\n"
    maker = MAKER.replace("    def on_start", "    size: float = 0.5\n\n    def on_start")
    with Home(tmp_path, config, maker) as home:
        home.run("up")
        pid = home.process("robot:mm")["pid"]
        file = tmp_path / "onetape.toml"
        file.write_text(config.replace("size = 0.01", "size = "))
        assert home.run("restart", "robot:mm", code=2)["error"]["name"] == "BAD_CONFIG"
        file.write_text(config.replace("size = 0.01", "size = 'much'"))
        assert "must be float" in home.run("restart", "robot:mm", code=2)["error"]["message"]
        file.write_text(config.replace('subaccount = "a"', 'subaccount = "b"'))
        assert "sub-account" in home.run("restart", "robot:mm", code=2)["error"]["message"]
        assert home.process("robot:mm")["pid"] == pid
        file.write_text(config.replace("size = 0.01", "size = 0.02"))
        answer = home.run("restart", "robot:mm")
        assert answer["changed"] == {"params.size": [0.01, 0.02]}
        shown = home.run("params", "robot:mm")
        assert "0.02" in str(shown)
        assert home.run("restart", "robot:mm")["changed"] == {}
        # Another symbol: its gateway follows it first.
        other = "binance:ETH/USDT:USDT"
        file.write_text(config.replace("size = 0.01", f'size = 0.02, symbol = "{other}"'))
        answer = home.run("restart", "robot:mm")
        assert answer["changed"] == {"params.symbol": [None, other]}
        home.run("down")


GUARDED = """
[guardian]
ladder = ["5%"]
[recorder]
url = "sqlite:///word.db"
"""


def test_up_says_what_the_file_has_otherwise_and_a_restart_takes_it_up(tmp_path: Path):
    config = CONFIG.partition("[robots")[0] + GUARDED
    with Home(tmp_path, config) as home:
        assert home.run("up")["changed"] == {}
        home.buy("binance:BTC/USDT:USDT", "0.1", "--account", "main")

        def distances() -> set[str]:
            return {level["distance"] for row in home.run("stops") for level in row["levels"]}

        home.wait_for(lambda: distances() == {"5.00%"})
        file = tmp_path / "onetape.toml"
        other = config.replace("5%", "4%").replace("word", "secret") + '[logs]\nkeep = "9d"\n'
        file.write_text(other)
        answer = home.run("up")
        assert (answer["already"], answer["changed"]) == (
            True,
            {"guardian.ladder": "guardian", "logs.keep": "", "recorder.url": "recorder"},
        )
        pid = home.process("guardian")["pid"]
        for wrong in ('ladder = ["much"]', 'ladder = ["4%"]\nenabled = false', 'ladder = ["4%"]\nstandby = true'):
            file.write_text(other.replace('ladder = ["4%"]', wrong))
            assert home.run("restart", "guardian", code=2 if "much" in wrong else 1)["error"]["code"]
        assert home.process("guardian")["pid"] == pid
        file.write_text(other)
        assert home.run("restart", "guardian")["changed"] == {"ladder": [["5%"], ["4%"]]}
        home.run("send", "guardian", "reset", "account=main", "symbol=binance:BTC/USDT:USDT")
        home.wait_for(lambda: distances() == {"4.00%"})
        assert home.run("up")["changed"] == {"logs.keep": "", "recorder.url": "recorder"}
        home.run("down")


def test_a_password_in_an_address_is_not_shown():
    before, now = (parse_config(f'[recorder]\nurl = "postgresql://a:{word}@x/db"') for word in ("one", "two"))
    made, changed = reread(before, now, "recorder")
    assert made.recorder.url == now.recorder.url
    assert changed == {"url": ("postgresql://***@x/db", "postgresql://***@x/db")}


def test_what_is_other_names_the_process_that_takes_it_up():
    before = parse_config(f"{CONFIG}[guardian]\n[dashboard]\n")
    now = parse_config(CONFIG.replace('"a"', '"b"').replace("a = 2", "b = 3") + '[guardian]\nhard_stop = "5%"\n')
    names = ["venue:x", "gateway:main", "guardian:standby", "guardian", "dashboard", "robot:mm"]
    assert changes(before, now, names) == {
        "accounts.main.subaccounts.a": "gateway:main",
        "accounts.main.subaccounts.b": "gateway:main",
        "robots.mm.subaccount": "robot:mm",
        "guardian.hard_stop": "guardian",
    }
    gone = parse_config(CONFIG.partition("[robots")[0] + "[guardian]\n")
    assert set(changes(before, gone, names).values()) == {""}
