"""Desks for the conformance cases, at whatever carries the calls, and at an address by HTTP."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from certify.conformance import Desk, Top
from onetape.model.instrument import Instrument
from onetape.orders.calls import Call
from onetape.venues.aster.family import ASTER
from onetape.venues.binance.family import BINANCE, Family
from onetape.venues.binance.instruments import instruments_of
from onetape.venues.binance.trading import BinanceUsdmProtocol
from onetape.venues.numbers import units_of

# By family: key and secret that nobody knows, as they are written there.
STRANGE = {"binance-usdm": ("x" * 64, "wrong"), "aster": ("0x" + "1" * 40, "0x" + "1" * 64)}
FAMILIES = {each.name: each for each in (BINANCE, ASTER)}
TIMEOUT_S = 10.0
Get = Callable[[str], object]
Carry = Callable[[Call], tuple[int, Mapping[str, str], bytes]]


class Http:
    """Requests to one address, on a connection that is kept. One that breaks is an OSError, never a
    second request: whether the first arrived is for the caller to find out."""

    def __init__(self, rest: str) -> None:
        url = urlsplit(rest)
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        self.connection = kind(url.hostname or "", url.port, timeout=TIMEOUT_S)

    def carry(self, call: Call) -> tuple[int, Mapping[str, str], bytes]:
        return self.send(call.method, call.target, call.body, call.headers)

    def send(
        self, method: str, target: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, Mapping[str, str], bytes]:
        try:
            self.connection.request(method, target, body or None, dict(headers))
            answer = self.connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()  # the next request opens another
            raise ConnectionError(f"{method} {target.partition('?')[0]}: {error}") from None

    def get(self, target: str) -> object:
        status, _, body = self.send("GET", target, b"", {})
        if status != 200:
            raise ConnectionError(f"GET {target}: HTTP {status} {body[:200]!r}")
        return json.loads(body)


def binance_desk(
    carry: Carry,
    get: Get,
    key: str,
    secret: str,
    *,
    now: Callable[[], int],
    wait: Callable[[float], None],
    prefix: str,
    family: Family = BINANCE,
) -> Desk:
    """Of BTC/USDT at a venue of the family, with filters as it says them. Orders are of three smallest notionals."""
    info = get("/fapi/v1/exchangeInfo")
    symbols = frozenset({f"{family.venue}:BTC/USDT:USDT"})
    (instrument,) = instruments_of(info, symbols, family.venue)  # type: ignore[arg-type]

    def made(key: str, secret: str) -> BinanceUsdmProtocol:
        protocol = BinanceUsdmProtocol(key, secret, family)
        protocol.set_instruments([instrument])
        return protocol

    def top() -> Top:
        row = get(f"/fapi/v1/ticker/bookTicker?symbol={instrument.raw_symbol}")
        assert isinstance(row, dict)
        p, q = instrument.price_decimals, instrument.size_decimals
        return Top(
            units_of(row["bidPrice"], p),
            units_of(row["bidQty"], q),
            units_of(row["askPrice"], p),
            units_of(row["askQty"], q),
        )

    size = _size(instrument, top().ask)
    assert isinstance(info, dict)
    limits = [r["limit"] for r in info["rateLimits"] if r["rateLimitType"] == "REQUEST_WEIGHT"]
    return Desk(
        protocol=made(key, secret),
        instrument=instrument,
        carry=carry,
        now=now,
        wait=wait,
        top=top,
        other=lambda k, s: made(k or key, s or secret),
        size=size,
        size_max=400 * size,
        prefix=prefix,
        strange=STRANGE[family.name],
        weight_a_minute=min(limits, default=0),
    )


def _size(instrument: Instrument, price: int) -> int:
    """In whole lots, worth three times the least that may be ordered."""
    lot = instrument.lot_int
    worth = instrument.price(price) * instrument.lot
    lots = int(3 * instrument.notional_min / worth) + 1
    return lots * lot


def http_desk(rest: str, key: str, secret: str, kind: str = "binance-usdm") -> Desk:
    """At an address; the clock is the venue's, as it was at the beginning."""
    http = Http(rest)
    before = time.time_ns()
    answer = http.get("/fapi/v1/time")
    assert isinstance(answer, dict)
    ahead = answer["serverTime"] * 1_000_000 - (before + time.time_ns()) // 2
    return binance_desk(
        http.carry,
        http.get,
        key,
        secret,
        now=lambda: time.time_ns() + ahead,
        wait=time.sleep,
        prefix=f"conf{time.time_ns() // 1_000_000:x}",
        family=FAMILIES[kind],
    )
