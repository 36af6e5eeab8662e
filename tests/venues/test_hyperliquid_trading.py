"""Hyperliquid for a gateway: what is asked and signed, what answers mean, what the account's channels tell. Bodies are
those of the venue's documentation and of recordings in its own client's tests; signatures are the vectors of these."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from onetape._core import Book
from onetape.model.enums import Liquidity, OrderNews, OrderState, OrderType, Side, TimeInForce, TriggerBy, TriggerKind
from onetape.model.errors import (
    AccountMode,
    BadConfig,
    ClockSkew,
    InsufficientFunds,
    NotAvailable,
    OrderBelowMinNotional,
    OrderWouldCross,
    PermissionDenied,
    ReduceOnlyViolated,
    VenueRateLimit,
)
from onetape.model.ids import client_id
from onetape.model.order import OrderSpec
from onetape.model.time import MINUTE, SECOND
from onetape.orders.calls import OrderKey, Purpose
from onetape.orders.outcome import Outcome
from onetape.orders.reports import MoveKind
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.venues import key_check
from onetape.venues.contract import Addresses
from onetape.venues.hyperliquid.instruments import is_price, tick_of
from onetape.venues.hyperliquid.market import GREETING, live_market, unified
from onetape.venues.hyperliquid.signing import AgentSigner, action_hash, owner_digest
from onetape.venues.hyperliquid.words import cloid_of, name_of
from onetape.venues.open import open_trading_venue
from onetape.venues.typed_data import signed, wallet_key

MS = 1_000_000
NOW = 1_795_000_000_123 * MS
BTC, ETH = "hyperliquid:BTC/USDC:USDC", "hyperliquid:ETH/USDC:USDC"
PURR, HYPE = "hyperliquid:PURR/USDC", "hyperliquid:HYPE/USDC"
OURS = client_id("mm", epoch=3, ordinal=77)
CLOID = cloid_of(OURS)
USER = f"0x{'5e' * 20}"
SECRET = "0x0123456789012345678901234567890123456789012345678901234567890123"
META = {
    "universe": [
        {"szDecimals": 5, "name": "BTC", "maxLeverage": 40},
        {"szDecimals": 4, "name": "GONE", "maxLeverage": 3, "isDelisted": True},
        {"szDecimals": 4, "name": "ETH", "maxLeverage": 25},
    ]
}
STATES = [{"markPx": price, "oraclePx": price, "funding": "0.0000125"} for price in ("60000.0", "1.0", "2500.1")]
SPOT_META = {
    "universe": [
        {"name": "PURR/USDC", "tokens": [1, 0], "index": 0, "isCanonical": True},
        {"name": "@107", "tokens": [150, 0], "index": 107, "isCanonical": False},
        {"name": "@2", "tokens": [150, 1], "index": 2, "isCanonical": False},
    ],
    "tokens": [
        {"name": "USDC", "szDecimals": 8, "index": 0},
        {"name": "PURR", "szDecimals": 0, "index": 1},
        {"name": "HYPE", "szDecimals": 2, "index": 150},
    ],
}
# In another order than the pairs, and with one that has no price.
CONTEXTS = [{"coin": name, "markPx": price} for name, price in (("@107", "40.1"), ("@2", "0.0"), ("PURR/USDC", "0.19"))]
LISTS = [[META, STATES], [SPOT_META, CONTEXTS]]
ORDER = {
    "coin": "BTC",
    "side": "B",
    "limitPx": "59990.0",
    "sz": "0.01",
    "oid": 77,
    "timestamp": 1795000000000,
    "origSz": "0.01",
    "cloid": CLOID,
}
FRONT = {
    **ORDER,
    "triggerCondition": "N/A",
    "isTrigger": False,
    "triggerPx": "0.0",
    "children": [],
    "isPositionTpsl": False,
    "reduceOnly": False,
    "orderType": "Limit",
    "tif": "Gtc",
}
FILL = {
    "coin": "BTC",
    "px": "59990.0",
    "sz": "0.004",
    "side": "B",
    "time": 1795000000500,
    "startPosition": "-0.004",
    "dir": "Close Short",
    "closedPnl": "1.25",
    "hash": f"0x{7:064x}",
    "oid": 77,
    "crossed": True,
    "fee": "0.107982",
    "tid": 567547935839686,
    "feeToken": "USDC",
    "cloid": CLOID,
}
POSITION = {"coin": "BTC", "szi": "-0.004", "entryPx": "60302.5", "liquidationPx": None, "unrealizedPnl": "1.25"}
POSITION["positionValue"] = "239.96"
ACCOUNT = {
    "marginSummary": {"accountValue": "100001.25", "totalMarginUsed": "12.5"},
    "withdrawable": "99988.75",
    "assetPositions": [{"type": "oneWay", "position": POSITION}],
    "time": 1795000000600,
}


def opened(addresses=None):
    return open_trading_venue(
        "hyperliquid", USER, SECRET, addresses or Addresses("http://127.0.0.1:1", "ws://a", "ws://a")
    )


@pytest.fixture
def venue():
    made = following(BTC, ETH)
    answered(made.protocol, made.protocol.modes(NOW), "default")
    return made


def following(*symbols, addresses=None):
    made = opened(addresses)
    made.instruments_of(json.dumps(LISTS).encode(), frozenset(symbols))
    return made


@pytest.fixture
def protocol(venue):
    return venue.protocol


def spec(**changes):
    terms = {"symbol": BTC, "side": Side.BUY, "size_int": 1000, "price_int": 599900, "tif": TimeInForce.GTC}
    return OrderSpec(**{**terms, **changes})


def body(call):
    return json.loads(call.body)


def order_of(call):
    (order,) = body(call)["action"]["orders"]
    return order


def ok(*statuses, kind="order"):
    answer = {"type": kind, "data": {"statuses": list(statuses)}} if statuses else {"type": "default"}
    return json.dumps({"status": "ok", "response": answer}).encode()


def failed(text):
    return json.dumps({"status": "err", "response": text}).encode()


def answered(protocol, call, value, status=200):
    return protocol.answer(call, status, {}, value if isinstance(value, bytes) else json.dumps(value).encode(), NOW)


# --- signatures -----------------------------------------------------------------------------------

LIMIT = {"limit": {"tif": "Gtc"}}
DUMMY = {"type": "dummy", "num": 100000000000}


def order_action(asset, price, size, kind, **more):
    order = {"a": asset, "b": True, "p": price, "s": size, "r": False, "t": kind, **more}
    return {"type": "order", "orders": [order], "grouping": "na"}


def test_the_hash_of_an_action_is_that_of_the_venue_s_own_client():
    action = order_action(4, "1670.1", "0.0147", {"limit": {"tif": "Ioc"}})
    found = action_hash(action, 1677777606040)
    assert found.hex() == "0fcbeda5ae3c4950a548021552a4fea2226858c4453571bf3f24ba017eac2908"
    assert len({found, action_hash(action, 1677777606041), action_hash(action, 1677777606040, expires=1)}) == 3


@pytest.mark.parametrize(
    ("action", "source", "r", "s", "v"),
    [
        (
            DUMMY,
            "a",
            "53749d5b30552aeb2fca34b530185976545bb22d0b3ce6f62e31be961a59298",
            "755c40ba9bf05223521753995abb2f73ab3229be8ec921f350cb447e384d8ed8",
            27,
        ),
        (
            DUMMY,
            "b",
            "542af61ef1f429707e3c76c5293c80d01f74ef853e34b76efffcb57e574f9510",
            "17b8b32f086e8cdede991f1e2c529f5dd5297cbe8128500e00cbaf766204a613",
            28,
        ),
        (
            order_action(1, "100", "100", LIMIT),
            "a",
            "d65369825a9df5d80099e513cce430311d7d26ddf477f5b3a33d2806b100d78e",
            "2b54116ff64054968aa237c20ca9ff68000f977c93289157748a3162b6ea940e",
            28,
        ),
        (
            order_action(1, "100", "100", LIMIT, c=f"0x{1:032x}"),
            "a",
            "41ae18e8239a56cacbc5dad94d45d0b747e5da11ad564077fcac71277a946e3",
            "3c61f667e747404fe7eea8f90ab0e76cc12ce60270438b2058324681a00116da",
            27,
        ),
        (
            order_action(1, "100", "100", {"trigger": {"isMarket": True, "triggerPx": "103", "tpsl": "sl"}}),
            "a",
            "98343f2b5ae8e26bb2587daad3863bc70d8792b09af1841b6fdd530a2065a3f9",
            "6b5bb6bb0633b710aa22b721dd9dee6d083646a5f8e581a20b545be6c1feb405",
            27,
        ),
        (
            {"type": "scheduleCancel"},
            "a",
            "6cdfb286702f5917e76cd9b3b8bf678fcc49aec194c02a73e6d4f16891195df9",
            "6557ac307fa05d25b8d61f21fb8a938e703b3d9bf575f6717ba21ec61261b2a0",
            27,
        ),
    ],
)
def test_a_signature_is_that_of_the_venue_s_own_client(action, source, r, s, v):
    made = AgentSigner(USER, SECRET, source).sign(action, 0, None)
    assert (int(made["r"], 16), int(made["s"], 16), made["v"]) == (int(r, 16), int(s, 16), v)


def test_what_moves_money_is_signed_as_typed_data_of_its_own_fields():
    action = {
        "type": "usdSend",
        "signatureChainId": "0x66eee",
        "hyperliquidChain": "Testnet",
        "destination": "0x5e9ee1089755c3435139848e47e6635505d5a13a",
        "amount": "1",
        "time": 1687816341423,
    }
    made = signed(wallet_key(USER, SECRET), owner_digest(action))
    assert made == (
        "0x637b37dd731507cdd24f46532ca8ba6eec616952c56218baeff04144e4a77073"
        "11a6a24900e6e314136d2592e2f8d502cd89b7c15b198e1bee043c9589f9fad71b"
    )


def test_the_main_wallet_s_key_is_refused_but_for_play_money():
    owner = AgentSigner(USER, SECRET, "a").agent
    with pytest.raises(BadConfig, match="key of the main wallet"):
        open_trading_venue("hyperliquid", owner, SECRET, Addresses("https://api.hyperliquid.xyz", "", ""))
    assert open_trading_venue("hyperliquid", owner, SECRET, Addresses("http://127.0.0.1:1", "", ""))
    for key, secret in ((USER, "0x12"), ("0x12", SECRET)):
        with pytest.raises(BadConfig) as refused:
            open_trading_venue("hyperliquid", key, secret, Addresses("http://127.0.0.1:1", "", ""))
        assert secret not in str(refused.value)


def test_a_nonce_counts_once_in_whole_milliseconds(protocol):
    nonces = [body(protocol.place(OURS, spec(), NOW + step))["nonce"] for step in (0, 1, -2 * SECOND, SECOND)]
    assert nonces[0] == NOW // MS and nonces == sorted(set(nonces)) and nonces[-1] == NOW // MS + 1000
    far = 1_900_000_000_000_000  # us, as a clock far ahead had it
    assert protocol.next_nonce(far, NOW // 1000) == NOW // 1000


# --- requests -------------------------------------------------------------------------------------


def test_an_order_names_its_asset_by_number_and_has_a_deadline(protocol):
    call = protocol.place(OURS, spec(), NOW)
    assert order_of(call) == {
        "a": 0,
        "b": True,
        "p": "59990",
        "s": "0.01",
        "r": False,
        "t": {"limit": {"tif": "Gtc"}},
        "c": CLOID,
    }
    assert body(call)["expiresAfter"] == NOW // MS + 5000 and body(call)["vaultAddress"] is None
    other = protocol.place(OURS, spec(symbol=ETH, size_int=10_000, price_int=250_010), NOW)
    assert order_of(other)["a"] == 2  # a delisted one still counts


@pytest.mark.parametrize(
    ("terms", "kind", "price"),
    [
        ({"post_only": True}, {"limit": {"tif": "Alo"}}, "59990"),
        ({"tif": TimeInForce.IOC}, {"limit": {"tif": "Ioc"}}, "59990"),
        ({"type": OrderType.MARKET, "price_int": 0}, {"limit": {"tif": "Ioc"}}, "63000"),
        ({"type": OrderType.MARKET, "price_int": 0, "side": Side.SELL}, {"limit": {"tif": "Ioc"}}, "57000"),
        (
            {"trigger_int": 610_000, "trigger_by": TriggerBy.MARK, "trigger_kind": TriggerKind.STOP},
            {"trigger": {"isMarket": False, "triggerPx": "61000", "tpsl": "sl"}},
            "59990",
        ),
        (
            {
                "type": OrderType.MARKET,
                "price_int": 0,
                "side": Side.SELL,
                "trigger_int": 610_000,
                "trigger_by": TriggerBy.MARK,
                "trigger_kind": TriggerKind.TAKE_PROFIT,
            },
            {"trigger": {"isMarket": True, "triggerPx": "61000", "tpsl": "tp"}},
            "54900",
        ),
    ],
)
def test_kinds_of_orders_are_the_venue_s(protocol, terms, kind, price):
    order = order_of(protocol.place(OURS, spec(**terms), NOW, reference=600_000))
    assert (order["t"], order["p"]) == (kind, price)


def test_an_order_is_named_by_our_id_or_the_venue_s_number(protocol):
    assert body(protocol.cancel(OrderKey(BTC, OURS), NOW))["action"] == {
        "type": "cancelByCloid",
        "cancels": [{"asset": 0, "cloid": CLOID}],
    }
    assert body(protocol.cancel(OrderKey(BTC, "77"), NOW))["action"] == {
        "type": "cancel",
        "cancels": [{"a": 0, "o": 77}],
    }
    assert body(protocol.query(OrderKey(BTC, OURS), NOW))["oid"] == CLOID
    assert body(protocol.query_venue_id(BTC, "77", NOW))["oid"] == 77
    assert (name_of(CLOID, 77), name_of(None, 77), name_of(f"0x{1:032x}", 77)) == (OURS, "77", f"0x{1:032x}")


def test_the_venue_says_whose_agent_the_key_s_wallet_is(venue, protocol):
    """A key of another account's agent would trade there."""
    call = venue.stream_key(NOW)
    assert body(call) == {"type": "userRole", "user": protocol.signer.agent.lower()}
    agent, other = ({"role": "agent", "data": {"user": user}} for user in (USER, f"0x{1:040x}"))
    assert (answered(protocol, call, agent).outcome, answered(protocol, call, agent).value) == (Outcome.DONE, USER)
    for value in (other, {"role": "missing"}, {"role": "user"}):
        answer = answered(protocol, call, value)
        assert (answer.outcome, answer.code) == (Outcome.DEFINITIVE, PermissionDenied.code)
        assert not protocol.read_key(value)[1].trade
    assert protocol.read_key(agent)[1].trade
    refused = answered(protocol, protocol.place(OURS, spec(), NOW), failed("User or API Wallet 0x12 does not exist."))
    assert (refused.outcome, refused.code) == (Outcome.DEFINITIVE, PermissionDenied.code)


