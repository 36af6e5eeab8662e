"""The adapter of OKX. Source: "Overview, Production Trading Services, Demo Trading Services" of its documentation v5,
and its change log of 2026-05-20 (hosts) and 2026-10 (port 8443 ends)."""

from __future__ import annotations

from typing import Final

from onetape.venues.adapter import Adapter
from onetape.venues.contract import Addresses, TradingVenue
from onetape.venues.okx.candles import CANDLES
from onetape.venues.okx.errors import ERRORS

__all__ = ["ADAPTER"]

_API: Final = "https://openapi.okx.com"
# A key of one region is unknown at the others.
_REST: Final = ("www.okx.com", *(f"{region}.okx.com" for region in ("us", "eea", "tr", "my")))
_LIVE, _DEMO = (tuple(f"ws{region}{world}.okx.com" for region in ("", "us", "eea")) for world in ("", "pap"))


def _open(key: str, secret: str, addresses: Addresses, password: str = "", *, isolated: bool = False) -> TradingVenue:
    from onetape.venues.okx.gateway import OkxVenue

    return OkxVenue(key, secret, password, addresses, isolated=isolated)


ADAPTER: Final = Adapter(
    _open,
    addresses={
        "live": Addresses(_API, "wss://ws.okx.com", "wss://ws.okx.com", wallet=_API),
        "demo": Addresses(_API, "wss://wspap.okx.com", "wss://wspap.okx.com"),
    },
    further_hosts={"live": (*_REST, *_LIVE), "demo": (*_REST, *_DEMO)},
    errors=ERRORS,
    candles=CANDLES,
)
