"""`run --live` at a venue that is reached through ccxt, as its users start it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import copied_process
from bridge.bridge_process import OWN, PYTHON
from onetape.model.errors import BadConfig, NotAvailable
from onetape.options.bridge import CCXT_VERSION
from worlds.command_lines import CLEAN

STRATEGY = Path(__file__).resolve().parents[2] / "strategies" / "market_maker.py"


def run(
    folder: Path,
    *arguments: object,
    mode: str = "sim",
    kind: str = "ccxt:binanceusdm",
    python: str = "",
    password: str = "",
):
    lines = ["[venues.there]", f'kind = "{kind}"', f'mode = "{mode}"', "[accounts.main]", 'venue = "there"']
    lines += [f'password = "{password}"'] if password else []
    lines += ["[bridge]", f'python = "{python}"'] if python else []
    (folder / "onetape.toml").write_text("\n".join(lines) + "\n")
    return copied_process.run(*arguments, "--json", cwd=folder, env=CLEAN)


LIVE = ("run", STRATEGY, "--live", "--symbol", "binance:BTC/USDT:USDT", "--seconds")


def test_without_an_environment_the_refusal_says_how_one_is_made(tmp_path):
    done = run(tmp_path, *LIVE, 1)
    assert done.returncode == NotAvailable.exit_code
    (error,) = json.loads(done.stdout).values()
    assert error["name"] == "NOT_AVAILABLE"
    assert f"pip install ccxt=={CCXT_VERSION}" in error["message"]


def test_a_venue_without_a_simulated_exchange_is_refused_in_sim_mode(tmp_path):
    done = run(tmp_path, *LIVE, 1, kind="ccxt:okx", python=PYTHON)
    assert done.returncode == NotAvailable.exit_code
    assert "no simulated exchange for ccxt:okx" in json.loads(done.stdout)["error"]["message"]


def test_a_third_secret_in_the_open_is_refused_and_not_shown(tmp_path):
    done = run(tmp_path, *LIVE, 1, python=PYTHON, password="hush-hush")
    assert done.returncode == BadConfig.exit_code
    assert "hush-hush" not in done.stdout + done.stderr


@pytest.mark.skipif(not OWN, reason="`make bridge` plays it, in an environment of its own")
@pytest.mark.parametrize(
    ("kind", "symbol"), [("ccxt:binanceusdm", "binance:BTC/USDT:USDT"), ("ccxt:kraken", "kraken:BTC/USD")]
)
def test_a_run_through_ccxt_is_repeated_from_its_tape(tmp_path, kind, symbol):
    done = run(tmp_path, "run", STRATEGY, "--live", "--symbol", symbol, "--seconds", 25, kind=kind, python=PYTHON)
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert answer["orders"] > 2
    second = run(tmp_path, "replay", answer["run"], "--verify", kind=kind, python=PYTHON)
    replayed = json.loads(second.stdout)
    assert (second.returncode, replayed["divergences"]) == (0, 0)
    assert replayed["actions"] > 0