@pytest.mark.parametrize(
    ("symbols", "word", "kind"),
    [
        ((BTC,), "default", "clearinghouseState"),
        ((BTC,), "disabled", "clearinghouseState"),
        ((BTC,), "unifiedAccount", "spotClearinghouseState"),
        ((HYPE,), "default", "spotClearinghouseState"),
        ((BTC, HYPE), "unifiedAccount", "spotClearinghouseState"),
        ((BTC, HYPE), "default", AccountMode),
        ((BTC,), "portfolioMargin", NotAvailable),
        ((BTC,), "tomorrow", NotAvailable),
    ],
)
def test_the_account_s_abstraction_decides_where_its_money_is(symbols, word, kind):
    venue = following(*symbols)
    call = venue.protocol.modes(NOW)
    assert body(call) == {"type": "userAbstraction", "user": USER}
    answer = answered(venue.protocol, call, word)
    if isinstance(kind, str):
        (mode,) = answer.reports
        assert (mode.can_trade, mode.multi_assets, mode.account) == (True, False, USER)
        assert body(venue.protocol.balances(NOW))["type"] == kind
    else:
        assert (answer.outcome, answer.code) == (Outcome.DEFINITIVE, kind.code)
        assert isinstance(key_check.refused(answer, "[accounts.main]"), kind)


