"""Signatures of wallets: what eth-account, a library of others, makes of the same key and text."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from onetape.feeds.kept_nonces import keep_nonces
from onetape.model.errors import BadConfig, NotAvailable
from onetape.model.time import HOUR, SECOND
from onetape.venues import typed_data
from onetape.venues.aster.signing import MAINNET, TESTNET, WalletSigner, digest_of, owner_digest
from onetape.venues.binance.moves import INCOME_PAGE, income_terms, next_income
from onetape.venues.contract import Addresses
from onetape.venues.open import open_trading_venue
from onetape.venues.typed_data import checked, signer_address

# The key that Aster's documentation prints, and its address there.
SECRET = "0x4fd0a42218f3eae43a6ce26d22544e986139a01e5b34a62db53757ffca81bae1"
AGENT = "0x21cF8Ae13Bb72632562c6Fff438652Ba1a151bb0"
NOW = 1_795_000_000_000_000_000
USER = "0x63DD5aCC6b1aa0f563956C0e534DD30B6dcF7C4e"
# By eth-account 0.14.0, of the typed data in which `msg` is the text.
GOLDEN = [
    (
        MAINNET,
        "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.010&price=60000.1&nonce=1748310859508867",
        "0x53ef4d5aa5b20a3237bef481fc06af54f4f384eb7707d862842a8f98138b413f7393407bf5913f52e4705724595f3964cb5cf1db57e47a97bf96812fdcadc1211b",
    ),
    (
        TESTNET,
        "nonce=1748310859508868",
        "0xb5edd08039377f0c4c13e2ea4a99a24e983e1c6ab08e5e665d724daf85bbf7c2089c9ece03300acdee7dd591d9f9c42dc9d301fab6fd444577d2821626d6e7061c",
    ),
    (
        MAINNET,
        "",
        "0xb7fe1961a997fb3fab846eadbfb0cbf0297029df88d0b5f5f1f738f10f8bbd337a5baeda44397cb37248146bec810048988a5597bb841de18d298dbc1b8994201b",
    ),
]


@pytest.mark.parametrize(("chain", "text", "signature"), GOLDEN)
def test_signatures_are_those_of_another_library(chain, text, signature):
    assert WalletSigner(USER, SECRET, chain).sign(text.encode()) == signature
    assert signer_address(digest_of(text.encode(), chain), signature) == AGENT


def test_a_query_ends_with_who_signed_and_the_signature():
    query = WalletSigner(USER, SECRET.removeprefix("0x")).signed_query({"symbol": "BTCUSDT"}, "nonce=7")
    text, _, signature = query.rpartition("&signature=")
    assert text == f"symbol=BTCUSDT&nonce=7&user={USER}&signer={AGENT}"
    assert signer_address(digest_of(text.encode(), MAINNET), signature) == AGENT


def test_addresses_have_the_letters_of_their_checksum():
    assert checked(AGENT.lower()) == AGENT
    assert checked(USER.lower()) == USER


@pytest.mark.parametrize("signature", ["", "0x", "zz" * 65, "00" * 64, "00" * 65, "ff" * 64 + "1b", "00" * 64 + "63"])
def test_what_is_no_signature_is_nobody_s(signature):
    assert signer_address(digest_of(b"text", MAINNET), signature) == ""


@pytest.mark.parametrize(
    ("key", "secret", "said"),
    [
        (USER, "no key", "private key"),
        (USER, SECRET[:-1], "private key"),
        ("main", SECRET, "address"),
        ("", SECRET, ""),
    ],
)
def test_what_is_no_key_is_refused_without_showing_it(key, secret, said):
    with pytest.raises(BadConfig) as caught:
        WalletSigner(key, secret)
    assert said in str(caught.value) and secret not in str(caught.value)


def test_the_main_wallet_s_key_is_refused_but_at_a_simulated_exchange():
    sim, live = (Addresses(rest, "", "") for rest in ("http://127.0.0.1:1", "https://fapi.asterdex.com"))
    open_trading_venue("aster", AGENT, SECRET, sim)
    with pytest.raises(BadConfig, match="main wallet") as caught:
        open_trading_venue("aster", AGENT.lower(), SECRET, live)
    assert SECRET not in str(caught.value)
    assert open_trading_venue("aster", USER, SECRET, live).protocol.signer.chain == MAINNET
    demo = Addresses("https://fapi.asterdex-testnet.com", "", "")
    assert open_trading_venue("aster", USER, SECRET, demo).protocol.signer.chain == TESTNET


def test_what_is_public_needs_no_key():
    venue = open_trading_venue("aster", "", "", Addresses("https://fapi.asterdex.com", "", ""))
    assert venue.time().target.startswith("/fapi/") and venue.instruments().target.startswith("/fapi/")


def test_without_its_libraries_it_says_so(monkeypatch):
    for kept in (typed_data.domain, typed_data._kind):
        kept.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "Crypto.Hash", None)
    with pytest.raises(NotAvailable, match=r"onetape\[wallets\]"):
        WalletSigner(USER, SECRET).sign(b"")


def nonce_of(protocol, now: int) -> int:
    return int(parse_qs(urlsplit(protocol.balances(now).target).query)["nonce"][0])


def test_a_nonce_counts_once_over_restarts_processes_and_clocks_that_step_back(tmp_path):
    """Ahead of the venue's time by as much as it takes, and no further."""
    now, sent, at = 1_795_000_000 * SECOND, [], Addresses("http://127.0.0.1:1", "", "")
    made = [open_trading_venue("aster", USER, SECRET, at).protocol for _ in range(3)]
    for protocol in made:
        keep_nonces(protocol, tmp_path)
    for step in (0, 0, -2 * SECOND, -9 * SECOND // 2, SECOND):
        sent += [nonce_of(protocol, now + step) for protocol in made]
    assert sent == sorted(set(sent)) and sent[0] == now // 1000
    # The clock was wrong, and the venue would refuse what follows the last one.
    assert nonce_of(made[0], now - HOUR) == (now - HOUR) // 1000
    alone = open_trading_venue("aster", USER, SECRET, at).protocol
    found = [nonce_of(alone, now + step) - now // 1000 for step in (0, -SECOND, -HOUR)]
    assert found == [0, 1, -HOUR // 1000]


def test_what_a_main_wallet_says_itself_is_hashed_as_ccxt_does():
    """The digest is of ccxt 4.5.90: keccak of its `eth_encode_structured_data`."""
    builder = "0x1F5877C19e3777Cfd15F9d57253eA4aA5254Ec39"
    values = {"builder": builder, "maxFeeRate": "0.001", "builderName": "ccxt", "asterChain": "Mainnet"}
    digest = owner_digest("ApproveBuilder", {**values, "user": AGENT, "nonce": 1_748_310_859_508_867}, MAINNET)
    assert digest.hex() == "7884d3748cb4012b7e52594832e1da135de42f108275bd036a60dbfd7ede923d"


def test_a_history_without_pages_goes_on_from_its_last_row_and_ends():
    rows = [{"time": 1_000 + at // 10} for at in range(INCOME_PAGE)]
    sent = income_terms(NOW, NOW - HOUR, "", pages=False)
    assert "page" not in sent
    assert next_income(rows[1:], sent) == ""
    following = next_income(rows, {**sent, "startTime": "1000"})
    assert income_terms(NOW, 0, following, pages=False)["startTime"] == following == str(rows[-1]["time"])
    assert next_income([rows[0]] * INCOME_PAGE, {**sent, "startTime": "1000"}) == "1001"
