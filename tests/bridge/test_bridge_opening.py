"""What is set of a ccxt exchange before it is asked; and that the facts hold of this ccxt."""

from __future__ import annotations

import asyncio
import inspect

import pytest

from bridge.bridge_process import as_read
from onetape.bridge.opening import BEFORE, open_exchange
from onetape.bridge.rows import Late, error_row
from onetape.venues.ccxt.facts import FACTS

pytestmark = as_read
ccxt_pro = pytest.importorskip("ccxt.pro")
SAID = {"key": "the-key", "secret": "the-secret", "password": "the-word"}


def opened(exchange: str, **said):
    return open_exchange(ccxt_pro, {"exchange": exchange, **SAID, **said})


@pytest.mark.parametrize("exchange", FACTS)
def test_keys_are_where_each_exchange_wants_them(exchange):
    x = opened(exchange)
    if x.requiredCredentials["privateKey"]:
        assert (x.walletAddress, x.privateKey) == ("the-key", "the-secret")
    else:
        assert (x.apiKey, x.secret) == ("the-key", "the-secret")
    assert x.password == "the-word"
    x.check_required_credentials()


@pytest.mark.parametrize("exchange", FACTS)
def test_an_exchange_of_ones_own_is_the_only_address_there_is(exchange):
    x = opened(exchange, rest="http://127.0.0.1:1", ws="ws://127.0.0.1:1")

    def addresses(urls):
        for each in urls.values():
            yield from addresses(each) if isinstance(each, dict) else [each]

    found = [each for each in addresses(x.urls["api"]) if each]
    assert found
    assert {each.split("/")[2].partition(":")[0] for each in found} == {"127.0.0.1"}


@pytest.mark.parametrize(("exchange", "facts"), FACTS.items(), ids=FACTS)
def test_the_facts_hold_of_the_ccxt_that_is_here(exchange, facts):
    """As far as its sources show; a new version that moved away is found here."""
    x = opened(exchange)
    for needed in ("createOrder", "cancelOrder", "fetchOpenOrders", "fetchMyTrades"):
        assert x.has[needed] is True, needed
    assert any(x.has[each] for each in ("watchBidsAsks", "watchOrderBook"))
    if facts.by_client_id:
        source = inspect.getsource(type(x).fetch_order)
        assert facts.by_client_id in source or "ClientOrderId" in source
    if facts.amends:
        assert x.has["editOrder"] is True
    if facts.offsets:
        assert facts.offsets in inspect.getsource(type(x).fetch_my_trades)


@pytest.mark.parametrize("exchange", ["okx", "bybit", "hyperliquid", "binanceusdm"])
def test_the_demo_is_another_place_or_says_that_it_is_one(exchange):
    real, demo = opened(exchange), opened(exchange, demo=True)
    assert (demo.urls["api"], demo.headers) != (real.urls["api"], real.headers)


def test_a_demo_that_ccxt_does_not_know_is_refused():
    with pytest.raises(ValueError, match="no test system of kraken"):
        opened("kraken", demo=True)


def test_what_is_late_is_not_signed():
    x = opened("okx")

    async def signed(before: int):
        BEFORE.set(before)
        return x.sign("account/balance", "private", "GET")

    assert asyncio.run(signed(0))["url"]
    assert asyncio.run(signed(2**62))["url"]
    with pytest.raises(Late):
        asyncio.run(signed(1))


def test_the_text_of_an_error_has_neither_secrets_nor_queries():
    error = ValueError("GET https://x.y/order?signature=abc&key=the-key said the-secret")
    row = error_row(error, ("the-key", "the-secret", ""))
    assert row["text"] == "GET https://x.y/order said ***"
    assert row["names"][0] == "ValueError"


def test_a_connection_that_never_was_is_told_from_one_that_broke():
    async def answer_of(port: int):
        x = opened("binanceusdm", rest=f"http://127.0.0.1:{port}", ws=f"ws://127.0.0.1:{port}")
        try:
            await x.fetch_time()
        except ccxt_pro.BaseError as error:
            return error_row(error, ())["names"]
        finally:
            await x.close()

    async def both():
        async def hang_up(reader, writer):
            await reader.readline()
            writer.close()

        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        broke = await answer_of(port)
        server.close()
        await server.wait_closed()
        return broke, await answer_of(port)

    broke, never = asyncio.run(both())
    assert never[0] == "Unsent"
    assert "Unsent" not in broke
