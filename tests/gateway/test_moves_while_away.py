"""Money that moves while a gateway is away: deposits, withdrawals, trades in other pairs."""

from __future__ import annotations

from types import SimpleNamespace

import msgspec
import pytest

from exchange.venue_process import VenueProcess
from onetape.accounts.entries import Cause
from onetape.accounts.entry_frames import unpack
from onetape.model.home import gateway_journal
from onetape.tape.journal import JournalReader
from waiting import wait_for
from worlds.gateway_process import TRADED, GatewayProcess

OTHER = "ETHUSD"  # not followed


@pytest.fixture
def world(tmp_path):
    venue = VenueProcess(tmp_path / "state", "kraken")
    account = SimpleNamespace(**venue.ready["accounts"][0])
    gateway = GatewayProcess("kraken", tmp_path / "home", venue.port, account)
    gateway.start()
    yield venue, gateway
    gateway.kill()
    venue.stop()


def differences(gateway: GatewayProcess) -> list[str]:
    wait_for(lambda: not gateway.ask("status")["reconciling"])
    return gateway.ask("status")["differences"]


def by_hand(venue: VenueProcess, path: str, **body: object) -> None:
    content = msgspec.json.encode({"account": "main", **body})
    status, reported, _ = venue.control.request("POST", path, content, {"Content-Type": "application/json"})
    assert status == 200, reported


def moves(gateway: GatewayProcess) -> list[tuple[str, str]]:
    """(currency, reference) of what the journal has of them."""
    with JournalReader(gateway_journal(gateway.home, "main")) as reader:
        received = [unpack(frame.payload) for frame in reader.frames(("entry",))]
    assert not [entry for entry in received if entry.cause is Cause.CORRECTION]
    moved = [entry for entry in received if entry.cause is Cause.TRANSFER]
    return [(entry.legs[0].currency, entry.reference) for entry in moved]


def test_what_moved_while_a_gateway_was_away_is_booked_once(world):
    venue, gateway = world
    assert TRADED["kraken"][0] == "kraken:BTC/USD"
    for _ in range(2):
        gateway.kill()
        by_hand(venue, "/deposit", currency="USD", amount="1000.25")
        by_hand(venue, "/deposit", currency="BTC", amount="-0.5")
        by_hand(venue, "/trade", symbol=OTHER, amount="0.02")
        gateway.start()
        assert differences(gateway) == []
    booked = moves(gateway)
    assert len(set(booked)) == len(booked)
    assert sorted(currency for currency, _ in booked) == ["BTC"] * 2 + ["ETH"] * 2 + ["USD"] * 4
    gateway.kill()
    gateway.start()
    assert differences(gateway) == []
    assert moves(gateway) == booked


def test_what_moves_while_it_is_there_is_booked_too(world):
    venue, gateway = world
    by_hand(venue, "/deposit", currency="USD", amount="-20")
    by_hand(venue, "/trade", symbol=OTHER, amount="-0.02")
    gateway.ask("reconcile")
    assert differences(gateway) == []
