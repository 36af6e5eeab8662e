"""An order of which nobody knows whether it was placed shows up at the venue after the kill: it is canceled."""

from __future__ import annotations

import time
import urllib.request

import pytest

from exchange.venue_client import served
from onetape.ipc.operator import send_command
from onetape.model.catalogue import find
from onetape.model.enums import OrderType, Side
from onetape.model.ids import client_id_of_order
from onetape.model.order import OrderSpec
from onetape.venues.binance.trading import BinanceUsdmProtocol
from waiting import wait_for
from worlds.gateway_process import SYMBOL, GatewayProcess, Robot, news_of

LOST = '[[fault]]\npurpose = "place"\ncount = 1\naction = "drop_request"\n'
UNKNOWN = '[[fault]]\npurpose = "query"\naction = "error"\nerror = "-1001"\ndone = false\n'


def show_up(port: int, account, order: int, spec: OrderSpec) -> None:
    """The request that was lost on its way arrives."""
    protocol = BinanceUsdmProtocol(account.key, account.secret)
    protocol.set_instruments([find(SYMBOL)])
    call = protocol.place(client_id_of_order("test", order), spec, time.time_ns())
    url = f"http://127.0.0.1:{port}{call.target}"
    with urllib.request.urlopen(urllib.request.Request(url, method=call.method, headers=dict(call.headers))) as reply:
        assert reply.status == 200


@pytest.mark.parametrize(("faults", "dies"), [(LOST + UNKNOWN, True), (LOST, False)], ids=["unknown", "absent"])
def test_an_order_that_shows_up_after_the_kill_is_canceled(tmp_path, faults, dies):
    with served("binance-usdm", seed=3, limits=False, faults=faults) as (dialect, port):
        account, listing = dialect.exchange.accounts[0], dialect.exchange.listings[0]
        gateway = GatewayProcess("binance-usdm", tmp_path, port, account)
        gateway.start()
        robot = Robot(tmp_path / "robot", gateway, 1)
        try:
            order = robot.place(Side.BUY, listing.bid - 2000)
            wait_for(lambda: news_of(tmp_path, order))
            if faults != LOST:
                assert gateway.ask("status")["unknown"] == 1
            (reply,) = send_command(tmp_path, "gateway:main", "kill", {"reason": "late"}, "k1")
            assert reply["status"] == "applied"
            if dies:
                gateway.kill()
                gateway.start()
            price = listing.bid - 2000
            spec = OrderSpec(symbol=SYMBOL, side=Side.BUY, size_int=10, type=OrderType.LIMIT, price_int=price)
            show_up(port, account, order, spec)
            wait_for(lambda: not account.open_orders)  # it may be gone before anybody looks
            assert len(account.by_id) == 1
            wait_for(lambda: gateway.ask("status")["open"] == 0)
            assert account.qty(0) == 0
        finally:
            gateway.kill()
            robot.writer.close()
