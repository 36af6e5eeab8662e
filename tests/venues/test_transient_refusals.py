"""What a venue refuses for now (a wrong clock, too many requests, overload) may be sent again, whatever was asked for:
an order, an amendment, a cancel, a leverage, a transfer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from onetape.orders.calls import Call, OrderKey, Purpose
from onetape.orders.outcome import Outcome
from onetape.venues.binance.errors import ERRORS as BINANCE
from onetape.venues.bitmex.errors import ERRORS as BITMEX
from onetape.venues.ccxt.errors import ERRORS as CCXT
from onetape.venues.contract import Addresses
from onetape.venues.error_tables import ErrorRow
from onetape.venues.kraken.errors import ERRORS as KRAKEN
from onetape.venues.open import open_trading_venue
from onetape.venues.pacifica.errors import ERRORS as PACIFICA

CHANGES = (Purpose.PLACE, Purpose.AMEND, Purpose.CANCEL, Purpose.LEVERAGE, Purpose.TRANSFER)
NOW = 1_795_000_000 * 10**9


def safe(table: dict[int | str, ErrorRow]) -> list[ErrorRow]:
    return [row for row in table.values() if row.outcome is Outcome.SAFE]


def refusals() -> Iterator[tuple[str, int, dict[str, Any]]]:
    """(venue, HTTP status, body)."""
    for kind in ("binance-usdm", "aster"):
        for row in safe(BINANCE):
            yield kind, 400, {"code": row.code, "msg": row.text}
        yield kind, 429, {"code": -1003, "msg": "Too many requests."}
        yield kind, 418, {"code": -1003, "msg": "banned"}
        yield kind, 503, {"code": -1008, "msg": BINANCE[-1008].text}
    for row in safe(KRAKEN):
        yield "kraken", 200, {"error": [row.text]}
    yield "kraken", 429, {}
    for row in safe(BITMEX):
        yield "bitmex", 400, {"error": {"message": row.text.replace("{}", "7"), "name": "HTTPError"}}
    for status in (429, 503):
        yield "bitmex", status, {"error": {"message": "anything", "name": "HTTPError"}}
    for row in safe(PACIFICA):
        by_status = isinstance(row.code, int)
        yield "pacifica", row.code if by_status else 400, {"success": False, "code": row.code, "error": row.text}
    for row in safe(CCXT):
        yield "ccxt:kraken", 200, {"error": {"names": [row.code], "text": ""}}


@pytest.mark.parametrize("purpose", CHANGES)
@pytest.mark.parametrize(("kind", "status", "body"), list(refusals()), ids=str)
def test_it_changed_nothing_and_may_be_sent_again(kind, status, body, purpose):
    protocol = open_trading_venue(kind, "", "", Addresses("", "", "")).protocol
    call = Call(purpose, "POST", "/x", b"", {}, 1, subject=OrderKey("s", "c"), symbol="s")
    answer = protocol.answer(call, status, {}, json.dumps(body).encode(), NOW)
    assert (answer.outcome, answer.not_found) == (Outcome.SAFE, False)
    assert answer.code
