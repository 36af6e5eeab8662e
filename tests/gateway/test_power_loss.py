"""A machine that loses its power loses what was not synced: the end of the gateway's journal, with
the intents of orders that are at the venue by now."""

from __future__ import annotations

from pathlib import Path

import pytest

from exchange.venue_client import served
from onetape.model.enums import RequestKind, Side
from onetape.model.home import gateway_journal
from onetape.tape.journal import JournalReader, type_id
from waiting import wait_for
from worlds.frames import REQUEST
from worlds.gateway_process import GatewayProcess, Robot, cut_journal, news_of


def lose_power(journal: Path, order_id: int, *, first_lost: str) -> None:
    """As the disk has it: nothing from that frame about the order on, and another start of the
    machine. Of a request the journal says what was intended, then that it was taken (input)."""
    with JournalReader(journal) as reader:
        received = {type_id(name): name for name in ("input", "order_request")}
        (intent, taken) = [(received[f.type], f.payload) for f in reader.frames(tuple(received.values()))]
    assert (taken[0], intent[0]) == ("input", "order_request")
    assert REQUEST.unpack_from(intent[1])[0] == order_id
    lost = dict((taken, intent))[first_lost]
    cut_journal(journal, lost)


@pytest.mark.parametrize(("first_lost", "reported"), [("order_request", ["lost", "found"]), ("input", ["found"])])
def test_an_order_whose_intent_was_lost_is_adopted_and_not_denied(tmp_path, first_lost, reported):
    with served("binance-usdm", seed=3, limits=False) as (dialect, port):
        exchange, account = dialect.exchange, dialect.exchange.accounts[0]
        gateway = GatewayProcess("binance-usdm", tmp_path, port, account)
        gateway.start()
        robot = Robot(tmp_path / "robot", gateway, 1)
        order = robot.place(Side.BUY, exchange.listings[0].bid - 2000)
        wait_for(lambda: ("accepted", 0) in news_of(tmp_path, order))
        gateway.kill()
        lose_power(gateway_journal(tmp_path, "main"), order, first_lost=first_lost)
        assert news_of(tmp_path, order) == []
        gateway.start()
        try:
            wait_for(lambda: [n for n, _ in news_of(tmp_path, order)] == reported)
            wait_for(lambda: gateway.ask("status")["ready"])
            status = gateway.ask("status")
            assert (status["open"], status["unknown"], status["differences"]) == (1, 0, [])
            assert len(account.by_id) == 1
            robot.request(RequestKind.CANCEL, order, Side.BUY, 1)  # it is the robot's own again
            wait_for(lambda: not account.open_orders)
        finally:
            gateway.kill()
            robot.writer.close()


def test_after_a_mere_kill_what_was_not_taken_is_denied_at_once(tmp_path):
    with served("binance-usdm", seed=3, limits=False) as (dialect, port):
        exchange, account = dialect.exchange, dialect.exchange.accounts[0]
        gateway = GatewayProcess("binance-usdm", tmp_path, port, account)
        gateway.start()
        robot = Robot(tmp_path / "robot", gateway, 1)
        gateway.kill()
        order = robot.place(Side.BUY, exchange.listings[0].bid - 2000)
        gateway.start()
        try:
            wait_for(lambda: news_of(tmp_path, order))
            assert [news for news, _ in news_of(tmp_path, order)] == ["denied"]
            assert account.by_id == {}
        finally:
            gateway.kill()
            robot.writer.close()