# --- answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "state", "number"),
    [
        ({"resting": {"oid": 77}}, OrderState.ACCEPTED, "77"),
        ({"filled": {"totalSz": "0.01", "avgPx": "59990", "oid": 78}}, OrderState.ACCEPTED, "78"),
        ({"error": "Order could not immediately match against any resting orders. asset=0"}, OrderState.EXPIRED, ""),
    ],
)
def test_what_an_answer_to_an_order_means(protocol, status, state, number):
    (report,) = answered(protocol, protocol.place(OURS, spec(), NOW), ok(status)).reports
    assert (report.client_id, report.state, report.venue_id) == (OURS, state, number)


@pytest.mark.parametrize(
    ("text", "outcome", "error"),
    [
        ("Post only order would have immediately matched, bbo was 1@2. asset=0", Outcome.DEFINITIVE, OrderWouldCross),
        ("Insufficient margin to place order. asset=0", Outcome.DEFINITIVE, InsufficientFunds),
        ("Order must have minimum value of $10. asset=0", Outcome.DEFINITIVE, OrderBelowMinNotional),
        ("Reduce only order would increase position. asset=0", Outcome.DEFINITIVE, ReduceOnlyViolated),
        ("Too many cumulative requests sent (2 > 1) for cumulative volume traded $1.", Outcome.SAFE, VenueRateLimit),
        ("Invalid nonce: duplicate nonce 1", Outcome.SAFE, ClockSkew),
    ],
)
def test_an_error_is_known_by_its_text(protocol, text, outcome, error):
    call = protocol.place(OURS, spec(), NOW)
    for value in (ok({"error": text}), failed(text)):
        answer = answered(protocol, call, value)
        assert (answer.outcome, answer.code) == (outcome, error.code)


