from __future__ import annotations

import ast
import socket
import stat
import sys

from onetape.cli import init
from onetape.exchange.venues import facts_of
from onetape.options.control import has_control
from onetape.options.guardian import has_guardian
from onetape.store.config import load_config


def test_init_writes_a_folder_that_doctor_finds_healthy(onetape, tmp_path):
    done = onetape("init", "mine", "--json")
    assert done.code == 0
    assert [name.partition("/")[2] for name in done.value["written"]] == [
        "onetape.toml",
        "strategies/market_maker.py",
        "strategies/cross.py",
    ]
    for name in done.value["written"][1:]:
        ast.parse((tmp_path / name).read_text())
    healthy = onetape("doctor", "--json", cwd=tmp_path / "mine")
    assert healthy.code == 0
    assert healthy.value["ok"] is True
    assert {f["subject"] for f in healthy.value["findings"]} >= {
        "python",
        "core",
        "processor",
        "home",
        "clock",
        "configuration",
        "robot mm",
    }


def test_init_overwrites_nothing_and_then_writes_nothing(onetape, tmp_path):
    (tmp_path / "strategies").mkdir()
    mine = tmp_path / "strategies" / "cross.py"
    mine.write_text("mine")
    done = onetape("init")
    assert done.code == 2 and "strategies/cross.py" in done.err
    assert mine.read_text() == "mine"
    assert not (tmp_path / "onetape.toml").exists()


def test_what_init_writes_has_pages_and_records_them(onetape, tmp_path):
    onetape("init")
    config = load_config(tmp_path / "onetape.toml", {})
    assert config.recorder is not None and config.dashboard is not None and has_guardian(config)


def test_init_names_next_steps(onetape):
    assert "onetape backtest strategies/cross.py" in onetape("init").out


def test_doctor_names_what_breaks_replay_with_line_and_advice(onetape, tmp_path):
    onetape("init")
    strategy = tmp_path / "strategies" / "market_maker.py"
    strategy.write_text(strategy.read_text() + "\n\nimport time\nSTARTED = time.time()\n")
    lines = len(strategy.read_text().splitlines())
    done = onetape("doctor")
    assert done.code == 0
    assert f"market_maker.py:{lines}: time.time (wall clock) breaks replay: use self.now" in done.out


def test_doctor_checks_strategies_keys_and_venues(onetape, tmp_path):
    (tmp_path / "key").write_text("hush-hush")
    (tmp_path / "key").chmod(0o644)
    (tmp_path / "bad.py").write_text("def broken(:\n")
    (tmp_path / "onetape.toml").write_text(
        '[venues.k]\nkind="kraken"\nrest="http://127.0.0.1:1"\n'
        '[accounts.m]\nvenue="k"\nkey="file:key"\nsecret="env:NOT_SET_ANYWHERE"\n'
        '[robots.a]\nstrategy="missing.py:A"\naccount="m"\n'
        '[robots.b]\nstrategy="bad.py:B"\naccount="m"\n'
    )
    done = onetape("doctor", "--json")
    assert done.code == 2
    found = {f["subject"]: f["text"] for f in done.value["findings"] if f["state"] == "error"}
    assert "nobody listens there" in found["venue k"]
    assert "NOT_SET_ANYWHERE is not set" in found["account m"]
    assert "no strategy file" in found["robot a"]
    assert "SyntaxError: invalid syntax" in found["robot b"] and "bad.py:1" in found["robot b"]
    texts = " ".join(f["text"] for f in done.value["findings"])
    assert "mode 0644" in texts
    assert "hush-hush" not in done.out + done.err


def test_doctor_finds_what_up_would_end_with(onetape, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (tmp_path / "onetape.toml").write_text(
            f'[venues.k]\nkind="krakn"\n[accounts.m]\nvenue="k"\n[dashboard]\nport={port}\n'
        )
        done = onetape("doctor", "--json")
    wrong = {f["subject"]: f["text"] + f["todo"] for f in done.value["findings"] if f["state"] == "error"}
    assert wrong.keys() == {"venue k", "dashboard"} and done.code != 0
    assert "krakn" in wrong["venue k"] and "kraken" in wrong["venue k"]
    assert str(port) in wrong["dashboard"]
    up = onetape("up")
    assert (up.code, "krakn" in up.err) == (1, True)
    assert onetape("status").out == "nothing runs (onetape up)\n"


def test_a_strategy_that_is_wrong_is_not_right_too(onetape):
    onetape("init")
    done = onetape("doctor", "--json", env={"ONETAPE_ROBOTS__MM__STRATEGY": "strategies/market_maker.py:Nobody"})
    assert [f["state"] for f in done.value["findings"] if f["subject"] == "robot mm"] == ["error"]


def test_doctor_counts_one_robot_as_one(onetape, tmp_path):
    onetape("init", "mine")
    done = onetape("doctor", "--config", "mine/onetape.toml", "--listen", "0")
    assert "onetape.toml: 1 robot\n" in done.out and "0 errors, " in done.out


def test_doctor_warns_of_an_open_home(onetape, tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    done = onetape("doctor", "--home", home, "--json")
    assert stat.S_IMODE(home.stat().st_mode) == 0o755
    assert any(f["state"] == "warning" and f["subject"] == "home" for f in done.value["findings"])


def test_init_delta_neutral_says_what_a_venue_needs_that_is_not_installed(monkeypatch):
    kinds = ("bybit", "hyperliquid", "aster")
    assert init.steps_to_install(kinds) == ""
    monkeypatch.setitem(sys.modules, "coincurve", None)
    step = "pip install 'onetape[wallets]'"
    assert init.steps_to_install(kinds) == f"  {step:<53}hyperliquid, aster cannot start without it\n"


def test_init_delta_neutral_writes_three_exchanges_that_doctor_finds_healthy(onetape, tmp_path):
    done = onetape("init", "--delta-neutral", "pair")
    assert done.code == 0 and "curl http://localhost:3000/api/v1/system/status" in done.out
    both = onetape("init", "--delta-neutral", "--deploy", "pair")
    assert both.code == 2 and "--delta-neutral" in both.err and not (tmp_path / "pair" / "deploy").exists()
    healthy = onetape("doctor", "--json", cwd=tmp_path / "pair")
    assert healthy.code == 0 and healthy.value["ok"] is True, healthy.value
    config = load_config(tmp_path / "pair" / "onetape.toml", {})
    assert list(config.accounts) == ["pacifica-main", "aster-hedge", "binance-backup"]
    assert (config.control.port, has_control(config), has_guardian(config)) == (3000, True, True)
    for listed in config.symbols.values():
        simulated = {symbol for venue in config.venues.values() for symbol in facts_of(venue.kind).symbols}
        assert len(listed) == 3 and set(listed) <= simulated
