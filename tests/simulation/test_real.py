"""`onetape chaos --real`: real processes under every fault recover and agree, and what does not agree is seen."""

from __future__ import annotations

import time

import pytest

from onetape.simulation.invariants import Broken
from onetape.simulation.real import MODES, ROWS, RealSystem, SimulatedExchange
from onetape.supervisor.client import bring_down


def test_real_processes_recover_from_faults_and_agree(monkeypatch):
    system = RealSystem(7)
    try:
        system.up()
        system.recover()
        for act in (system._kill_one, system._freeze_one, system._kill_supervisor, system._kill_exchange, system._skew):
            assert act()
        assert system._errors() and system._kill_all()
        assert all(system._network(mode) for mode in MODES.values())
        system.recover()
        assert system.kills > 3 and system.booked() > 3
        bring_down(system.home)
        real = SimulatedExchange.ledger
        with monkeypatch.context() as planted:
            planted.setattr(SimulatedExchange, "ledger", lambda exchange: {**real(exchange), "trades": []})
            with pytest.raises(Broken, match="more and"):
                system.compare()
        with monkeypatch.context() as planted:
            working = [{"client_id": "left", "open": True, "trigger": "0"}]
            planted.setattr(SimulatedExchange, "ledger", lambda exchange: {**real(exchange), "orders": working})
            with pytest.raises(Broken, match="work on"):
                system.compare()
        system.compare()
    finally:
        system.close()


def test_what_does_not_recover_is_seen(monkeypatch):
    system = RealSystem(8)
    try:
        with pytest.raises(Broken, match="not recovered"):
            system._wait(system.is_well, 0.0, "not recovered")
    finally:
        system.close()


def test_every_fault_is_played_in_turn(monkeypatch):
    """Of many draws none is left out, and only what was done is counted."""
    system = RealSystem(9)
    try:
        for name in ("_kill_one", "_freeze_one", "_kill_supervisor", "_kill_all", "_kill_exchange", "_errors", "_skew"):
            monkeypatch.setattr(system, name, lambda: True)
        monkeypatch.setattr(system, "_network", lambda _mode: True)
        monkeypatch.setattr(time, "sleep", lambda _seconds: None)
        for _ in range(200):
            system.fail_once()
        assert set(system.seen) == set(ROWS)
    finally:
        system.close()