def test_what_is_not_known_leaves_the_outcome_open(protocol):
    call = protocol.place(OURS, spec(), NOW)
    for value, status in ((failed("A text of tomorrow"), 200), (b"<html>", 200), (b"Bad Gateway", 502), (b"{}", 200)):
        assert answered(protocol, call, value, status).outcome is Outcome.AMBIGUOUS
    assert answered(protocol, call, b"null", 429).outcome is Outcome.SAFE
    gone = ok({"error": "Order was never placed, already canceled, or filled. asset=0"}, kind="cancel")
    answer = answered(protocol, protocol.cancel(OrderKey(BTC, OURS), NOW), gone)
    assert (answer.outcome, answer.not_found) == (Outcome.DEFINITIVE, True)


def test_an_order_at_the_venue(protocol):
    query = protocol.query(OrderKey(BTC, OURS), NOW)
    part = {**FRONT, "sz": "0.006"}
    for word, order, state, filled in (
        ("open", FRONT, OrderState.ACCEPTED, 0),
        ("open", part, OrderState.PARTIALLY_FILLED, 400),
        ("filled", part, OrderState.FILLED, 1000),
        ("marginCanceled", part, OrderState.CANCELED, 400),
        ("iocCancelRejected", FRONT, OrderState.EXPIRED, 0),
        ("badAloPxRejected", FRONT, OrderState.REJECTED, 0),
        ("triggered", FRONT, OrderState.TRIGGERED, 0),
        ("tomorrow", FRONT, OrderState.UNKNOWN, 0),
    ):
        value = {"status": "order", "order": {"order": order, "status": word, "statusTimestamp": 1}}
        (report,) = answered(protocol, query, value).reports
        assert (report.client_id, report.state, report.filled, report.time) == (OURS, state, filled, 0)
    assert answered(protocol, query, {"status": "unknownOid"}).not_found


