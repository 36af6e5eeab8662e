"""Looks that every message of an account gets, in the core: whether a tape can hold it, whether it shows a secret, and
whether its fields and words were seen before."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from typing import Any

import pytest

from onetape._core import has_any, is_plain_report, json_outline
from onetape.feeds.drift_counts import DriftWatch
from onetape.model.enums import OrderNews, OrderState, Side
from onetape.orders.malformed import check_reports
from onetape.orders.managed import HealthOut
from onetape.orders.reports import BalanceReport, OrderStatusReport
from onetape.security.redaction import Redactor

ORDER = {
    "e": "ORDER_TRADE_UPDATE", "E": 1, "T": 2,
    "o": {"s": "BTCUSDT", "c": "T1", "S": "BUY", "o": "LIMIT", "X": "NEW", "p": "1.5", "q": "3", "N": None, "m": False},
}  # fmt: skip


def changed(**fields: Any) -> bytes:
    return json.dumps({**ORDER, "o": {**ORDER["o"], **fields}}).encode()


def test_figures_and_ids_make_no_other_outline():
    usual = json_outline(changed())
    assert json_outline(changed(p="2.75", q="-1", c="Tother9")) == usual
    assert json_outline(json.dumps({**ORDER, "E": 12345}).encode()) == usual


OTHERS = ({"X": "FILLED"}, {"new": 1}, {"v2": 1}, {"m": True}, {"N": "USDT"}, {"p": None}, {"p": []})


@pytest.mark.parametrize("fields", OTHERS)
def test_another_word_or_field_makes_another_outline(fields):
    assert json_outline(changed(**fields)) != json_outline(changed())


def test_names_of_fields_count_with_their_digits():
    assert json_outline(b'{"f1":1}') != json_outline(b'{"f2":1}')


@pytest.mark.parametrize("text", [b"", b'"', b'{"a', b'"\\', b"\xff\x00", b'{"a":"b\\"c1"}'])
def test_any_text_has_an_outline(text):
    assert json_outline(text) == json_outline(text)


def test_messages_of_a_known_outline_are_not_compared_again_unless_they_drift():
    said: list[HealthOut] = []
    watch = DriftWatch("binance-usdm", said.append)
    unusual = json.dumps({"e": "NEVER_SEEN"}).encode()
    for _ in range(3):
        watch.account(unusual)
    assert watch.counts == {"unknown message NEVER_SEEN": 3} and len(said) == 1
    usual = json.dumps({"e": "ACCOUNT_CONFIG_UPDATE", "E": 1, "T": 2, "ac": {"s": "BTCUSDT", "l": 20}}).encode()
    for _ in range(3):
        watch.account(usual)
    assert watch.counts == {"unknown message NEVER_SEEN": 3}
    watch.account(usual.replace(b'"l"', b'"newly"'))
    assert any("newly" in name for name in watch.counts)


REPORT = OrderStatusReport("x:A/B", "T1", "17", OrderState.ACCEPTED, 5, OrderNews.ACCEPTED, Side.BUY, price=1, size=2)
LONGEST = "9" * 18


@pytest.mark.parametrize(
    ("report", "is_plain"),
    [
        (REPORT, True),
        (REPORT._replace(venue_id=LONGEST), True),
        (REPORT._replace(venue_id=LONGEST + "9"), False),
        (REPORT._replace(venue_id="a" * 60), True),
        (REPORT._replace(size=2**63 - 1), True),
        (REPORT._replace(size=2**63), False),
        (REPORT._replace(size=-1), False),
        (REPORT._replace(client_id="\ud800"), False),
        (REPORT._replace(reason="ü"), False),
        (BalanceReport("USDT", 2**100, 5), False),
    ],
)
def test_what_is_plain_any_tape_holds(report, is_plain):
    assert is_plain_report(report) is is_plain
    if is_plain:
        check_reports([report])


def test_what_a_tape_cannot_hold_is_never_plain():
    rng = random.Random(3)
    values = (0, 1, -1, 2**62, 2**63, -(2**63), 10**40, "", "a", LONGEST, LONGEST + "1", "\udfff", Decimal("NaN"), None)
    for _ in range(3000):
        report = REPORT._replace(**{name: rng.choice(values) for name in rng.sample(REPORT._fields, 3)})
        try:
            check_reports([report])
        except (ValueError, OverflowError):
            assert not is_plain_report(report)


def test_a_secret_is_found_wherever_it_stands():
    secret = "s3cretS3cret"
    hide = Redactor(secret, "another-long-one")
    for text in (secret, f"a{secret}", f"{secret}b", f"a{secret}b{secret}"):
        assert secret.encode() not in hide.hidden(text.encode())
    assert hide.hidden(b"nothing of it") == b"nothing of it"
    assert has_any(b"abc", [b"x", b"bc"]) and not has_any(b"abc", [b"x", b"abcd"]) and not has_any(b"abc", [])
