"""A gateway's market feed: what a simulated exchange sends looks as usual."""

from __future__ import annotations

import pytest

from exchange.venue_client import served
from onetape.gateway.options import gateway_journal
from onetape.tape.journal import JournalReader
from waiting import wait_for
from worlds.gateway_process import TRADED, GatewayProcess


@pytest.mark.parametrize("kind", TRADED)
def test_a_feed_goes_to_the_tape_by_shape(kind, tmp_path):
    with served(kind, seed=5, limits=False) as (dialect, port):
        gateway = GatewayProcess(kind, tmp_path / "home", port, dialect.exchange.accounts[0])
        gateway.start()

        def counts() -> dict[str, int]:
            return gateway.ask("status")["market"]

        def types() -> set[int]:
            with JournalReader(gateway_journal(gateway.home, "main")) as reader:
                return {frame.type for frame in reader.frames(("quote", "trade"))}

        try:
            # Answers, heartbeats and the first of each kind are the decoder's.
            wait_for(lambda: counts()["slow"] >= 2 and len(types()) == 2)
            before = counts()["quick"]
            wait_for(lambda: counts()["quick"] >= before + 5)
        finally:
            gateway.kill()
