"""A simulated Pacifica as a process: killed, it comes back with all that its wallets asked for."""

from __future__ import annotations

import pytest

from exchange.pacifica.pacifica_client import PacificaClient, data, wallet
from exchange.venue_process import VenueProcess
from onetape.venues.pacifica.signing import message_of

READS = ("positions", "orders", "orders/history", "trades/history", "account/settings", "account/balance/history")


@pytest.fixture
def start(tmp_path):
    started = []

    def begin() -> VenueProcess:
        for each in started:
            each.stop()
        started[:] = [VenueProcess(tmp_path / "state", "pacifica")]
        return started[0]

    yield begin
    for each in started:
        each.stop()


def test_a_killed_exchange_comes_back_with_orders_agents_and_sub_accounts(start):
    venue = start()
    main = PacificaClient(venue.wire, venue.ready["accounts"][0]["secret"])
    stranger = PacificaClient(venue.wire, wallet("stranger"))
    agent = PacificaClient(venue.wire, wallet("agent"), account=stranger.account)
    sub = PacificaClient(venue.wire, wallet("sub"))
    data(stranger.ask("agent/bind", "bind_agent_wallet", agent_wallet=agent.signer.agent))
    key = data(stranger.ask("account/api_keys/create", "create_api_key"))["api_key"]
    stamp, window = venue.wire.now() // 1_000_000, 5000
    signed = sub.signer.sign(message_of("subaccount_initiate", {"account": stranger.account}, stamp, window))
    confirmed = stranger.signer.sign(message_of("subaccount_confirm", {"signature": signed}, stamp, window))
    body = {"main_account": stranger.account, "subaccount": sub.account, "timestamp": stamp, "expiry_window": window}
    data(stranger.post("account/subaccount/create", body | {"sub_signature": signed, "main_signature": confirmed}))
    data(stranger.ask("account/subaccount/transfer", "transfer_funds", to_account=sub.account, amount="250.5"))
    data(stranger.ask("account/leverage", "update_leverage", symbol="ETH", leverage=3))
    data(agent.market("bid", "0.02"))
    data(agent.limit("40000"))
    terms = {"symbol": "BTC", "side": "ask", "stop_loss": {"stop_price": "30000"}}
    data(agent.ask("positions/tpsl", "set_position_tpsl", **terms))
    edited = data(main.limit("41000"))["order_id"]
    payload = {"symbol": "BTC", "price": "41001", "amount": "0.02", "order_id": edited}
    data(main.ask("orders/edit", "edit_order", **payload))
    clients = (main, stranger, sub)
    before = [[client.mine(path) for path in READS] for client in clients]

    venue = start()
    for each in (*clients, agent):
        each.venue = venue.wire
    assert [[client.mine(path) for path in READS] for client in clients] == before
    assert before[2][5][0]["amount"] == "250.5"
    assert data(stranger.ask("account/api_keys", "list_api_keys"))["active_api_keys"] == [key]
    (listed,) = data(stranger.ask("account/subaccount/list", "list_subaccounts"))["subaccounts"]
    assert listed["address"] == sub.account
    data(agent.market("ask", "0.02", reduce_only=True))
    assert stranger.mine("positions") == []
    assert [row["order_type"] for row in stranger.mine("orders")] == ["limit"]
