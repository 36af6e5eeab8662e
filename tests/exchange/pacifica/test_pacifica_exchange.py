"""The simulated Pacifica: what its documentation says, by REST."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

import pytest

from exchange.pacifica.pacifica_client import PacificaClient, data, refusal, wallet
from exchange.venue_client import Virtual
from onetape.venues.pacifica.signing import message_of


@pytest.fixture
def venue():
    return Virtual("pacifica", limits=False)


@pytest.fixture
def client(venue):
    return PacificaClient(venue, venue.dialect.exchange.accounts[0].secret)


def bid(client, symbol: str = "BTC") -> Decimal:
    return Decimal(data(client.get("book", symbol=symbol))["l"][0][0]["p"])


def test_markets_are_read_without_a_key(client):
    info = {row["symbol"]: row for row in data(client.get("info"))}
    assert (info["BTC"]["tick_size"], info["BTC"]["lot_size"], info["BTC"]["max_leverage"]) == ("1", "0.00001", 50)
    assert info["SOL"]["max_leverage"] == 20
    prices = {row["symbol"]: row for row in data(client.get("info/prices"))}
    assert prices["BTC"]["funding"] == "0.0000125"
    assert Decimal(prices["BTC"]["mid"]) > 1000
    book = data(client.get("book", symbol="BTC", agg_level=10))
    assert all(Decimal(level["p"]) % 10 == 0 for side in book["l"] for level in side)
    assert data(client.get("trades", symbol="BTC"))
    assert data(client.get("kline", symbol="BTC", interval="1m", start_time=0))


def test_an_order_rests_is_edited_and_is_canceled(client):
    name = str(uuid5(NAMESPACE_URL, "a"))
    price = bid(client) - 500
    made = data(client.limit(price, client_order_id=name))["order_id"]
    (row,) = client.mine("orders")
    assert (row["order_id"], row["client_order_id"], row["price"], row["initial_amount"]) == (
        made,
        name,
        str(price),
        "0.01",
    )
    edited = data(
        client.ask("orders/edit", "edit_order", symbol="BTC", price=str(price + 1), amount="0.02", order_id=made)
    )["order_id"]
    assert edited > made
    (row,) = client.mine("orders")
    assert (row["order_id"], row["client_order_id"], row["initial_amount"]) == (edited, name, "0.02")
    # Without `data`: docs.pacifica.fi, "Cancel order".
    assert client.ask("orders/cancel", "cancel_order", symbol="BTC", client_order_id=name)[:2] == (
        200,
        {"success": True},
    )
    assert client.mine("orders") == []
    assert refusal(client.ask("orders/cancel", "cancel_order", symbol="BTC", order_id=made))[:2] == (422, 6)


def test_a_market_order_opens_a_position_and_its_money_adds_up(client):
    before = Decimal(client.mine("account")["balance"])
    data(client.market("bid", "0.1"))
    (position,) = client.mine("positions")
    assert (position["symbol"], position["side"], position["amount"]) == ("BTC", "bid", "0.1")
    (trade, *_) = client.mine("trades/history")
    assert (trade["side"], trade["event_type"]) == ("open_long", "fulfill_taker")
    data(client.market("ask", "0.1", reduce_only=True))
    assert client.mine("positions") == []
    trades = client.mine("trades/history")
    assert {trade["side"] for trade in trades} == {"open_long", "close_long"}
    after = Decimal(client.mine("account")["balance"])
    assert abs(after - before - sum(Decimal(trade["pnl"]) for trade in trades)) <= Decimal("0.000001") * len(trades)


def test_a_wallet_that_was_never_seen_has_an_account(venue):
    stranger = PacificaClient(venue, wallet("stranger"))
    assert Decimal(stranger.mine("account")["balance"]) == 100_000
    data(stranger.market("bid"))
    assert stranger.mine("positions")


@pytest.mark.parametrize(
    ("tif", "status", "event"), [("ALO", "rejected", "post_only_rejected"), ("TOB", "open", "make")]
)
def test_a_post_only_order_that_would_take_is_rejected_or_put_behind_the_best(client, tif, status, event):
    book = data(client.get("book", symbol="BTC"))["l"]
    price = Decimal(book[1][0]["p"]) + 300
    made = data(client.limit(price, tif=tif))["order_id"]
    (row, *_) = data(client.get("orders/history_by_id", order_id=made))
    assert (row["order_status"], row["event_type"]) == (status, event)
    assert Decimal(row["price"]) == (price if tif == "ALO" else Decimal(book[1][0]["p"]) - 1)


def test_an_own_order_that_would_be_met_is_rejected_and_the_new_one_goes_on(client):
    best = bid(client)
    mine = data(client.limit(best + 1, tif="TOB"))["order_id"]
    data(client.limit(best - 20, "0.05", side="ask", tif="IOC"))
    (row, *_) = data(client.get("orders/history_by_id", order_id=mine))
    assert (row["order_status"], row["event_type"]) == ("rejected", "self_trade_prevented")
    assert client.mine("positions")[0]["side"] == "ask"


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ({"price": "50000.5"}, (400, 400, "Bad Request")),
        ({"amount": "0.000005"}, (400, 400, "Bad Request")),
        ({"amount": "nan"}, (400, 400, "Bad Request")),
        ({"side": "buy"}, (400, 400, "Bad Request")),
        ({"side": ["bid"]}, (400, 400, "Bad Request")),
        ({"client_order_id": "seven"}, (400, 400, "Bad Request")),
        ({"symbol": "NONE"}, (422, 3, "Book not found: NONE")),
        ({"tif": "FOK"}, (422, 20, "Invalid order type")),
        ({"tif": ["GTC"]}, (422, 20, "Invalid order type")),
        ({"take_profit": {"stop_price": "90000", "trigger_price_type": ["mark_price"]}}, (400, 400, "Bad Request")),
        ({"amount": "80"}, (422, 5, "Insufficient balance for {}")),
        ({"amount": "0.0001"}, (422, 0, "Order amount too low for {}: 5.0000 < 10")),
        ({"amount": "101"}, (422, 8, "Order amount too high for {}: 5050000 > 5000000")),
        ({"reduce_only": True}, (422, 23, "No position for reduce only order of {}")),
    ],
)
def test_a_bad_order_is_refused_in_the_venue_s_words(client, terms, expected):
    data(client.ask("account/leverage", "update_leverage", symbol="BTC", leverage=10))
    status, code, text = refusal(client.limit(**{"price": "50000", **terms}))
    assert (status, code, text) == (*expected[:2], expected[2].format(client.account))
    assert client.mine("orders/history") == []


def test_a_client_id_counts_once(client):
    name = str(uuid5(NAMESPACE_URL, "c"))
    data(client.limit("50000", client_order_id=name))
    for same in (name, name.upper(), name.replace("-", ""), f"urn:uuid:{name}"):
        assert refusal(client.limit("50001", client_order_id=same))[:2] == (422, 36)
    assert refusal(client.ask("orders/cancel", "cancel_order", symbol="BTC", client_order_id=NOBODY))[:2] == (422, 37)
    assert client.ask("orders/cancel", "cancel_order", symbol="BTC", client_order_id=name.upper())[0] == 200


def test_a_client_id_counts_once_in_a_request(client):
    one, other = (str(uuid5(NAMESPACE_URL, each)) for each in "de")
    legs = {"take_profit": {"stop_price": "70000", "client_order_id": one}, "stop_loss": {"stop_price": "45000"}}
    assert refusal(client.limit("50000", client_order_id=one.upper(), **legs))[:2] == (422, 36)
    assert client.mine("orders/history") == []
    data(client.limit("50000", client_order_id=other, **legs))
    data(client.market("bid"))
    both = {name: {**leg, "client_order_id": NOBODY} for name, leg in legs.items()}
    ask = client.ask("positions/tpsl", "set_position_tpsl", symbol="BTC", side="ask", **both)
    assert refusal(ask)[:2] == (422, 36)


NOBODY = str(uuid5(NAMESPACE_URL, "nobody"))


@pytest.mark.parametrize(
    "spoil", [{"price": "50001"}, {"signature": "1" * 64}, {"account": "1" * 32}, {"signature": 7}]
)
def test_what_was_not_signed_so_is_refused(client, spoil):
    body = client.body("cancel_all_orders", {"all_symbols": True, "exclude_reduce_only": False})
    if "price" in spoil:
        terms = {"symbol": "BTC", "price": "50000", "amount": "0.01", "side": "bid", "tif": "GTC", "reduce_only": False}
        answer = client.post("orders/create", client.body("create_order", terms) | spoil)
    else:
        answer = client.post("orders/cancel_all", body | spoil)
    assert refusal(answer)[2].startswith("Verification failed")
    assert answer[1]["error_id"] == "signature_verification_failed"
    assert client.mine("orders") == []


def test_unsigned_names_are_let_through(client):
    terms = {"symbol": "BTC", "price": "50000", "amount": "0.01", "side": "bid", "tif": "GTC", "reduce_only": False}
    body = client.body("create_order", terms)
    data(client.post("orders/create", body | {"slippage": "0.5", "agent_wallet": None}))


def test_a_request_lives_as_long_as_its_window(client, venue):
    terms = {"all_symbols": True, "exclude_reduce_only": False}
    now = venue.now() // 1_000_000
    for at, window, is_taken in ((now - 3000, 5000, True), (now - 6000, 5000, False), (now + 60_000, 5000, False)):
        answer = client.post("orders/cancel_all", client.body("cancel_all_orders", terms, at=at, window=window))
        assert answer[0] == (200 if is_taken else 400)
        assert is_taken or answer[1]["error"].startswith("Invalid message")
    body = client.body("cancel_all_orders", terms, at=now - 29_000, window=30_000)
    del body["expiry_window"]
    data(client.post("orders/cancel_all", body))


def test_an_agent_trades_once_it_is_bound_and_no_longer_than_that(client, venue):
    agent = PacificaClient(venue, wallet("agent"), account=client.account)
    assert refusal(agent.limit("50000")) == (400, 400, "Agent not authorized for account")
    data(client.ask("agent/bind", "bind_agent_wallet", agent_wallet=agent.signer.agent))
    assert data(client.ask("agent/list", "list_agent_wallets")) == [agent.signer.agent]
    data(agent.limit("50000"))
    assert len(client.mine("orders")) == 1
    assert refusal(agent.ask("account/withdraw", "withdraw", amount="1"))[2].startswith("Verification failed")
    data(client.ask("agent/revoke", "revoke_agent_wallet", agent_wallet=agent.signer.agent))
    assert refusal(agent.limit("50000"))[2] == "Agent not authorized for account"


def test_a_hardware_wallet_signs_an_offchain_message(client, venue):
    terms = {"all_symbols": True, "exclude_reduce_only": False}
    body = client.body("cancel_all_orders", terms)
    message = message_of("cancel_all_orders", terms, body["timestamp"], body["expiry_window"])
    offchain = b"\xffsolana offchain\x00\x00" + len(message).to_bytes(2, "little") + message
    data(
        client.post(
            "orders/cancel_all", body | {"signature": {"type": "hardware", "value": client.signer.sign(offchain)}}
        )
    )


# --- limits ---------------------------------------------------------------------------------------


def test_credits_of_a_minute_are_of_an_address_and_of_an_api_key():
    venue = Virtual("pacifica")
    client = PacificaClient(venue, venue.dialect.exchange.accounts[0].secret)
    keyed = PacificaClient(venue, venue.dialect.exchange.accounts[0].secret)
    keyed.headers = {"PF-API-KEY": data(client.ask("account/api_keys/create", "create_api_key"))["api_key"]}
    count = 0
    while (answer := client.get("info"))[0] == 200:
        count += 1
    assert count == 99
    assert answer == (429, {"success": False, "data": None, "error": "Rate limit exceeded", "code": 429})
    assert client.get("kline", symbol="BTC", interval="1m", start_time=0)[0] == 429
    for _ in range(300):
        data(keyed.get("info"))
    assert keyed.get("info")[0] == 429
    venue.wait(60)
    for _ in range(200):  # half a credit each
        assert client.ask("orders/cancel", "cancel_order", symbol="BTC", order_id=7)[0] == 422
    assert client.get("info")[0] == 429


def test_api_keys_of_a_main_account_and_its_sub_accounts_spend_one_quota():
    venue = Virtual("pacifica")
    main, sub = (PacificaClient(venue, secret) for secret in (wallet("main"), wallet("sub")))
    stamp = venue.now() // 1_000_000
    about = {"timestamp": stamp, "expiry_window": 5000}
    initiated = sub.signer.sign(message_of("subaccount_initiate", {"account": main.account}, stamp, 5000))
    confirmed = main.signer.sign(message_of("subaccount_confirm", {"signature": initiated}, stamp, 5000))
    signatures = {"sub_signature": initiated, "main_signature": confirmed}
    body = {"main_account": main.account, "subaccount": sub.account, **signatures, **about}
    data(main.post("account/subaccount/create", body))
    for each in (main, sub):
        each.headers = {"PF-API-KEY": data(each.ask("account/api_keys/create", "create_api_key"))["api_key"]}
    for each in (main, sub) * 150:
        data(each.get("info"))
    assert main.get("info")[0] == sub.get("info")[0] == 429


def test_an_account_makes_five_api_keys_and_revokes_them(client):
    made = [data(client.ask("account/api_keys/create", "create_api_key"))["api_key"] for _ in range(5)]
    assert all(re.fullmatch(r"[^_]{8}_[1-9A-HJ-NP-Za-km-z]+", each) for each in made)
    assert client.ask("account/api_keys/create", "create_api_key")[0] == 400
    listed = {"active_api_keys": made, "api_key_limit": 5}
    assert data(client.ask("account/api_keys", "list_api_keys")) == listed
    data(client.ask("account/api_keys/revoke", "revoke_api_key", api_key=made[0]))
    assert data(client.ask("account/api_keys", "list_api_keys"))["active_api_keys"] == made[1:]
    client.headers = {"PF-API-KEY": made[0]}
    assert client.get("info")[0] == 403


# --- spot collateral --------------------------------------------------------------------------------


def deposit(venue, account, currency: str, amount: str) -> None:
    venue.dialect.exchange.accounts.deposit(account, currency, amount, venue.now())
    venue.settle()


def test_spot_counts_as_margin_at_its_ratio_up_to_a_bound(client, venue):
    account = venue.dialect.exchange.accounts[0]
    before = client.mine("account")
    deposit(venue, account, "SOL", "5")
    shown = client.mine("account")
    value, counted = Decimal(shown["spot_market_value"]), Decimal(shown["spot_collateral"])
    assert 0 < value < 10_000
    assert abs(counted - value * Decimal("0.8")) < Decimal("0.00001")
    assert Decimal(shown["account_equity"]) == Decimal(shown["balance"]) + value
    assert Decimal(shown["cross_account_equity"]) == Decimal(shown["balance"]) + counted
    assert Decimal(shown["available_to_spend"]) == Decimal(before["available_to_spend"]) + counted
    assert shown["available_to_withdraw"] == before["available_to_withdraw"]  # of USDC
    (row,) = shown["spot_balances"]
    assert (row["symbol"], row["amount"]) == ("SOL", "5")
    deposit(venue, account, "BTC", "3")
    shown = client.mine("account")
    assert abs(Decimal(shown["spot_collateral"]) - counted - 9000) < Decimal("0.00001")  # 10,000 USD at 0.9
    deposits = client.mine("account/balance/history")  # of USDC
    assert [(row["amount"], row["balance"]) for row in deposits] == [("100000", "100000")]
    (btc,) = [row for row in data(client.get("spot_assets")) if row["symbol"] == "BTC"]
    assert (btc["ltv_ratio"], btc["collateral_value_limit_usd"]) == ("0.9", "10000")


def test_a_position_stands_on_spot_alone_and_its_loss_is_owed(client, venue):
    account = venue.dialect.exchange.accounts[0]
    held = client.mine("account")["balance"]
    deposit(venue, account, "USDC", f"-{held}")
    assert refusal(client.market("bid", "0.05"))[:2] == (422, 5)
    deposit(venue, account, "BTC", "1")
    data(client.market("bid", "0.05"))
    shown = client.mine("account")
    assert Decimal(shown["balance"]) < 0  # the fee
    assert 0 < Decimal(shown["available_to_spend"]) < 9000
    assert refusal(client.ask("account/margin", "update_margin_mode", symbol="ETH", is_isolated=True))[1] == 12
    data(client.market("ask", "0.05", reduce_only=True))
    assert client.mine("positions") == []


def test_a_position_is_closed_once_spot_no_longer_carries_it(client, venue):
    exchange, account = venue.dialect.exchange, venue.dialect.exchange.accounts[0]
    held = Decimal(client.mine("account")["balance"])
    deposit(venue, account, "USDC", f"-{held - 1}")
    deposit(venue, account, "SOL", "5")
    data(client.market("bid", "0.1"))
    listing = exchange.listings[0]
    exchange.clearing.on_mark(0, int(listing.mark * Decimal("0.9")), venue.now())
    venue.settle()
    assert client.mine("positions") == []
    shown = client.mine("account")
    assert shown["balance"] == "0"  # what was owed then is paid from the spot assets
    assert 0 < Decimal(shown["spot_balances"][0]["amount"]) < 5


# --- stops, take profit and stop loss ---------------------------------------------------------------


def wait_until(venue, holds, seconds: int = 1200) -> None:
    for _ in range(seconds):
        if holds():
            return
        venue.wait(1)
    raise AssertionError("it never held")


def stop_at(client, price, **more):
    terms = {"stop_price": str(price), "amount": "0.01", "trigger_price_type": "last_trade_price", **more}
    return client.ask(
        "orders/stop/create", "create_stop_order", symbol="BTC", side="ask", reduce_only=False, stop_order=terms
    )


def test_a_stop_keeps_its_id_when_it_is_triggered(client, venue):
    made = data(stop_at(client, bid(client) - 5))["order_id"]
    (row,) = client.mine("orders")
    assert (row["order_type"], row["stop_price"], row["price"]) == ("stop_market", str(bid(client) - 5), "0")
    assert client.mine("account")["stop_orders_count"] == 1
    wait_until(venue, lambda: client.mine("positions"))
    events = [row["event_type"] for row in data(client.get("orders/history_by_id", order_id=made))]
    assert (events[-1], events[0]) == ("stop_created", "fulfill_market")
    assert client.mine("positions")[0]["side"] == "ask"


def test_a_stop_on_the_wrong_side_is_refused(client):
    assert refusal(stop_at(client, bid(client) + 500))[:2] == (422, 16)
    assert refusal(stop_at(client, bid(client) - 500, trigger_price_type="index"))[:2] == (400, 400)


def test_take_profit_and_stop_loss_close_what_there_is_and_end_with_it(client, venue):
    legs = {"take_profit": {"stop_price": "70000"}, "stop_loss": {"stop_price": "50000"}}
    ask = ("positions/tpsl", "set_position_tpsl")
    assert refusal(client.ask(*ask, symbol="BTC", side="ask", **legs))[:2] == (422, 13)
    data(client.market("bid", "0.02"))
    assert refusal(client.ask(*ask, symbol="BTC", side="bid", **legs))[:2] == (422, 17)
    data(client.ask(*ask, symbol="BTC", side="ask", **legs))
    near = {"stop_price": str(bid(client) - 5), "trigger_price_type": "last_trade_price"}
    data(client.ask(*ask, symbol="BTC", side="ask", stop_loss=near))
    rows = {row["order_type"]: row["stop_price"] for row in client.mine("orders")}
    assert rows == {"take_profit_market": "70000", "stop_loss_market": near["stop_price"]}
    data(client.market("bid", "0.03"))
    wait_until(venue, lambda: not client.mine("positions"))
    assert client.mine("orders") == []
    gone = next(row for row in client.mine("orders/history") if row["order_type"] == "take_profit_market")
    assert (gone["order_status"], gone["reason"]) == ("cancelled", "force_cancel")


def test_exits_that_came_with_an_order_go_with_it(client):
    legs = {"take_profit": {"stop_price": "70000"}, "stop_loss": {"stop_price": "45000"}}
    made = data(client.limit("50000", **legs))["order_id"]
    assert {row["stop_parent_order_id"] for row in client.mine("orders")} == {None, made}
    data(client.ask("orders/cancel", "cancel_order", symbol="BTC", order_id=made))
    assert client.mine("orders") == []


def test_what_closes_a_position_ends_where_it_turns(client):
    data(client.market("bid", "0.01"))
    legs = {"take_profit": {"stop_price": "70000"}, "stop_loss": {"stop_price": "50000"}}
    data(client.ask("positions/tpsl", "set_position_tpsl", symbol="BTC", side="ask", **legs))
    data(client.limit(bid(client) + 3000, side="ask", reduce_only=True))
    data(client.market("ask", "0.03"))
    assert [(row["side"], row["amount"]) for row in client.mine("positions")] == [("ask", "0.02")]
    assert client.mine("orders") == []


def test_exits_of_an_order_that_may_still_fill_outlive_another_position(client):
    data(client.market("bid", "0.02"))
    made = data(client.limit("50000", take_profit={"stop_price": "70000"}, stop_loss={"stop_price": "45000"}))
    data(client.market("ask", "0.02"))
    assert [row["stop_parent_order_id"] for row in client.mine("orders")] == [None, made["order_id"], made["order_id"]]
    data(client.ask("orders/cancel", "cancel_order", symbol="BTC", order_id=made["order_id"]))
    assert client.mine("orders") == []


# --- batches, margin, funding, liquidation ----------------------------------------------------------


def test_a_batch_is_carried_out_each_by_itself(client):
    terms = {"symbol": "BTC", "price": "50000", "amount": "0.01", "side": "bid", "tif": "GTC", "reduce_only": False}
    good = {"type": "Create", "data": client.body("create_order", terms)}
    bad = {"type": "Create", "data": client.body("create_order", {**terms, "amount": "80"})}
    gone = {"type": "Cancel", "data": client.body("cancel_order", {"symbol": "BTC", "order_id": 7})}
    data(client.ask("account/leverage", "update_leverage", symbol="BTC", leverage=10))
    results = data(client.post("orders/batch", {"actions": [good, bad, gone]}))["results"]
    assert [row["success"] for row in results] == [True, False, False]
    assert results[2]["error"] == "Order not found: 7"
    assert refusal(client.post("orders/batch", {"actions": [good] * 11}))[0] == 400
    assert len(client.mine("orders")) == 1


@pytest.mark.parametrize("action", [{"type": []}, {"type": "Create", "data": []}, [], "Create", None])
def test_what_is_no_action_is_refused_by_itself(client, action):
    good = {"type": "Cancel", "data": client.body("cancel_order", {"symbol": "BTC", "order_id": 7})}
    answer = data(client.post("orders/batch", {"actions": [action, good]}))
    assert [row["error"] for row in answer["results"]] == ["Bad Request", "Order not found: 7"]


def test_leverage_and_margin_are_settings_of_a_market(client):
    assert client.mine("account/settings") == []
    data(client.ask("account/leverage", "update_leverage", symbol="BTC", leverage=5))
    data(client.ask("account/margin", "update_margin_mode", symbol="BTC", is_isolated=True))
    (row,) = client.mine("account/settings")
    assert (row["symbol"], row["isolated"], row["leverage"]) == ("BTC", True, 5)
    data(client.market("bid", "0.1"))
    (held,) = client.mine("positions")
    entry, margin = Decimal(held["entry_price"]), Decimal(held["margin"])
    assert abs(margin - entry / 10 / 5) < 1
    # (price - side * margin / size) / (1 - side / max_leverage / 2)
    formula = (entry - margin / Decimal("0.1")) / (1 - Decimal(1) / 50 / 2)
    assert abs(Decimal(held["liquidation_price"]) - formula) < Decimal("0.01")
    assert refusal(client.ask("account/margin", "update_margin_mode", symbol="BTC", is_isolated=False))[:2] == (422, 12)
    assert refusal(client.ask("account/leverage", "update_leverage", symbol="BTC", leverage=4))[:2] == (422, 11)
    data(client.ask("positions/add_isolated_margin", "add_isolated_margin", symbol="BTC", amount="100"))
    (more,) = client.mine("positions")
    assert Decimal(more["margin"]) - margin == 100
    assert Decimal(more["liquidation_price"]) < Decimal(held["liquidation_price"])


@pytest.mark.parametrize(("amount", "parts"), [("0.5", 1), ("2", 5)])
def test_a_position_is_liquidated_at_once_or_in_five_parts(client, venue, amount, parts):
    """Two thousand dollars for each of leverage are what is closed at once: 100,000 of BTC."""
    data(client.ask("account/margin", "update_margin_mode", symbol="BTC", is_isolated=True))
    data(client.market("bid", amount, slippage_percent="20"))
    (held,) = client.mine("positions")
    price = int(Decimal(held["liquidation_price"]))
    for mark, is_gone in ((price + 2, False), (price - 2, True)):
        venue.dialect.exchange.set_mark(0, mark, mark, venue.time)
        venue.settle()
        assert (client.mine("positions") == []) == is_gone
    closed = [row for row in client.mine("orders/history") if row["side"] == "ask"]
    assert [row["order_status"] for row in closed] == ["filled"] * parts
    assert {row["cause"] for row in client.mine("trades/history") if row["side"] == "close_long"} == {
        "market_liquidation"
    }
    trades = [row for row in client.mine("trades/history") if row["side"] == "close_long"]
    paid = -sum(
        Decimal(row["amount"])
        for row in client.mine("account/balance/history", include_trades="true")
        if row["event_type"] == "market_liquidation"
    )
    owed = sum(Decimal(row["amount"]) * Decimal(row["price"]) for row in trades) * Decimal("0.0075")
    assert abs(paid - owed) < Decimal("0.0001")


def test_funding_is_paid_every_hour(client, venue):
    data(client.market("ask", "0.1"))
    venue.wait(3600)
    (row,) = client.mine("funding/history")
    assert (row["side"], row["amount"], row["rate"]) == ("ask", "0.1", "0.0000125")
    mark = Decimal(data(client.get("funding_rate/history", symbol="BTC", limit=1))[0]["oracle_price"])
    assert abs(Decimal(row["payout"]) - mark * Decimal("0.1") * Decimal("0.0000125")) <= Decimal("0.000001")
    assert client.mine("account/balance/history", include_trades="true")[0]["event_type"] == "funding"


def test_pages_go_on_where_the_last_ended(client):
    for number in range(7):
        data(client.limit(50_000 + number))
    seen, cursor = [], {}
    while True:
        _, body = client.get("orders/history", account=client.account, limit=3, **cursor)
        seen += [row["initial_price"] for row in body["data"]]
        if not body["has_more"]:
            break
        cursor = {"cursor": body["next_cursor"]}
        data(client.limit(40_000))  # what comes meanwhile moves nothing
    assert seen == [str(50_006 - number) for number in range(7)]


@pytest.mark.parametrize("cursor", ["x", "1", "1-", "²-1", "1-" + "9" * 5000])
def test_what_is_no_cursor_is_refused(client, cursor):
    assert refusal(client.get("orders/history", account=client.account, cursor=quote(cursor)))[0] == 400


def test_the_page_names_tests_that_there_are():
    page = (Path(__file__).parents[3] / "docs/reference/pacifica.md").read_text()
    named = set(re.findall(r"`(test_\w+)`", page))
    written = {
        name
        for path in Path(__file__).parent.glob("test_*.py")
        for name in re.findall(r"def (test_\w+)", path.read_text())
    }
    assert len(named) > 20
    assert named <= written
