"""A gateway's market feed: every message of a simulated exchange is read."""

from __future__ import annotations

import pytest

from exchange.venue_client import served
from onetape.model.home import gateway_journal
from onetape.tape.journal import JournalReader
from waiting import wait_for
from worlds.gateway_process import TRADED, GatewayProcess


@pytest.mark.parametrize("kind", TRADED)
def test_a_feed_goes_to_the_tape(kind, tmp_path):
    with served(kind, seed=5, limits=False) as (dialect, port):
        gateway = GatewayProcess(kind, tmp_path / "home", port, dialect.exchange.accounts[0])
        gateway.start()

        def counts() -> dict[str, int]:
            return gateway.ask("status")["market"]

        def types() -> set[int]:
            with JournalReader(gateway_journal(gateway.home, "main")) as reader:
                return {frame.type for frame in reader.frames(("quote", "trade"))}

        try:
            wait_for(lambda: len(types()) == 2)
            before = counts()["messages"]
            wait_for(lambda: counts()["messages"] >= before + 5)
            assert counts()["rejected"] == 0
        finally:
            gateway.kill()
