"""Kraken spot: an account's requests term by term, and what lists and channels tell of it."""

from __future__ import annotations

from typing import Any

import pytest
from test_kraken_trading import NOW, SECOND, SYMBOL, answer, form, message, spec, trade, venue

from onetape.model.enums import Liquidity, OrderNews, OrderState, OrderType, Side, TimeInForce, TriggerBy, TriggerKind
from onetape.model.errors import InvariantViolation
from onetape.orders.calls import OrderKey, Purpose
from onetape.orders.outcome import Outcome
from onetape.orders.reports import AccountModeReport, FillReport, OrderStatusReport

__all__ = ["venue"]  # a fixture

KEY = OrderKey(SYMBOL, "Tx")
STOP: dict[str, Any] = {
    "type": OrderType.MARKET,
    "price_int": 0,
    "trigger_int": 610_000,
    "trigger_by": TriggerBy.LAST,
    "trigger_kind": TriggerKind.STOP,
}
LIMIT: dict[str, Any] = {"type": OrderType.LIMIT, "price_int": 611_000}


def read(venue, call, result, status: int = 200):
    return answer(venue, call, {"error": [], "result": result}, status)


def row(**more: Any) -> dict[str, Any]:
    return {
        "cl_ord_id": "Tx",
        "status": "open",
        "vol": "0.01000000",
        "vol_exec": "0.00000000",
        "opentm": 1795000000.5,
        "descr": {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "price": "60000.0", "price2": "0"},
        **more,
    }


def listed(venue, **more: Any) -> OrderStatusReport:
    (found,) = read(venue, venue.protocol.open_orders(NOW)[0], {"open": {"OA": row(**more)}}).reports
    return found


# --- requests -------------------------------------------------------------------------------------


@pytest.mark.parametrize("reference", [0, 600_000, 620_000])  # none, below and above the trigger
@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
@pytest.mark.parametrize(
    ("kind", "as_limit", "word"),
    [
        (TriggerKind.STOP, {}, "stop-loss"),
        (TriggerKind.STOP, LIMIT, "stop-loss-limit"),
        (TriggerKind.TAKE_PROFIT, {}, "take-profit"),
        (TriggerKind.TAKE_PROFIT, LIMIT, "take-profit-limit"),
    ],
)
def test_a_trigger_is_of_the_kind_it_says_whatever_the_price(venue, kind, as_limit, word, side, reference):
    made = spec(**{**STOP, **as_limit, "trigger_kind": kind, "side": side})
    sent = form(venue.protocol.place("Tx", made, NOW, reference=reference))
    assert (sent["ordertype"], sent["type"]) == (word, side.value)


def test_a_trigger_without_a_kind_is_not_sent(venue):
    made = spec(**STOP | {"trigger_kind": TriggerKind.NONE})
    with pytest.raises(InvariantViolation, match="a trigger without its kind"):
        venue.protocol.place("Tx", made, NOW, reference=600_000)


@pytest.mark.parametrize(("by", "word"), [(TriggerBy.LAST, "last"), (TriggerBy.INDEX, "index")])
def test_a_trigger_names_its_price(venue, by, word):
    sent = form(venue.protocol.place("Tx", spec(**{**STOP, "trigger_by": by}), NOW))
    assert sent["trigger"] == word


