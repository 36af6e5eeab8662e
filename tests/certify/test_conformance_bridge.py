"""The conformance cases through ccxt, as far as the bridge says what they ask for.

Not said through it: triggers (C-10 to C-12), numbered pages of fills (C-14), signatures and clocks,
which are ccxt's (C-17 to C-19), the dead man (C-21) and the venue's own limits (C-22).
"""

from __future__ import annotations

import time

from bridge.bridge_process import SIM_OF, bridge_to, needs_ccxt
from certify.conformance import CASES, Desk, Top
from certify.desks import Http
from exchange.venue_client import served
from onetape.venues.ccxt.gateway import CcxtVenue
from onetape.venues.contract import Addresses
from onetape.venues.numbers import units_of

APPLICABLE = [f"C-{n:02d}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 15, 16, 20)]
SYMBOL = "binance:BTC/USDT:USDT"


def bridge_desk(port: int, options) -> Desk:
    """With the top of the simulated exchange itself: quotes are another matter."""
    venue = CcxtVenue("binanceusdm", options.key, Addresses(options.rest, options.ws, options.ws))
    http = Http(options.rest)
    _, _, body = http.carry(venue.instruments())
    (instrument,) = venue.instruments_of(body, frozenset({SYMBOL}))
    there = Http(f"http://127.0.0.1:{port}")

    def top() -> Top:
        row = there.get(f"/fapi/v1/ticker/bookTicker?symbol={instrument.raw_symbol}")
        p, q = instrument.price_decimals, instrument.size_decimals
        return Top(
            units_of(row["bidPrice"], p),
            units_of(row["bidQty"], q),
            units_of(row["askPrice"], p),
            units_of(row["askQty"], q),
        )

    return Desk(
        protocol=venue.protocol,
        instrument=instrument,
        carry=http.carry,
        now=time.time_ns,
        wait=time.sleep,
        top=top,
        other=lambda k, s: venue.protocol,
        size=6,
        size_max=2400,
        prefix="Tc1X1X",
    )


@needs_ccxt
def test_the_applicable_cases_hold_through_ccxt():
    kind = "ccxt:binanceusdm"
    with served(SIM_OF[kind], limits=False) as (dialect, port):
        account = dialect.exchange.accounts[0]
        with bridge_to(kind, port, account, SYMBOL) as options:
            desk = bridge_desk(port, options)
            for case in CASES:
                if case.id not in APPLICABLE:
                    continue
                case.run(desk)
                assert (desk.open_ids(), desk.position()) == (set(), 0), case.id


def test_every_case_is_either_applicable_or_named_as_not():
    named = {f"C-{n:02d}" for n in (10, 11, 12, 14, 17, 18, 19, 21, 22)}
    assert {case.id for case in CASES} == named | set(APPLICABLE)