def test_stops_are_in_the_list_of_orders(protocol):
    stop = {
        "isTrigger": True,
        "triggerPx": "58000.0",
        "orderType": "Take Profit Market",
        "reduceOnly": True,
        "cloid": None,
    }
    rows = [FRONT, {**FRONT, **stop, "oid": 79}, {**FRONT, "coin": "ELSE"}]
    (call,) = protocol.open_orders(NOW)
    plain, waiting = answered(protocol, call, rows).reports
    assert (plain.price, plain.trigger, waiting.trigger, waiting.price) == (599900, 0, 580000, 0)
    assert waiting.client_id == "79" and waiting.takes_profit and waiting.reduce_only and waiting.waits
    assert [row.venue_id for row in answered(protocol, protocol.open_stops(BTC, NOW), rows).reports] == ["79"]
    assert protocol.unlisted == {"ELSE"}


def test_a_balance_is_the_account_s_value_less_what_positions_have_made(protocol):
    (balance,) = answered(protocol, protocol.balances(NOW), ACCOUNT).reports
    assert (balance.currency, balance.total) == ("USDC", 100_000 * 10**18)
    assert balance.time == 1795000000600 * MS == balance.as_of_from and balance.as_of_to > NOW
    (held,) = answered(protocol, protocol.positions(NOW), ACCOUNT).reports
    assert (held.qty, held.entry, held.liquidation, held.mark) == (-400, Decimal("60302.5"), None, Decimal("59990"))
    market = spec(type=OrderType.MARKET, price_int=0)
    assert order_of(protocol.place(OURS, market, NOW))["p"] == "62989"  # of the mark, where no price is known


def test_fills_come_oldest_first_in_pages(protocol):
    call = protocol.fills(BTC, NOW, since=NOW - SECOND)
    assert body(call) == {"type": "userFillsByTime", "user": USER, "startTime": NOW // MS - 1000}
    (fill,) = answered(protocol, call, [FILL]).reports
    assert (fill.trade_id, fill.price, fill.size, fill.fee) == (FILL["tid"], 599900, 400, 107982 * 10**12)
    assert (fill.client_id, fill.side, fill.liquidity) == (OURS, Side.BUY, Liquidity.TAKER)
    page = [{**FILL, "tid": number, "time": 1795000000000 + number} for number in range(2000)]
    answer = answered(protocol, call, page)
    assert len(answer.reports) == 2000 and answer.cursor == str(page[-1]["time"])
    assert answered(protocol, call, [{**FILL, "tid": n} for n in range(2000)]).cursor == str(FILL["time"] + 1)


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({"liquidation": {"liquidatedUser": USER, "markPx": "1", "method": "market"}}, "liquidation-77"),
        ({"liquidation": {"liquidatedUser": f"0x{1:040x}", "markPx": "1", "method": "market"}}, "77"),
        ({"dir": "Auto-Deleveraging"}, "adl-77"),
        ({"dir": "Settlement"}, "settlement-77"),
    ],
)
def test_fills_that_the_venue_made(protocol, more, name):
    row = {name: value for name, value in {**FILL, **more}.items() if name != "cloid"}
    (fill,) = answered(protocol, protocol.fills(BTC, NOW, since=0), [row]).reports
    assert fill.client_id == name