def test_an_order_that_is_to_end_at_a_time_says_when_in_seconds(venue):
    terms = {"tif": TimeInForce.GTD, "expire": NOW + 60 * SECOND}
    sent = form(venue.protocol.place("Tx", spec(**terms), NOW))
    assert (sent["timeinforce"], sent["expiretm"]) == ("GTD", str(NOW // SECOND + 60))


def test_an_amendment_has_its_terms_and_a_deadline(venue):
    sent = form(venue.protocol.amend(KEY, spec(), NOW, price=600_001, size=2_000_000))
    assert (sent["cl_ord_id"], sent["order_qty"], sent["limit_price"]) == ("Tx", "0.02000000", "60000.1")
    assert sent["deadline"] == "2026-11-18T11:06:45.000Z"
    market = venue.protocol.amend(KEY, spec(**STOP), NOW, price=0, size=2_000_000)
    assert "limit_price" not in form(market)


@pytest.mark.parametrize(
    ("key", "name", "term"),
    [
        (KEY, "OpenOrders", ("cl_ord_id", "Tx")),
        (KEY._replace(ended=True), "ClosedOrders", ("cl_ord_id", "Tx")),
        (KEY._replace(venue_id="OA"), "QueryOrders", ("txid", "OA")),
    ],
)
def test_an_order_is_asked_for_where_it_is(venue, key, name, term):
    call = venue.protocol.query(key, NOW)
    assert call.target.rpartition("/")[2] == name
    assert term in form(call).items()


@pytest.mark.parametrize(("after", "seconds"), [(60 * SECOND, "60"), (SECOND // 2, "1"), (SECOND + 1, "2"), (0, "0")])
def test_the_dead_man_s_time_is_rounded_up_and_0_alone_disarms(venue, after, seconds):
    assert form(venue.protocol.dead_man("", NOW, after=after))["timeout"] == seconds


def test_there_is_no_dead_man_for_a_symbol_alone(venue):
    assert venue.protocol.dead_man(SYMBOL, NOW, after=SECOND) is None


def test_nonces_differ_when_the_clock_stands_still(venue):
    sent = [form(venue.protocol.balances(NOW))["nonce"] for _ in range(3)]
    assert [int(nonce) for nonce in sent] == [NOW // 1000 + number for number in range(3)]


# --- answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "outcome", "wait"),
    [
        ("EAPI:Rate limit exceeded", Outcome.SAFE, 3 * SECOND),
        ("EOrder:Rate limit exceeded", Outcome.SAFE, 2 * SECOND),
        ("EGeneral:Temporary lockout", Outcome.SAFE, 60 * SECOND),
        ("EService:Timeout", Outcome.AMBIGUOUS, 0),
        ("EGeneral:Internal error", Outcome.AMBIGUOUS, 0),
        ("EGeneral:Invalid arguments:volume", Outcome.DEFINITIVE, 0),
        ("EOrder:Unknown order", Outcome.AMBIGUOUS, 0),
    ],
)
def test_what_an_error_of_a_placing_means_and_how_long_it_waits(venue, text, outcome, wait):
    found = answer(venue, venue.protocol.place("Tx", spec(), NOW), {"error": [text]})
    assert (found.outcome, found.retry_after, found.not_found) == (outcome, wait, False)


def test_a_result_with_a_status_that_is_no_success_proves_nothing(venue):
    call = venue.protocol.place("Tx", spec(), NOW)
    assert read(venue, call, {"txid": ["OA"]}, 503).outcome is Outcome.AMBIGUOUS
    assert read(venue, call, {"txid": ["OA"]}).reports[0].venue_id == "OA"


def test_a_cancel_of_nothing_finds_nothing(venue):
    call = venue.protocol.cancel(KEY, NOW)
    assert read(venue, call, {"count": 1}).outcome is Outcome.DONE
    found = read(venue, call, {"count": 0})
    assert (found.outcome, found.not_found) == (Outcome.DEFINITIVE, True)


@pytest.mark.parametrize("rows", [{"open": {}}, {"closed": {}, "count": 0}, {}])
def test_a_question_that_finds_no_row_has_found_nothing(venue, rows):
    assert read(venue, venue.protocol.query(KEY, NOW), rows).not_found


@pytest.mark.parametrize(
    ("more", "reported"),
    [
        ({}, {"state": OrderState.ACCEPTED, "price": 600_000, "filled": 0, "time": 0}),
        ({"vol_exec": "0.004"}, {"state": OrderState.PARTIALLY_FILLED, "filled": 400_000}),
        ({"status": "closed", "vol_exec": "0.01"}, {"state": OrderState.FILLED}),
        ({"status": "mystery"}, {"state": OrderState.UNKNOWN}),
        (
            {
                "descr": {
                    "pair": "XBTUSD",
                    "type": "sell",
                    "ordertype": "stop-loss-limit",
                    "price": "59000.0",
                    "price2": "58990.0",
                }
            },
            {"price": 589_900, "trigger": 590_000, "type": OrderType.LIMIT, "side": Side.SELL},
        ),
        (
            {"descr": {"pair": "XBTUSD", "type": "sell", "ordertype": "stop-loss", "price": "59000.0", "price2": "0"}},
            {"price": 0, "trigger": 590_000, "type": OrderType.MARKET},
        ),
        ({"cl_ord_id": None}, {"client_id": "OA", "venue_id": "OA"}),
    ],
)
def test_what_a_row_of_a_list_tells_of_an_order(venue, more, reported):
    found = listed(venue, **more)
    assert {name: getattr(found, name) for name in reported} == reported


def fill_row(number: int, **more: Any) -> dict[str, Any]:
    return {
        "ordertxid": "OA",
        "pair": "XXBTZUSD",
        "time": 1795000000.0 + number,
        "type": "buy",
        "price": "60000.0",
        "fee": "1.5",
        "vol": "0.01",
        "trade_id": number,
        "maker": False,
        **more,
    }


def test_a_page_of_fills_comes_oldest_first_and_says_who_made_the_price(venue):
    rows = {"T2": fill_row(2, maker=True), "T1": fill_row(1)}
    found = read(venue, venue.protocol.fills(SYMBOL, NOW, since=NOW), {"trades": rows, "count": 2})
    assert [(f.trade_id, f.liquidity) for f in found.reports] == [(1, Liquidity.TAKER), (2, Liquidity.MAKER)]


def test_pages_follow_each_other_until_all_have_been_seen(venue):
    cursor, seen = "", []
    while True:
        call = venue.protocol.fills(SYMBOL, NOW, since=NOW, cursor=cursor)
        first = int(form(call)["ofs"])
        rows = {f"T{n}": fill_row(n + 1) for n in range(first, min(first + 2, 5))}
        seen += rows
        cursor = read(venue, call, {"trades": rows, "count": 5}).cursor
        if not cursor:
            break
    assert seen == ["T0", "T1", "T2", "T3", "T4"]


def test_a_trade_of_a_pair_that_is_not_followed_is_known_when_money_moves(venue):
    rows = {"T1": fill_row(1, pair="XDGUSD")}
    found = read(venue, venue.protocol.fills(SYMBOL, NOW, since=NOW), {"trades": rows, "count": 1})
    assert found.reports == ()
    moved = {
        "refid": "T1",
        "time": 1795000000.0,
        "type": "trade",
        "asset": "ZUSD",
        "amount": "-5.0",
        "fee": "0.0",
        "balance": "95.0",
    }
    moves = read(venue, venue.protocol.account_moves(NOW, since=NOW), {"ledger": {"L1": moved}, "count": 1})
    assert [(m.reference, m.amount) for m in moves.reports] == [("L1", -5 * 10**18)]


def test_a_balance_may_be_off_by_the_coarsest_digit_that_was_seen(venue):
    for text in ("1.25", "1.0000", "7"):
        read(venue, venue.protocol.balances(NOW), {"ZUSD": text})
    assert venue.protocol.slack("USD") == 10**16


@pytest.mark.parametrize(("side", "sign"), [("buy", 1), ("sell", -1)])
def test_what_a_fill_moves_with_its_fee(venue, side, sign):
    rows = {"T1": fill_row(1, type=side)}
    found = read(venue, venue.protocol.fills(SYMBOL, NOW, since=NOW), {"trades": rows, "count": 1})
    moves = dict(venue.protocol.moves(found.reports[0]))
    assert moves == {"USD": -sign * 600 * 10**18 - 15 * 10**17, "BTC": sign * 10**16}


@pytest.mark.parametrize("permissions", [[], ["modify-trades"], ["withdraw-funds"]])
def test_what_a_key_may_do_is_what_it_says(venue, permissions):
    call = venue.protocol.modes(NOW)
    (found,) = read(venue, call, {"permissions": permissions}).reports
    assert found == AccountModeReport(False, False, "modify-trades" in permissions, "withdraw-funds" in permissions)
    assert call.purpose is Purpose.MODES


# --- the channels ---------------------------------------------------------------------------------


def test_a_snapshot_is_no_news_and_says_not_when(venue):
    new = trade(exec_type="new", order_status="new")
    (found,) = venue.protocol.reports_of(message("executions", new, kind="snapshot"))
    assert (found.news, found.time, found.state) == (None, 0, OrderState.ACCEPTED)
    (found,) = venue.protocol.reports_of(message("executions", new))
    assert (found.news, found.time) == (OrderNews.ACCEPTED, NOW + 123_456_000)


def test_an_order_that_was_only_received_is_not_taken_yet(venue):
    assert venue.protocol.reports_of(message("executions", trade(exec_type="pending_new"))) == []


def test_a_trigger_that_fires_is_news(venue):
    status = trade(exec_type="status", order_status="new", triggers={"status": "triggered"})
    (found,) = venue.protocol.reports_of(message("executions", status))
    assert found.news is OrderNews.TRIGGERED


@pytest.mark.parametrize(("word", "liquidity"), [("m", Liquidity.MAKER), ("t", Liquidity.TAKER)])
def test_a_fill_of_the_stream_says_who_made_the_price(venue, word, liquidity):
    fill, order = venue.protocol.reports_of(message("executions", trade(liquidity_ind=word)))
    assert isinstance(fill, FillReport)
    assert fill.liquidity is liquidity
    assert order.state is OrderState.PARTIALLY_FILLED


def test_the_snapshot_of_balances_tells_nothing_as_of_a_time(venue):
    value = {"asset": "USD", "balance": 1100.0, "wallets": []}
    assert venue.protocol.reports_of(message("balances", value, kind="snapshot")) == []
