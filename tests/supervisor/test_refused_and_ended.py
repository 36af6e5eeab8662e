"""What a supervisor makes of a process that will never work, of one that comes back, and of a
journal that is deleted under its readers: with real processes."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from pathlib import Path

import pytest

from exchange.venue_client import served
from onetape.notify.past_alerts import past_alerts
from waiting import PATIENCE_S, wait_for
from worlds.gateway_process import GatewayProcess
from worlds.supervised import ALLOCATE, CONFIG, Home

CLOSED = (
    CONFIG
    + """
[venues.gone]
kind = "bitmex"
mode = "live"
[accounts.closed]
venue = "gone"
"""
)


def going(home: Home) -> list[str]:
    """Alerts that have not ended."""
    return [each["subject"] for each in past_alerts(home.home, 1000) if each["cleared"] is None]


def test_an_account_on_a_closed_venue_is_refused_before_anything_starts(tmp_path: Path):
    with Home(tmp_path, CLOSED) as home:
        answer = home.run("up", code=6)["error"]
        assert answer["name"] == "VENUE_CLOSED"
        assert "BitMEX closed on" in answer["message"] and "[venues.gone]" in answer["message"]
        assert home.status()["running"] is False


@pytest.mark.parametrize(
    ("kind", "key", "name"), [("binance-usdm", "x" * 64, "PERMISSION_DENIED"), ("kraken", "eA==", "BAD_SIGNATURE")]
)
def test_a_key_that_the_venue_does_not_know_ends_a_gateway_with_its_name(kind, key, name, tmp_path):
    with served(kind, limits=False) as (dialect, port):
        gateway = GatewayProcess(kind, tmp_path, port, dialect.exchange.accounts[0], key=key)
        with suppress(AssertionError):
            gateway.start()
        assert gateway.process.wait(PATIENCE_S) == 5
        gateway.process.stdout.close()
        said = tmp_path.with_name(f"{tmp_path.name}.log").read_text()
        assert f"error {name}(" in said


def test_a_gateway_that_was_killed_and_reconciled_leaves_no_alert(tmp_path: Path):
    with Home(tmp_path) as home:
        home.run("up")
        home.run(*ALLOCATE)
        home.wait_for(lambda: len(home.fills()) > 2)
        for name in ("gateway:main", "gateway:main", "robot:mm"):
            home.kill(name)
            home.wait_for(lambda name=name: name in {e["subject"] for e in home.run("alerts", "ls", "--all")})
            wait_for(lambda: not going(home), lambda: past_alerts(home.home, 50))
        home.run("down")


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_journal_that_is_deleted_under_its_readers_is_noticed(is_replaced, tmp_path: Path):
    with Home(tmp_path) as home:
        home.run("up")
        home.run(*ALLOCATE)
        home.wait_for(lambda: len(home.fills()) > 2)
        before = {name: home.process(name)["starts"] for name in ("gateway:main", "robot:mm")}
        journal, began = home.home / "journal" / "gateway-main", time.monotonic()
        if is_replaced:
            shutil.copytree(journal, journal.with_name("another"))
            journal.rename(journal.with_name("aside"))
            journal.with_name("another").rename(journal)
        else:
            shutil.rmtree(journal)

        def has_ended(name: str) -> bool:
            shown = home.process(name)
            return shown["starts"] > before[name] or shown["state"] != "running"

        for name in before:
            home.wait_for(lambda name=name: has_ended(name))
            print(f"{name} has noticed after {time.monotonic() - began:.2f} s")
        home.wait_for(lambda: {home.process(name)["state"] for name in before} == {"running"})
        home.wait_for(lambda: not going(home))
        home.run("down")
