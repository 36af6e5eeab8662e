"""A gateway's view of its market: from the hub if it provides a symbol, else from its own feed."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from onetape.feeds.depth_feed import DepthFeed
from onetape.feeds.hub_market import HubMarket
from onetape.feeds.market_feed import MarketFeed
from onetape.gateway.latency_spans import Histogram
from onetape.market.in_front import in_front
from onetape.model.enums import Side
from onetape.model.instrument import Instrument
from onetape.venues.live_market import Top

__all__ = ["GatewayMarket"]


class GatewayMarket:
    """The market of a gateway, from the hub or its own feeds. own: makes a feed of some instruments, by their numbers
    on its journal. symbols_max: symbols per connection of the venue. hub: None without a hub."""

    def __init__(
        self,
        instruments: Sequence[Instrument],
        depth: DepthFeed,
        *,
        own: Callable[[Sequence[Instrument], Sequence[int]], MarketFeed],
        symbols_max: int,
        hub: HubMarket | None,
    ) -> None:
        self.hub = hub
        self._depth = depth
        hubs = dict.fromkeys(hub.symbols, hub) if hub is not None else {}
        numbered = [(n, i) for n, i in enumerate(instruments, 1) if i.symbol not in hubs]
        self.own_symbols = [i.symbol for _, i in numbered]
        self._own: dict[str, MarketFeed] = {}  # by symbol
        self._feeds: list[MarketFeed] = []
        for at in range(0, len(numbered), symbols_max):
            group = numbered[at : at + symbols_max]
            self._feeds.append(own([i for _, i in group], [n for n, _ in group]))
            self._own |= dict.fromkeys((i.symbol for _, i in group), self._feeds[-1])
        self._of: dict[str, HubMarket | MarketFeed] = {**self._own, **hubs}  # the provider of each symbol
        self._ages: dict[str, Histogram] = {}  # of the market at decisions, by feed

    def followed(self) -> list[Coroutine[Any, Any, None]]:
        """Returns the endless tasks that follow the streams of the gateway's own feeds."""
        return [feed.follow(number, stream) for feed in self._feeds for number, stream in enumerate(feed.streams())]

    def pause(self, *, is_paused: bool) -> None:
        for feed in self._feeds:
            feed.is_paused = is_paused

    def take(self) -> None:
        """Reads the hub's new frames; to be called before a decision that depends on them."""
        if self.hub is not None:
            self.hub.take()

    def look(self, attended: int) -> None:
        """Reports markets that fell silent, and those that speak again."""
        for feed in self._feeds:
            feed.look(attended)
        if self.hub is not None:
            self.hub.look(attended)

    # --- as the core sees it --------------------------------------------------------------------------

    def best(self, symbol: str) -> tuple[int, int]:
        top = self._top(symbol)
        return top.bid, top.ask

    def silent_ns(self, symbol: str) -> int:
        return self._of[symbol].silent_ns(symbol)

    def silent_max_ns(self, symbol: str) -> int:
        return self._of[symbol].bound_ns(symbol)

    def in_front(self, symbol: str, side: Side, price: int) -> int:
        bid, ask, bid_size, ask_size = self._top(symbol)
        best = (bid, bid_size) if side is Side.BUY else (ask, ask_size)
        return in_front(side, price, best=best, levels=self._depth.levels(symbol, side))

    def messages(self) -> int:
        return sum(feed.taken for feed in self._feeds) + (self.hub.frames if self.hub is not None else 0)

    def _top(self, symbol: str) -> Top:
        return self._of[symbol].top(symbol)

    def next_funding(self, symbol: str) -> tuple[int, int] | None:
        """Returns rate (1e-12) and time (ns UTC, 0: unknown) of the next funding payment; None: not reported."""
        return self._own[symbol].next_funding(symbol)

    # --- status -----------------------------------------------------------------------------------

    def decided(self, symbol: str) -> None:
        """Counts the age of the newest quote on which a robot's request can have been decided."""
        feed = self._of.get(symbol)
        age = feed.age_ns(symbol) if feed is not None else 0
        if age:
            name = feed.source(symbol) if isinstance(feed, HubMarket) else "gateway"
            self._ages.setdefault(name, Histogram()).note(age)

    @property
    def stale(self) -> list[str]:
        own = [symbol for feed in self._feeds for symbol in feed.stale]
        return own + (list(self.hub.stale) if self.hub is not None else [])

    def hub_shown(self) -> dict[str, Any] | None:
        """Returns for robots the hub's journal, and which symbols come from it and which from the gateway."""
        if self.hub is None:
            return None
        return {"journal": str(self.hub.path), "symbols": self.hub.symbols, "own": self.own_symbols}

    def status(self) -> dict[str, Any]:
        parts = [feed.status() for feed in self._feeds]
        own: dict[str, Any] = {
            "hears": all(each["hears"] for each in parts),
            **{name: sum(each[name] for each in parts) for name in ("messages", "rejected", "unsubscribed")},
            "bars": max((each["bars"] for each in parts), default=0),  # of the venue, the same for all
            "stale_ms": {symbol: ms for each in parts for symbol, ms in each["stale_ms"].items()},
        }
        own["decision_age"] = {name: each.summary() for name, each in sorted(self._ages.items())}
        if self.hub is None:
            return own
        stale = {symbol: self.hub.silent_ns(symbol) // 10**6 for symbol in self.hub.stale}
        return {
            **own,
            "hears": own["hears"] and self.hub.hears,
            "stale_ms": {**own["stale_ms"], **stale},
            "hub": self.hub.status(),
        }