def test_balance_changes_are_read_from_two_lists(protocol):
    call = protocol.account_moves(NOW, since=NOW - SECOND)
    paid = {"type": "funding", "coin": "BTC", "usdc": "-0.05", "szi": "0.01", "fundingRate": "0.0000125"}
    funding = answered(protocol, call, [{"time": NOW // MS, "hash": "0x0", "delta": paid}])
    (move,) = funding.reports
    assert (move.amount, move.kind, move.symbol) == (-5 * 10**16, MoveKind.FUNDING, BTC)
    call = protocol.account_moves(NOW, since=0, cursor=funding.cursor)
    assert body(call)["type"] == "userNonFundingLedgerUpdates" and body(call)["startTime"] == NOW // MS - 1000
    other = f"0x{1:040x}"
    deltas = [
        ({"type": "deposit", "usdc": "5"}, 5),
        ({"type": "withdraw", "usdc": "9", "nonce": 1, "fee": "1"}, -10),
        ({"type": "accountClassTransfer", "usdc": "2", "toPerp": False}, -2),
        ({"type": "subAccountTransfer", "usdc": "3", "user": other, "destination": USER}, 3),
        ({"type": "internalTransfer", "usdc": "3", "user": USER, "destination": other, "fee": "1"}, -4),
        ({"type": "vaultDeposit", "vault": other, "usdc": "7"}, -7),
        ({"type": "spotTransfer", "token": "PURR", "amount": "1"}, None),
    ]
    rows = [{"time": NOW // MS, "hash": f"0x{at}", "delta": delta} for at, (delta, _) in enumerate(deltas)]
    answer = answered(protocol, call, rows)
    assert [each.amount for each in answer.reports] == [10**18 * n for _, n in deltas if n is not None]
    assert len({each.reference for each in answer.reports}) == 6 and answer.cursor == ""


# --- the account's channels -----------------------------------------------------------------------


def heard(protocol, channel, data):
    return protocol.reports_of(json.dumps({"channel": channel, "data": data}).encode())


def test_the_stream_is_live_after_all_channels_and_the_account_s_state(venue):
    stream = venue.account_stream("")
    request, *subscriptions = map(json.loads, stream.hello)
    assert request["request"] == {"type": "info", "payload": {"type": "userAbstraction", "user": USER}}
    said = {"type": "info", "payload": {"type": "userAbstraction", "data": "disabled"}}
    stream.reports_of(json.dumps({"channel": "post", "data": {"id": 1, "response": said}}).encode())
    for name in (each["subscription"]["type"] for each in subscriptions):
        assert not stream.is_live
        said = {"method": "subscribe", "subscription": {"type": name, "user": USER}}
        assert stream.reports_of(json.dumps({"channel": "subscriptionResponse", "data": said}).encode()) == []
    assert not stream.is_live
    state = {"dex": "", "user": USER, "clearinghouseState": ACCOUNT}
    held, balance = stream.reports_of(json.dumps({"channel": "clearinghouseState", "data": state}).encode())
    assert stream.is_live and held.qty == -400 and balance.total == 100_000 * 10**18
    stream.reports_of(json.dumps({"channel": "error", "data": "Too many users"}).encode())
    assert stream.broken == "Too many users"


def test_events_of_orders_and_fills(protocol):
    (event,) = heard(protocol, "orderUpdates", [{"order": ORDER, "status": "open", "statusTimestamp": 1795000000001}])
    assert (event.news, event.state, event.time) == (OrderNews.ACCEPTED, OrderState.ACCEPTED, 1795000000001 * MS)
    fill, held = heard(protocol, "userFills", {"user": USER, "fills": [FILL]})
    assert (fill.size, held.qty) == (400, 0)  # the position is closed
    assert heard(protocol, "userFills", {"user": USER, "isSnapshot": True, "fills": [FILL]}) == []
    row = {"time": NOW // MS, "coin": "BTC", "usdc": "-0.05", "szi": "0.01", "fundingRate": "0.1"}
    (paid,) = heard(protocol, "userFundings", {"user": USER, "fundings": [row]})
    call = protocol.account_moves(NOW, since=0)
    rows = [{"time": row["time"], "hash": "0x0", "delta": {"type": "funding", **row}}]
    assert answered(protocol, call, rows).reports == (paid,)  # the same, however it is reported
    assert heard(protocol, "tomorrow", {})[0].what == "unknown"
    assert protocol.reports_of(b"{")[0].what == "malformed"


# --- spot -----------------------------------------------------------------------------------------

BOUGHT = {**FILL, "coin": "@107", "px": "40.12", "sz": "2.5", "dir": "Buy", "fee": "0.00175", "feeToken": "HYPE"}
BALANCES = {
    "balances": [
        {"coin": "USDC", "token": 0, "total": "1481.84400001", "hold": "10.5", "entryNtl": "0.0"},
        {"coin": "+14720", "total": "3.0", "hold": "0.0", "entryNtl": "0.0"},
    ]
}


@pytest.fixture
def pairs():
    made = following(BTC, HYPE)
    answered(made.protocol, made.protocol.modes(NOW), "unifiedAccount")
    return made.protocol


def test_an_order_on_spot_has_the_number_of_its_pair(pairs):
    order = order_of(pairs.place(OURS, spec(symbol=HYPE, size_int=250, price_int=40_120_000), NOW))
    assert (order["a"], order["p"], order["s"], order["r"]) == (10107, "40.12", "2.5", False)
    assert body(pairs.cancel(OrderKey(HYPE, OURS), NOW))["action"]["cancels"] == [{"asset": 10107, "cloid": CLOID}]


def test_a_fill_on_spot_moves_balances_and_no_position(pairs):
    (fill,) = heard(pairs, "userFills", {"user": USER, "fills": [BOUGHT]})
    assert (fill.symbol, fill.size, fill.fee_currency) == (HYPE, 250, "HYPE")
    assert pairs.moves(fill) == [("USDC", -100_300_000 * 10**12), ("HYPE", 2_498_250 * 10**12)]
    assert not pairs.traits.has_position(HYPE) and pairs.traits.has_position(BTC)
    dust = {**BOUGHT, "dir": "Spot Dust Conversion", "sz": "0.0012345"}  # no number of lots
    assert heard(pairs, "userFills", {"user": USER, "fills": [dust]}) == []
    assert answered(pairs, pairs.fills(HYPE, NOW, since=0), [dust, BOUGHT]).reports == (fill,)


def test_spot_balances_are_of_the_request_s_moment(pairs):
    found = {each.currency: each for each in answered(pairs, pairs.balances(NOW), BALANCES).reports}
    assert {name: each.total for name, each in found.items()} == {"USDC": 1481_844_000_01 * 10**10, "HYPE": 0}
    assert (found["USDC"].time, found["USDC"].as_of_from) == (NOW, NOW - MS)


def test_balances_are_asked_for_again_until_the_abstraction_is_read():
    """Until then, and after a change of it, the state of the other wallet would be taken for the account's."""
    protocol = following(BTC, HYPE).protocol
    state = {"dex": "", "user": USER, "clearinghouseState": ACCOUNT}
    assert [each.qty for each in heard(protocol, "clearinghouseState", state)] == [-400]  # no balance
    call = protocol.balances(NOW)
    assert answered(protocol, call, ACCOUNT).outcome is Outcome.SAFE
    answered(protocol, protocol.modes(NOW), "unifiedAccount")
    assert answered(protocol, call, ACCOUNT).outcome is Outcome.SAFE
    assert answered(protocol, protocol.balances(NOW), BALANCES).outcome is Outcome.DONE


def test_the_state_of_perpetuals_has_no_money_in_a_unified_account(pairs):
    state = {"dex": "", "user": USER, "clearinghouseState": ACCOUNT}
    (held,) = heard(pairs, "clearinghouseState", state)
    assert held.qty == -400


OTHER = f"0x{1:040x}"
SENT = {
    "type": "send",
    "token": "USDC",
    "amount": "4",
    "fee": "1",
    "feeToken": "USDC",
    "user": USER,
    "destination": OTHER,
}


@pytest.mark.parametrize(
    ("delta", "perpetuals", "spot", "unified_"),
    [
        ({"type": "accountClassTransfer", "usdc": "2", "toPerp": True}, {"USDC": 2}, {"USDC": -2}, {}),
        ({"type": "accountClassTransfer", "usdc": "2", "toPerp": False}, {"USDC": -2}, {"USDC": 2}, {}),
        ({"type": "deposit", "usdc": "5"}, {"USDC": 5}, {}, {"USDC": 5}),
        ({"type": "vaultDeposit", "vault": USER, "usdc": "7"}, {"USDC": 7}, {}, {"USDC": 7}),  # it is the vault
        (
            {"type": "spotTransfer", "token": "HYPE", "amount": "3", "user": OTHER, "destination": USER, "fee": "1"},
            {},
            {"HYPE": 3},
            {"HYPE": 3},
        ),
        (
            {
                "type": "spotTransfer",
                "token": "HYPE",
                "amount": "3",
                "user": USER,
                "destination": OTHER,
                "fee": "1",
                "feeToken": "USDC",
            },
            {},
            {"HYPE": -3, "USDC": -1},
            {"HYPE": -3, "USDC": -1},
        ),
        ({**SENT, "sourceDex": "spot", "destinationDex": ""}, {}, {"USDC": -5}, {"USDC": -5}),
        ({**SENT, "sourceDex": "", "destinationDex": "spot"}, {"USDC": -5}, {}, {"USDC": -5}),
        (
            {**SENT, "sourceDex": "", "destinationDex": "spot", "destination": USER},
            {"USDC": -5},
            {"USDC": 4},
            {"USDC": -1},
        ),
        ({"type": "funding", "coin": "BTC", "usdc": "-1"}, {"USDC": -1}, {}, {"USDC": -1}),
        (
            {"type": "cStakingTransfer", "token": "HYPE", "amount": "2", "isDeposit": True},
            {},
            {"HYPE": -2},
            {"HYPE": -2},
        ),
    ],
)
def test_a_change_counts_in_the_wallet_that_is_followed(delta, perpetuals, spot, unified_):
    row = {"time": NOW // MS, "hash": "0x7", "delta": delta}
    for symbols, word, wanted in (
        ((BTC,), "default", perpetuals),
        ((HYPE,), "default", spot),
        ((), "unifiedAccount", unified_),
    ):
        venue = following(*symbols)
        protocol = venue.protocol
        answered(protocol, protocol.modes(NOW), word)
        found = answered(protocol, protocol.account_moves(NOW, since=0), [row]).reports
        assert {each.currency: each.amount for each in found} == {name: n * 10**18 for name, n in wanted.items()}
        assert len({each.reference for each in found}) == len(found)


# --- instruments and the market -------------------------------------------------------------------


def test_a_tick_is_of_five_significant_figures():
    for price, decimals, tick in (
        ("60000", 1, "1"),
        ("123456", 1, "1"),
        ("2500.1", 2, "0.1"),
        ("0.0123", 6, "0.000001"),
    ):
        assert tick_of(Decimal(price), decimals) == Decimal(tick)
    assert [is_price(Decimal(each), 2) for each in ("1234.5", "1234.56", "123456", "0")] == [True, False, True, False]


def test_instruments_are_those_that_are_listed(venue, protocol):
    listed = protocol._by_symbol
    assert set(listed) == {BTC, ETH}
    assert (listed[BTC].tick, listed[BTC].price_decimals, listed[BTC].lot) == (1, 1, Decimal("0.00001"))
    assert (listed[ETH].tick, listed[ETH].venue_number, listed[ETH].leverage) == (Decimal("0.1"), 2, 25)
    assert protocol.mark_prices(json.dumps([META, STATES]).encode(), 0) == {BTC: 60000, ETH: Decimal("2500.1")}
    assert (unified("kPEPE", None), unified("xyz:GOLD", None)) == ("kPEPE/USDC:USDC", "")


def test_pairs_are_named_by_their_tokens_and_numbered_from_ten_thousand_on():
    venue = opened()
    found = {i.symbol: i for i in venue.instruments_of(json.dumps(LISTS).encode(), frozenset())}
    assert set(found) == {BTC, ETH, PURR, HYPE}  # a pair without a price is left out
    hype, purr = found[HYPE], found[PURR]
    assert (hype.raw_symbol, hype.venue_number, hype.tick, hype.lot) == (
        "@107",
        10107,
        Decimal("0.001"),
        Decimal("0.01"),
    )
    assert (purr.raw_symbol, purr.venue_number, purr.price_decimals, purr.lot) == ("PURR/USDC", 10000, 8, 1)
    assert (hype.maker_fee, hype.taker_fee, hype.price_decimals) == (Decimal("0.0004"), Decimal("0.0007"), 6)
    assert [body(call)["type"] for call in venue.instrument_lists()] == ["metaAndAssetCtxs", "spotMetaAndAssetCtxs"]
    assert unified("PURR/USDC", None) == "PURR/USDC" and unified("@107", None) == ""


QUOTE = {"coin": "BTC", "time": 1795000000001, "bbo": [{"px": "59999.0", "sz": "0.5", "n": 2}, None]}
TRADE = {"coin": "BTC", "side": "A", "px": "59999.0", "sz": "0.01", "time": 1795000000002, "hash": "0x0", "tid": 9}
STATE = {"coin": "BTC", "ctx": {"funding": "0.0000125", "markPx": "60001.0", "oraclePx": "60002.0"}}
CANDLE = {"t": 1794999960000, "T": 1795000019999, "s": "BTC", "i": "1m", "n": 4}
CANDLE |= {"o": "1", "c": "2", "h": "3", "l": "1", "v": "0.5"}


def test_market_messages_become_frames(venue, tmp_path):
    market = live_market([venue.protocol._by_symbol[BTC]], "ws://a")
    writer = JournalWriter(tmp_path / "j", process="t", durable=False)
    full = {**QUOTE, "bbo": [QUOTE["bbo"][0], {"px": "60000.0", "sz": "0.25", "n": 1}]}
    later = {**CANDLE, "t": 1795000020000, "T": 1795000079999}
    parts = [("bbo", full), ("trades", [TRADE]), ("activeAssetCtx", STATE), ("candle", CANDLE), ("candle", later)]
    for channel, data in parts:
        market.take(json.dumps({"channel": channel, "data": data}).encode(), NOW, writer.core)
    assert market.top(1) == (599990, 600000, 50_000, 25_000)
    assert (market.rejected, market.unmapped) == (0, {})
    writer.close()
    types = [frame.type for frame in JournalReader(tmp_path / "j").frames()]
    assert len(set(types)) >= 4  # quote, trade, mark, bar


def test_a_book_is_whole_in_each_message(venue, tmp_path):
    depth = venue.depth(venue.protocol._by_symbol[BTC], 1)
    writer = JournalWriter(tmp_path / "j", process="t", durable=False)
    levels = [[{"px": "59999.0", "sz": "0.5", "n": 2}], [{"px": "60000.0", "sz": "0.25", "n": 1}]]
    message = {"channel": "l2Book", "data": {"coin": "BTC", "time": 1795000000001, "levels": levels}}
    depth.take(GREETING, NOW, writer.core)
    depth.take(json.dumps(message).encode(), NOW, writer.core)
    book: Book = depth.book
    assert book.synced and (book.bids(5), book.asks(5)) == ([(599990, 50_000)], [(600000, 25_000)])


def test_past_bars_are_asked_for_by_post(venue):
    i = venue.protocol._by_symbol[BTC]
    call = venue.past.bars(i, MINUTE, NOW - 10 * MINUTE, NOW)
    assert body(call)["req"]["interval"] == "1m" and call.purpose is Purpose.MARKET
    (bar,) = venue.past.bars_of(i, json.dumps([CANDLE]).encode())
    assert (bar.open, bar.close, bar.volume, bar.trades) == (10, 20, 50_000, 4)


# --- orders by WebSocket --------------------------------------------------------------------------


def test_an_order_by_websocket_is_the_signed_body(venue, protocol):
    dialect = venue.entry_dialect("")
    protocol.signs_late = True
    call = protocol.place(OURS, spec(), NOW)
    sent = json.loads(dialect.message(call, 5, NOW))
    assert (sent["method"], sent["id"], sent["request"]["type"]) == ("post", 5, "action")
    assert sent["request"]["payload"]["action"] == call.terms
    said = {"status": "ok", "response": {"type": "order", "data": {"statuses": [{"resting": {"oid": 77}}]}}}
    post = {"channel": "post", "data": {"id": 5, "response": {"type": "action", "payload": said}}}
    reply = dialect.read(json.dumps(post).encode(), NOW)
    assert reply.number == 5 and dialect.answer(call, reply, NOW).reports[0].venue_id == "77"
    wrong = {"channel": "post", "data": {"id": 5, "response": {"type": "error", "payload": "429: too many"}}}
    answer = dialect.answer(call, dialect.read(json.dumps(wrong).encode(), NOW), NOW)
    assert answer.outcome is Outcome.SAFE
    assert dialect.read(GREETING, NOW) == "" == dialect.read(b'{"channel":"pong"}', NOW)
    with pytest.raises(ValueError, match="without a request"):
        dialect.read(b'{"channel":"error","data":"bad"}', NOW)
