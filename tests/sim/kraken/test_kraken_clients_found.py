"""What clients that others wrote found missing on the simulated Kraken spot."""

from __future__ import annotations

from sim.kraken_client import KrakenClient
from sim.venue_client import Virtual


def test_ledger_entries_are_asked_for_by_id():
    venue = Virtual("kraken")
    account = venue.dialect.exchange.accounts[0]
    client = KrakenClient(venue, account.key, account.secret)
    _, errors = client.place(ordertype="market")
    assert errors == []
    listed, _ = client.ask("Ledgers")
    first, second = list(listed["ledger"])[:2]
    found, errors = client.ask("QueryLedgers", id=f"{first},{second}")
    assert errors == []
    assert found == {each: listed["ledger"][each] for each in (first, second)}
    assert client.ask("QueryLedgers", id="LAAAAA-AAAAA-AAAAAA")[1] == [
        "EGeneral:Invalid arguments:id"
    ]
    assert client.ask("QueryLedgers")[1] == ["EGeneral:Invalid arguments:id"]
