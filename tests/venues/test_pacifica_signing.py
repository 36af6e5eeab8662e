"""Signatures of Pacifica's wallets: vectors of ccxt's recorded requests, which PyNaCl verifies."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetape.model.errors import BadConfig
from onetape.venues.pacifica.signing import AgentSigner, base58, is_address, is_signed, message_of, unbase58

SECRET = "2fGURdTtScQVocLdZovb6kJ3V8TmWe3eg5TJpYAqrTRTqYf27goDdQVfMx4W2uUmTwTc78qxsxhhvrdx7MTd55rn"
ACCOUNT = "bNMBfVAEjgxhNruYTR2vSZ92UdVKP2pdZewEG7978Vt"
OTHER = "So11111111111111111111111111111111111111112"
# ccxt 4.5.90, ts/src/test/static/request/pacifica.json; its `transfer` does not verify.
GOLDEN = [
    (
        "create_order",
        {"symbol": "BTC", "price": "87768", "amount": "0.002", "side": "bid", "tif": "GTC", "reduce_only": False},
        1769554042037,
        "X5vn4dC5y97EBxrWpgAUfor8N29tNkv4Puqrry33iWLJp2QZmHVVmD1JHGj86JDTVhGAYUU5PyS8uUxY8hmoTKW",
    ),
    (
        "edit_order",
        {"symbol": "BTC", "price": "83900", "amount": "0.003", "order_id": 241146145},
        1769554678301,
        "5bMKhRf5GyZ8KgG88wzWBQrNfLRvY8uNz67rQkc72bFW8JGXqCetdSd6dnc1wML51CpYpe2y1GBJ3Ed9ywu9k6ch",
    ),
    (
        "create_stop_order",
        {
            "symbol": "BTC",
            "side": "bid",
            "reduce_only": False,
            "stop_order": {"stop_price": "90000", "limit_price": "87900", "amount": "0.004"},
        },
        1769555700037,
        "3UMzrK1qEMDJj3tDZ3N8ufit6B1tm6Uhm1TTYjs4Vhke3CSUCdvamjcHdaGXmaq75HkSjeFuK3fR6CacS6W3v6Jq",
    ),
    (
        "cancel_all_orders",
        {"all_symbols": True, "exclude_reduce_only": False},
        1769554743228,
        "4WLtHv7zGgU8r8XedU8fCAUpejQPgSMG1Qz5LTSRKjxvhaHaF2xniZ6hbe4GeBFWFLr4kSLZXJ3atw16MsEPVDqT",
    ),
    (
        "create_market_order",
        {"symbol": "BTC", "amount": "0.003", "side": "ask", "slippage_percent": "0.05", "reduce_only": False},
        1769554287748,
        "5pC6m37qvxQmUk5AXPyjd87wMS7rg4V28coeKmjnuBT8WNHobyyGRmSCXXXdgigQvR728g7c384qouzCGM8s55NM",
    ),
]


PLAIN = st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.text())
VALUES = st.recursive(
    PLAIN | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(st.text(), PLAIN) | st.dictionaries(st.text(), VALUES))
def test_what_is_signed_is_what_pythons_own_json_writes(payload):
    value = {"timestamp": 1, "expiry_window": 2, "type": "any", "data": payload}
    assert message_of("any", payload, 1, 2) == json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize(("operation", "payload", "time", "signature"), GOLDEN, ids=[row[0] for row in GOLDEN])
def test_signatures_are_those_of_another_client(operation, payload, time, signature):
    body = AgentSigner(ACCOUNT, SECRET).body(operation, payload, time, 5000)
    assert body == {"account": ACCOUNT, "signature": signature, "timestamp": time, "expiry_window": 5000, **payload}
    message = message_of(operation, payload, time, 5000)
    assert is_signed(message, signature, ACCOUNT)
    assert not is_signed(message + b" ", signature, ACCOUNT)
    assert not is_signed(message, signature, OTHER)


def test_an_agent_says_for_whom_it_signs():
    signer = AgentSigner(OTHER, SECRET)
    body = signer.body("cancel_order", {"symbol": "BTC", "order_id": 7}, 1, 2)
    assert (body["account"], body["agent_wallet"]) == (OTHER, ACCOUNT)
    assert is_signed(message_of("cancel_order", {"order_id": 7, "symbol": "BTC"}, 1, 2), body["signature"], ACCOUNT)
    signer.refuse_main_key()
    with pytest.raises(BadConfig, match="key of the main wallet"):
        AgentSigner(ACCOUNT, SECRET).refuse_main_key()


@pytest.mark.parametrize("data", [b"", b"\0", b"\0\0\1", b"\xff" * 32, bytes(range(64))])
def test_base58_goes_there_and_back(data):
    assert unbase58(base58(data), len(data)) == data
    assert unbase58(base58(data), len(data) + 1) is None


@pytest.mark.parametrize("text", ["", "0OIl", "1" * 31, ACCOUNT[:-1], ACCOUNT + "1", SECRET, "z" * 10_000])
def test_what_is_no_address_is_refused(text):
    assert is_address(ACCOUNT)
    assert not is_address(text)
    assert not is_signed(b"", SECRET, text)


@pytest.mark.parametrize(
    ("account", "secret", "said"),
    [
        (ACCOUNT, "", "no private key"),
        (ACCOUNT, ACCOUNT, "no private key"),
        ("0x12", SECRET, "no address"),
        (ACCOUNT, base58(bytes(range(64))), "belong to different wallets"),
    ],
)
def test_keys_that_are_none_are_refused_without_being_repeated(account, secret, said):
    with pytest.raises(BadConfig, match=said) as refused:
        AgentSigner(account, secret)
    assert not secret or secret not in str(refused.value)
