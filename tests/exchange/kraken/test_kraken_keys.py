"""Rights of keys on Kraken's streams: a token may what its key may."""

from __future__ import annotations

import asyncio

import aiohttp

from exchange.kraken_client import KrakenClient, exactly
from exchange.venue_client import Virtual, Wire, heard, served
from onetape.exchange.keys import HMAC
from waiting import PATIENCE_S

ORDER = {"order_type": "limit", "side": "buy", "order_qty": 0.01, "symbol": "BTC/USD", "limit_price": 40000}
REFUSED = "EGeneral:Permission denied"


def reader_of(dialect, **rights):
    """A further key of the first account."""
    exchange = dialect.exchange
    made = exchange.accounts.make_key(exchange.accounts[0], "reader", HMAC)
    exchange.accounts.change_key(made.key, **rights)
    return made


def test_a_token_of_a_key_that_may_not_trade_reads_over_a_real_socket():
    with served("kraken") as (dialect, port):
        made, account = reader_of(dialect, can_trade=False), dialect.exchange.accounts[0]
        reader = KrakenClient(Wire(port), made.key, made.secret)
        owner = KrakenClient(Wire(port), account.key, account.secret)
        answer = asyncio.run(_session(port, reader.token(), owner.token()))
    assert [a["success"] for a in answer["reader"]] == [True, True] + [False] * 4
    assert {a["error"] for a in answer["reader"][2:]} == {REFUSED}
    assert answer["owner"]["success"] is True
    # The same account: who may only read sees what the other did.
    assert answer["seen"]["data"][0]["order_id"] == answer["owner"]["result"]["order_id"]


async def _session(port: int, reader: str, owner: str) -> dict:
    received: dict = {"reader": []}
    async with aiohttp.ClientSession() as session, session.ws_connect(f"http://127.0.0.1:{port}/v2/private") as socket:

        async def until(is_it) -> dict:
            while True:
                message = exactly(await socket.receive_str(timeout=PATIENCE_S))
                if is_it(message):
                    return message

        async def ask(number: int, method: str, **params) -> dict:
            await socket.send_json({"method": method, "params": params, "req_id": number})
            return await until(lambda m: m.get("req_id") == str(number))

        calls = [
            ("subscribe", {"channel": "executions"}),
            ("subscribe", {"channel": "balances"}),
            ("add_order", ORDER),
            ("cancel_all", {}),
            ("cancel_all_orders_after", {"timeout": 60}),
            ("batch_cancel", {"orders": ["OAAAAA-AAAAA-AAAAAA"]}),
        ]
        for number, (method, params) in enumerate(calls, 1):
            received["reader"].append(await ask(number, method, token=reader, **params))
        await socket.send_json({"method": "add_order", "params": {**ORDER, "token": owner}, "req_id": 9})
        seen: dict[str, dict] = {}
        while len(seen) < 2:  # the answer, and what the stream of the reader says of it
            message = await until(
                lambda m: m.get("req_id") == "9" or (m.get("channel") == "executions" and m["type"] == "update")
            )
            seen.setdefault("owner" if "method" in message else "seen", message)
    return received | seen


def test_rights_that_change_later_are_heard_of_at_once():
    venue = Virtual("kraken")
    exchange = venue.dialect.exchange
    made = reader_of(venue.dialect, can_trade=False)
    client = KrakenClient(venue, made.key, made.secret)
    token = client.token()
    connection = venue.connect("/v2")

    def place() -> dict:
        heard(connection)
        request = b'{"method":"cancel_all","params":{"token":"%s"}}' % token.encode()
        venue.dialect.message(connection, request, venue.time)
        return heard(connection)[0]

    assert place()["error"] == REFUSED
    exchange.accounts.change_key(made.key, can_trade=True)
    assert place()["success"] is True
    exchange.accounts.revoke_key(made.key)
    assert place()["error"] == "ESession:Invalid session"


def test_a_key_is_told_of_itself_and_not_of_the_accounts_first():
    venue = Virtual("kraken")
    made = reader_of(venue.dialect, can_trade=False, can_withdraw=True)
    client = KrakenClient(venue, made.key, made.secret)
    reported, errors = client.ask("GetApiKeyInfo")
    assert errors == []
    assert (reported["api_key"], reported["api_key_name"]) == (made.key, "reader")
    assert "modify-trades" not in reported["permissions"]
    assert "withdraw-funds" in reported["permissions"]
    assert reported["nonce"] == str(client.nonce)
