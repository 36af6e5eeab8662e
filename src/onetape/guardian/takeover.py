"""Decides when the guardian acts for a dead gateway, and what it does then: pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from onetape.guardian.core import GuardianCore
from onetape.guardian.events import CancelStops, Effect, Flatten, PlaceStops, Record
from onetape.guardian.past_gateway import PastGateway
from onetape.orders.reports import OrderStatusReport

__all__ = ["Takeover"]


class Takeover:
    """Watches one gateway. after: ns without a heartbeat after which it is dead, if it does not hold its account's
    fence; placed: orders of earlier incarnations without a known end, by client id; steady: ns."""

    def __init__(
        self,
        account: str,
        past: PastGateway,
        core: GuardianCore,
        *,
        after: int,
        placed: Mapping[str, Mapping[str, Any]],
        say: Callable[[Record], None],
        steady: Callable[[], int],
    ) -> None:
        self._account, self._past, self._core = account, past, core
        self._after, self._placed = after, placed
        self._say, self._steady = say, steady
        self.is_dead = False  # whether its gateway is dead

    def look(self, heartbeat: int, now: int) -> None:
        """Checks the gateway; to be called some twenty times a second. heartbeat: its last one, 0: unknown; now: ns
        UTC."""
        is_silent = heartbeat > 0 and now - heartbeat > self._after
        if is_silent and not self.is_dead and self._past.is_alone:
            self.is_dead = True
            self._say(Record("gateway", self._account, "dead: the guardian acts in its place", {}, "critical"))
            self._core.gateway_dead(self._account)
            placed, self._placed = self._placed, {}
            self._past.begin_alone(placed)
        elif (self.is_dead or self._placed) and heartbeat and not is_silent:
            self.is_dead = False
            self._say(Record("gateway", self._account, "back", {}))
            self._core.gateway_back(self._account)
            placed, self._placed = self._placed, {}
            self._past.begin_anew(placed)
        if self.is_dead:
            self._past.tick()
        else:
            self._past.look_at_handed()

    def does(self, effect: Effect) -> bool:
        """Carries out an effect of the account in place of a dead gateway. False: the gateway runs or is starting, or
        the effect is not one of these."""
        if not isinstance(effect, PlaceStops | CancelStops | Flatten):
            return False
        if not self.is_dead or (isinstance(effect, PlaceStops) and effect.is_target) or not self._past.begin():
            return False
        match effect:
            case PlaceStops():
                self._core.answered(effect.id, self._past.place(effect), {}, self._steady())
            case CancelStops():
                self._past.cancel(self._core.symbols_of(effect.account, effect.orders))
            case Flatten():
                self._past.flatten(self._core.held(effect.account, effect.symbol))
        return True

    def stops_listed(self, rows: list[OrderStatusReport]) -> None:
        """Handles the venue's listing of stops."""
        if self.is_dead:
            self._past.stops_listed(rows)

    def close(self) -> None:
        self._past.close()
