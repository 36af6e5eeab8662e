"""OKX v5 for a gateway: an account's channels on two private WebSockets, which a signature opens; orders over another
connection.

Source: OKX API v5 documentation, "WebSocket, Connect" and "Rate Limits", as of 2026-07.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from onetape.model.instrument import Instrument
from onetape.model.json_text import read_json
from onetape.model.time import SECOND
from onetape.orders.budget import BudgetRule
from onetape.orders.calls import Call, Purpose
from onetape.venues.account_protocol import ChannelStream
from onetape.venues.contract import AccountStream, Addresses, VenueDefaults
from onetape.venues.live_market import LiveMarket
from onetape.venues.okx.instruments import instruments_of
from onetape.venues.okx.market import PING, OkxDepth, live_market, subscribing
from onetape.venues.okx.order_session import PATH, OkxOrderSession
from onetape.venues.okx.past import OkxPast
from onetape.venues.okx.polls import OkxPolls
from onetape.venues.okx.signing import login
from onetape.venues.okx.trading import ALGO_CHANNELS, CHANNELS, CLOCK_STEP, UNITS, OkxProtocol
from onetape.venues.okx.words import FUTURES, SPOT, SWAP

__all__ = ["OkxVenue"]

_ALGO_PATH: Final = "/ws/v5/business"
_DEMO_HOSTS: Final = ("wspap.", "wsuspap.", "wseeapap.")


class _AccountStream(ChannelStream):
    """An `AccountStream` that subscribes once its signature is confirmed, because earlier subscriptions are refused. It
    is live once all channels are confirmed; what happened before is read by REST."""

    ping = PING

    def __init__(self, protocol: OkxProtocol, url: str, channels: Sequence[str], made: int) -> None:
        opening = (login(protocol.key, protocol.secret, protocol.password, made),)
        super().__init__(protocol, url, opening, waits_for=channels)
        self._channels = channels
        self._due: tuple[bytes, ...] = ()

    def due(self) -> Sequence[bytes]:
        due, self._due = self._due, ()
        return due

    def confirms(self, value: Any) -> bool:
        match value.get("event"):
            case "login":
                named = ({} if each == "account" else {"instType": "ANY"} for each in self._channels)
                self._due = subscribing([{"channel": c, **of} for c, of in zip(self._channels, named, strict=True)])
            case "subscribe":
                self._waiting.discard(value["arg"]["channel"])
            case "error" | "channel-conn-count-error":
                self.broken = f"refused: {value.get('msg') or value['event']}"[:120]
            case "notice":
                self.broken = "the venue ends the connection"
            case _:
                return False
        return True


class OkxVenue(VenueDefaults):
    """Implements `TradingVenue`."""

    protocol: OkxProtocol
    clock_step: Final = CLOCK_STEP
    budget = (BudgetRule(2 * SECOND, UNITS, "", rolls=True),)
    connects: Final = BudgetRule(SECOND, 3, "")
    order_rules = (BudgetRule(2 * SECOND, 1000, "", rolls=True),)
    order_limit_code = "50061"
    symbols_max: Final = 100  # four channels for each
    probe_s: Final = 2.0

    def __init__(self, key: str, secret: str, password: str, addresses: Addresses, *, isolated: bool = False) -> None:
        # Demo and live trading differ in the address of their WebSockets, and by a header.
        host = urlsplit(addresses.ws).hostname or ""
        is_demo = host.startswith(_DEMO_HOSTS)
        self.protocol = OkxProtocol(key, secret, password, is_demo=is_demo, isolated=isolated)
        self.past = OkxPast()
        self.polls = OkxPolls()
        self._addresses = addresses

    def instrument_lists(self) -> Sequence[Call]:
        return tuple(map(_listed, (SWAP, SPOT, FUTURES)))

    def instruments_of(self, body: bytes, wanted: frozenset[str]) -> list[Instrument]:
        lists = read_json(body)
        if refused := [each["msg"] for each in lists if each["code"] != "0"]:
            raise ValueError(refused[0])
        found = instruments_of([row for each in lists for row in each["data"]], wanted)
        self.protocol.set_instruments(found)
        return found

    def market(self, instruments: Sequence[Instrument], numbers: Sequence[int] = ()) -> LiveMarket:
        return live_market(instruments, self._addresses.ws, numbers)

    def depth(self, instrument: Instrument, stream: int) -> OkxDepth:
        return OkxDepth(instrument, stream, self._addresses.ws)

    def stream_key(self, now: int, *, keep: bool = False) -> Call:
        return self.protocol.stream_key(now)

    def account_streams(self, key: str) -> Sequence[AccountStream]:
        base, made = self._addresses.ws_private, int(key)
        return (
            _AccountStream(self.protocol, base + PATH, CHANNELS, made),
            _AccountStream(self.protocol, base + _ALGO_PATH, ALGO_CHANNELS, made),
        )

    @property
    def entry_url(self) -> str:
        return self._addresses.ws_entry or f"{self._addresses.ws_private}{PATH}"

    def entry_dialect(self, key: str) -> OkxOrderSession:
        return OkxOrderSession(self.protocol)


def _listed(kind: str) -> Call:
    target = f"/api/v5/public/instruments?instType={kind}"
    return Call(Purpose.INSTRUMENTS, "GET", target, b"", {}, 30)
